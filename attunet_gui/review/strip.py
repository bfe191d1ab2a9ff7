"""What the strip beside the slider shows of every slice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.review.evidence import Carried, Evidence
from attunet_gui.review.places import Place
from attunet_gui.review.progress import ReviewState

_THIN = 0.25
"""A slice with less than this share of the largest area is measured against that, not against itself."""


@dataclass(frozen=True, eq=False)
class Strip:
    """One value a slice; all arrays are (z,).

    Attributes:
        area_mm2: float64, area of the mask.
        draft_area_mm2: float64, area of the draft.
        uncertainty: float32 in [0, 1], area that is expected to be wrong as a share of the gland's there.
        edited, seen, verified: bool.
        places: intp, open places whose slice it is.
    """

    area_mm2: NDArray[np.float64]
    draft_area_mm2: NDArray[np.float64]
    uncertainty: NDArray[np.float32]
    edited: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    verified: NDArray[np.bool_]
    places: NDArray[np.intp]


def make_strip(
    carried: Carried, evidence: Evidence, state: ReviewState, open_places: Collection[Place] = ()
) -> Strip:
    """The strip of a mask that was carried to the frame, as `find_places` keeps it."""
    slices = len(carried.area_mm2)
    counts = np.bincount([place.slice for place in open_places], minlength=slices)
    return Strip(
        area_mm2=carried.area_mm2,
        draft_area_mm2=evidence.draft_area_mm2,
        uncertainty=_uncertainty(carried),
        edited=_marked(state.edited, slices),
        seen=_marked(state.seen, slices),
        verified=_marked(state.verified, slices),
        places=counts.astype(np.intp),
    )


def _marked(slices: frozenset[int], count: int) -> NDArray[np.bool_]:
    marked: NDArray[np.bool_] = np.isin(np.arange(count), list(slices))
    return marked


def _uncertainty(carried: Carried) -> NDArray[np.float32]:
    wrong = carried.wrong_mm2
    whole = np.maximum(carried.area_mm2, _THIN * carried.area_mm2.max(initial=0.0))
    share = np.divide(wrong, whole + wrong, out=np.zeros(len(wrong)), where=wrong > 0)
    uncertain: NDArray[np.float32] = share.astype(np.float32)
    return uncertain

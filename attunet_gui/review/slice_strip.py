"""The values that the strip beside the slice slider shows for every slice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.review.case_evidence import CaseEvidence, ResampledMask
from attunet_gui.review.findings import Finding
from attunet_gui.review.review_progress import ReviewState

# The uncertainty of a slice with less than this share of the largest area is relative to that share. Relative
# to its own area, the thin ends of every gland would look uncertain.
_THIN_AREA_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class SliceStrip:
    """One value for each slice; all arrays are (z,).

    Attributes:
        area_mm2: float64, area of the mask in mm².
        draft_area_mm2: float64, area of the draft in mm².
        uncertainty: float32 in [0, 1], the area that is expected to be wrong as a share of the gland's area.
        edited, seen, verified: bool, the state of the review.
        findings: intp, number of open places in this slice.
    """

    area_mm2: NDArray[np.float64]
    draft_area_mm2: NDArray[np.float64]
    uncertainty: NDArray[np.float32]
    edited: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    verified: NDArray[np.bool_]
    findings: NDArray[np.intp]


def make_slice_strip(
    carried: ResampledMask, evidence: CaseEvidence, state: ReviewState, open_places: Collection[Finding] = ()
) -> SliceStrip:
    """Return the strip of a mask.

    Args:
        carried: the mask on the frame, as `find_findings` returns it.
        evidence: what is known of the case.
        state: the state of the review.
        open_places: the open places.
    """
    slices = len(carried.area_mm2)
    counts = np.bincount([place.slice for place in open_places], minlength=slices)
    return SliceStrip(
        area_mm2=carried.area_mm2,
        draft_area_mm2=evidence.draft_area_mm2,
        uncertainty=_slice_uncertainty(carried),
        edited=_slice_flags(state.edited, slices),
        seen=_slice_flags(state.seen, slices),
        verified=_slice_flags(state.verified, slices),
        findings=counts.astype(np.intp),
    )


def _slice_flags(slices: frozenset[int], count: int) -> NDArray[np.bool_]:
    marked: NDArray[np.bool_] = np.isin(np.arange(count), list(slices))
    return marked


def _slice_uncertainty(carried: ResampledMask) -> NDArray[np.float32]:
    wrong = carried.wrong_mm2
    whole = np.maximum(carried.area_mm2, _THIN_AREA_SHARE * carried.area_mm2.max(initial=0.0))
    share = np.divide(wrong, whole + wrong, out=np.zeros(len(wrong)), where=wrong > 0)
    uncertain: NDArray[np.float32] = share.astype(np.float32)
    return uncertain

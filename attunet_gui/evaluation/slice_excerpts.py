"""Slices for figures, cropped to the patient so that many of them can be kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.body_outline import body_box
from attunet_gui.evaluation.model_drafts import DraftedCase
from attunet_gui.prediction.map_overlays import make_overlays


@dataclass(frozen=True, eq=False)
class SliceExcerpt:
    """One slice of a case.

    Attributes:
        title: name of the case, number of the slice, and DSC.
        dsc: DSC of the whole case.
        hu: (y, x) HU.
        truth, draft: (y, x) uint8 0/1.
        maps: title and values, (y, x) float16 in [0, 1], of each overlay; it may be empty.
        aspect: height of a pixel divided by its width.
    """

    title: str
    dsc: float
    hu: NDArray[np.int16] | NDArray[np.float32]
    truth: NDArray[np.uint8]
    draft: NDArray[np.uint8]
    maps: tuple[tuple[str, NDArray[np.float16]], ...]
    aspect: float


def worst_slice(drafted: DraftedCase) -> SliceExcerpt:
    """Return the slice in which draft and truth differ most."""
    return _excerpt_slice(drafted, _fullest_slice(drafted.truth != drafted.draft))


def slice_with_maps(drafted: DraftedCase) -> SliceExcerpt:
    """Return the slice with the largest area of the organ, with the maps of probability and gates."""
    return _excerpt_slice(drafted, _fullest_slice(drafted.truth > 0), with_maps=True)


def _fullest_slice(mask: NDArray[np.bool_]) -> int:
    return int(np.argmax(mask.sum(axis=(1, 2))))


def _excerpt_slice(drafted: DraftedCase, z: int, *, with_maps: bool = False) -> SliceExcerpt:
    spacing = drafted.volume.grid.spacing_mm
    rows, columns = body_box(drafted.volume.hu, spacing)
    at = (z, rows, columns)
    # The crops are copied below, because a view would keep the whole volume in memory.
    chosen = make_overlays(drafted.prediction) if with_maps else ()
    dsc = drafted.draft_score.dsc
    return SliceExcerpt(
        title=f"{drafted.case.name}{_slice_text(drafted, z)}, DSC {dsc:.2f}",
        dsc=dsc,
        hu=drafted.volume.hu[at].copy(),
        truth=drafted.truth[at].copy(),
        draft=drafted.draft[at].copy(),
        maps=tuple((overlay.title, overlay.map[at].astype(np.float16)) for overlay in chosen),
        aspect=spacing[1] / spacing[2],
    )


def _slice_text(drafted: DraftedCase, z: int) -> str:
    slices = len(drafted.draft)
    return f", slice {z + 1} of {slices}" if slices > 1 else ""

"""The one rule on whether the annotator can judge the slice by what is on screen.

"Seen" and "verified" mean that the axial slice was drawn, with its mask in view, for `SEEN_AFTER_S` without a
change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A slice must stay on screen unchanged for this many seconds before it counts as seen.
SEEN_AFTER_S = 0.5
# Below this magnification a pancreas of 40 mm has fewer than 20 pixels and cannot be judged.
LEAST_PIXELS_PER_MM = 0.5
AXIAL_ORDER = (0, 1, 2)
# In fewer greys than these no organ can be told from another.
LEAST_GREYS = 3
# So many greys of a screen can be told from one another at a glance.
_GREYS = 32
# A grey of fewer pixels than this share of the slice is a speck and no tissue.
_LEAST_SHARE = 0.002
# So many pixels in each direction are looked at; all of them would make scrolling slower.
_SAMPLES = 96

RectangleMm = tuple[float, float, float, float]
"""A rectangle (top, left, bottom, right) in the plane of the slice, in mm."""


@dataclass(frozen=True)
class SliceVisibility:
    """What the canvas shows.

    Attributes:
        window_shown: whether the window is open and not minimised, and the canvas in it is not hidden.
        dimensions: number of dimensions that are drawn, 2 or 3.
        order: order of the axes (z, y, x); the last two are drawn downwards and to the right.
        straight: whether CT and mask lie on each other and are neither turned nor mirrored nor side by side.
        ct_drawn, mask_drawn: whether the layer is visible, not transparent and not covered.
        ct_readable: whether the HU window shows at least `LEAST_GREYS` greys of the slice, or all it has.
        pixels_per_mm: magnification in screen pixels per mm.
        view: the part of the plane that the canvas shows.
        judged: what must be within `view`, the mask of the slice; None if the slice has no mask.
        ct: the whole slice.
    """

    window_shown: bool
    dimensions: int
    order: tuple[int, ...]
    straight: bool
    ct_drawn: bool
    mask_drawn: bool
    ct_readable: bool
    pixels_per_mm: float
    view: RectangleMm
    judged: RectangleMm | None
    ct: RectangleMm


def is_readable(plane: NDArray[np.generic], low: float, high: float) -> bool:
    """Return whether the HU window from `low` to `high` shows enough of the slice `plane` (y, x).

    Enough are `LEAST_GREYS` greys, or as many as the slice itself has if that is fewer, as in padding.
    """
    step = tuple(slice(None, None, max(1, size // _SAMPLES)) for size in plane.shape)
    hu = np.nan_to_num(np.asarray(plane[step], np.float32))
    shown = _greys(hu, low, high)
    return shown >= LEAST_GREYS or shown >= _greys(hu, float(hu.min()), float(hu.max()))


def _greys(hu: NDArray[np.float32], low: float, high: float) -> int:
    """Return how many of `_GREYS` steps from `low` to `high` are the grey of some tissue in `hu`."""
    steps = np.clip((hu - low) * (_GREYS / max(high - low, 1e-6)), 0, _GREYS - 1).astype(np.int64)
    return int(np.count_nonzero(np.bincount(steps.ravel()) >= max(1.0, _LEAST_SHARE * hu.size)))


def reason_not_seen(sight: SliceVisibility) -> str:
    """Return why the slice cannot be judged by what is on screen, as the end of a sentence; "" if it can."""
    hindrances = (
        (not sight.window_shown, "the picture is not on screen"),
        (sight.dimensions != 2, "the picture is in 3-D; Ctrl+Y goes back to slices"),
        (sight.order != AXIAL_ORDER, "the picture shows another plane; Ctrl+R goes back to axial slices"),
        (not sight.straight, "the picture is turned, mirrored or divided; Ctrl+R puts it straight"),
        (not sight.ct_drawn, "the CT is hidden or covered"),
        (not sight.mask_drawn, "the mask is hidden or covered; H shows it"),
        (not sight.ct_readable, "the HU window shows nothing of this slice; W takes another one"),
        (sight.pixels_per_mm < LEAST_PIXELS_PER_MM, "the picture is too small; Ctrl+R fits it"),
        (not _is_mask_in_view(sight), "what is to be judged is not all in the picture; Ctrl+R fits it"),
    )
    return next((words for hindered, words in hindrances if hindered), "")


def _is_mask_in_view(sight: SliceVisibility) -> bool:
    """Return whether the whole mask is in view; without one, whether the middle of the view is on the CT."""
    top, left, bottom, right = sight.view
    if sight.judged is not None:
        inner = sight.judged
        return top <= inner[0] and left <= inner[1] and bottom >= inner[2] and right >= inner[3]
    row, column = (top + bottom) / 2, (left + right) / 2
    return sight.ct[0] <= row <= sight.ct[2] and sight.ct[1] <= column <= sight.ct[3]

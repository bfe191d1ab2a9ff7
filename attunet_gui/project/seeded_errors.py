"""Known errors put into a draft, to measure how often people accept a wrong one; pure and seeded.

Opt-in: a project does this only if its settings say so. What the annotator made of it is compared with the
wrong voxels alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.uint8]
Spacing = tuple[float, float, float]

ACCEPTED_FROM = 0.5
"""An error counts as accepted if so much of it is still there."""

_TAIL = 0.25
_SHIFT_MM = 5.0
_BLOB_RADIUS_MM = 9.0


def removed_tail(mask: Mask, spacing_mm: Spacing, seed: int) -> Mask:  # noqa: ARG001
    """Without the quarter that lies furthest to the patient's left, where the tail is."""
    columns = np.cumsum(np.count_nonzero(mask, axis=(0, 1)))
    cut = int(np.searchsorted(columns, (1 - _TAIL) * columns[-1]))
    left = mask.copy()
    left[:, :, cut:] = 0
    return left


def shifted(mask: Mask, spacing_mm: Spacing, seed: int) -> Mask:
    """5 mm off within the slice, in a direction of the seed; at least a voxel."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    steps = [round(_SHIFT_MM * way / mm) for way, mm in zip(_way(angle), spacing_mm[1:], strict=True)]
    if steps == [0, 0]:
        steps[int(np.argmin(spacing_mm[1:]))] = 1
    moved: Mask = ndimage.shift(mask, (0, *steps), order=0, prefilter=False)
    return moved


def _way(angle: float) -> tuple[float, float]:
    return float(np.sin(angle)), float(np.cos(angle))


def added_blob(mask: Mask, spacing_mm: Spacing, seed: int) -> Mask:
    """With a ball of 9 mm radius (3 ml) stuck to the surface.

    Where the CT cuts the gland off is no surface: a ball put there would lie inside the gland, unseen.
    """
    surface = np.argwhere((mask != 0) & (ndimage.binary_erosion(mask != 0, border_value=1) == 0))
    z, y, x = surface[np.random.default_rng(seed).integers(len(surface))]
    reach = [int(_BLOB_RADIUS_MM / mm) + 1 for mm in spacing_mm]
    box = tuple(
        slice(max(0, at - far), min(size, at + far + 1))
        for at, far, size in zip((z, y, x), reach, mask.shape, strict=True)
    )
    axes = [
        (np.arange(side.start, side.stop) - at) * mm
        for side, at, mm in zip(box, (z, y, x), spacing_mm, strict=True)
    ]
    far2 = sum(np.square(axis) for axis in np.meshgrid(*axes, indexing="ij"))
    wrong = mask.copy()
    wrong[box] |= (far2 <= _BLOB_RADIUS_MM**2).astype(np.uint8)
    return wrong


ERRORS: dict[str, Callable[[Mask, Spacing, int], Mask]] = {
    "removed tail": removed_tail,
    "shifted by 5 mm": shifted,
    "added blob": added_blob,
}
"""Every error: (z, y, x) mask 0/1, neither empty nor full, spacing (z, y, x) in mm, seed -> wrong mask."""


def kept_share(draft: Mask, shown: Mask, saved: Mask) -> float:
    """Share of the voxels in which `shown` was made wrong that are still so in `saved`; 0 for none.

    All three (z, y, x) of one shape; what is not zero is inside.
    """
    wrong = (draft != 0) != (shown != 0)
    count = np.count_nonzero(wrong)
    still = np.count_nonzero(wrong & ((shown != 0) == (saved != 0)))
    return still / count if count else 0.0

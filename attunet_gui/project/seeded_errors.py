"""Seeded errors: known errors that are put into a draft to measure how often annotators accept a wrong draft.

A project does this only if its settings ask for it. All functions are pure; the same seed gives the same
error. What the annotator left of an error is measured on its wrong voxels alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.uint8]
Spacing = tuple[float, float, float]

ACCEPTED_FROM_SHARE = 0.5
"""An error counts as accepted if at least this share of its voxels is still wrong."""

_TAIL = 0.25
_SHIFT_MM = 5.0
_BLOB_RADIUS_MM = 9.0


def remove_tail(mask: Mask, spacing_mm: Spacing, seed: int) -> Mask:  # noqa: ARG001
    """Remove the quarter of the mask that lies furthest to the patient's left, where the tail is.

    The arguments and the result of all three functions are as described at `SEEDED_ERRORS`.
    """
    # The last axis, x, grows to the patient's left: the columns are counted from the head of the gland.
    columns = np.cumsum(np.count_nonzero(mask, axis=(0, 1)))
    cut = int(np.searchsorted(columns, (1 - _TAIL) * columns[-1]))
    left = mask.copy()
    left[:, :, cut:] = 0
    return left


def shift_mask(mask: Mask, spacing_mm: Spacing, seed: int) -> Mask:
    """Shift the mask by 5 mm within the slice, at least by one voxel, in a direction drawn by the seed."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    steps = [
        round(_SHIFT_MM * way / mm) for way, mm in zip(_direction_vector(angle), spacing_mm[1:], strict=True)
    ]
    if steps == [0, 0]:
        # With voxels of more than 10 mm nothing would move: one voxel along the finer axis is the least.
        steps[int(np.argmin(spacing_mm[1:]))] = 1
    moved: Mask = ndimage.shift(mask, (0, *steps), order=0, prefilter=False)
    return moved


def _direction_vector(angle: float) -> tuple[float, float]:
    return float(np.sin(angle)), float(np.cos(angle))


def add_blob(mask: Mask, spacing_mm: Spacing, seed: int) -> Mask:
    """Add a ball of 9 mm radius (3 ml) centred on a voxel of the surface that is drawn by the seed.

    Where the border of the CT cuts the gland off there is no surface: a ball centred there could lie wholly
    inside the gland and change nothing.
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


SEEDED_ERRORS: dict[str, Callable[[Mask, Spacing, int], Mask]] = {
    "removed tail": remove_tail,
    "shifted by 5 mm": shift_mask,
    "added blob": add_blob,
}
"""Every kind of error: a function of the mask, (z, y, x) uint8, 0 or 1, neither empty nor full, its spacing
(z, y, x) in mm and a seed, which returns the wrong mask."""


def kept_error_share(draft: Mask, shown: Mask, saved: Mask) -> float:
    """Measure how much of a seeded error is left in a saved mask.

    Args:
        draft: the draft without the error.
        shown: the draft with the error.
        saved: the mask that the annotator saved. All three are (z, y, x) of one shape; not 0 is inside.

    Returns:
        The share of the voxels in which `shown` differs from `draft` that are as wrong in `saved`, 0 to 1; 0
        if they do not differ.
    """
    wrong = (draft != 0) != (shown != 0)
    count = np.count_nonzero(wrong)
    still = np.count_nonzero(wrong & ((shown != 0) == (saved != 0)))
    return still / count if count else 0.0

"""Overlap, added path length and volume of masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.voxel_grid import VoxelGrid


@dataclass(frozen=True)
class VoxelOverlap:
    """The overlap of a draft and the truth, as numbers of voxels.

    Two empty masks agree, and all three scores are 1. If exactly one mask is empty, all three are 0.

    Attributes:
        both: number of voxels in both masks.
        draft: number of voxels in the draft.
        truth: number of voxels in the truth.
    """

    both: int
    draft: int
    truth: int

    @property
    def dsc(self) -> float:
        """Dice similarity coefficient: 2 |draft and truth| / (|draft| + |truth|)."""
        return _ratio_or_default(2 * self.both, self.draft + self.truth)

    @property
    def precision(self) -> float:
        """The share of the draft that lies in the truth."""
        return _ratio_or_default(self.both, self.draft, whole=not self.truth)

    @property
    def recall(self) -> float:
        """The share of the truth that lies in the draft."""
        return _ratio_or_default(self.both, self.truth, whole=not self.draft)


def _ratio_or_default(part: int, of: int, *, whole: bool = True) -> float:
    return part / of if of else float(whole)


def voxel_overlap(draft: NDArray[Any], truth: NDArray[Any]) -> VoxelOverlap:
    """Return the overlap of two masks of one shape; any non-zero value counts as set."""
    both = np.count_nonzero(np.logical_and(draft, truth))
    return VoxelOverlap(int(both), int(np.count_nonzero(draft)), int(np.count_nonzero(truth)))


def dice_coefficient(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the DSC of two masks of one shape, 2 |A and B| / (|A| + |B|); it is 1.0 for two empty masks."""
    return voxel_overlap(a, b).dsc


def added_path_length_mm(draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float]) -> float:
    """Return the added path length of a slice in mm: the outline that must be drawn to correct the draft.

    It is the number of outline pixels of `truth` that are not outline pixels of `draft`, times the mean size
    of a pixel (Vaassen et al. 2020, Phys. Imaging Radiat. Oncol. 13, 1-6, without tolerance). Pieces of the
    draft that only have to be removed add nothing.

    Args:
        draft, truth: (y, x); any non-zero value counts as set.
        spacing_mm: (y, x) size of a pixel in mm.
    """
    added = _outline_pixels(truth) & ~_outline_pixels(draft)
    return float(np.count_nonzero(added)) * float(np.sqrt(spacing_mm[0] * spacing_mm[1]))


def _outline_pixels(plane: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (y, x) bool: pixels of `plane` that have one of four neighbours outside of it.

    What lies beyond the border of the image counts as outside.
    """
    inside = np.asarray(plane) != 0
    outline: NDArray[np.bool_] = inside & ~ndimage.binary_erosion(inside)
    return outline


def mask_volume_ml(mask: NDArray[Any], grid: VoxelGrid) -> float:
    """Return the volume of the non-zero voxels of `mask` on `grid`, in ml."""
    return float(np.count_nonzero(mask)) * grid.voxel_volume_ml

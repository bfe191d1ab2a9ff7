"""Overlap and volume of masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.grid import Grid


@dataclass(frozen=True)
class Overlap:
    """How a draft and the truth lie over one another, as numbers of voxels.

    Two empty masks agree: all three scores are 1. One empty mask against one that is not scores 0.

    Attributes:
        both: voxels in draft and truth.
        draft: voxels in the draft.
        truth: voxels in the truth.
    """

    both: int
    draft: int
    truth: int

    @property
    def dsc(self) -> float:
        """2 |draft and truth| / (|draft| + |truth|)."""
        return _share(2 * self.both, self.draft + self.truth)

    @property
    def precision(self) -> float:
        """Share of the draft that is true."""
        return _share(self.both, self.draft, whole=not self.truth)

    @property
    def recall(self) -> float:
        """Share of the truth that is drafted."""
        return _share(self.both, self.truth, whole=not self.draft)


def _share(part: int, of: int, *, whole: bool = True) -> float:
    return part / of if of else float(whole)


def overlap(draft: NDArray[Any], truth: NDArray[Any]) -> Overlap:
    """The overlap of two masks of one shape; what is not zero is inside."""
    both = np.count_nonzero(np.logical_and(draft, truth))
    return Overlap(int(both), int(np.count_nonzero(draft)), int(np.count_nonzero(truth)))


def dice(a: NDArray[Any], b: NDArray[Any]) -> float:
    """DSC of two masks of one shape: 2 |A and B| / (|A| + |B|). Two empty masks agree: 1.0."""
    return overlap(a, b).dsc


def added_path_length_mm(draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float]) -> float:
    """Outline that has to be drawn to turn `draft` into `truth`: the added path length of a slice, in mm.

    The number of outline pixels of `truth` that are not outline pixels of `draft`, times the mean size
    of a pixel (Vaassen et al. 2020, Phys. Imaging Radiat. Oncol. 13, 1-6, without tolerance). Pieces of
    `draft` that only have to be removed add nothing.

    Args:
        draft, truth: (y, x); what is not zero is inside.
        spacing_mm: of a pixel, (y, x).
    """
    added = _outline_pixels(truth) & ~_outline_pixels(draft)
    return float(np.count_nonzero(added)) * float(np.sqrt(spacing_mm[0] * spacing_mm[1]))


def _outline_pixels(plane: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of `plane` (y, x) with a neighbour, to the side or beyond the border, that is not inside."""
    inside = np.asarray(plane) != 0
    outline: NDArray[np.bool_] = inside & ~ndimage.binary_erosion(inside)
    return outline


def volume_ml(mask: NDArray[Any], grid: Grid) -> float:
    """Volume of the non-zero voxels in millilitres."""
    return float(np.count_nonzero(mask)) * grid.voxel_volume_ml

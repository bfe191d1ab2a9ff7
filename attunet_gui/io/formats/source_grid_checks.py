"""Checking that the geometry of a file can be that of a patient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.system.errors import UnreadableInput

# mm. Beyond this distance the float32 of a NIfTI header is too coarse to place a voxel, and no scanner is so
# large.
_SPACING_MM = (1e-4, 1e4)
_FARTHEST_MM = 1e6


def checked_source_grid(shape: tuple[int, int, int], affine: NDArray[Any], name: str) -> VoxelGrid:
    """Return the source grid that a file describes.

    Args:
        shape: (i, j, k).
        affine: (4, 4), voxel (i, j, k) -> RAS+ mm.
        name: name of the file, for messages.

    Raises:
        UnreadableInput: if the affine cannot be inverted, or its voxels have a size or a place that those of
            a patient cannot have.
    """
    try:
        grid = VoxelGrid(shape, affine)
    except ValueError as error:
        raise UnreadableInput(
            f"{name} does not say where its voxels lie: its affine cannot be inverted."
        ) from error
    low, high = _SPACING_MM
    if (
        min(grid.spacing_mm) < low
        or max(grid.spacing_mm) > high
        or np.abs(affine[:3, 3]).max() > _FARTHEST_MM
    ):
        raise UnreadableInput(
            f"{name} places its voxels where no patient can be, too far or of a wrong size: export it again."
        )
    return grid

"""The position of a synthetic image in world coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation


def centred_volume(
    hu: NDArray[np.int16], spacing_mm: tuple[float, float, float], name: str, kind: str
) -> Volume:
    """Wrap a synthetic image as a volume whose centre is the world origin.

    Args:
        hu: (z, y, x) int16 Hounsfield units in the canonical orientation.
        spacing_mm: voxel size along z, y, x.
        name: of the case; also the stem of the path that the volume claims to come from.
        kind: of the source, such as "phantom".

    The source grid is in (i, j, k) order, columns first, as every CT file has it.
    """
    slices, rows, columns = hu.shape
    step_z, step_y, step_x = spacing_mm
    # World coordinates are RAS while x grows to the patient's left and y to the back: both change sign.
    affine = np.diag([-step_x, -step_y, step_z, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array([columns, rows, slices]) - 1) / 2)
    origin = VolumeOrigin(path=Path(f"{name}.nii.gz"), kind=kind)
    return Volume(hu, canonical_reorientation(VoxelGrid((columns, rows, slices), affine)), name, origin)

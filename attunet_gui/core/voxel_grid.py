"""Voxel grids and the one orientation that is used inside the product.

A grid is an array shape with the affine that maps an index *in array order* to world millimetres (RAS+ as in
NIfTI: x grows to the patient's right, y to the front, z to the head). Inside the product every array is
(z, y, x), with z growing towards the head, y towards the back and x towards the patient's left. A slice that
is drawn with row 0 on top is then the radiological view. `GridReorientation` maps arrays from a source grid
to that canonical grid and back. It only permutes and flips axes, so it is exact for every grid, including
oblique and sheared ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

CANONICAL_AXES = ("S", "P", "L")
"""Anatomical directions in which the canonical (z, y, x) indices grow, in nibabel's axis codes."""

# For each axis of the world (x, y, z): the canonical axis that follows it, and 1 or -1, the direction.
_CANONICAL_AXIS, _CANONICAL_SIGN = (2, 1, 0), (-1, -1, 1)


@dataclass(frozen=True, eq=False)
class VoxelGrid:
    """A regular 3-D voxel grid.

    Attributes:
        shape: three sizes, in array order.
        affine: (4, 4) float64, invertible and read-only; maps an array index (in array order) to world
            millimetres, RAS+.

    Raises:
        ValueError: if the shape does not have three positive sizes, or if the affine is not a finite,
            invertible (4, 4) matrix with the last row 0 0 0 1.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"a grid needs three positive sizes, got {self.shape}")
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("the affine must be a (4, 4) matrix of finite numbers")
        if not np.array_equal(affine[3], [0, 0, 0, 1]) or np.linalg.matrix_rank(affine[:3, :3]) < 3:
            raise ValueError("the affine must be invertible with last row 0 0 0 1")
        # Grids are shared between volumes, masks and threads: a change in place would move a volume.
        affine.setflags(write=False)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "affine", affine)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxel centres along each array axis."""
        steps = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(steps[0]), float(steps[1]), float(steps[2]))

    @cached_property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in ml."""
        # The determinant and not the product of the spacing, which is too large for sheared grids.
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def matches_grid(self, other: VoxelGrid, tolerance_mm: float = 1e-4) -> bool:
        """Return whether both grids have the same shape and voxels at the same places.

        Comparing the corner voxels is enough: the difference of two affine maps is largest at a corner.

        Args:
            other: the other grid, in the same array order.
            tolerance_mm: largest distance of two corresponding voxels, in mm along a world axis.
        """
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1)
        difference = (self.affine - other.affine) @ np.vstack([corners, np.ones(8)])
        return bool(np.abs(difference).max() <= tolerance_mm)


@dataclass(frozen=True, eq=False)
class GridReorientation:
    """The exact map between a source grid and the canonical (z, y, x) grid, made by
    `canonical_reorientation`.

    It consists of a permutation and flips of the axes; no voxel value is changed.

    Attributes:
        source: the grid of the file.
        canonical: the same voxels in canonical order.
    """

    source: VoxelGrid
    canonical: VoxelGrid
    _source_axes: tuple[int, int, int]
    _flipped: tuple[int, ...]

    def to_canonical(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the voxels of an array on the source grid as (z, y, x), as a view where possible.

        Raises:
            ValueError: if the shape of `array` is not that of the source grid.
        """
        _check_shape(array, self.source)
        return np.flip(array.transpose(self._source_axes), self._flipped)

    def to_source(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the voxels of a (z, y, x) array in the order of the source grid, as a view where possible.

        Raises:
            ValueError: if the shape of `array` is not that of the canonical grid.
        """
        _check_shape(array, self.canonical)
        return np.flip(array, self._flipped).transpose(np.argsort(self._source_axes))


def _check_shape(array: NDArray[Any], expected: VoxelGrid) -> None:
    if array.shape != expected.shape:
        raise ValueError(f"expected an array of shape {expected.shape}, got {array.shape}")


def canonical_reorientation(source: VoxelGrid) -> GridReorientation:
    """Return the reorientation from `source` to the closest canonical grid.

    In an oblique grid each array axis is assigned to the anatomical direction that it is closest to.
    """
    source_axes, flipped, to_source_index = [0, 0, 0], [], np.zeros((4, 4))
    to_source_index[3, 3] = 1
    for axis, (world_axis, sign) in enumerate(_closest_world_axes(source.affine)):
        target = _CANONICAL_AXIS[world_axis]
        source_axes[target] = axis
        to_source_index[axis, target] = sign * _CANONICAL_SIGN[world_axis]
        if to_source_index[axis, target] < 0:
            flipped.append(target)
            to_source_index[axis, 3] = source.shape[axis] - 1
    z, y, x = source_axes
    shape = (source.shape[z], source.shape[y], source.shape[x])
    canonical = VoxelGrid(shape, source.affine @ to_source_index)
    return GridReorientation(source, canonical, (z, y, x), tuple(flipped))


def _closest_world_axes(affine: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return for each array axis the world axis that it is closest to, and 1 or -1, its direction there.

    The axes are those of the rotation that is closest to the affine (its polar decomposition), so shear does
    not count. The axis that points most clearly chooses first, and no world axis is chosen twice. nibabel's
    `io_orientation` does the same, and readers of NIfTI agree on it.
    """
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(columns)
    rotation = left @ right
    found = [(0, 0)] * 3
    free = [0, 1, 2]
    for axis in np.argsort(-(rotation**2).max(axis=0), kind="stable"):
        world_axis = max(free, key=lambda row: abs(rotation[row, axis]))
        free.remove(world_axis)
        found[axis] = (world_axis, -1 if rotation[world_axis, axis] < 0 else 1)
    return found

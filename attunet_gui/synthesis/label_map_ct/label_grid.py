"""Label maps on regular grids: nearest-voxel look-up at points in mm, and resampling from grid to grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.label_structures import CODE_OF, Codes, Mask

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
_MAX_DISTANCE_MM = 10.0


@dataclass(frozen=True, eq=False)
class LabelGrid:
    """A label map in common codes on a regular grid.

    Attributes:
        codes: (z, y, x) uint8 in the numbering of `structures`.
        spacing_mm: (3,) voxel size.
        origin_mm: (3,) where voxel (0, 0, 0) lies.
    """

    codes: Codes
    spacing_mm: F64
    origin_mm: F64

    def points_mm(self, index: Any) -> F64:
        """Convert voxel indices (..., 3), whole or fractional, to millimetres."""
        return np.asarray(index * self.spacing_mm + self.origin_mm, np.float64)

    def codes_at(self, points: NDArray[Any]) -> Codes:
        """Return the codes of the voxels nearest to points (3, ...) in mm; 0 outside the grid."""
        index = [
            np.rint((axis - origin) / step).astype(np.int32)
            for axis, origin, step in zip(points, self.origin_mm, self.spacing_mm, strict=True)
        ]
        inside = np.logical_and.reduce(
            [(i >= 0) & (i < n) for i, n in zip(index, self.codes.shape, strict=True)]
        )
        clipped = tuple(np.clip(i, 0, n - 1) for i, n in zip(index, self.codes.shape, strict=True))
        return np.where(inside, self.codes[clipped], np.uint8(0))

    def levels_mm(self, structure: str) -> tuple[float, float]:
        """Return the lowest and the highest z of a structure in mm.

        Raises:
            ValueError: if it is absent.
        """
        levels = np.flatnonzero((self.codes == CODE_OF[structure]).any(axis=(1, 2)))
        if not len(levels):
            raise ValueError(f"the label map has no {structure}")
        low, high = levels[[0, -1]] * self.spacing_mm[0] + self.origin_mm[0]
        return float(low), float(high)

    def grid_points(self) -> F32:
        """Return the coordinates of every voxel: (3, z, y, x) float32 mm."""
        axes = [
            (np.arange(n) * step + origin).astype(np.float32)
            for n, step, origin in zip(self.codes.shape, self.spacing_mm, self.origin_mm, strict=True)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"))


def resample_label_grid(source: LabelGrid, window: LabelGrid) -> LabelGrid:
    """Resample a label map to another grid by the distance maps of its structures.

    Borders run smoothly between thick slices, as in shape-based interpolation (Raya and Udupa 1990), and thin
    structures keep their volume.

    Args:
        source: the label map.
        window: the grid of the result; its codes are not read.
    """
    # Where structures meet, the one that the voxel lies deeper in wins.
    best = np.zeros(window.codes.shape, np.float32)
    codes = np.zeros(window.codes.shape, np.uint8)
    for code, box in enumerate(ndimage.find_objects(source.codes), start=1):
        if box is None:
            continue
        here, distance = _StructureDistance(source, code, box).interpolate_on(window)
        wins = distance > best[here]
        best[here][wins] = distance[wins]
        codes[here][wins] = code
    return LabelGrid(codes, window.spacing_mm, window.origin_mm)


class _StructureDistance:
    """The distance map of one structure, computed only in the box that holds it."""

    def __init__(self, source: LabelGrid, code: int, box: tuple[slice, ...]) -> None:
        # Two voxels around the structure, so that its border has an outside within the box.
        near = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in box)
        self._mask = source.codes[near] == code
        self._step_mm = source.spacing_mm
        self._corner_mm = source.points_mm(np.array([s.start for s in near]))

    def interpolate_on(self, window: LabelGrid) -> tuple[tuple[slice, ...], F32]:
        """Interpolate the distance map on another grid.

        Returns:
            The box of voxels of `window` that this structure's box covers, and there the distance to its
            border, float32 mm, positive inside.
        """
        size = (np.array(self._mask.shape) - 1) * self._step_mm
        start = (self._corner_mm - window.origin_mm) / window.spacing_mm
        stop = start + size / window.spacing_mm
        first = np.maximum(np.ceil(start), 0).astype(int)
        last = np.maximum(np.minimum(np.floor(stop) + 1, window.codes.shape).astype(int), first)
        # Unsmoothed, whole sheets between voxels would lie at exactly 0.
        distance = ndimage.gaussian_filter(
            signed_distance(self._mask, tuple(self._step_mm), _MAX_DISTANCE_MM), 0.5
        )
        for axis, (a, b) in enumerate(zip(first, last, strict=True)):
            index = (np.arange(a, b) - start[axis]) * window.spacing_mm[axis] / self._step_mm[axis]
            distance = _interpolate_axis(distance, index, axis)
        # The volume of a structure that the window cuts is not known there, so it is not enforced.
        if (start > -1).all() and (stop < window.codes.shape).all() and distance.size:
            distance = distance - self._volume_threshold_mm(distance, window)
        return tuple(slice(a, b) for a, b in zip(first, last, strict=True)), distance

    def _volume_threshold_mm(self, distance: F32, window: LabelGrid) -> np.float32:
        """Return the distance in mm whose isosurface keeps the volume, at most half a source voxel from 0."""
        limit = self._step_mm.max() / 2
        voxels = np.count_nonzero(self._mask) * np.prod(self._step_mm / window.spacing_mm)
        place = distance.size - int(np.clip(round(float(voxels)), 1, distance.size))
        return np.float32(np.clip(np.partition(distance, place, axis=None)[place], -limit, limit))


def _interpolate_axis(values: F32, index: F64, axis: int) -> F32:
    """Interpolate a (z, y, x) array linearly at fractional indices along one axis."""
    low = np.clip(np.floor(index).astype(int), 0, max(values.shape[axis] - 2, 0))
    high = np.minimum(low + 1, values.shape[axis] - 1)
    part = (index - low).astype(np.float32).reshape([-1 if k == axis else 1 for k in range(3)])
    between = np.take(values, low, axis) * (1 - part) + np.take(values, high, axis) * part
    return np.asarray(between, np.float32)


def signed_distance(mask: Mask, spacing_mm: float | Sequence[float], reach_mm: float) -> F32:
    """Return the distance to the border of a mask: float32 mm, positive inside, clipped to +-`reach_mm`."""
    sampling = spacing_mm if isinstance(spacing_mm, (int, float)) else tuple(spacing_mm)
    inside = ndimage.distance_transform_edt(mask, sampling=sampling)
    outside = ndimage.distance_transform_edt(~mask, sampling=sampling)
    return np.clip(inside - outside, -reach_mm, reach_mm).astype(np.float32)

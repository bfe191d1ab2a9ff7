"""The grid of the network's input, and resampling from the CT to it and back.

A `NetworkGrid` is a rectangle of network pixels that lies over every slice of a canonical grid. Its pixel
size is given in millimetres, so the scale of what the network sees does not depend on the pixel size of the
scanner. Both directions are separable linear filters, applied as two matrix products for each slice. Where
the frame is coarser than the slice, the filter is as wide as a pixel of the frame, which keeps noise from
aliasing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attunet_gui.core.voxel_grid import VoxelGrid

_INFINITY_BITS = np.float16(np.inf).view(np.uint16)


def reaches_threshold(maps: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Return a bool array that is true where `maps` are at least `threshold`; it is false for NaN.

    Args:
        maps: an array of any shape; float16 is compared fast.
        threshold: a value above 0.
    """
    if maps.dtype != np.float16:
        return maps >= threshold
    # Read as unsigned integers, the bits of positive float16 values are ordered as the values are. The sign
    # bit puts negative values above infinity, and NaN lie there as well; the second comparison excludes both.
    bits = np.ascontiguousarray(maps).view(np.uint16)
    reached: NDArray[np.bool_] = bits >= np.float16(threshold).view(np.uint16)
    reached &= bits <= _INFINITY_BITS
    return reached


Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class InputTransform:
    """A transform of a frame for test-time augmentation.

    Attributes:
        shift: (rows, columns) by which the frame is moved, in its own pixels.
        scale: factor by which its pixels are enlarged.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class NetworkGrid:
    """The pixels of the network's image, placed over the slices of `grid`.

    Attributes:
        grid: the canonical grid of the CT.
        size: (rows, columns) of the network's image.
        start: (row, column) of the centre of network pixel (0, 0), in pixels of the grid; it may be negative.
        step: (rows, columns) distance of two network pixels, in pixels of the grid.
    """

    grid: VoxelGrid
    size: tuple[int, int]
    start: tuple[float, float]
    step: tuple[float, float]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """(z, row, column) distance in mm of neighbouring slices and of neighbouring pixels of the frame."""
        z, y, x = self.grid.spacing_mm
        return z, y * self.step[0], x * self.step[1]

    def resample_to_network(self, planes: Float32Array, fill: float) -> Float32Array:
        """Resample planes of the grid to the frame.

        Args:
            planes: (n, y, x) float32.
            fill: the value that is assumed outside of the grid.

        Returns:
            (n, rows, columns) float32.
        """
        rows, columns = self._network_weights
        # The weights count what lies outside of the grid as 0, so `fill` is subtracted before and added
        # after.
        seen = np.empty((len(planes), *self.size), np.float32)
        for plane, sight in zip(planes, seen, strict=True):
            across = rows @ (plane - np.float32(fill))
            sight[:] = (columns @ np.ascontiguousarray(across.T)).T
        return seen + np.float32(fill)

    @cached_property
    def _network_weights(self) -> tuple[Any, Any]:
        """Matrices (rows, y) and (columns, x). They are sparse, as a network pixel covers few grid pixels."""
        rows, columns = (
            _triangle_filter_weights(_pixel_centres(size, start, step), n, step)
            for size, start, step, n in zip(
                self.size, self.start, self.step, self._ct_plane_shape, strict=True
            )
        )
        return sparse.csr_array(rows), sparse.csr_array(columns)

    def transformed_by(self, look: InputTransform) -> NetworkGrid:
        """Return the frame moved by `look.shift` and scaled by `look.scale` about its centre."""
        step = (self.step[0] * look.scale, self.step[1] * look.scale)
        start = [
            begin + old * (n - 1) / 2 - new * (n - 1) / 2 + old * shift
            for begin, old, new, n, shift in zip(
                self.start, self.step, step, self.size, look.shift, strict=True
            )
        ]
        return NetworkGrid(self.grid, self.size, (start[0], start[1]), step)

    def resample_from(self, other: NetworkGrid, maps: NDArray[Any]) -> Float32Array:
        """Resample maps (n, r, c) over the frame `other` to this one.

        Returns:
            (n, rows, columns) float32; 0 outside of `other`.
        """
        rows, columns = (
            _triangle_filter_weights(
                (_pixel_centres(n, start, step) - there) / wide, maps.shape[axis], step / wide
            )
            for axis, n, start, step, there, wide in zip(
                (1, 2), self.size, self.start, self.step, other.start, other.step, strict=True
            )
        )
        carried: Float32Array = np.matmul(np.matmul(rows, maps.astype(np.float32)), columns.T)
        return carried

    def ct_weights(self, size: tuple[int, int]) -> tuple[Float32Array, Float32Array]:
        """Return matrices (y, rows) and (x, columns) that resample a map of `size` to the plane of the grid.

        The map covers the rectangle of the frame. Its `size` may be coarser, as that of a gate is.
        """
        return (self._ct_axis_weights(0, size[0]), self._ct_axis_weights(1, size[1]))

    @cached_property
    def full_ct_weights(self) -> tuple[Float32Array, Float32Array]:
        """`ct_weights` for a map that has the size of the frame."""
        return self.ct_weights(self.size)

    @cached_property
    def sparse_ct_weights(self) -> tuple[Any, Any]:
        """`full_ct_weights` as sparse matrices, as a pixel of the grid lies between two of the map."""
        rows, columns = self.full_ct_weights
        return sparse.csr_array(rows), sparse.csr_array(columns)

    def _ct_axis_weights(self, axis: int, coarse: int) -> Float32Array:
        factor = self.size[axis] / coarse
        step = self.step[axis] * factor
        # The centre of the first coarse pixel is the mean of the centres of the fine ones that it covers.
        start = self.start[axis] + self.step[axis] * (factor - 1) / 2
        positions = (np.arange(self._ct_plane_shape[axis]) - start) / step
        return _triangle_filter_weights(positions, coarse, 1 / step)

    @property
    def _ct_plane_shape(self) -> tuple[int, int]:
        return self.grid.shape[1:]

    def resample_to_ct(self, maps: NDArray[Any]) -> Float32Array:
        """Resample maps (n, r, c) over the rectangle of the frame to the grid.

        Returns:
            (n, y, x) float32; 0 outside of the frame.
        """
        rows, columns = self.ct_weights((maps.shape[1], maps.shape[2]))
        placed: Float32Array = np.matmul(np.matmul(rows, maps.astype(np.float32)), columns.T)
        return placed


def threshold_on_ct(
    frame: NetworkGrid, maps: NDArray[Any], threshold: float
) -> tuple[tuple[slice, slice], NDArray[np.uint8]]:
    """Interpolate maps on the grid and return where they reach `threshold`.

    Linear interpolation never exceeds both of its neighbours, so only the surroundings of pixels that reach
    the threshold are interpolated.

    Args:
        frame: the frame on which the maps lie.
        maps: (n, rows, columns), float16 or float32.
        threshold: a value above 0.

    Returns:
        A box (rows, columns) of the grid outside of which the maps stay below the threshold, and the mask in
        it: (n, y, x) uint8 0/1.
    """
    above = reaches_threshold(maps, threshold)
    rows, columns = frame.full_ct_weights
    high = _pixels_with_weight(rows, np.flatnonzero(above.any(axis=(0, 2))))
    wide = _pixels_with_weight(columns, np.flatnonzero(above.any(axis=(0, 1))))
    placed = np.zeros((len(maps), high.stop - high.start, wide.stop - wide.start), np.uint8)
    down, across = frame.sparse_ct_weights
    down, across = down[high], across[wide]
    for z in np.flatnonzero(above.any(axis=(1, 2))):
        tall = down @ maps[z].astype(np.float32)
        flat = (across @ np.ascontiguousarray(tall.T)).T
        placed[z] = flat >= threshold
    return (high, wide), placed


def _pixels_with_weight(weights: Float32Array, pixels: NDArray[np.intp]) -> slice:
    """Return the range of grid pixels on which any of `pixels` has a weight; empty if none has."""
    reached = np.flatnonzero((weights[:, pixels] > 0).any(axis=1))
    return slice(int(reached[0]), int(reached[-1]) + 1) if len(reached) else slice(0, 0)


class ResampledMapView:
    """An array-like that shows a map of a frame on the grid of the CT and resamples it on access.

    Indexing with integers and slices, as a viewer does, resamples only the voxels that are asked for. Four
    gates over a large CT therefore take a few megabytes.

    Args:
        frame: the frame on which the map lies.
        values: (z, r, c), of any resolution over the rectangle of the frame. The array may be filled in while
            it is shown.
        within: (z, rows, columns) bool on the frame; a pixel of the map that covers no true pixel counts as
            0.

    Raises:
        ValueError: if the map has not one slice for each slice of the grid.
    """

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(
        self, frame: NetworkGrid, values: NDArray[Any], within: NDArray[np.bool_] | None = None
    ) -> None:
        if len(values) != frame.grid.shape[0]:
            raise ValueError(f"expected {frame.grid.shape[0]} slices, got {len(values)}")
        self.shape = frame.grid.shape
        self.size = int(np.prod(self.shape))
        self._values, self._within = values, within
        self._rows, self._columns = frame.ct_weights((values.shape[1], values.shape[2]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        z, y, x = _complete_index(key)
        # A slice instead of an integer keeps three axes; z = -1 needs an open end, as -1 + 1 would be 0.
        where = slice(z, z + 1 or None) if _is_integer_index(z) else z
        values = self._values[where]
        if self._within is not None:
            values = values * (coarse_pixel_shares(self._within[where], values.shape[1:]) > 0)
        rows, columns = np.atleast_2d(self._rows[y]), np.atleast_2d(self._columns[x])
        placed: Float32Array = np.matmul(np.matmul(rows, values.astype(np.float32)), columns.T)
        gone = tuple(axis for axis, k in enumerate((z, y, x)) if _is_integer_index(k))
        return placed.squeeze(axis=gone)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


def _complete_index(key: Any) -> tuple[Any, Any, Any]:
    parts = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    at = parts.index(Ellipsis)
    parts[at : at + 1] = [slice(None)] * (4 - len(parts))
    return parts[0], parts[1], parts[2]


def _is_integer_index(key: Any) -> bool:
    return isinstance(key, int | np.integer)


def _pixel_centres(size: int, start: float, step: float) -> NDArray[Any]:
    return start + step * np.arange(size)


def _triangle_filter_weights(positions: NDArray[Any], n: int, width: float) -> Float32Array:
    """Return the weights of a triangle filter.

    The filter is normalised over all integer pixels, including those outside of the input. What lies outside
    therefore counts as zero and is not replaced by the edge.

    Args:
        positions: (m,) centres of the filter, in pixels of the input.
        n: number of pixels of the input.
        width: half width of the filter in pixels of the input; at least 1 is used.

    Returns:
        (m, n) float32.
    """
    reach = max(width, 1.0)
    pixels = np.arange(-int(np.ceil(reach)), n + int(np.ceil(reach)))
    inside = np.maximum(0.0, 1 - np.abs(positions[:, None] - pixels[None, :]) / reach)
    whole = np.maximum(inside.sum(axis=1, keepdims=True), 1e-12)
    margin = int(np.ceil(reach))
    weights: Float32Array = (inside / whole)[:, margin : margin + n].astype(np.float32)
    return weights


def coarse_pixel_shares(mask: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the share of each coarser pixel that is set in `mask`.

    Where the sizes do not divide, the nearest pixel is taken instead of a share.

    Args:
        mask: (z, rows, columns) bool.
        size: (rows, columns) of the result.

    Returns:
        (z, *size) float32 in [0, 1].
    """
    slices, rows, columns = mask.shape
    if (rows, columns) == tuple(size):
        return mask.astype(np.float32)
    if rows % size[0] or columns % size[1]:
        return mask[:, _nearest_pixels(rows, size[0])][:, :, _nearest_pixels(columns, size[1])].astype(
            np.float32
        )
    blocks = mask.reshape(slices, size[0], rows // size[0], size[1], columns // size[1])
    shares: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return shares


def _nearest_pixels(fine: int, coarse: int) -> NDArray[np.intp]:
    return np.arange(coarse) * fine // coarse

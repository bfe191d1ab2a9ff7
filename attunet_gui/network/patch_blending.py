"""Patches of a volume for a 3-D network, and one answer made of those of patches that overlap.

The patches lie on a fixed grid, so that what a network says of a volume does not depend on the order in which
it was asked. All patches of one height are a layer. The answers are weighted with a window that falls
smoothly to the edge of a patch, where a network has seen the least, and divided by the sum of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.slice_resampling import SliceResampling, filter_weights, mix_slices
from attunet_gui.network.families.model_family import NetworkConfig, PatchSize

Float32Array = NDArray[np.float32]
_LEAST_WEIGHT = np.float32(1e-30)
PatchFunction = Callable[[Float32Array], Mapping[str, NDArray[Any]]]
"""From (n, slices, rows, columns) float32 in [0, 1] to outputs (n, s, r, c), at their own resolution."""


@dataclass(frozen=True)
class PatchLayout:
    """How a 3-D network sees any volume.

    Attributes:
        patch: size of a patch.
        multiple: width of the coarsest pixel of the network.
        spacing_mm: size of a voxel in mm, along each axis.
    """

    patch: PatchSize
    multiple: int
    spacing_mm: float

    def slice_resampling(self, slices: int, slice_mm: float) -> SliceResampling:
        """Return the slices of the network for a CT of so many slices, `slice_mm` apart."""
        return SliceResampling(slices, self.spacing_mm / slice_mm)

    def patch_grid(self, slices: int, size: tuple[int, int]) -> PatchGrid:
        """Return where the patches of a volume of (slices, *size) voxels of the network lie."""
        return PatchGrid(slices, size, self.patch, self.multiple)


def patch_layout(config: NetworkConfig, spacing_mm: float) -> PatchLayout | None:
    """Return how the network of `config` sees a volume with voxels of `spacing_mm`; None if it is 2-D."""
    return PatchLayout(config.patch, config.size_multiple, spacing_mm) if config.patch else None


@dataclass(frozen=True)
class PatchGrid:
    """Where the patches of a volume lie.

    Attributes:
        slices: number of slices of the volume; they are as far apart as its pixels.
        size: (rows, columns) of the volume, at least those of a patch.
        patch: size of a patch, at least twice as many slices as `multiple`.
        multiple: width of the coarsest pixel of the network. All patches begin at a multiple of it, so that
            their coarse outputs lie on one grid; `size` and `patch` are multiples of it.
    """

    slices: int
    size: tuple[int, int]
    patch: PatchSize
    multiple: int

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """The first slice of each layer; below 0 and beyond the last slice the volume repeats its ends.

        A slice lies in at most two layers, so the sum of their answers is the same in either order.
        """
        step = max(self.multiple, self.patch[0] * 3 // 4 // self.multiple * self.multiple)
        count = 1 + max(0, -(-(self.slices - self.patch[0]) // step))
        covered = self.patch[0] + (count - 1) * step
        first = -((covered - self.slices) // 2)
        return tuple(first + number * step for number in range(count))

    @cached_property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """First row and column of each patch of a layer."""
        down, across = (
            self._starts(whole, part) for whole, part in zip(self.size, self.patch[1:], strict=True)
        )
        return tuple((row, column) for row in down for column in across)

    def _starts(self, whole: int, part: int) -> list[int]:
        """Return where patches of width `part` begin; neighbours share about a quarter or more."""
        count = 1 + max(0, -(-(whole - part) // max(self.multiple, part * 3 // 4)))
        steps = np.linspace(0, (whole - part) // self.multiple, count).round().astype(int)
        return [int(step) * self.multiple for step in steps]

    def layer_slices(self, layer: int) -> NDArray[np.intp]:
        """Return the indices of the slices of a layer; some may lie beyond the ends of the volume."""
        return self.layers[layer] + np.arange(self.patch[0])

    def layers_behind(self, positions: NDArray[np.float64], factors: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return which layers the answer at each position is made of.

        Args:
            positions: (n,) in slices of the volume; an answer is interpolated between two of its own slices.
            factors: width of a pixel of each output, in slices of the volume.

        Returns:
            (n, layers) bool.
        """
        first, stops = np.array(self.layers), np.array(self.layers) + self.patch[0]
        behind = np.zeros((len(positions), len(first)), bool)
        for factor in factors:
            low, high = np.floor(self._coarse(positions, factor)), np.ceil(self._coarse(positions, factor))
            begin, end = self.layers[0] + low * factor, self.layers[0] + (high + 1) * factor
            behind |= (first < end[:, None]) & (stops > begin[:, None])
        return behind

    def weights_at(self, positions: NDArray[np.float64], factor: int) -> Float32Array:
        """Return (n, slices of the output) weights that interpolate an output at `positions`."""
        return filter_weights(self._coarse(positions, factor), self.covered // factor, 1.0)

    @property
    def covered(self) -> int:
        """Number of slices that the layers cover, those beyond the ends of the volume included."""
        return self.layers[-1] - self.layers[0] + self.patch[0]

    def _coarse(self, positions: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
        """Return positions in slices of an output whose pixels are `factor` slices high."""
        where = (positions - self.layers[0] + 0.5) / factor - 0.5
        inside: NDArray[np.float64] = np.clip(where, 0, self.covered // factor - 1)
        return inside


def answer_layer(
    images: Float32Array,
    grid: PatchGrid,
    run: PatchFunction,
    batch: int,
    done: Callable[[], None] = lambda: None,
) -> dict[str, Float32Array]:
    """Return the outputs for one layer, its patches blended in the plane.

    Args:
        images: (slices of a patch, *size) float32 in [0, 1].
        grid: of the patches.
        run: the network.
        batch: number of patches that it is given at once.
        done: called after each batch; it may raise `WorkCancelled`.

    Returns:
        (slices, rows, columns) of each output, at its own resolution.
    """
    sums: dict[str, Float32Array] = {}
    weights: dict[str, Float32Array] = {}
    for start in range(0, len(grid.corners), batch):
        corners = grid.corners[start : start + batch]
        outputs = run(np.stack([_cut(images, corner, grid.patch) for corner in corners]))
        for name, values in outputs.items():
            factor = grid.patch[1] // values.shape[2]
            window = np.outer(_window(values.shape[2]), _window(values.shape[3]))
            if name not in sums:
                flat = (grid.size[0] // factor, grid.size[1] // factor)
                sums[name] = np.zeros((values.shape[1], *flat), np.float32)
                weights[name] = np.zeros(flat, np.float32)
            for corner, answer in zip(corners, values, strict=True):
                rows, columns = (
                    slice(at // factor, at // factor + wide)
                    for at, wide in zip(corner, window.shape, strict=True)
                )
                sums[name][:, rows, columns] += window * answer
                weights[name][rows, columns] += window
        done()
    return {name: total / weights[name] for name, total in sums.items()}


def _cut(images: Float32Array, corner: tuple[int, int], patch: PatchSize) -> Float32Array:
    row, column = corner
    return images[:, row : row + patch[1], column : column + patch[2]]


def _window(width: int) -> Float32Array:
    """Return (width,) weights, a raised cosine that is above 0 everywhere."""
    weights = np.square(np.sin(np.pi * (np.arange(width) + 0.5) / width))
    return weights.astype(np.float32)


class LayerBlender:
    """The answers of the layers of a volume, added up as they are made.

    Args:
        grid: of the patches.
    """

    def __init__(self, grid: PatchGrid) -> None:
        self._grid = grid
        self._sums: dict[str, Float32Array] = {}
        self._weights: dict[str, Float32Array] = {}

    def add_layer(self, layer: int, answers: Mapping[str, Float32Array]) -> None:
        """Add the outputs of a layer, as `answer_layer` returns them."""
        for name, values in answers.items():
            factor = self._grid.patch[0] // len(values)
            if name not in self._sums:
                height = self._grid.covered // factor
                self._sums[name] = np.zeros((height, *values.shape[1:]), np.float32)
                self._weights[name] = np.zeros(height, np.float32)
            first = (self._grid.layers[layer] - self._grid.layers[0]) // factor
            window = _window(len(values))
            self._sums[name][first : first + len(values)] += window[:, None, None] * values
            self._weights[name][first : first + len(values)] += window

    def take_answers(self, name: str, positions: NDArray[np.float64]) -> Float32Array:
        """Return an output at `positions`, in slices of the volume; all layers behind them must be there.

        Returns:
            (n, rows, columns) float32, at the resolution of the output.
        """
        sums, total = self._sums[name], self._weights[name]
        weights = self._grid.weights_at(positions, self._grid.covered // len(sums))

        def read(slices: NDArray[np.intp]) -> Float32Array:
            # What no layer has answered for yet is 0 and has no weight in the answer.
            weight = np.maximum(total[slices], _LEAST_WEIGHT)
            return (sums[slices] / weight[:, None, None]).astype(np.float32, copy=False)

        return mix_slices(read, weights)


def blend_volume(
    read: Callable[[NDArray[np.intp]], Float32Array], grid: PatchGrid, run: PatchFunction, batch: int
) -> LayerBlender:
    """Return the blended answers for a whole volume.

    Args:
        read: returns slices of the volume, (n, *size); indices beyond an end stand for the last slice.
        grid, run, batch: as for `answer_layer`.
    """
    blender = LayerBlender(grid)
    for layer in range(len(grid.layers)):
        blender.add_layer(layer, answer_layer(read(grid.layer_slices(layer)), grid, run, batch))
    return blender


def unbroken_runs(slices: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield rising indices in runs without a gap."""
    if len(slices):
        yield from np.split(slices, np.flatnonzero(np.diff(slices) > 1) + 1)

"""Resampling along z: from the slices of a CT to slices of another distance, and back.

A 3-D network sees voxels that are as high as they are wide, whatever the distance of the slices of a CT is.
Both directions are linear filters. Where the CT's slices are closer together than the wanted ones, the filter
is as wide as their distance, as `network_grid` does in the plane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
ReadSlices = Callable[[NDArray[np.intp]], NDArray[Any]]
"""From rising indices of slices to these slices, (n, rows, columns)."""


@dataclass(frozen=True)
class SliceResampling:
    """Slices at a fixed distance that cover the slices of a CT.

    Attributes:
        slices: number of slices of the CT.
        step: distance of two of the new slices, in slices of the CT.
    """

    slices: int
    step: float

    @property
    def count(self) -> int:
        """Number of the new slices; the first and the last lie on or beyond those of the CT."""
        # A rounding error must not add a slice where the distances divide.
        return int(np.ceil((self.slices - 1) / self.step - 1e-6)) + 1

    @property
    def first(self) -> float:
        """Position of the first new slice, in slices of the CT; the middles of both stacks coincide."""
        return (self.slices - 1) / 2 - self.step * (self.count - 1) / 2

    def take_slices(self, read: ReadSlices, wanted: NDArray[np.intp]) -> Float32Array:
        """Return new slices made of the slices of the CT.

        Args:
            read: returns slices of the CT.
            wanted: (n,) indices of new slices; those beyond an end repeat the last one.

        Returns:
            (n, rows, columns) float32.
        """
        at = self.first + self.step * np.clip(wanted, 0, self.count - 1)
        return mix_slices(read, filter_weights(at, self.slices, self.step))

    def positions_of(self, slices: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return where slices of the CT lie, in new slices."""
        where: NDArray[np.float64] = (slices.astype(np.float64) - self.first) / self.step
        return where


def filter_weights(at: NDArray[np.floating[Any]], slices: int, width: float) -> Float32Array:
    """Return the weights of a triangle filter over slices.

    Args:
        at: (m,) centres of the filter, in slices; what lies beyond an end repeats the last slice.
        slices: number of slices.
        width: half width of the filter in slices; at least 1 is used, which is linear interpolation.

    Returns:
        (m, slices) float32; each row sums to 1.
    """
    reach = max(width, 1.0)
    at = np.clip(at, 0, slices - 1)
    margin = int(np.ceil(reach))
    around = np.arange(-margin, slices + margin)
    raw = np.maximum(0.0, 1 - np.abs(at[:, None] - around) / reach)
    folded = raw[:, margin : margin + slices]
    folded[:, 0] += raw[:, :margin].sum(axis=1)
    folded[:, -1] += raw[:, margin + slices :].sum(axis=1)
    weights: Float32Array = (folded / folded.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def mix_slices(read: ReadSlices, weights: Float32Array) -> Float32Array:
    """Return (m, rows, columns) float32, slices mixed with `weights` (m, slices).

    Only slices that have a weight are read, and what lies between them.
    """
    used = np.flatnonzero(weights.any(axis=0))
    near = np.arange(used[0], used[-1] + 1)
    planes = read(near).astype(np.float32)
    mixed = weights[:, near] @ planes.reshape(len(near), -1)
    return mixed.reshape(len(weights), *planes.shape[1:])

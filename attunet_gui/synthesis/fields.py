"""Smooth random fields and the linear upsampling they are made with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def smooth_field(shape: tuple[int, ...], correlation: float, rng: np.random.Generator) -> F32:
    """Gaussian noise of unit variance and a correlation length of `correlation` voxels; `shape` float32."""
    coarse = tuple(max(2, int(np.ceil(size / correlation)) + 1) for size in shape)
    field = stretched(rng.standard_normal(coarse, dtype=np.float32), shape)
    # Linear interpolation halves the variance in three dimensions, roughly; the exact share is measured.
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def stretched(coarse: F32, shape: tuple[int, ...]) -> F32:
    """`coarse` linearly interpolated to `shape`, end to end along each axis."""
    for axis, size in enumerate(shape):
        weights = _upsampling(coarse.shape[axis], size)
        coarse = np.moveaxis(np.tensordot(weights, coarse, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(coarse)


def _upsampling(coarse: int, fine: int) -> F32:
    at = np.linspace(0, coarse - 1, fine)
    weights = np.maximum(0.0, 1 - np.abs(at[:, None] - np.arange(coarse)[None, :]))
    return np.asarray(weights, np.float32)

"""Smooth random fields on voxel grids, and the separable linear upsampling that makes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def smooth_field(shape: tuple[int, ...], correlation: float, rng: np.random.Generator) -> F32:
    """Draw Gaussian noise that is correlated over a distance.

    Args:
        shape: of the result, in voxels.
        correlation: distance of the independent random values along every axis, in voxels.
        rng: the source of the random values.

    Returns:
        float32 array of `shape` with a standard deviation of 1.
    """
    # Few coarse values, upsampled, cost far less than filtering full-size noise with a wide Gaussian.
    coarse = tuple(max(2, int(np.ceil(size / correlation)) + 1) for size in shape)
    field = upsample_linearly(rng.standard_normal(coarse, dtype=np.float32), shape)
    # Linear interpolation halves the variance in three dimensions, roughly; the exact share is measured.
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def upsample_linearly(coarse: F32, shape: tuple[int, ...]) -> F32:
    """Interpolate `coarse` linearly to `shape`; its first and last values stay at the ends of each axis."""
    # One small matrix product per axis; the interpolation is separable.
    for axis, size in enumerate(shape):
        weights = _upsampling_weights(coarse.shape[axis], size)
        coarse = np.moveaxis(np.tensordot(weights, coarse, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(coarse)


def _upsampling_weights(coarse: int, fine: int) -> F32:
    """Return the (fine, coarse) float32 weights of linear interpolation along one axis."""
    at = np.linspace(0, coarse - 1, fine)
    weights = np.maximum(0.0, 1 - np.abs(at[:, None] - np.arange(coarse)[None, :]))
    return np.asarray(weights, np.float32)

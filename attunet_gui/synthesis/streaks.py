"""Streak artefacts: rays through dense matter are measured too low, and with hardly any photons.

Slices are projected on a coarse grid, and the error of these projections is filtered and projected back. Beam
hardening leaves dark bands between dense objects and bright ones beside them; photon starvation leaves noise
along the rays that are attenuated most, such as those through both arms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, sparse

from attunet_gui.synthesis.fields import F32

_SIZE, _ANGLES = 128, 120
_DENSE_HU = 250.0
# The densest metal that is painted has 6000 HU.
_CAP_HU = 6000.0
# Linear attenuation of water at the mean energy of a CT beam, about 0.2 per cm.
_WATER_PER_MM = 0.02
# Slices are projected a few at a time, which bounds the memory.
_TOGETHER = 16


@dataclass(frozen=True)
class Artefacts:
    """Strength of the artefacts; 0 is none.

    Attributes:
        hardening: of the beam behind dense objects.
        starvation: of rays that lose most of their photons.
    """

    hardening: float
    starvation: float


def streaks(hu: F32, pixel_mm: float, strength: Artefacts, rng: np.random.Generator) -> F32:
    """Compute the artefacts of slices.

    Args:
        hu: (z, y, x) float32 HU.
        pixel_mm: pixel size in plane.
        strength: of the artefacts.
        rng: the source of the noise.

    Returns:
        float32 HU of the shape of `hu`, to be added to it.
    """
    # Streaks are long and smooth: a grid of 128 pixels holds them, at a small part of the projections' cost.
    zoom = _SIZE / max(hu.shape[1:])
    small = np.stack([_fitted(_zoomed(np.clip(plane, -1000, _CAP_HU), (zoom, zoom))) for plane in hu])
    step = pixel_mm / zoom
    parts = [small[first : first + _TOGETHER] for first in range(0, len(small), _TOGETHER)]
    error = np.concatenate([_error(part, step, strength, rng) for part in parts])
    rows, columns = (
        slice((_SIZE - n) // 2, (_SIZE - n) // 2 + n)
        for n in (min(_SIZE, round(n * zoom)) for n in hu.shape[1:])
    )
    cut = error[:, rows, columns]
    back = tuple(float(n / m) for n, m in zip(hu.shape[1:], cut.shape[1:], strict=True))
    return np.stack([_zoomed(plane, back) for plane in cut])


def _zoomed(plane: F32, zoom: tuple[float, ...]) -> F32:
    """Resize a (y, x) plane linearly by the factors `zoom`, with its borders (not pixel centres) fixed."""
    return np.asarray(ndimage.zoom(plane, zoom, order=1, mode="nearest", grid_mode=True), np.float32)


def _fitted(small: F32) -> F32:
    """Put a (y, x) plane into the middle of a square of air, -1000 HU."""
    square = np.full((_SIZE, _SIZE), -1000, np.float32)
    small = small[:_SIZE, :_SIZE]
    top, left = ((_SIZE - n) // 2 for n in small.shape)
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def _error(small: F32, step_mm: float, strength: Artefacts, rng: np.random.Generator) -> F32:
    """Compute the artefacts of coarse square slices: (z, y, x) float32 HU.

    Args:
        small: (z, y, x) HU of square slices.
        step_mm: their pixel size.
        strength: of the artefacts.
        rng: the source of the noise.
    """
    forth, back = _projectors()
    per_pixel = np.float32(_WATER_PER_MM * step_mm)
    flat = small.reshape(len(small), -1).T
    body = forth @ ((np.minimum(flat, _DENSE_HU) + 1000) * (per_pixel / 1000))
    dense = forth @ (np.maximum(flat - _DENSE_HU, 0) * (per_pixel / 1000))
    # Hardening grows faster than the dense path itself: quadratically, and more where the body is thick too.
    lost = np.float32(0.12 * strength.hardening) * dense * (dense + np.float32(0.15) * body)
    # Noise of the logarithm of a count grows with the square root of the attenuation's exponential.
    noise = np.float32(0.002 * strength.starvation) * np.exp(np.minimum((body + dense) / 2, np.float32(5)))
    rays = rng.standard_normal(body.shape, dtype=np.float32) * noise - lost
    filtered = _ramped(rays.reshape(_ANGLES, -1, len(small))).reshape(rays.shape)
    found = (back @ filtered) * np.float32(np.pi / _ANGLES * 1000 / per_pixel)
    return np.asarray(found.T.reshape(small.shape), np.float32)


def _ramped(rays: F32) -> F32:
    """Filter rays (angles, bins, slices) along the bins with a ramp under a Hann window."""
    bins = rays.shape[1]
    # Twice the bins: the circular convolution must not wrap one end of a projection onto the other.
    length = fft.next_fast_len(2 * bins, real=True)
    frequency = np.fft.rfftfreq(length).astype(np.float32)
    window = frequency * (0.5 + 0.5 * np.cos(2 * np.pi * frequency))
    spectrum = fft.rfft(rays, length, axis=1) * window.astype(np.float32)[None, :, None]
    return np.asarray(fft.irfft(spectrum, length, axis=1)[:, :bins], np.float32)


@lru_cache(maxsize=1)
def _projectors() -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Build the parallel projection of a square slice of unit pixels, and its transpose.

    They are sparse (angles x bins, pixels) and (pixels, angles x bins) matrices, built once per process.
    """
    bins = int(np.ceil(_SIZE * np.sqrt(2))) + 2
    middle = (np.arange(_SIZE) - (_SIZE - 1) / 2).astype(np.float32)
    pixels = np.arange(_SIZE * _SIZE, dtype=np.int32)
    rows: list[NDArray[np.int32]] = []
    values: list[F32] = []
    for number, angle in enumerate(np.arange(_ANGLES) * np.pi / _ANGLES):
        at = (middle[:, None] * np.sin(angle) + middle[None, :] * np.cos(angle)).ravel() + (bins - 1) / 2
        low = np.floor(at).astype(np.int32)
        for offset, weight in ((0, low + 1 - at), (1, at - low)):
            rows.append(np.asarray(number * bins + low + offset, np.int32))
            values.append(weight.astype(np.float32))
    where = (np.tile(pixels, 2 * _ANGLES), np.concatenate(rows))
    back = sparse.csr_matrix((np.concatenate(values), where), shape=(_SIZE * _SIZE, _ANGLES * bins))
    return back.T.tocsr(), back

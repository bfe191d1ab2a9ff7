"""From materials to CT slices: HU with texture, blur, slice averaging, streaks, noise and the export."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, sparse

from attunet_gui.synthesis.label_map_ct.ct_materials import HuPalette
from attunet_gui.synthesis.label_map_ct.patient_setup import outside_round_field
from attunet_gui.synthesis.label_map_ct.render_settings import (
    CTScannerSettings,
    HuExportSettings,
    RenderSettings,
)
from attunet_gui.synthesis.label_map_ct.smooth_fields import F32, smooth_field

_PROJECTION_SIZE, _ANGLE_COUNT = 128, 120
_DENSE_HU = 250.0
# The densest metal that is painted has 6000 HU.
_CAP_HU = 6000.0
# Linear attenuation of water at the mean energy of a CT beam, about 0.2 per cm.
_WATER_PER_MM = 0.02
# Slices are projected a few at a time, which bounds the memory.
_SLICES_TOGETHER = 16


@dataclass(frozen=True)
class ArtefactStrength:
    """Strength of the artefacts; 0 is none.

    Attributes:
        hardening: of the beam behind dense objects.
        starvation: of rays that lose most of their photons.
    """

    hardening: float
    starvation: float


def compute_streaks(hu: F32, pixel_mm: float, strength: ArtefactStrength, rng: np.random.Generator) -> F32:
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
    zoom = _PROJECTION_SIZE / max(hu.shape[1:])
    small = np.stack(
        [_pad_to_square(_zoom_plane(np.clip(plane, -1000, _CAP_HU), (zoom, zoom))) for plane in hu]
    )
    step = pixel_mm / zoom
    parts = [small[first : first + _SLICES_TOGETHER] for first in range(0, len(small), _SLICES_TOGETHER)]
    error = np.concatenate([_reconstruct_error(part, step, strength, rng) for part in parts])
    rows, columns = (
        slice((_PROJECTION_SIZE - n) // 2, (_PROJECTION_SIZE - n) // 2 + n)
        for n in (min(_PROJECTION_SIZE, round(n * zoom)) for n in hu.shape[1:])
    )
    cut = error[:, rows, columns]
    back = tuple(float(n / m) for n, m in zip(hu.shape[1:], cut.shape[1:], strict=True))
    return np.stack([_zoom_plane(plane, back) for plane in cut])


def _zoom_plane(plane: F32, zoom: tuple[float, ...]) -> F32:
    """Resize a (y, x) plane linearly by the factors `zoom`, with its borders (not pixel centres) fixed."""
    return np.asarray(ndimage.zoom(plane, zoom, order=1, mode="nearest", grid_mode=True), np.float32)


def _pad_to_square(small: F32) -> F32:
    """Put a (y, x) plane into the middle of a square of air, -1000 HU."""
    square = np.full((_PROJECTION_SIZE, _PROJECTION_SIZE), -1000, np.float32)
    small = small[:_PROJECTION_SIZE, :_PROJECTION_SIZE]
    top, left = ((_PROJECTION_SIZE - n) // 2 for n in small.shape)
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def _reconstruct_error(
    small: F32, step_mm: float, strength: ArtefactStrength, rng: np.random.Generator
) -> F32:
    """Compute the artefacts of coarse square slices: (z, y, x) float32 HU.

    Args:
        small: (z, y, x) HU of square slices.
        step_mm: their pixel size.
        strength: of the artefacts.
        rng: the source of the noise.
    """
    forth, back = _build_projectors()
    per_pixel = np.float32(_WATER_PER_MM * step_mm)
    flat = small.reshape(len(small), -1).T
    body = forth @ ((np.minimum(flat, _DENSE_HU) + 1000) * (per_pixel / 1000))
    dense = forth @ (np.maximum(flat - _DENSE_HU, 0) * (per_pixel / 1000))
    # Hardening grows faster than the dense path itself: quadratically, and more where the body is thick too.
    lost = np.float32(0.12 * strength.hardening) * dense * (dense + np.float32(0.15) * body)
    # Noise of the logarithm of a count grows with the square root of the attenuation's exponential.
    noise = np.float32(0.002 * strength.starvation) * np.exp(np.minimum((body + dense) / 2, np.float32(5)))
    rays = rng.standard_normal(body.shape, dtype=np.float32) * noise - lost
    filtered = _apply_ramp_filter(rays.reshape(_ANGLE_COUNT, -1, len(small))).reshape(rays.shape)
    found = (back @ filtered) * np.float32(np.pi / _ANGLE_COUNT * 1000 / per_pixel)
    return np.asarray(found.T.reshape(small.shape), np.float32)


def _apply_ramp_filter(rays: F32) -> F32:
    """Filter rays (angles, bins, slices) along the bins with a ramp under a Hann window."""
    bins = rays.shape[1]
    # Twice the bins: the circular convolution must not wrap one end of a projection onto the other.
    length = fft.next_fast_len(2 * bins, real=True)
    frequency = np.fft.rfftfreq(length).astype(np.float32)
    window = frequency * (0.5 + 0.5 * np.cos(2 * np.pi * frequency))
    spectrum = fft.rfft(rays, length, axis=1) * window.astype(np.float32)[None, :, None]
    return np.asarray(fft.irfft(spectrum, length, axis=1)[:, :bins], np.float32)


@lru_cache(maxsize=1)
def _build_projectors() -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Build the parallel projection of a square slice of unit pixels, and its transpose.

    They are sparse (angles x bins, pixels) and (pixels, angles x bins) matrices, built once per process.
    """
    bins = int(np.ceil(_PROJECTION_SIZE * np.sqrt(2))) + 2
    middle = (np.arange(_PROJECTION_SIZE) - (_PROJECTION_SIZE - 1) / 2).astype(np.float32)
    pixels = np.arange(_PROJECTION_SIZE * _PROJECTION_SIZE, dtype=np.int32)
    rows: list[NDArray[np.int32]] = []
    values: list[F32] = []
    for number, angle in enumerate(np.arange(_ANGLE_COUNT) * np.pi / _ANGLE_COUNT):
        at = (middle[:, None] * np.sin(angle) + middle[None, :] * np.cos(angle)).ravel() + (bins - 1) / 2
        low = np.floor(at).astype(np.int32)
        for offset, weight in ((0, low + 1 - at), (1, at - low)):
            rows.append(np.asarray(number * bins + low + offset, np.int32))
            values.append(weight.astype(np.float32))
    where = (np.tile(pixels, 2 * _ANGLE_COUNT), np.concatenate(rows))
    back = sparse.csr_matrix(
        (np.concatenate(values), where), shape=(_PROJECTION_SIZE * _PROJECTION_SIZE, _ANGLE_COUNT * bins)
    )
    return back.T.tocsr(), back


# At usual beam hardening only metal leaves visible streaks; at a stronger one bright oral contrast does too.
_METAL_HU, _BRIGHT_CONTRAST_HU = 1400.0, 300.0
_MIN_DENSE_SHARE = 5e-5
# Above the usual strength of starvation every slice gets its streaks.
_VISIBLE_STARVATION = 1.0
_STREAKS_APART_MM = 3.0


@dataclass(frozen=True, eq=False)
class ThinPlanes:
    """Ideal HU of thin planes that are averaged to slices.

    Attributes:
        hu: (planes, y, x) float32 HU.
        spacing_mm: voxel size of the thin planes along z, y, x.
        planes_per_slice: number of planes that are averaged to one slice.
    """

    hu: F32
    spacing_mm: tuple[float, float, float]
    planes_per_slice: int


def paint_hu(
    codes: NDArray[np.uint8],
    palette: HuPalette,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> F32:
    """Turn material codes into ideal HU: the mean of each material, with its fine and its coarse texture.

    Args:
        codes: (planes, y, x) uint8 material codes.
        palette: HU by material.
        spacing: voxel size along z, y, x, mm.
        rng: the source of the texture.

    Returns:
        (planes, y, x) float32 HU.
    """
    hu = palette.mean_hu[codes]
    step = float(np.mean(spacing))
    grain = rng.standard_normal(codes.shape, dtype=np.float32)
    ndimage.gaussian_filter(grain, 0.9 / np.array(spacing), output=grain, truncate=2.0)
    grain /= max(float(grain.std()), 1e-6)
    hu += palette.fine_sd_hu[codes] * grain
    hu += palette.coarse_sd_hu[codes] * smooth_field(codes.shape, 9.0 / step, rng)
    return hu


def scan_slices(thin: ThinPlanes, scanner: CTScannerSettings, rng: np.random.Generator) -> F32:
    """Turn ideal HU into slices as a scanner reconstructs them.

    The steps are the kernel's blur, averaging to slices, sharpening, streaks, noise and slow shading.

    Returns:
        (slices, y, x) float32 HU.
    """
    # Noise comes after the blur: its own grain is that of the kernel, not that of the anatomy.
    hu, spacing = thin.hu, thin.spacing_mm
    blur = rng.uniform(*scanner.blur_mm)
    ndimage.gaussian_filter(hu, (0.5, blur / spacing[1], blur / spacing[2]), output=hu, truncate=2.5)
    slices = hu.reshape(-1, thin.planes_per_slice, *hu.shape[1:]).mean(axis=1)
    if rng.random() < scanner.sharp_share:
        smooth = ndimage.gaussian_filter(slices, (0, 1.2 / spacing[1], 1.2 / spacing[2]), truncate=2.5)
        slices += np.float32(rng.uniform(*scanner.sharpening)) * (slices - smooth)
    _add_artefacts(slices, (spacing[0] * thin.planes_per_slice, spacing[1], spacing[2]), scanner, rng)
    slices += _draw_scanner_noise(slices.shape, spacing, scanner, rng)
    slices += np.float32(rng.uniform(0, 5)) * smooth_field(slices.shape, 90.0, rng)
    return np.asarray(slices, np.float32)


def _add_artefacts(
    slices: F32, spacing: tuple[float, float, float], scanner: CTScannerSettings, rng: np.random.Generator
) -> None:
    """Add streaks to the slices with metal, bright contrast medium or photon starvation, in place.

    Slices within 3 mm share the streaks of one of them, which saves projections of thin slices.
    """
    strength = ArtefactStrength(
        float(rng.uniform(*scanner.hardening)), float(rng.uniform(*scanner.starvation))
    )
    wanted = np.flatnonzero(_has_visible_streaks(slices, strength))
    if len(wanted) == 0:
        return
    apart = max(1, round(_STREAKS_APART_MM / spacing[0]))
    measured = np.unique(wanted // apart)
    added = compute_streaks(slices[np.minimum(measured * apart, len(slices) - 1)], spacing[1], strength, rng)
    for number, group in enumerate(measured):
        slices[group * apart : (group + 1) * apart] += added[number]


def _has_visible_streaks(slices: F32, strength: ArtefactStrength) -> NDArray[np.bool_]:
    """Return for each slice, (z,) bool, whether its streaks would be visible."""
    # A quarter of the pixels is enough to find what is dense.
    inner = slices[:, ::2, ::2]
    if strength.starvation > _VISIBLE_STARVATION:
        return np.ones(len(slices), bool)
    dense = _METAL_HU if strength.hardening <= 1 else _BRIGHT_CONTRAST_HU
    return np.asarray((inner > dense).mean(axis=(1, 2)) > _MIN_DENSE_SHARE)


def _draw_scanner_noise(
    shape: tuple[int, ...],
    spacing: tuple[float, float, float],
    scanner: CTScannerSettings,
    rng: np.random.Generator,
) -> F32:
    """Draw (slices, y, x) float32 noise with the spectrum that filtered back projection leaves.

    It has little power at low frequencies, which the ramp filter suppresses, and at high ones, which the
    kernel cuts off.
    """
    noise = rng.standard_normal(shape, dtype=np.float32)
    size = rng.uniform(*scanner.grain_mm)
    ndimage.gaussian_filter(noise, (0.2, size / spacing[1], size / spacing[2]), output=noise, truncate=2.5)
    # A wider blur is subtracted, which takes away the low frequencies.
    wide = 2.5 * size + 0.5
    noise -= np.float32(0.8) * ndimage.gaussian_filter(
        noise, (0, wide / spacing[1], wide / spacing[2]), truncate=2.0
    )
    noise *= np.float32(np.exp(rng.uniform(*np.log(scanner.noise_hu))) / max(float(noise.std()), 1e-6))
    return np.asarray(noise * (1 + np.float32(0.25) * smooth_field(shape, 60.0, rng)), np.float32)


def export_hu(slices: F32, settings: RenderSettings, rng: np.random.Generator) -> NDArray[np.int16]:
    """Round to whole HU, after the round field of view and the export's clipping that the settings ask for.

    Args:
        slices: (slices, y, x) float32 HU; overwritten.
        settings: of the whole CT.
        rng: the source of the random values.

    Returns:
        (slices, y, x) int16 HU in [-1024, 3071].
    """
    if settings.position.field_mm is not None and rng.random() < 0.5:
        slices[:, outside_round_field((slices.shape[1], slices.shape[2]))] = -1024
    np.clip(slices, -1024, 3071, out=slices)
    _clip_to_window(slices, settings.export, rng)
    return np.asarray(np.rint(slices), np.int16)


def _clip_to_window(slices: F32, export: HuExportSettings, rng: np.random.Generator) -> None:
    """Clip to one of the windows and reduce to its number of gray values, in place."""
    if not export.windows_hu:
        return
    low, high = export.windows_hu[int(rng.integers(len(export.windows_hu)))]
    np.clip(slices, low, high, out=slices)
    if export.levels:
        step = np.float32((high - low) / (export.levels - 1))
        slices[:] = np.rint((slices - np.float32(low)) / step) * step + np.float32(low)

"""From materials to CT slices: HU with texture, blur, slice averaging, streaks, noise and the export."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.fields import F32, smooth_field
from attunet_gui.synthesis.materials import Palette
from attunet_gui.synthesis.position import round_field
from attunet_gui.synthesis.settings import Export, Scanner, Settings
from attunet_gui.synthesis.streaks import Artefacts, streaks

# At usual beam hardening only metal leaves visible streaks; at a stronger one bright oral contrast does too.
_METAL_HU, _BRIGHT_HU = 1400.0, 300.0
_LEAST_DENSE = 5e-5
# Above the usual strength of starvation every slice gets its streaks.
_STARVED = 1.0
_STREAKS_APART_MM = 3.0


@dataclass(frozen=True, eq=False)
class Slices:
    """Ideal HU of thin planes that are averaged to slices.

    Attributes:
        hu: (planes, y, x) float32 HU.
        spacing_mm: voxel size of the thin planes along z, y, x.
        parts: number of planes that are averaged to one slice.
    """

    hu: F32
    spacing_mm: tuple[float, float, float]
    parts: int


def painted(
    codes: NDArray[np.uint8],
    palette: Palette,
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
    hu = palette.mean[codes]
    step = float(np.mean(spacing))
    grain = rng.standard_normal(codes.shape, dtype=np.float32)
    ndimage.gaussian_filter(grain, 0.9 / np.array(spacing), output=grain, truncate=2.0)
    grain /= max(float(grain.std()), 1e-6)
    hu += palette.fine[codes] * grain
    hu += palette.coarse[codes] * smooth_field(codes.shape, 9.0 / step, rng)
    return hu


def scanned(thin: Slices, scanner: Scanner, rng: np.random.Generator) -> F32:
    """Turn ideal HU into slices as a scanner reconstructs them.

    The steps are the kernel's blur, averaging to slices, sharpening, streaks, noise and slow shading.

    Returns:
        (slices, y, x) float32 HU.
    """
    # Noise comes after the blur: its own grain is that of the kernel, not that of the anatomy.
    hu, spacing = thin.hu, thin.spacing_mm
    blur = rng.uniform(*scanner.blur_mm)
    ndimage.gaussian_filter(hu, (0.5, blur / spacing[1], blur / spacing[2]), output=hu, truncate=2.5)
    slices = hu.reshape(-1, thin.parts, *hu.shape[1:]).mean(axis=1)
    if rng.random() < scanner.sharp_share:
        smooth = ndimage.gaussian_filter(slices, (0, 1.2 / spacing[1], 1.2 / spacing[2]), truncate=2.5)
        slices += np.float32(rng.uniform(*scanner.sharpening)) * (slices - smooth)
    _add_artefacts(slices, (spacing[0] * thin.parts, spacing[1], spacing[2]), scanner, rng)
    slices += _noise(slices.shape, spacing, scanner, rng)
    slices += np.float32(rng.uniform(0, 5)) * smooth_field(slices.shape, 90.0, rng)
    return np.asarray(slices, np.float32)


def _add_artefacts(
    slices: F32, spacing: tuple[float, float, float], scanner: Scanner, rng: np.random.Generator
) -> None:
    """Add streaks to the slices with metal, bright contrast medium or photon starvation, in place.

    Slices within 3 mm share the streaks of one of them, which saves projections of thin slices.
    """
    strength = Artefacts(float(rng.uniform(*scanner.hardening)), float(rng.uniform(*scanner.starvation)))
    wanted = np.flatnonzero(_streaky(slices, strength))
    if len(wanted) == 0:
        return
    apart = max(1, round(_STREAKS_APART_MM / spacing[0]))
    measured = np.unique(wanted // apart)
    added = streaks(slices[np.minimum(measured * apart, len(slices) - 1)], spacing[1], strength, rng)
    for number, group in enumerate(measured):
        slices[group * apart : (group + 1) * apart] += added[number]


def _streaky(slices: F32, strength: Artefacts) -> NDArray[np.bool_]:
    """Return for each slice, (z,) bool, whether its streaks would be visible."""
    # A quarter of the pixels is enough to find what is dense.
    inner = slices[:, ::2, ::2]
    if strength.starvation > _STARVED:
        return np.ones(len(slices), bool)
    dense = _METAL_HU if strength.hardening <= 1 else _BRIGHT_HU
    return np.asarray((inner > dense).mean(axis=(1, 2)) > _LEAST_DENSE)


def _noise(
    shape: tuple[int, ...], spacing: tuple[float, float, float], scanner: Scanner, rng: np.random.Generator
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


def exported(slices: F32, settings: Settings, rng: np.random.Generator) -> NDArray[np.int16]:
    """Round to whole HU, after the round field of view and the export's clipping that the settings ask for.

    Args:
        slices: (slices, y, x) float32 HU; overwritten.
        settings: of the whole CT.
        rng: the source of the random values.

    Returns:
        (slices, y, x) int16 HU in [-1024, 3071].
    """
    if settings.position.field_mm is not None and rng.random() < 0.5:
        slices[:, round_field((slices.shape[1], slices.shape[2]))] = -1024
    np.clip(slices, -1024, 3071, out=slices)
    _clip(slices, settings.export, rng)
    return np.asarray(np.rint(slices), np.int16)


def _clip(slices: F32, export: Export, rng: np.random.Generator) -> None:
    """Clip to one of the windows and reduce to its number of gray values, in place."""
    if not export.windows_hu:
        return
    low, high = export.windows_hu[int(rng.integers(len(export.windows_hu)))]
    np.clip(slices, low, high, out=slices)
    if export.levels:
        step = np.float32((high - low) / (export.levels - 1))
        slices[:] = np.rint((slices - np.float32(low)) / step) * step + np.float32(low)

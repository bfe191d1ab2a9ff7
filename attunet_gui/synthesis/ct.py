"""Synthetic CT from a whole-tissue map, after SynthSeg (Billot et al., Med. Image Anal. 2023).

As there, every image has random anatomy, random values and a random scanner; unlike there, values follow
CT's Hounsfield units and the phases of contrast, since CT is calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.volume import Volume
from attunet_gui.synthesis.anatomy import Tissue, TissueMap
from attunet_gui.synthesis.deformation import draw_deformation, sources
from attunet_gui.synthesis.detail import detailed
from attunet_gui.synthesis.fields import F32, smooth_field
from attunet_gui.synthesis.materials import IN_PANCREAS, Material, Palette, draw_palette
from attunet_gui.synthesis.placement import centred_volume

_PIXEL_MM = 1.7
_MARGIN_MM = 16.0
_MOST_SLICES = 90
_FINEST_MM = 2.0


@dataclass(frozen=True, eq=False)
class SyntheticCT:
    """A rendered CT.

    Attributes:
        hu: (z, y, x) int16 in [-1024, 3071].
        pancreas: (z, y, x) uint8 0/1: at least half of the voxel is pancreas.
        spacing_mm: (z, y, x).
        uptake: phase of contrast that its HU were drawn from.
    """

    hu: NDArray[np.int16]
    pancreas: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    uptake: str


@dataclass(frozen=True)
class Slab:
    """The slices of an output.

    Attributes:
        thickness_mm: of a slice, and the distance to the next.
        slices: how many.
        parts: thin planes averaged to one slice.
        shift_mm: of the slab's centre against the map's, along z.
    """

    thickness_mm: float
    slices: int
    parts: int
    shift_mm: float


def render(source: TissueMap, rng: np.random.Generator) -> SyntheticCT:
    """One random synthetic CT of the anatomy of `source`; equal generators give equal CT."""
    materials = detailed(source, rng)
    slab = _draw_slab(source, rng)
    spacing = (slab.thickness_mm / slab.parts, _PIXEL_MM, _PIXEL_MM)
    codes = _warped(materials, source, slab, rng)
    _add_table(codes, rng)
    palette = draw_palette(rng)
    hu = _scanned(_painted(codes, palette, spacing, rng), spacing, slab.parts, rng)
    inside = np.isin(codes, np.array(IN_PANCREAS, np.uint8))
    share = inside.reshape(slab.slices, slab.parts, *inside.shape[1:]).mean(axis=1, dtype=np.float32)
    return SyntheticCT(
        hu, (share >= 0.5).astype(np.uint8), (slab.thickness_mm, _PIXEL_MM, _PIXEL_MM), palette.uptake
    )


def synthetic_volume(ct: SyntheticCT, name: str) -> Volume:
    """`ct` as a volume centred at world 0."""
    return centred_volume(ct.hu, ct.spacing_mm, name, "synthetic")


def _draw_slab(source: TissueMap, rng: np.random.Generator) -> Slab:
    extent = source.tissue.shape[0] * source.spacing_mm[0]
    thickness = float(np.exp(rng.uniform(np.log(1.0), np.log(5.5))))
    slices = min(_MOST_SLICES, max(8, int(0.92 * extent / thickness)))
    room = max(0.0, extent - slices * thickness)
    gland = np.flatnonzero((source.tissue == Tissue.PANCREAS).any(axis=(1, 2)))
    aim = (gland.mean() + 0.5) * source.spacing_mm[0] - extent / 2 if len(gland) else 0.0
    shift = float(np.clip(aim + rng.normal(0, 25), -room / 2, room / 2))
    return Slab(thickness, slices, max(1, round(thickness / _FINEST_MM)), shift)


def _warped(
    materials: NDArray[np.uint8], source: TissueMap, slab: Slab, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Thin planes of the deformed map, cut to the body and a margin."""
    planes = slab.slices * slab.parts
    thin = slab.thickness_mm / slab.parts
    extent = np.array(materials.shape) * source.spacing_mm
    size = (planes, *(int(np.ceil((length * 1.2 + 2 * _MARGIN_MM) / _PIXEL_MM)) for length in extent[1:]))
    steps = (thin, _PIXEL_MM, _PIXEL_MM)
    centres = tuple(
        (np.arange(n) - (n - 1) / 2) * step + (slab.shift_mm if axis == 0 else 0.0)
        for axis, (n, step) in enumerate(zip(size, steps, strict=True))
    )
    places = sources(draw_deformation((planes * thin, extent[1], extent[2]), rng), centres)
    flat = np.zeros(size, np.int64)
    outside = np.zeros(size, bool)
    for place, n, step in zip(places, materials.shape, source.spacing_mm, strict=True):
        index = np.rint(place / np.float32(step) + np.float32((n - 1) / 2)).astype(np.int32)
        if place is not places[0]:
            outside |= (index < 0) | (index >= n)
        flat *= n
        flat += np.clip(index, 0, n - 1)
    codes = materials.ravel()[flat]
    codes[outside] = Tissue.AIR
    return _cropped(codes)


def _cropped(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    margin = round(_MARGIN_MM / _PIXEL_MM)
    rows, columns = (np.flatnonzero((codes > 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if len(rows) == 0:
        return codes
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    return np.ascontiguousarray(codes[:, top : rows[-1] + margin, left : columns[-1] + margin])


def _add_table(codes: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """A curved table under the patient, in the air only."""
    if rng.random() < 0.25:
        return
    rows, columns = codes.shape[1:]
    body = np.flatnonzero((codes > 0).any(axis=(0, 2)))
    if len(body) == 0:
        return
    across = (np.arange(columns) - columns / 2) / (columns / 2)
    line = body[-1] + rng.uniform(0, 5) - rng.uniform(0, 16) * across**2
    depth = np.arange(rows)[:, None] - line[None, :]
    slab = (depth > 0) & (depth < rng.uniform(1.5, 5))
    codes[:, slab] = np.where(codes[:, slab] == Tissue.AIR, Material.TABLE, codes[:, slab])


def _painted(
    codes: NDArray[np.uint8], palette: Palette, spacing: tuple[float, float, float], rng: np.random.Generator
) -> F32:
    """Ideal HU: the material's mean, with its fine and its coarse grain."""
    hu = palette.mean[codes]
    step = float(np.mean(spacing))
    grain = rng.standard_normal(codes.shape, dtype=np.float32)
    ndimage.gaussian_filter(grain, 0.9 / np.array(spacing), output=grain, truncate=2.0)
    grain /= max(float(grain.std()), 1e-6)
    hu += palette.fine[codes] * grain
    hu += palette.coarse[codes] * smooth_field(codes.shape, 9.0 / step, rng)
    return hu


def _scanned(
    hu: F32, spacing: tuple[float, float, float], parts: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Blur of the kernel, slices of `parts` planes, sharpening, correlated noise, slow shading."""
    blur = rng.uniform(0.5, 1.2)
    ndimage.gaussian_filter(hu, (0.5, blur / spacing[1], blur / spacing[2]), output=hu, truncate=2.5)
    slices = hu.reshape(-1, parts, *hu.shape[1:]).mean(axis=1)
    if rng.random() < 0.35:
        smooth = ndimage.gaussian_filter(slices, (0, 1.2 / spacing[1], 1.2 / spacing[2]), truncate=2.5)
        slices += np.float32(rng.uniform(0.2, 1.0)) * (slices - smooth)
    noise = rng.standard_normal(slices.shape, dtype=np.float32)
    size = rng.uniform(0.4, 1.3)
    ndimage.gaussian_filter(noise, (0.2, size / spacing[1], size / spacing[2]), output=noise, truncate=2.5)
    noise *= np.float32(np.exp(rng.uniform(np.log(4), np.log(32))) / max(float(noise.std()), 1e-6))
    slices += noise * (1 + np.float32(0.25) * smooth_field(slices.shape, 60.0, rng))
    slices += np.float32(rng.uniform(0, 5)) * smooth_field(slices.shape, 90.0, rng)
    np.clip(slices, -1024, 3071, out=slices)
    return np.asarray(np.rint(slices), np.int16)

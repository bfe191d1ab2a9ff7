"""Synthetic CT from a whole-tissue map, after SynthSeg (Billot et al., Med. Image Anal. 2023).

As in SynthSeg, every image has random anatomy, random intensities and a random scanner. Unlike there, the
intensities follow Hounsfield units and the phases of contrast, since CT is calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.synthesis.centred_volume import centred_volume
from attunet_gui.synthesis.label_map_ct.anatomical_detail import paint_details
from attunet_gui.synthesis.label_map_ct.ct_materials import IN_PANCREAS, draw_palette
from attunet_gui.synthesis.label_map_ct.ct_scanner import ThinPlanes, export_hu, paint_hu, scan_slices
from attunet_gui.synthesis.label_map_ct.patient_setup import (
    PatientOnTable,
    add_surroundings,
    apply_body_build,
    crop_to_body,
)
from attunet_gui.synthesis.label_map_ct.random_deformation import (
    draw_deformation,
    look_up_codes,
    source_positions,
)
from attunet_gui.synthesis.label_map_ct.render_settings import USUAL_SETTINGS, RenderSettings
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap

# Air beside the body: in the grid for what the deformation pushes outwards, in the result as its border.
_MARGIN_MM = 16.0
# This and the limit of thin slices bound the size of one CT.
_MAX_SLICES = 90
_DEFORMATION_REACH_MM = 56.0
_MAX_THIN_SLICES = 150
# Thin planes are about as thick as the voxels of the tissue maps: finer ones would show nothing more.
_THIN_PLANE_MM = 2.0


@dataclass(frozen=True, eq=False)
class SyntheticCT:
    """A rendered CT with the mask of its pancreas.

    Attributes:
        hu: (z, y, x) int16 HU in [-1024, 3071].
        pancreas_mask: (z, y, x) uint8, 1 where at least half of the voxel is pancreas.
        spacing_mm: voxel size along z, y, x.
        uptake: contrast phase that the HU were drawn for.
    """

    hu: NDArray[np.int16]
    pancreas_mask: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    uptake: str


@dataclass(frozen=True)
class OutputSlab:
    """The slices of an output.

    Attributes:
        thickness_mm: of a slice, and the distance to the next.
        slice_count: number of slices.
        planes_per_slice: number of thin planes that are averaged to one slice.
        shift_mm: of the slab's centre from the map's centre, along z.
        pixel_mm: pixel size in plane.
    """

    thickness_mm: float
    slice_count: int
    planes_per_slice: int
    shift_mm: float
    pixel_mm: float

    @property
    def plane_spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size of the thin planes along z, y, x."""
        return self.thickness_mm / self.planes_per_slice, self.pixel_mm, self.pixel_mm


def render_ct(
    source: TissueMap, rng: np.random.Generator, settings: RenderSettings = USUAL_SETTINGS
) -> SyntheticCT:
    """Render one random synthetic CT of the anatomy of `source`.

    Args:
        source: the whole-tissue map.
        rng: the source of all random values; equal generators and settings give equal CT.
        settings: ranges and shares that everything is drawn from.
    """
    patient = apply_body_build(_crop_around_pancreas(source), settings.build, rng)
    prone = bool(rng.random() < settings.position.prone_share)
    materials = paint_details(patient, rng, settings, prone=prone)
    slab = _draw_slab(patient, settings, rng)
    codes = _warp_materials(materials, patient, slab, settings, rng)
    codes = add_surroundings(PatientOnTable(codes, slab.pixel_mm, prone), settings.position, rng)
    palette = draw_palette(rng, settings)
    hu = paint_hu(codes, palette, slab.plane_spacing_mm, rng)
    slices = scan_slices(ThinPlanes(hu, slab.plane_spacing_mm, slab.planes_per_slice), settings.scanner, rng)
    inside = np.isin(codes, np.array(IN_PANCREAS, np.uint8))
    # The mask is the share of pancreas in the thin planes: it knows the truth below the slice thickness.
    share = inside.reshape(slab.slice_count, slab.planes_per_slice, *inside.shape[1:]).mean(
        axis=1, dtype=np.float32
    )
    spacing = (slab.thickness_mm, slab.pixel_mm, slab.pixel_mm)
    final = export_hu(slices, settings, rng)
    return SyntheticCT(final, (share >= 0.5).astype(np.uint8), spacing, palette.uptake)


def synthetic_volume(ct: SyntheticCT, name: str) -> Volume:
    """Return a synthetic CT as a volume whose centre is the world origin."""
    return centred_volume(ct.hu, ct.spacing_mm, name, "synthetic")


def _crop_around_pancreas(source: TissueMap) -> TissueMap:
    """Crop the map to the levels that a slab about the gland can show, whatever the deformation does."""
    levels = np.flatnonzero((source.tissue == TissueCode.PANCREAS).any(axis=(1, 2)))
    if len(levels) == 0:
        return source
    reach = int(np.ceil(_DEFORMATION_REACH_MM / source.spacing_mm[0]))
    kept = source.tissue[max(0, levels[0] - reach) : levels[-1] + 1 + reach]
    return replace(source, tissue=np.ascontiguousarray(kept))


def _draw_slab(source: TissueMap, settings: RenderSettings, rng: np.random.Generator) -> OutputSlab:
    """Draw slice thickness, pixel size and position of the output; a share of the slabs ends in the gland."""
    wanted = settings.sampling
    step = source.spacing_mm[0]
    extent = source.tissue.shape[0] * step
    thickness = float(np.exp(rng.uniform(*np.log(wanted.thickness_mm))))
    most = _MAX_THIN_SLICES if thickness < 1 else _MAX_SLICES
    slices = min(most, max(8, int(0.85 * extent / thickness)))
    gland = np.flatnonzero((source.tissue == TissueCode.PANCREAS).any(axis=(1, 2)))
    middle = (gland.mean() + 0.5) * step - extent / 2 if len(gland) else 0.0
    # A slab that is not cut is shifted at random, but by no more than keeps the gland inside it as a rule.
    if rng.random() < wanted.cut_share and len(gland):
        slices, middle = _cut_slab_at_pancreas(slices, thickness, (len(gland) * step, float(middle)), rng)
    else:
        middle += rng.normal(0, min(25.0, max(0.0, slices * thickness / 2 - len(gland) * step / 2)))
    room = max(0.0, extent - slices * thickness)
    shift = float(np.clip(middle, -room / 2, room / 2))
    pixel = float(rng.uniform(*wanted.pixel_mm))
    return OutputSlab(thickness, slices, max(1, round(thickness / _THIN_PLANE_MM)), shift, pixel)


def _cut_slab_at_pancreas(
    slices: int, thickness: float, gland_mm: tuple[float, float], rng: np.random.Generator
) -> tuple[int, float]:
    """Return number of slices and middle (mm) of a slab that ends at 20 to 70 % of the gland's height.

    Args:
        slices, thickness: number and thickness (mm) of the slices of the slab that would show it all.
        gland_mm: height of the gland, and the z of its middle.
        rng: draws at which end, and where, the gland is cut.
    """
    height, middle = gland_mm
    fewer = min(slices, max(8, int(rng.uniform(0.9, 1.6) * height / thickness)))
    end = middle + height * (rng.uniform(0.2, 0.7) - 0.5)
    half = fewer * thickness / 2
    return fewer, float(end + half if rng.random() < 0.5 else end - half)


def _warp_materials(
    materials: NDArray[np.uint8],
    source: TissueMap,
    slab: OutputSlab,
    settings: RenderSettings,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return thin planes (z, y, x) of the deformed materials, cropped to the body and a margin."""
    planes, steps = slab.slice_count * slab.planes_per_slice, slab.plane_spacing_mm
    extent = np.array(materials.shape) * source.spacing_mm
    # The grid has room for the largest factor of growth that the settings allow; the crop removes the rest.
    widest = 1.05 * max(settings.build.size)
    size = (
        planes,
        *(int(np.ceil((length * widest + 2 * _MARGIN_MM) / slab.pixel_mm)) for length in extent[1:]),
    )
    centres = tuple(
        (np.arange(n) - (n - 1) / 2) * step + (slab.shift_mm if axis == 0 else 0.0)
        for axis, (n, step) in enumerate(zip(size, steps, strict=True))
    )
    deformation = draw_deformation((planes * steps[0], extent[1], extent[2]), rng, settings.build.size)
    codes = look_up_codes(materials, source.spacing_mm, source_positions(deformation, centres))
    return crop_to_body(codes, round(_MARGIN_MM / slab.pixel_mm))

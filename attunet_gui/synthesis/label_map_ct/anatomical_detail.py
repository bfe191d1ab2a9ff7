"""Refinement of a whole-tissue map to materials: walls, contents, vessels, strands, lobules and lesions.

Everything is random. All details are painted before the map is deformed, so that one deformation moves them
together with the organs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.bowel_contents import fill_bowel, fill_stomach
from attunet_gui.synthesis.label_map_ct.ct_materials import IN_PANCREAS, MaterialCode
from attunet_gui.synthesis.label_map_ct.material_canvas import (
    PAINTABLE_TISSUES,
    MaterialCanvas,
    PositionsMm,
    paint_tube,
    pancreas_centre_mm,
    random_walk_path,
)
from attunet_gui.synthesis.label_map_ct.pancreas_detail import (
    draw_fatty_clefts,
    draw_lesions,
    draw_long_duct,
    gland_centreline,
    reshape_gland,
)
from attunet_gui.synthesis.label_map_ct.peripancreatic_anatomy import (
    draw_bowel_loops,
    draw_jejunal_loops,
    draw_mesenteric_vessels,
    draw_splenic_vein,
    draw_third_duodenum,
    grow_bowel_to_gland,
)
from attunet_gui.synthesis.label_map_ct.render_settings import USUAL_SETTINGS, DeviceName, RenderSettings
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap

# Devices are painted over every tissue but air and bone, which a tube or a clip never runs through.
_OUTSIDE_PANCREAS = tuple(
    int(code)
    for code in (*TissueCode, *MaterialCode)
    if code != TissueCode.AIR
    and code not in IN_PANCREAS
    and code not in {TissueCode.BONE, MaterialCode.CORTICAL_BONE}
)


def place_device(canvas: MaterialCanvas) -> None:
    """Paint one of the devices that the settings name, or none, into the material map in place."""
    wanted = canvas.settings.devices
    course = gland_centreline(canvas)
    if len(course) == 0 or not wanted.any_of or not canvas.draw_chance(wanted.share):
        return
    device: DeviceName = wanted.any_of[int(canvas.rng.integers(len(wanted.any_of)))]
    if device == "clips":
        _place_clips(canvas, course)
        return
    duct = _bile_duct_path(canvas, course)
    if device == "metal stent":
        radius = float(canvas.rng.uniform(3.8, 5.0))
        _paint_device_tube(canvas, duct, radius, (MaterialCode.METAL_MESH, MaterialCode.MESH_IN_PANCREAS))
        # A stent drains into the bowel, so its lumen holds bile or gas.
        inside = int(canvas.rng.choice([MaterialCode.FLUID, MaterialCode.GAS]))
        paint_tube(canvas, duct, radius - 1.8, inside, (MaterialCode.METAL_MESH,))
        paint_tube(canvas, duct, radius - 1.8, MaterialCode.DILATED_DUCT, (MaterialCode.MESH_IN_PANCREAS,))
    else:
        path = (
            duct
            if device == "plastic stent"
            else np.concatenate([_drain_path_from_skin(canvas, duct[0]), duct, _pigtail_path(duct)])
        )
        _paint_device_tube(
            canvas,
            path,
            float(canvas.rng.uniform(1.3, 1.9)),
            (MaterialCode.PLASTIC, MaterialCode.PLASTIC_IN_PANCREAS),
        )


def _paint_device_tube(
    canvas: MaterialCanvas, path: PositionsMm, radius_mm: float, codes: tuple[int, int]
) -> None:
    """Paint a tube along `path` (mm): the second of `codes` inside the pancreas, the first elsewhere."""
    elsewhere, in_gland = codes
    paint_tube(canvas, path, radius_mm, in_gland, IN_PANCREAS)
    paint_tube(canvas, path, radius_mm, elsewhere, _OUTSIDE_PANCREAS)


def _bile_duct_path(canvas: MaterialCanvas, course: PositionsMm) -> PositionsMm:
    """Return a path (n, 3), mm, from the hilum of the liver through the pancreatic head to the duodenum."""
    head = course[: max(2, len(course) // 5)].mean(axis=0)
    hilum = head + np.array([canvas.rng.uniform(35, 55), -2.0, canvas.rng.uniform(-18, -4)])
    papilla = head + np.array([-14.0, 4.0, -12.0])
    duodenum = (
        np.argwhere(np.isin(canvas.codes, (MaterialCode.WALL, MaterialCode.COLLAPSED))) * canvas.spacing_mm
    )
    if len(duodenum):
        nearest = duodenum[np.linalg.norm(duodenum - papilla, axis=1).argmin()]
        # Bowel farther away than 25 mm is some other loop, not the duodenum at the papilla.
        papilla = nearest if np.linalg.norm(nearest - papilla) < 25 else papilla
    knots = np.array([hilum, (hilum + head) / 2 + [0, 3, -3], head + np.array([0, 4, -3]), papilla])
    return _smooth_path(knots)


def _smooth_path(knots: PositionsMm) -> PositionsMm:
    """Return points (n, 3), mm, about 1 mm apart along a smooth line through the knots (mm)."""
    lengths = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    fine = np.linspace(0, at[-1], max(8, int(at[-1])))
    path = np.stack([np.interp(fine, at, axis) for axis in knots.T], axis=1)
    return np.asarray(ndimage.gaussian_filter1d(path, 4.0, axis=0, mode="nearest"))


def _drain_path_from_skin(canvas: MaterialCanvas, hilum: PositionsMm) -> PositionsMm:
    """Return a path (n, 3), mm, from the skin of the patient's right side through the liver to the hilum."""
    body = np.flatnonzero(
        (canvas.codes[int(hilum[0] / canvas.spacing_mm[0]) % len(canvas.codes)] > 0).any(axis=0)
    )
    right = body[0] * canvas.spacing_mm[2] if len(body) else 0.0
    start = np.array([hilum[0] - 10, hilum[1] + canvas.rng.uniform(-10, 25), right])
    return _smooth_path(np.array([start, (start + hilum) / 2 + [12, 0, 0], hilum]))


def _pigtail_path(duct: PositionsMm) -> PositionsMm:
    """Return a ring of 8 mm radius, (40, 3) mm, at the end of the duct: the drain's locking loop."""
    turn = np.linspace(0, 1.8 * np.pi, 40)
    ring = np.stack([-8 * np.sin(turn), 0 * turn, 8 - 8 * np.cos(turn)], axis=1)
    return np.asarray(duct[-1] + ring)


def _place_clips(canvas: MaterialCanvas, course: PositionsMm) -> None:
    """Paint clips at the bed of the gallbladder and along the gland; a gallbladder becomes fat."""
    bed = np.argwhere(canvas.codes == TissueCode.GALLBLADDER) * canvas.spacing_mm
    middle = bed.mean(axis=0) if len(bed) else course[0] + np.array([25.0, -10.0, -20.0])
    canvas.codes[canvas.codes == TissueCode.GALLBLADDER] = TissueCode.VISCERAL_FAT
    places = [middle + canvas.rng.normal(0, 5, 3) for _ in range(int(canvas.rng.integers(2, 6)))]
    along = course[canvas.rng.integers(len(course), size=int(canvas.rng.integers(2, 6)))]
    places += [at + canvas.rng.normal(0, 1, 3) * (8, 8, 6) for at in along]
    for at in places:
        tip = at + canvas.rng.normal(0, 1.5, 3)
        _paint_device_tube(
            canvas, np.array([at, tip]), 1.2, (MaterialCode.METAL, MaterialCode.METAL_IN_PANCREAS)
        )


def paint_details(
    source: TissueMap,
    rng: np.random.Generator,
    settings: RenderSettings = USUAL_SETTINGS,
    *,
    prone: bool = False,
) -> NDArray[np.uint8]:
    """Paint random details into a copy of a tissue map.

    Args:
        source: the map; left as it is.
        rng: the source of the random values; two calls give the insides of two patients.
        settings: ranges and shares that details are drawn from.
        prone: the patient lies on their belly, which decides where gas collects.

    Returns:
        (z, y, x) uint8 material codes on the grid of `source`.
    """
    canvas = MaterialCanvas(source.tissue.copy(), np.asarray(source.spacing_mm), rng, settings, prone)
    # The order matters: what is painted later covers what was before. The gland takes its shape first, its
    # neighbours then touch it, and its own details and devices come after all that may lie in the fat.
    for paint in (
        reshape_gland,
        grow_bowel_to_gland,
        draw_third_duodenum,
        fill_bowel,
        fill_stomach,
        add_cortical_bone,
        add_renal_cortex,
        draw_liver_vessels,
        draw_lung_vessels,
        add_muscle_fat,
        draw_splenic_vein,
        draw_jejunal_loops,
        draw_bowel_loops,
        draw_mesenteric_vessels,
        scatter_small_vessels,
        scatter_lymph_nodes,
        draw_fat_strands,
        draw_fatty_clefts,
        draw_long_duct,
        draw_lesions,
        place_device,
        add_aortic_plaque,
        draw_skin,
    ):
        paint(canvas)
    return canvas.codes


def add_cortical_bone(canvas: MaterialCanvas) -> None:
    """Paint compact bone around the marrow."""
    bone = canvas.codes == TissueCode.BONE
    canvas.codes[bone & ~canvas.interior_of(bone, 1.5)] = MaterialCode.CORTICAL_BONE


def add_renal_cortex(canvas: MaterialCanvas) -> None:
    """Paint the cortex of the kidneys around the medulla, and fat into the sinus."""
    part = canvas.box_around(TissueCode.KIDNEY)
    if part is None:
        return
    codes, mask = part
    deep = canvas.interior_of(mask, canvas.rng.uniform(4, 7)) & (canvas.draw_field(codes.shape, 10.0) > -0.6)
    codes[mask & ~deep] = MaterialCode.RENAL_CORTEX
    codes[canvas.interior_of(mask, 11) & (canvas.draw_field(codes.shape, 8.0) > 0.4)] = MaterialCode.SINUS_FAT


def draw_liver_vessels(canvas: MaterialCanvas) -> None:
    """Paint liver vessels, and lesions in a quarter of the patients.

    Where two random sheets cross, they form random connected tubes: these are the vessels.
    """
    part = canvas.box_around(TissueCode.LIVER)
    if part is None:
        return
    (codes, mask), rng = part, canvas.rng
    thin = rng.uniform(0.10, 0.22)
    tubes = (np.abs(canvas.draw_field(codes.shape, 30.0)) < thin) & (
        np.abs(canvas.draw_field(codes.shape, 30.0)) < thin
    )
    codes[mask & tubes] = MaterialCode.LIVER_VESSEL
    if rng.random() < 0.25:
        codes[mask & (canvas.draw_field(codes.shape, 16.0) > rng.uniform(2.2, 3.0))] = (
            MaterialCode.LIVER_LESION
        )


def draw_lung_vessels(canvas: MaterialCanvas) -> None:
    """Paint vessels into the lungs."""
    lung = canvas.codes == TissueCode.LUNG
    canvas.codes[lung & (canvas.draw_field(lung.shape, 8.0) > 2.0)] = MaterialCode.LUNG_VESSEL


def add_muscle_fat(canvas: MaterialCanvas) -> None:
    """Paint streaks of fat into muscle, more in some patients than in others."""
    muscle = canvas.codes == TissueCode.MUSCLE
    streaks = canvas.draw_field(muscle.shape, 5.0) > canvas.rng.uniform(1.3, 3.0)
    canvas.codes[muscle & streaks] = MaterialCode.MUSCLE_FAT


def scatter_small_vessels(canvas: MaterialCanvas) -> None:
    """Paint small arteries and veins through the fat around the gland."""
    centre = pancreas_centre_mm(canvas)
    if centre is None:
        return
    for _ in range(int(canvas.rng.integers(15, 60))):
        start = centre + canvas.rng.normal(0, (40, 30, 55))
        code = int(canvas.rng.choice([MaterialCode.SMALL_ARTERY, MaterialCode.SMALL_VEIN]))
        path = random_walk_path(canvas, start, canvas.rng.uniform(20, 70), 7.0)
        paint_tube(canvas, path, canvas.rng.uniform(0.9, 2.4), code, PAINTABLE_TISSUES)


def scatter_lymph_nodes(canvas: MaterialCanvas) -> None:
    """Paint lymph nodes into the fat around the gland."""
    centre = pancreas_centre_mm(canvas)
    if centre is None:
        return
    for _ in range(canvas.rng.poisson(6)):
        start = centre + canvas.rng.normal(0, (35, 25, 40))
        paint_tube(canvas, start[None], canvas.rng.uniform(2, 5), int(MaterialCode.NODE), PAINTABLE_TISSUES)


def draw_fat_strands(canvas: MaterialCanvas) -> None:
    """Paint strands into the visceral fat, which stand for mesentery, small vessels and a little oedema."""
    fat = canvas.codes == TissueCode.VISCERAL_FAT
    thin = canvas.rng.uniform(0.03, 0.16)
    sheets = np.abs(canvas.draw_field(fat.shape, 14.0)) < thin
    sheets &= canvas.draw_field(fat.shape, 40.0) > canvas.rng.uniform(-0.8, 1.2)
    canvas.codes[fat & sheets] = MaterialCode.STRAND


def add_aortic_plaque(canvas: MaterialCanvas) -> None:
    """Paint plaque into the wall of the aorta, in two patients of five."""
    if canvas.rng.random() > 0.4:
        return
    aorta = canvas.codes == TissueCode.AORTA
    wall = aorta & ~canvas.interior_of(aorta, 1.5)
    canvas.codes[wall & (canvas.draw_field(aorta.shape, 6.0) > canvas.rng.uniform(1.0, 2.2))] = (
        MaterialCode.PLAQUE
    )


def draw_skin(canvas: MaterialCanvas) -> None:
    """Paint the outermost voxel of the body as skin, slice by slice."""
    body = canvas.codes > 0
    deep = ndimage.binary_erosion(body, np.ones((1, 3, 3), bool), border_value=1)
    canvas.codes[body & ~deep] = MaterialCode.SKIN

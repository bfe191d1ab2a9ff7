"""Refinement of a whole-tissue map to materials: walls, contents, vessels, strands, lobules and lesions.

Everything is random. All details are painted before the map is deformed, so that one deformation moves them
together with the organs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.anatomy import Tissue, TissueMap
from attunet_gui.synthesis.contents import fill_bowel, fill_stomach
from attunet_gui.synthesis.devices import place_device
from attunet_gui.synthesis.gland import draw_clefts, draw_duct, draw_lesions, reshape_gland
from attunet_gui.synthesis.materials import Material
from attunet_gui.synthesis.neighbours import (
    draw_jejunal_loops,
    draw_loops,
    draw_mesenteric_vessels,
    draw_third_duodenum,
    draw_veins,
    grow_bowel_to_gland,
)
from attunet_gui.synthesis.painting import ROOM, Canvas, centre_of_pancreas, paint_tube, wander
from attunet_gui.synthesis.settings import USUAL, Settings


def detailed(
    source: TissueMap, rng: np.random.Generator, settings: Settings = USUAL, *, prone: bool = False
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
    canvas = Canvas(source.tissue.copy(), np.asarray(source.spacing_mm), rng, settings, prone)
    # The order matters: what is painted later covers what was before. The gland takes its shape first, its
    # neighbours then touch it, and its own details and devices come after all that may lie in the fat.
    for paint in (
        reshape_gland,
        grow_bowel_to_gland,
        draw_third_duodenum,
        fill_bowel,
        fill_stomach,
        crust_bones,
        crust_kidneys,
        draw_liver,
        draw_lung,
        marble_muscle,
        draw_veins,
        draw_jejunal_loops,
        draw_loops,
        draw_mesenteric_vessels,
        scatter_vessels,
        scatter_nodes,
        draw_strands,
        draw_clefts,
        draw_duct,
        draw_lesions,
        place_device,
        harden_arteries,
        draw_skin,
    ):
        paint(canvas)
    return canvas.codes


def crust_bones(canvas: Canvas) -> None:
    """Paint compact bone around the marrow."""
    bone = canvas.codes == Tissue.BONE
    canvas.codes[bone & ~canvas.inner(bone, 1.5)] = Material.CORTICAL_BONE


def crust_kidneys(canvas: Canvas) -> None:
    """Paint the cortex of the kidneys around the medulla, and fat into the sinus."""
    part = canvas.part(Tissue.KIDNEY)
    if part is None:
        return
    codes, mask = part
    deep = canvas.inner(mask, canvas.rng.uniform(4, 7)) & (canvas.field(codes.shape, 10.0) > -0.6)
    codes[mask & ~deep] = Material.RENAL_CORTEX
    codes[canvas.inner(mask, 11) & (canvas.field(codes.shape, 8.0) > 0.4)] = Material.SINUS_FAT


def draw_liver(canvas: Canvas) -> None:
    """Paint liver vessels, and lesions in a quarter of the patients.

    Where two random sheets cross, they form random connected tubes: these are the vessels.
    """
    part = canvas.part(Tissue.LIVER)
    if part is None:
        return
    (codes, mask), rng = part, canvas.rng
    thin = rng.uniform(0.10, 0.22)
    tubes = (np.abs(canvas.field(codes.shape, 30.0)) < thin) & (
        np.abs(canvas.field(codes.shape, 30.0)) < thin
    )
    codes[mask & tubes] = Material.LIVER_VESSEL
    if rng.random() < 0.25:
        codes[mask & (canvas.field(codes.shape, 16.0) > rng.uniform(2.2, 3.0))] = Material.LIVER_LESION


def draw_lung(canvas: Canvas) -> None:
    """Paint vessels into the lungs."""
    lung = canvas.codes == Tissue.LUNG
    canvas.codes[lung & (canvas.field(lung.shape, 8.0) > 2.0)] = Material.LUNG_VESSEL


def marble_muscle(canvas: Canvas) -> None:
    """Paint streaks of fat into muscle, more in some patients than in others."""
    muscle = canvas.codes == Tissue.MUSCLE
    streaks = canvas.field(muscle.shape, 5.0) > canvas.rng.uniform(1.3, 3.0)
    canvas.codes[muscle & streaks] = Material.MUSCLE_FAT


def scatter_vessels(canvas: Canvas) -> None:
    """Paint small arteries and veins through the fat around the gland."""
    centre = centre_of_pancreas(canvas)
    if centre is None:
        return
    for _ in range(int(canvas.rng.integers(15, 60))):
        start = centre + canvas.rng.normal(0, (40, 30, 55))
        code = int(canvas.rng.choice([Material.SMALL_ARTERY, Material.SMALL_VEIN]))
        path = wander(canvas, start, canvas.rng.uniform(20, 70), 7.0)
        paint_tube(canvas, path, canvas.rng.uniform(0.9, 2.4), code, ROOM)


def scatter_nodes(canvas: Canvas) -> None:
    """Paint lymph nodes into the fat around the gland."""
    centre = centre_of_pancreas(canvas)
    if centre is None:
        return
    for _ in range(canvas.rng.poisson(6)):
        start = centre + canvas.rng.normal(0, (35, 25, 40))
        paint_tube(canvas, start[None], canvas.rng.uniform(2, 5), int(Material.NODE), ROOM)


def draw_strands(canvas: Canvas) -> None:
    """Paint strands into the visceral fat, which stand for mesentery, small vessels and a little oedema."""
    fat = canvas.codes == Tissue.VISCERAL_FAT
    thin = canvas.rng.uniform(0.03, 0.16)
    sheets = np.abs(canvas.field(fat.shape, 14.0)) < thin
    sheets &= canvas.field(fat.shape, 40.0) > canvas.rng.uniform(-0.8, 1.2)
    canvas.codes[fat & sheets] = Material.STRAND


def harden_arteries(canvas: Canvas) -> None:
    """Paint plaque into the wall of the aorta, in two patients of five."""
    if canvas.rng.random() > 0.4:
        return
    aorta = canvas.codes == Tissue.AORTA
    wall = aorta & ~canvas.inner(aorta, 1.5)
    canvas.codes[wall & (canvas.field(aorta.shape, 6.0) > canvas.rng.uniform(1.0, 2.2))] = Material.PLAQUE


def draw_skin(canvas: Canvas) -> None:
    """Paint the outermost voxel of the body as skin, slice by slice."""
    body = canvas.codes > 0
    deep = ndimage.binary_erosion(body, np.ones((1, 3, 3), bool), border_value=1)
    canvas.codes[body & ~deep] = Material.SKIN

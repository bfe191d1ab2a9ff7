"""From a whole-tissue map to a map of materials: walls and contents, vessels, strands, lobules, lesions.

Everything is random, and everything new is drawn into the map before it is deformed, so that one random
warp carries it all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from attunet_gui.synthesis.anatomy import Tissue, TissueMap
from attunet_gui.synthesis.fields import F32, smooth_field
from attunet_gui.synthesis.materials import IN_PANCREAS, Material

Bits = NDArray[np.bool_]
Place = NDArray[np.float64]

_CONTENTS = (
    Material.COLLAPSED,
    Material.FLUID,
    Material.ORAL_CONTRAST,
    Material.GAS,
    Material.FOOD,
)
_ODDS = {
    # collapsed, fluid, oral contrast, gas, food
    Tissue.SMALL_BOWEL: (0.50, 0.22, 0.14, 0.07, 0.07),
    Tissue.DUODENUM: (0.50, 0.24, 0.14, 0.08, 0.04),
    Tissue.COLON: (0.15, 0.10, 0.10, 0.35, 0.30),
}
_LOOP_MM = {Tissue.SMALL_BOWEL: 28.0, Tissue.DUODENUM: 30.0, Tissue.COLON: 45.0}
_ROOM = (Tissue.VISCERAL_FAT, Tissue.SOFT)
_BESIDE_VESSELS = (*_ROOM, Material.WALL, Material.COLLAPSED, Material.FLUID, Material.FOOD)


@dataclass(eq=False)
class Canvas:
    """A material map being painted.

    Attributes:
        codes: (z, y, x) uint8, `Tissue` and `Material`; painted in place.
        spacing_mm: (z, y, x) voxel size.
        rng: the one source of chance.
    """

    codes: NDArray[np.uint8]
    spacing_mm: NDArray[np.float64]
    rng: np.random.Generator

    def part(self, code: int, margin_mm: float = 0.0) -> tuple[NDArray[np.uint8], Bits] | None:
        """The codes in a box around `code`, to paint in, and which of them are `code`; None without any."""
        found = ndimage.find_objects((self.codes == code).view(np.uint8))
        if not found or found[0] is None:
            return None
        pad = np.ceil(margin_mm / self.spacing_mm).astype(int)
        box = tuple(
            slice(max(0, along.start - p), min(size, along.stop + p))
            for along, p, size in zip(found[0], pad, self.codes.shape, strict=True)
        )
        codes = self.codes[box]
        return codes, codes == code

    def field(self, shape: tuple[int, ...], correlation_mm: float) -> F32:
        """Smooth noise of unit variance."""
        return smooth_field(shape, correlation_mm / float(self.spacing_mm.mean()), self.rng)

    def inner(self, mask: Bits, depth_mm: float) -> Bits:
        """Voxels of `mask` further than about `depth_mm` from its edge."""
        size = [max(3, 2 * round(depth_mm / step) + 1) for step in self.spacing_mm]
        return np.asarray(ndimage.uniform_filter(mask.astype(np.float32), size, mode="nearest") > 0.999)


def detailed(source: TissueMap, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(z, y, x) uint8 material codes on the grid of `source`; two calls are two patients' insides."""
    canvas = Canvas(source.tissue.copy(), np.asarray(source.spacing_mm), rng)
    for paint in (
        reshape_pancreas,
        fill_bowel,
        fill_stomach,
        crust_bones,
        crust_kidneys,
        draw_liver,
        draw_lung,
        marble_muscle,
        draw_loops,
        draw_mesenteric_vessels,
        scatter_vessels,
        scatter_nodes,
        draw_strands,
        lobulate_pancreas,
        harden_arteries,
        draw_skin,
    ):
        paint(canvas)
    return canvas.codes


def reshape_pancreas(canvas: Canvas) -> None:
    """Grow or shrink the gland and roughen its surface, into fat only."""
    part = canvas.part(Tissue.PANCREAS, 10)
    if part is None:
        return
    codes, mask = part
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 2.2 / canvas.spacing_mm)
    rough = canvas.rng.uniform(0.02, 0.10) * canvas.field(codes.shape, 5.0)
    rough += canvas.rng.uniform(0.0, 0.10) * canvas.field(codes.shape, 14.0)
    wanted = soft + rough > canvas.rng.uniform(0.40, 0.58)
    wanted &= mask | np.isin(codes, _ROOM)
    wanted &= soft > 0.08
    if wanted.sum() < 0.4 * mask.sum():
        return
    codes[mask & ~wanted] = Tissue.VISCERAL_FAT
    codes[wanted] = Tissue.PANCREAS


def fill_bowel(canvas: Canvas) -> None:
    """Divide bowel into loops, each with a wall and a content of its own."""
    oral = canvas.rng.random() < 0.45
    for organ, odds in _ODDS.items():
        part = canvas.part(organ)
        if part is None:
            continue
        codes, mask = part
        loops = _loops(canvas, mask, _LOOP_MM[organ] * canvas.rng.uniform(0.7, 1.4))
        share = np.array(odds) * (1, 1, 2.2 if oral else 0.0, 1, 1)
        share *= canvas.rng.gamma(2.0, 1.0, len(share))
        contents = canvas.rng.choice(_CONTENTS, size=int(loops.max()) + 1, p=share / share.sum())
        filled = np.asarray(contents, np.uint8)[loops]
        lumen = mask & _within_cells(loops) & canvas.inner(mask, canvas.rng.choice([1.5, 2.5]))
        codes[mask] = Material.WALL
        codes[mask & (filled == Material.COLLAPSED)] = Material.COLLAPSED
        codes[lumen] = filled[lumen]


def _loops(canvas: Canvas, mask: Bits, size_mm: float) -> NDArray[np.intp]:
    """Number of the nearest of some random centres, by voxel; centres lie inside `mask`."""
    inside = np.argwhere(mask)
    count = max(2, int(len(inside) * float(np.prod(canvas.spacing_mm)) / size_mm**3 * 2))
    centres = inside[canvas.rng.choice(len(inside), min(count, len(inside)), replace=False)]
    stretch = canvas.spacing_mm * canvas.rng.uniform(0.6, 1.6, 3)
    found = np.zeros(mask.shape, np.intp)
    found[mask] = cKDTree(centres * stretch).query(inside * stretch, workers=1)[1]
    return found


def _within_cells(loops: NDArray[np.intp]) -> Bits:
    same = np.ones(loops.shape, bool)
    for axis in range(3):
        border = np.diff(loops, axis=axis) != 0
        near: list[slice] = [slice(None)] * 3
        near[axis] = slice(None, -1)
        same[tuple(near)] &= ~border
    return same


def fill_stomach(canvas: Canvas) -> None:
    """Wall and rugae around fluid, food or contrast, under gas."""
    part = canvas.part(Tissue.STOMACH)
    if part is None:
        return
    (codes, mask), rng = part, canvas.rng
    if rng.random() < 0.25:
        codes[mask] = Material.COLLAPSED
        return
    lumen = canvas.inner(mask, rng.uniform(1.5, 10.0))
    lumen &= canvas.field(codes.shape, 9.0) < rng.uniform(1.2, 3.0)
    content = rng.choice([Material.FLUID, Material.ORAL_CONTRAST, Material.FOOD], p=[0.4, 0.3, 0.3])
    codes[mask] = Material.WALL
    codes[lumen] = content
    level = rng.uniform(0.0, 0.65) * codes.shape[1]
    gas = lumen & (np.arange(codes.shape[1])[None, :, None] < level)
    codes[gas] = Material.GAS


def crust_bones(canvas: Canvas) -> None:
    """Compact bone around marrow."""
    bone = canvas.codes == Tissue.BONE
    canvas.codes[bone & ~canvas.inner(bone, 1.5)] = Material.CORTICAL_BONE


def crust_kidneys(canvas: Canvas) -> None:
    """Cortex around medulla, with fat in the sinus."""
    part = canvas.part(Tissue.KIDNEY)
    if part is None:
        return
    codes, mask = part
    deep = canvas.inner(mask, canvas.rng.uniform(4, 7)) & (canvas.field(codes.shape, 10.0) > -0.6)
    codes[mask & ~deep] = Material.RENAL_CORTEX
    codes[canvas.inner(mask, 11) & (canvas.field(codes.shape, 8.0) > 0.4)] = Material.SINUS_FAT


def draw_liver(canvas: Canvas) -> None:
    """Vessels as the crossings of two random sheets, and now and then a lesion."""
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
    """Vessels, and sometimes a collapsed base."""
    lung = canvas.codes == Tissue.LUNG
    canvas.codes[lung & (canvas.field(lung.shape, 8.0) > 2.0)] = Material.LUNG_VESSEL


def marble_muscle(canvas: Canvas) -> None:
    """Streaks of fat in muscle, more in some patients."""
    muscle = canvas.codes == Tissue.MUSCLE
    streaks = canvas.field(muscle.shape, 5.0) > canvas.rng.uniform(1.3, 3.0)
    canvas.codes[muscle & streaks] = Material.MUSCLE_FAT


def draw_loops(canvas: Canvas) -> None:
    """Short loops of collapsed bowel, and lookalikes of the gland, in the fat around it."""
    centre = _centre_of_pancreas(canvas)
    if centre is None:
        return
    for _ in range(canvas.rng.poisson(3.5)):
        start = centre + canvas.rng.normal(0, (30, 25, 45))
        path = _wander(canvas, start, canvas.rng.uniform(30, 90), 9.0)
        look = canvas.rng.choice([Material.COLLAPSED, Material.LOOKALIKE, Material.WALL])
        radius = canvas.rng.uniform(6, 11)
        _paint_tube(canvas, path, radius, int(look), _ROOM)
        if look == Material.WALL:
            content = int(canvas.rng.choice(_CONTENTS))
            _paint_tube(canvas, path, radius - 2.5, content, (Material.WALL,))


def draw_mesenteric_vessels(canvas: Canvas) -> None:
    """Mesenteric vein and artery, coeliac, splenic and hepatic artery: hardly any label map has them."""
    head = _head_of_portal(canvas)
    aorta = _in_front_of_aorta(canvas, head)
    if head is None or aorta is None:
        return
    fork, coeliac = aorta + np.array([-12, -15, 0]), aorta + np.array([canvas.rng.uniform(12, 24), -17, 0])
    artery, vein = Material.SMALL_ARTERY, Material.SMALL_VEIN
    _lead(canvas, (aorta, fork), canvas.rng.uniform(2.5, 4.5), artery)
    _lead(canvas, (aorta + np.array([12, -3, 0]), coeliac), canvas.rng.uniform(2.5, 4), artery)
    for start, towards, length, straight, radius, code in (
        (head, (-1.0, -0.15, 0.05), 90, 25.0, (4, 7), vein),
        (fork, (-1.0, -0.15, 0.05), 90, 25.0, (2.5, 4.5), artery),
        (coeliac, (0.15, 0.35, 1.0), 100, 8.0, (2, 3.5), artery),
        (coeliac, (0.0, -0.2, -1.0), 60, 12.0, (1.8, 3.2), artery),
    ):
        path = _wander(canvas, start, length, straight, np.array(towards))
        _paint_tube(canvas, path, canvas.rng.uniform(*radius), code, _BESIDE_VESSELS)


def scatter_vessels(canvas: Canvas) -> None:
    """Small vessels through the fat around the gland."""
    centre = _centre_of_pancreas(canvas)
    if centre is None:
        return
    for _ in range(int(canvas.rng.integers(15, 60))):
        start = centre + canvas.rng.normal(0, (40, 30, 55))
        code = int(canvas.rng.choice([Material.SMALL_ARTERY, Material.SMALL_VEIN]))
        path = _wander(canvas, start, canvas.rng.uniform(20, 70), 7.0)
        _paint_tube(canvas, path, canvas.rng.uniform(0.9, 2.4), code, _ROOM)


def scatter_nodes(canvas: Canvas) -> None:
    """Lymph nodes and other small soft things."""
    centre = _centre_of_pancreas(canvas)
    if centre is None:
        return
    for _ in range(canvas.rng.poisson(6)):
        start = centre + canvas.rng.normal(0, (35, 25, 40))
        _paint_tube(canvas, start[None], canvas.rng.uniform(2, 5), int(Material.NODE), _ROOM)


def draw_strands(canvas: Canvas) -> None:
    """Strands in the visceral fat: mesentery, partial vessels, a little oedema."""
    fat = canvas.codes == Tissue.VISCERAL_FAT
    thin = canvas.rng.uniform(0.03, 0.16)
    sheets = np.abs(canvas.field(fat.shape, 14.0)) < thin
    sheets &= canvas.field(fat.shape, 40.0) > canvas.rng.uniform(-0.8, 1.2)
    canvas.codes[fat & sheets] = Material.STRAND


def lobulate_pancreas(canvas: Canvas) -> None:
    """Fatty clefts, more towards the edge; sometimes a duct or a lesion. All of it counts as pancreas."""
    part = canvas.part(Tissue.PANCREAS)
    if part is None:
        return
    (codes, mask), rng = part, canvas.rng
    deep = canvas.inner(mask, 2.0)
    clefts = canvas.field(codes.shape, rng.uniform(2.5, 6)) > np.where(deep, 0.8, 0.0) + rng.uniform(0.6, 2.6)
    codes[mask & clefts] = Material.PANCREATIC_FAT
    if rng.random() < 0.35:
        width = rng.uniform(0.15, 0.45)
        core = canvas.inner(mask, 3.0) & (np.abs(canvas.field(codes.shape, 25.0)) < width)
        codes[core] = Material.PANCREATIC_DUCT
    if rng.random() < 0.1:
        codes[mask & (canvas.field(codes.shape, 18.0) > 1.9)] = Material.PANCREATIC_LESION


def harden_arteries(canvas: Canvas) -> None:
    """Plaque in the wall of the aorta of some patients."""
    if canvas.rng.random() > 0.4:
        return
    aorta = canvas.codes == Tissue.AORTA
    wall = aorta & ~canvas.inner(aorta, 1.5)
    canvas.codes[wall & (canvas.field(aorta.shape, 6.0) > canvas.rng.uniform(1.0, 2.2))] = Material.PLAQUE


def draw_skin(canvas: Canvas) -> None:
    """The outermost voxel of the body."""
    body = canvas.codes > 0
    deep = ndimage.binary_erosion(body, np.ones((1, 3, 3), bool), border_value=1)
    canvas.codes[body & ~deep] = Material.SKIN


def _centre_of_pancreas(canvas: Canvas) -> Place | None:
    """Its mean place, mm from the first voxel."""
    inside = np.argwhere(np.isin(canvas.codes, IN_PANCREAS))
    return None if len(inside) == 0 else np.asarray(inside.mean(axis=0) * canvas.spacing_mm)


def _head_of_portal(canvas: Canvas) -> Place | None:
    """Lowest end of the portal vein, mm: where the mesenteric vein joins."""
    inside = np.argwhere(canvas.codes == Tissue.PORTAL_VEIN)
    if len(inside) == 0:
        return None
    low = inside[inside[:, 0] <= np.percentile(inside[:, 0], 4)]
    return np.asarray(low.mean(axis=0) * canvas.spacing_mm)


def _in_front_of_aorta(canvas: Canvas, at: Place | None) -> Place | None:
    if at is None:
        return None
    level = min(int(at[0] / canvas.spacing_mm[0]) + 4, len(canvas.codes) - 1)
    inside = np.argwhere(canvas.codes[level] == Tissue.AORTA)
    if len(inside) == 0:
        return None
    return np.array([level, inside[:, 0].min(), inside[:, 1].mean()]) * canvas.spacing_mm


def _lead(canvas: Canvas, ends: tuple[Place, Place], radius_mm: float, code: int) -> None:
    """A straight tube between two places."""
    path = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, 16)[:, None]
    _paint_tube(canvas, path, radius_mm, code, _BESIDE_VESSELS)


def _wander(
    canvas: Canvas,
    start: Place,
    length_mm: float,
    straight_mm: float,
    towards: Place | None = None,
) -> NDArray[np.float64]:
    """A random walk of smooth direction: (n, 3) points in mm, 1.5 mm apart."""
    count = max(2, int(length_mm / 1.5))
    turns = canvas.rng.normal(0, 1.5 / straight_mm, (count, 3))
    aim = canvas.rng.normal(0, 1, 3) if towards is None else towards + canvas.rng.normal(0, 0.2, 3)
    direction, points = aim / np.linalg.norm(aim), [start]
    for turn in turns:
        direction = direction + turn * 2
        if towards is not None:
            direction = direction + 0.05 * towards
        direction = direction / np.linalg.norm(direction)
        points.append(points[-1] + 1.5 * direction)
    return np.array(points)


def _paint_tube(canvas: Canvas, path: Place, radius_mm: float, code: int, over: tuple[int, ...]) -> None:
    """Balls of `radius_mm` along `path` (n, 3) mm, painted where the map shows one of `over`."""
    reach = np.ceil(radius_mm / canvas.spacing_mm).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
    voxels = np.rint(path / canvas.spacing_mm).astype(int)
    shift = path / canvas.spacing_mm - voxels
    far = np.linalg.norm((offsets[None] - shift[:, None]) * canvas.spacing_mm, axis=-1)
    at = (voxels[:, None] + offsets[None])[far <= radius_mm]
    at = at[((at >= 0) & (at < canvas.codes.shape)).all(axis=1)]
    place = tuple(at.T)
    keep = np.isin(canvas.codes[place], over)
    canvas.codes[tuple(at[keep].T)] = code

"""The walls, folds and contents of stomach and bowel, with levels of gas and fluid that follow gravity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from attunet_gui.synthesis.label_map_ct.ct_materials import MaterialCode
from attunet_gui.synthesis.label_map_ct.material_canvas import BoolArray, MaterialCanvas
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode

BOWEL_CONTENTS = (
    MaterialCode.COLLAPSED,
    MaterialCode.FLUID,
    MaterialCode.ORAL_CONTRAST,
    MaterialCode.GAS,
    MaterialCode.FOOD,
)
"""What a loop of bowel can hold, in the order of the odds in the settings."""

_BOWEL_ODDS = {
    # collapsed, fluid, oral contrast, gas, food
    TissueCode.SMALL_BOWEL: (0.50, 0.22, 0.14, 0.07, 0.07),
    TissueCode.DUODENUM: (0.50, 0.24, 0.14, 0.08, 0.04),
    TissueCode.COLON: (0.15, 0.10, 0.10, 0.35, 0.30),
}
_LOOP_SIZE_MM = {TissueCode.SMALL_BOWEL: 28.0, TissueCode.DUODENUM: 30.0, TissueCode.COLON: 45.0}
_STOMACH_CONTENTS = (
    MaterialCode.COLLAPSED,
    MaterialCode.FLUID,
    MaterialCode.ORAL_CONTRAST,
    MaterialCode.GAS,
    MaterialCode.FOOD,
)
_MAX_FOLD_WIDTH = 0.45


def fill_bowel(canvas: MaterialCanvas) -> None:
    """Divide small bowel, duodenum and colon into loops, and paint a wall and a content into each."""
    # Whether the patient drank contrast medium is drawn once, for it shows in many loops or in none.
    oral = canvas.draw_chance(canvas.settings.contents.oral_share)
    for organ in _BOWEL_ODDS:
        part = canvas.box_around(organ)
        if part is None:
            continue
        codes, mask = part
        loops = _divide_into_loops(canvas, mask, _LOOP_SIZE_MM[organ] * canvas.rng.uniform(0.7, 1.4))
        odds = bowel_odds(canvas, organ, oral=oral)
        contents = canvas.rng.choice(BOWEL_CONTENTS, size=int(loops.max()) + 1, p=odds)
        filled = np.asarray(contents, np.uint8)[loops]
        lumen = (
            mask & _away_from_loop_borders(loops) & canvas.interior_of(mask, canvas.rng.choice([1.5, 2.5]))
        )
        codes[mask] = MaterialCode.WALL
        codes[mask & (filled == MaterialCode.COLLAPSED)] = MaterialCode.COLLAPSED
        codes[lumen] = filled[lumen]
        _add_folds(canvas, codes, lumen, organ)
        _add_fluid_levels(canvas, codes, np.where(lumen, loops + 1, 0))


def bowel_odds(canvas: MaterialCanvas, organ: TissueCode, *, oral: bool) -> NDArray[np.float64]:
    """Draw the (5,) probabilities of each content in a loop of this patient's `organ`.

    Args:
        canvas: settings and random generator.
        organ: small bowel, duodenum or colon.
        oral: whether the patient drank contrast medium.
    """
    share = np.array(_BOWEL_ODDS[organ]) * canvas.settings.contents.bowel
    share *= (1, 1, 2.2 if oral else 0.0, 1, 1)
    share *= canvas.rng.gamma(2.0, 1.0, len(share))
    return np.asarray(share / share.sum())


def _divide_into_loops(canvas: MaterialCanvas, mask: BoolArray, size_mm: float) -> NDArray[np.intp]:
    """Divide a mask into cells of about `size_mm` around random centres inside it (a Voronoi partition).

    Returns:
        Number of the cell by voxel, from 0; also 0 outside of the mask.
    """
    inside = np.argwhere(mask)
    count = max(2, int(len(inside) * float(np.prod(canvas.spacing_mm)) / size_mm**3 * 2))
    centres = inside[canvas.rng.choice(len(inside), min(count, len(inside)), replace=False)]
    # A random stretch of the axes makes the cells elongated, as loops are.
    stretch = canvas.spacing_mm * canvas.rng.uniform(0.6, 1.6, 3)
    found = np.zeros(mask.shape, np.intp)
    found[mask] = cKDTree(centres * stretch).query(inside * stretch, workers=1)[1]
    return found


def _away_from_loop_borders(loops: NDArray[np.intp]) -> BoolArray:
    """Return the voxels whose upper neighbour along every axis belongs to the same loop.

    The voxels in between become wall, so that lumina of neighbouring loops never join.
    """
    same = np.ones(loops.shape, bool)
    for axis in range(3):
        border = np.diff(loops, axis=axis) != 0
        near: list[slice] = [slice(None)] * 3
        near[axis] = slice(None, -1)
        same[tuple(near)] &= ~border
    return same


def _add_folds(canvas: MaterialCanvas, codes: NDArray[np.uint8], lumen: BoolArray, organ: TissueCode) -> None:
    """Paint folds that reach into the lumen of the small bowel, in place.

    The colon gets none, since its haustra are in its shape already.
    """
    if organ == TissueCode.COLON or not canvas.draw_chance(0.7):
        return
    folds = np.abs(canvas.draw_field(codes.shape, 4.0)) < canvas.rng.uniform(0.1, _MAX_FOLD_WIDTH)
    codes[lumen & folds & (codes != MaterialCode.GAS)] = MaterialCode.WALL


def _add_fluid_levels(canvas: MaterialCanvas, codes: NDArray[np.uint8], lumina: NDArray[np.intp]) -> None:
    """Paint gas over the content of some lumina, and contrast medium that has settled below fluid in some.

    Args:
        canvas: settings, random generator, and the direction of gravity.
        codes: (z, y, x) material codes, painted in place.
        lumina: (z, y, x) number of the lumen by voxel, from 1; 0 is none.
    """
    wanted = canvas.settings.contents
    numbers = np.arange(1, int(lumina.max()) + 1)
    if len(numbers) == 0:
        return
    height = np.broadcast_to(canvas.height_mm(codes.shape[1]), codes.shape)
    low, high = (np.asarray(found(height, lumina, numbers)) for found in (ndimage.minimum, ndimage.maximum))
    # A share of 2 is above every lumen: nothing changes there.
    gas_from = np.where(
        canvas.rng.random(len(numbers)) < wanted.gas_level_share, canvas.rng.random(len(numbers)), 2
    )
    settled = canvas.rng.random(len(numbers)) < wanted.settled_share
    clear_from = np.where(settled, canvas.rng.uniform(0.3, 0.8, len(numbers)), 2)
    share = np.zeros(codes.shape, np.float32)
    inside = lumina > 0
    place = lumina[inside] - 1
    share[inside] = (height[inside] - low[place]) / np.maximum(high[place] - low[place], 1e-3)
    liquid = np.isin(codes[inside], (MaterialCode.FLUID, MaterialCode.ORAL_CONTRAST, MaterialCode.FOOD))
    found = codes[inside]
    found[(found == MaterialCode.ORAL_CONTRAST) & (share[inside] > clear_from[place])] = MaterialCode.FLUID
    found[liquid & (share[inside] > gas_from[place])] = MaterialCode.GAS
    codes[inside] = found


def fill_stomach(canvas: MaterialCanvas) -> None:
    """Paint the wall and folds of the stomach around fluid, food, contrast medium or gas, in layers."""
    part = canvas.box_around(TissueCode.STOMACH)
    if part is None:
        return
    (codes, mask), rng, wanted = part, canvas.rng, canvas.settings.contents
    odds = np.array(wanted.stomach)
    content = int(rng.choice(_STOMACH_CONTENTS, p=odds / odds.sum()))
    if content == MaterialCode.COLLAPSED:
        _collapse_stomach(canvas, codes, mask)
        return
    lumen = canvas.interior_of(mask, canvas.draw_uniform(wanted.wall_mm))
    # Peaks of the field stay wall: they are the rugae.
    lumen &= canvas.draw_field(codes.shape, 9.0) < rng.uniform(1.2, 3.0)
    codes[mask] = MaterialCode.WALL
    codes[lumen] = content
    _layer_stomach_contents(canvas, codes, lumen)


def _collapse_stomach(canvas: MaterialCanvas, codes: NDArray[np.uint8], mask: BoolArray) -> None:
    """Paint an empty stomach, whose thick folds touch with hardly any fluid or gas between them."""
    codes[mask] = MaterialCode.COLLAPSED
    cleft = canvas.interior_of(mask, 5.0) & (
        np.abs(canvas.draw_field(codes.shape, 9.0)) < canvas.rng.uniform(0.0, 0.25)
    )
    codes[cleft] = canvas.rng.choice([MaterialCode.FLUID, MaterialCode.GAS, MaterialCode.FOOD])


def _layer_stomach_contents(canvas: MaterialCanvas, codes: NDArray[np.uint8], lumen: BoolArray) -> None:
    """Paint gas at the top of the lumen, clear fluid in between, and contrast medium at the bottom."""
    if not lumen.any():
        return
    height = np.broadcast_to(canvas.height_mm(codes.shape[1]), codes.shape)
    low, high = float(height[lumen].min()), float(height[lumen].max())
    share = (height - low) / max(high - low, 1e-3)
    wanted = canvas.settings.contents
    if canvas.draw_chance(wanted.settled_share):
        clear = lumen & (codes == MaterialCode.ORAL_CONTRAST) & (share > canvas.rng.uniform(0.3, 0.8))
        codes[clear] = MaterialCode.FLUID
    codes[lumen & (share > 1 - canvas.draw_uniform(wanted.gas))] = MaterialCode.GAS

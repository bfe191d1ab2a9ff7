"""The walls, folds and contents of stomach and bowel, with levels of gas and fluid that follow gravity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from attunet_gui.synthesis.anatomy import Tissue
from attunet_gui.synthesis.materials import Material
from attunet_gui.synthesis.painting import Bits, Canvas

CONTENTS = (Material.COLLAPSED, Material.FLUID, Material.ORAL_CONTRAST, Material.GAS, Material.FOOD)
"""What a loop of bowel can hold, in the order of the odds in the settings."""

_ODDS = {
    # collapsed, fluid, oral contrast, gas, food
    Tissue.SMALL_BOWEL: (0.50, 0.22, 0.14, 0.07, 0.07),
    Tissue.DUODENUM: (0.50, 0.24, 0.14, 0.08, 0.04),
    Tissue.COLON: (0.15, 0.10, 0.10, 0.35, 0.30),
}
_LOOP_MM = {Tissue.SMALL_BOWEL: 28.0, Tissue.DUODENUM: 30.0, Tissue.COLON: 45.0}
_IN_STOMACH = (Material.COLLAPSED, Material.FLUID, Material.ORAL_CONTRAST, Material.GAS, Material.FOOD)
_FOLDED = 0.45


def fill_bowel(canvas: Canvas) -> None:
    """Divide small bowel, duodenum and colon into loops, and paint a wall and a content into each."""
    # Whether the patient drank contrast medium is drawn once, for it shows in many loops or in none.
    oral = canvas.chance(canvas.settings.contents.oral_share)
    for organ in _ODDS:
        part = canvas.part(organ)
        if part is None:
            continue
        codes, mask = part
        loops = _loops(canvas, mask, _LOOP_MM[organ] * canvas.rng.uniform(0.7, 1.4))
        odds = bowel_odds(canvas, organ, oral=oral)
        contents = canvas.rng.choice(CONTENTS, size=int(loops.max()) + 1, p=odds)
        filled = np.asarray(contents, np.uint8)[loops]
        lumen = mask & _within_cells(loops) & canvas.inner(mask, canvas.rng.choice([1.5, 2.5]))
        codes[mask] = Material.WALL
        codes[mask & (filled == Material.COLLAPSED)] = Material.COLLAPSED
        codes[lumen] = filled[lumen]
        _add_folds(canvas, codes, lumen, organ)
        _add_levels(canvas, codes, np.where(lumen, loops + 1, 0))


def bowel_odds(canvas: Canvas, organ: Tissue, *, oral: bool) -> NDArray[np.float64]:
    """Draw the (5,) probabilities of each content in a loop of this patient's `organ`.

    Args:
        canvas: settings and random generator.
        organ: small bowel, duodenum or colon.
        oral: whether the patient drank contrast medium.
    """
    share = np.array(_ODDS[organ]) * canvas.settings.contents.bowel
    share *= (1, 1, 2.2 if oral else 0.0, 1, 1)
    share *= canvas.rng.gamma(2.0, 1.0, len(share))
    return np.asarray(share / share.sum())


def _loops(canvas: Canvas, mask: Bits, size_mm: float) -> NDArray[np.intp]:
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


def _within_cells(loops: NDArray[np.intp]) -> Bits:
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


def _add_folds(canvas: Canvas, codes: NDArray[np.uint8], lumen: Bits, organ: Tissue) -> None:
    """Paint folds that reach into the lumen of the small bowel, in place.

    The colon gets none, since its haustra are in its shape already.
    """
    if organ == Tissue.COLON or not canvas.chance(0.7):
        return
    folds = np.abs(canvas.field(codes.shape, 4.0)) < canvas.rng.uniform(0.1, _FOLDED)
    codes[lumen & folds & (codes != Material.GAS)] = Material.WALL


def _add_levels(canvas: Canvas, codes: NDArray[np.uint8], lumina: NDArray[np.intp]) -> None:
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
    liquid = np.isin(codes[inside], (Material.FLUID, Material.ORAL_CONTRAST, Material.FOOD))
    found = codes[inside]
    found[(found == Material.ORAL_CONTRAST) & (share[inside] > clear_from[place])] = Material.FLUID
    found[liquid & (share[inside] > gas_from[place])] = Material.GAS
    codes[inside] = found


def fill_stomach(canvas: Canvas) -> None:
    """Paint the wall and folds of the stomach around fluid, food, contrast medium or gas, in layers."""
    part = canvas.part(Tissue.STOMACH)
    if part is None:
        return
    (codes, mask), rng, wanted = part, canvas.rng, canvas.settings.contents
    odds = np.array(wanted.stomach)
    content = int(rng.choice(_IN_STOMACH, p=odds / odds.sum()))
    if content == Material.COLLAPSED:
        _collapse(canvas, codes, mask)
        return
    lumen = canvas.inner(mask, canvas.draw(wanted.wall_mm))
    # Peaks of the field stay wall: they are the rugae.
    lumen &= canvas.field(codes.shape, 9.0) < rng.uniform(1.2, 3.0)
    codes[mask] = Material.WALL
    codes[lumen] = content
    _layer(canvas, codes, lumen)


def _collapse(canvas: Canvas, codes: NDArray[np.uint8], mask: Bits) -> None:
    """Paint an empty stomach, whose thick folds touch with hardly any fluid or gas between them."""
    codes[mask] = Material.COLLAPSED
    cleft = canvas.inner(mask, 5.0) & (np.abs(canvas.field(codes.shape, 9.0)) < canvas.rng.uniform(0.0, 0.25))
    codes[cleft] = canvas.rng.choice([Material.FLUID, Material.GAS, Material.FOOD])


def _layer(canvas: Canvas, codes: NDArray[np.uint8], lumen: Bits) -> None:
    """Paint gas at the top of the lumen, clear fluid in between, and contrast medium at the bottom."""
    if not lumen.any():
        return
    height = np.broadcast_to(canvas.height_mm(codes.shape[1]), codes.shape)
    low, high = float(height[lumen].min()), float(height[lumen].max())
    share = (height - low) / max(high - low, 1e-3)
    wanted = canvas.settings.contents
    if canvas.chance(wanted.settled_share):
        clear = lumen & (codes == Material.ORAL_CONTRAST) & (share > canvas.rng.uniform(0.3, 0.8))
        codes[clear] = Material.FLUID
    codes[lumen & (share > 1 - canvas.draw(wanted.gas))] = Material.GAS

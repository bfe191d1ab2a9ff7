"""The pancreas in detail: size and surface, fat between lobules, duct, cysts and masses.

All that is painted inside the gland stays part of its label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.ct_materials import IN_PANCREAS, MaterialCode
from attunet_gui.synthesis.label_map_ct.material_canvas import (
    PAINTABLE_TISSUES,
    BoolArray,
    MaterialCanvas,
    PositionsMm,
    paint_tube,
)
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode

_PANCREAS_CODES = np.array(IN_PANCREAS, np.uint8)
_HEAD_SHARE = 0.3
_MIN_SHARE_LEFT = 0.25


def reshape_gland(canvas: MaterialCanvas) -> None:
    """Grow or shrink the gland and roughen its surface; it grows into fat only."""
    part = canvas.box_around(TissueCode.PANCREAS, 14)
    if part is None:
        return
    (codes, mask), wanted_gland = part, canvas.settings.gland
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 2.2 / canvas.spacing_mm)
    rough = canvas.rng.uniform(0.02, 0.10) * canvas.draw_field(codes.shape, 5.0)
    rough += canvas.draw_uniform(wanted_gland.lobes) * canvas.draw_field(codes.shape, 11.0)
    grown = canvas.draw_uniform(wanted_gland.grown_mm)
    wanted = _grow_mask(soft + rough > canvas.draw_uniform(wanted_gland.level), grown, canvas.spacing_mm)
    wanted &= mask | np.isin(codes, PAINTABLE_TISSUES)
    wanted &= (soft > 0.08) | (grown > 0)
    # A gland that would lose most of its volume is left as it was.
    if wanted.sum() < _MIN_SHARE_LEFT * mask.sum():
        return
    codes[mask & ~wanted] = TissueCode.VISCERAL_FAT
    codes[wanted] = TissueCode.PANCREAS


def _grow_mask(mask: BoolArray, by_mm: float, spacing_mm: NDArray[np.float64]) -> BoolArray:
    """Return the mask grown by `by_mm` on all sides, or shrunk if negative.

    Thin parts lose at most 0.6 of their half thickness, so that a slender tail is not torn.
    """
    if by_mm > 0:
        return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= by_mm)
    if by_mm == 0:
        return mask
    # To the surface, half a voxel before the middle of the next one outside.
    depth = ndimage.distance_transform_edt(mask, sampling=spacing_mm) - spacing_mm.min() / 2
    size = [2 * round(7 / step) + 1 for step in spacing_mm]
    return np.asarray(depth > np.minimum(-by_mm, 0.6 * ndimage.maximum_filter(depth, size)))


def draw_fatty_clefts(canvas: MaterialCanvas) -> None:
    """Paint fat between the lobules, more towards the edge; sometimes a piece of duct and small lesions."""
    part = canvas.box_around(TissueCode.PANCREAS)
    if part is None:
        return
    (codes, mask), rng, wanted = part, canvas.rng, canvas.settings.gland
    deep = canvas.interior_of(mask, 2.0)
    threshold = np.where(deep, 0.8, 0.0) + canvas.draw_uniform(wanted.clefts)
    clefts = canvas.draw_field(codes.shape, rng.uniform(2.5, 6)) > threshold
    codes[mask & clefts] = MaterialCode.PANCREATIC_FAT
    if canvas.draw_chance(wanted.duct_share):
        width = rng.uniform(0.15, 0.45)
        core = canvas.interior_of(mask, 3.0) & (np.abs(canvas.draw_field(codes.shape, 25.0)) < width)
        codes[core] = MaterialCode.PANCREATIC_DUCT
    if canvas.draw_chance(wanted.lesion_share):
        codes[mask & (canvas.draw_field(codes.shape, 18.0) > 1.9)] = MaterialCode.PANCREATIC_LESION


def draw_long_duct(canvas: MaterialCanvas) -> None:
    """Paint a duct from head to tail, if the settings ask for one that is wide enough to be seen."""
    radius = canvas.draw_uniform(canvas.settings.gland.duct_mm)
    if radius > 0.7:
        _paint_duct(canvas, radius, 0.0)


def _paint_duct(canvas: MaterialCanvas, radius_mm: float, from_share: float) -> None:
    """Paint a duct of `radius_mm` along the gland, from `from_share` of the way between head and tail on."""
    path = gland_centreline(canvas)
    path = path[int(from_share * len(path)) :]
    if len(path) > 1:
        paint_tube(canvas, path, radius_mm, MaterialCode.DILATED_DUCT, IN_PANCREAS)


def gland_centreline(canvas: MaterialCanvas) -> PositionsMm:
    """Return the middle of the gland from head to tail: (n, 3) mm, one point per sagittal plane.

    The result is (0, 3) if there is no gland, or one that is less than three voxels wide.
    """
    box = ndimage.find_objects(np.isin(canvas.codes, _PANCREAS_CODES).view(np.uint8))
    if not box or box[0] is None:
        return np.zeros((0, 3))
    part = np.isin(canvas.codes[box[0]], _PANCREAS_CODES)
    if part.shape[2] < 3:
        return np.zeros((0, 3))
    # Squared depth as weight: the middle follows the thickest part, not a lobe at the side.
    weight = (
        ndimage.distance_transform_edt(np.pad(part, 1), sampling=canvas.spacing_mm)[1:-1, 1:-1, 1:-1] ** 2
    )
    filled = np.flatnonzero(weight.any(axis=(0, 1)))
    total = weight.sum(axis=(0, 1))[filled]
    z = np.einsum("zyx,z->x", weight, np.arange(part.shape[0]))[filled] / total
    y = np.einsum("zyx,y->x", weight, np.arange(part.shape[1]))[filled] / total
    first = np.array([along.start for along in box[0]])
    course = (np.stack([z, y, filled], axis=1) + first) * canvas.spacing_mm
    return np.asarray(ndimage.gaussian_filter1d(course, 5.0 / canvas.spacing_mm[2], axis=0, mode="nearest"))


def draw_lesions(canvas: MaterialCanvas) -> None:
    """Paint cysts, and a mass with a dilated duct behind it; both may bulge into the fat."""
    wanted = canvas.settings.gland
    course = gland_centreline(canvas)
    if len(course) == 0:
        return
    for _ in range(round(canvas.draw_uniform(wanted.cysts))):
        at = course[int(canvas.rng.integers(len(course)))] + canvas.rng.normal(0, 4, 3)
        _paint_lump(canvas, at, float(np.exp(canvas.rng.uniform(np.log(4), np.log(18)))), MaterialCode.CYST)
    radius = canvas.draw_uniform(wanted.mass_mm)
    if radius > 0:
        _paint_mass(canvas, course, radius)


def _paint_mass(canvas: MaterialCanvas, course: PositionsMm, radius_mm: float) -> None:
    """Paint a mass on the gland's middle line, in the head more often than not.

    The duct is often dilated between the mass and the tail, and a large mass may have a cystic centre.
    """
    in_head = canvas.draw_chance(0.6)
    share = canvas.rng.uniform(0, _HEAD_SHARE) if in_head else canvas.rng.uniform(_HEAD_SHARE, 1)
    at = course[min(int(share * len(course)), len(course) - 1)]
    if canvas.draw_chance(0.6):
        _paint_duct(canvas, float(canvas.rng.uniform(1.5, 4.0)), float(share))
    _paint_lump(canvas, at + canvas.rng.normal(0, 3, 3), radius_mm, MaterialCode.MASS)
    if radius_mm > 14 and canvas.draw_chance(0.4):
        _paint_lump(canvas, at, 0.5 * radius_mm, MaterialCode.CYST)


def _paint_lump(canvas: MaterialCanvas, at_mm: PositionsMm, radius_mm: float, code: int) -> None:
    """Paint a ball with a rough surface about `at_mm` into gland and fat."""
    low = np.maximum(0, np.floor((at_mm - 1.4 * radius_mm) / canvas.spacing_mm)).astype(int)
    high = np.ceil((at_mm + 1.4 * radius_mm) / canvas.spacing_mm).astype(int) + 1
    codes = canvas.codes[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    if min(codes.shape) < 2:
        return
    places = [
        (np.arange(n) + a) * step for n, a, step in zip(codes.shape, low, canvas.spacing_mm, strict=True)
    ]
    z, y, x = (axis - middle for axis, middle in zip(places, at_mm, strict=True))
    distance = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    ball = distance + 0.12 * radius_mm * canvas.draw_field(codes.shape, max(6.0, 0.7 * radius_mm)) < radius_mm
    codes[ball & np.isin(codes, (*IN_PANCREAS, *PAINTABLE_TISSUES, MaterialCode.STRAND))] = code

"""Completion of a label map with gaps to a whole abdomen, in which every voxel inside the skin has a tissue.

Structures that a subject has no labels for are borrowed from a donor, whose label map is warped onto the
subject's. Intervertebral discs, spinal canal, body wall, fat and skin are then built around the labels.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from attunet_gui.core.volume import LabelMap
from attunet_gui.synthesis.label_map_ct.body_wall import BodyWall
from attunet_gui.synthesis.label_map_ct.label_grid import LabelGrid, resample_label_grid
from attunet_gui.synthesis.label_map_ct.label_map_registration import register_donor
from attunet_gui.synthesis.label_map_ct.label_structures import (
    CODE_OF,
    HOLE_CODE,
    UNKNOWN_CODE,
    Codes,
    Mask,
    codes_matching,
    mask_of_codes,
    to_common_codes,
    to_tissue_codes,
)
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap

SPACING_MM = 2.0

_ABOVE_LIVER_MM = 40.0
_BELOW_PANCREAS_MM = 65.0
# Walls, fat and skin are built outside of the labels: the grid is this much wider on each side.
_MARGIN_MM = 70.0
_SPINE_BONES = codes_matching("vertebrae_*", "sacrum")
_LONGITUDINAL_TUBES = ("aorta", "inferior_vena_cava", "esophagus")
# The warp enlarges a donor's duodenum along with the organs around it: a plausible one is no larger.
_DUODENUM_ML = 80.0
_LUNG_GAP_MM = 12.0
_CHEST_STRUCTURES = codes_matching("lung_*", "heart*")
_UNDER_DIAPHRAGM = codes_matching("liver", "spleen", "stomach")
_DUODENUM_CODES, _BOWEL_CODES = codes_matching("duodenum"), codes_matching("small_bowel", "colon")
_BELLY_CODES = (
    _BOWEL_CODES | _DUODENUM_CODES | _UNDER_DIAPHRAGM | codes_matching("kidney_*", "pancreas", "gallbladder")
)


def complete_abdomen(label_map: LabelMap, donor: LabelMap | None = None, *, seed: int = 0) -> TissueMap:
    """Complete the upper abdomen of `label_map` to a whole-tissue map with voxels of 2 mm.

    Args:
        label_map: must have liver and pancreas; one without vertebrae needs a donor.
        donor: a map with skeleton, muscles, bowel and lungs; it is not used if `label_map` has vertebrae.
        seed: of the random thickness of fat and muscle.

    Raises:
        ValueError: `label_map` has no liver or no pancreas.
    """
    # Labels with vertebrae come with all that a donor could lend; maps of organs alone have none of it.
    source = _as_label_grid(label_map)
    whole = bool(mask_of_codes(source.codes, _SPINE_BONES).any())
    window = _abdomen_window(source)
    own = resample_label_grid(source, window)
    if whole or donor is None:
        return _build_tissue_map(own, label_map.subject, (), seed)
    return _build_tissue_map(
        _borrow_from_donor(own, _as_label_grid(donor)), label_map.subject, (donor.subject,), seed
    )


def _as_label_grid(label_map: LabelMap) -> LabelGrid:
    """Return the label map in common codes, with its first voxel at 0 mm."""
    return LabelGrid(to_common_codes(label_map), np.array(label_map.spacing_mm), np.zeros(3))


def _abdomen_window(source: LabelGrid) -> LabelGrid:
    """Return an empty grid from below the pancreas to above the liver, wide enough for walls and skin."""
    low = source.levels_mm("pancreas")[0] - _BELOW_PANCREAS_MM
    high = source.levels_mm("liver")[1] + _ABOVE_LIVER_MM
    last = (np.array(source.codes.shape) - 1) * source.spacing_mm
    start = np.array([max(low, 0.0), -_MARGIN_MM, -_MARGIN_MM])
    stop = np.array([min(high, last[0]), last[1] + _MARGIN_MM, last[2] + _MARGIN_MM])
    shape = np.floor((stop - start) / SPACING_MM).astype(int) + 1
    return LabelGrid(np.zeros(shape, np.uint8), np.full(3, SPACING_MM), start)


def _borrow_from_donor(own: LabelGrid, donor: LabelGrid) -> LabelGrid:
    """Warp the donor's structures onto the subject and put the subject's own organs among them.

    The result is cut to the levels that the donor's scan reaches.
    """
    warp = register_donor(own, donor)
    points = warp(own.grid_points())
    borrowed = donor.codes_at(points)
    reached = (points[0] >= 0) & (points[0] <= (donor.codes.shape[0] - 1) * donor.spacing_mm[0])
    # The warp tilts levels: one is kept if most of it lies within the donor's scan.
    levels = np.flatnonzero(reached.mean(axis=(1, 2)) > 0.7)
    keep = slice(levels[0], levels[-1] + 1)
    merged = _merge_structures(own.codes[keep], _trim_duodenum(borrowed[keep]))
    origin = own.origin_mm + np.array([keep.start * SPACING_MM, 0, 0])
    return LabelGrid(_fill_holes(merged), own.spacing_mm, origin)


def _trim_duodenum(codes: Codes) -> Codes:
    """Trim a duodenum that the warp has enlarged to a plausible volume, from its surface inwards."""
    duodenum = codes == CODE_OF["duodenum"]
    voxels = round(_DUODENUM_ML * 1000 / SPACING_MM**3)
    if np.count_nonzero(duodenum) <= voxels:
        return codes
    depth = ndimage.distance_transform_edt(duodenum)
    thin = duodenum & (depth < np.partition(depth, depth.size - voxels, axis=None)[depth.size - voxels])
    return np.where(thin, np.uint8(UNKNOWN_CODE), codes)


def _merge_structures(own: Codes, borrowed: Codes) -> Codes:
    """Put the subject's organs over borrowed structures; the donor's copies of these organs become holes.

    A copy of aorta, vena cava or oesophagus stays above and below the subject's own piece of it.
    """
    result = borrowed.copy()
    for code in np.unique(own[own > 0]):
        copy = borrowed == code
        if code in {CODE_OF[name] for name in _LONGITUDINAL_TUBES}:
            # Labels of organs often end these vessels early; the donor's copy continues them.
            levels = np.flatnonzero((own == code).any(axis=(1, 2)))
            copy[: levels[0]] = False
            copy[levels[-1] + 1 :] = False
        result[copy] = HOLE_CODE
    return np.where(own > 0, own, result)


def _fill_holes(codes: Codes) -> Codes:
    """Fill the holes from what borders on them: lung or heart, a few millimetres of bowel, otherwise fat."""
    result = codes.copy()
    inner = result[ndimage.find_objects((codes > 0).astype(np.uint8))[0]]
    _grow_structures(inner, _find_chest_room(inner), _CHEST_STRUCTURES, 30.0)
    _grow_structures(inner, inner == HOLE_CODE, _DUODENUM_CODES, 4.0)
    _grow_structures(inner, inner == HOLE_CODE, _BOWEL_CODES, 10.0)
    inner[inner == HOLE_CODE] = UNKNOWN_CODE
    return result


def _find_chest_room(codes: Codes) -> Mask:
    """Return the free voxels that lung or heart may fill.

    These lie above liver, spleen or stomach with no abdominal organ above them, or in narrow gaps beside the
    lungs.
    """
    lung = mask_of_codes(codes, _CHEST_STRUCTURES)
    if not lung.any():
        return lung
    free = (codes == HOLE_CODE) | (codes == UNKNOWN_CODE)
    dome, belly = mask_of_codes(codes, _UNDER_DIAPHRAGM), mask_of_codes(codes, _BELLY_CODES)
    below = np.logical_or.accumulate(dome, axis=0)
    above = np.logical_or.accumulate(belly[::-1], axis=0)[::-1]
    # A morphological closing of the lungs, done with two distance maps: a ball this large would be slow.
    far = ndimage.distance_transform_edt(~lung, sampling=SPACING_MM) > _LUNG_GAP_MM
    narrow = ndimage.distance_transform_edt(~far, sampling=SPACING_MM) > _LUNG_GAP_MM
    return np.asarray(free & ((below & ~above) | narrow))


def _grow_structures(codes: Codes, room: Mask, seeds: frozenset[int], reach_mm: float) -> None:
    """Let the structures `seeds` grow by up to `reach_mm` into the voxels of `room`, in place."""
    mask = mask_of_codes(codes, seeds)
    if not mask.any() or not room.any():
        return
    distance, nearest = ndimage.distance_transform_edt(~mask, sampling=SPACING_MM, return_indices=True)
    grown = room & (distance <= reach_mm)
    codes[grown] = codes[tuple(axis[grown] for axis in nearest)]


def _build_tissue_map(labels: LabelGrid, subject: str, donors: tuple[str, ...], seed: int) -> TissueMap:
    """Build spine, wall, fat, skin and diaphragm around the labels and crop the air beside the body."""
    codes = labels.codes
    tissue = to_tissue_codes(codes)
    _add_spine(tissue, codes)
    wall = BodyWall.build_around(codes, SPACING_MM, np.random.default_rng(seed))
    unknown = tissue == TissueCode.AIR
    # From the outside in: each region lies inside the one before and replaces its tissue.
    for region, kind in (
        (wall.skin, TissueCode.SUBCUTANEOUS_FAT),
        (wall.muscle, TissueCode.MUSCLE),
        (wall.cavity, TissueCode.VISCERAL_FAT),
        (wall.back, TissueCode.MUSCLE),
    ):
        tissue[unknown & region] = kind
    tissue[~wall.skin] = TissueCode.AIR
    _add_diaphragm(tissue)
    box = ndimage.find_objects(wall.skin.astype(np.uint8))[0]
    pad = tuple(slice(max(s.start - 3, 0), s.stop + 3) for s in box[1:])
    return TissueMap(np.ascontiguousarray(tissue[(slice(None), *pad)]), (SPACING_MM,) * 3, subject, donors)


def _add_spine(tissue: Codes, codes: Codes) -> None:
    """Add the spinal canal around the cord and the discs between the vertebral bodies, in place."""
    bone = mask_of_codes(codes, _SPINE_BONES)
    cord = codes == CODE_OF["spinal_cord"]
    canal = ndimage.binary_dilation(cord, iterations=2) & (tissue == TissueCode.AIR)
    tissue[canal] = TissueCode.SPINAL_CANAL
    bodies = bone & _in_front_of_cord(cord)
    reach = round(8.0 / SPACING_MM)
    column = np.zeros((2 * reach + 1, 1, 1), np.bool_)
    column[:] = True
    # Edge padding: without it the closing would take the space beyond the first and last level for empty.
    padded = np.pad(bodies, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    closed = ndimage.binary_closing(padded, column)[reach:-reach]
    tissue[closed & (tissue == TissueCode.AIR)] = TissueCode.DISC


def _in_front_of_cord(cord: Mask) -> Mask:
    """Return the mask of voxels in front of the cord and within the width of a vertebral body."""
    front = np.zeros_like(cord)
    last: tuple[int, int] | None = None
    for level in range(len(cord)):
        if cord[level].any():
            y, x = np.nonzero(cord[level])
            last = int(y.min()), int(x.mean())
        # Levels without a labelled cord use its position at the nearest level below.
        if last is not None:
            half = round(32.0 / SPACING_MM)
            front[level, : last[0], max(last[1] - half, 0) : last[1] + half] = True
    return front


def _add_diaphragm(tissue: Codes) -> None:
    """Add a sheet of muscle, one voxel thick, wherever visceral fat would touch the lungs, in place."""
    lung = tissue == TissueCode.LUNG
    sheet = ndimage.binary_dilation(lung) & (tissue == TissueCode.VISCERAL_FAT)
    tissue[sheet] = TissueCode.MUSCLE

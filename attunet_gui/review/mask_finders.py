"""Finders that look at the shape of the mask: islands, holes, skipped slices, jumps, and cut ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cc3d
import numpy as np
from scipy import ndimage

from attunet_gui.core.mask_edit import VoxelBox
from attunet_gui.review.findings import Finding
from attunet_gui.review.review_crop import (
    FindingCandidate,
    FlagMap,
    FloatMap,
    ReviewCrop,
    finding_from_candidate,
)
from attunet_gui.system.plurals import counted

_LONGEST_GAP_MM = 15.0
# Slices that lie farther apart differ too much to be compared.
_NEIGHBOUR_DISTANCE_MM = 6.0
_ABRUPT_END_MM2 = 400.0
# A jump must be this many times the smallest volume that is worth a look; every gland has smaller steps.
_SMALLEST_JUMP = 2.0
_IN_PLANE_NEIGHBOURS = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])
# Factor of the trust in missing tissue where the network's probability is 0.
_UNSUPPORTED_TRUST = 0.1
# The share of the volume named by each finder that turned out to be wrong, as measured.
_TRUST_ISLAND, _TRUST_HOLE, _TRUST_SKIPPED = 0.7, 0.6, 0.9
_TRUST_LACKING, _TRUST_SURPLUS, _TRUST_END, _TRUST_EDGE = 0.7, 1.0, 0.3, 0.05


def find_islands(view: ReviewCrop) -> list[Finding]:
    """Return the connected pieces of the mask other than the largest one."""
    apart = sorted(pieces_worth_a_look(view.inside_mask, view, 26), key=lambda piece: -piece[1].sum())
    words = "{cut}: {ml} {where} stand apart from the rest of the mask."
    return [
        finding_from_candidate(
            view,
            FindingCandidate("island", False, box, part, _TRUST_ISLAND * float(1 - part.sum() / main), words),
        )
        for main in (float(part.sum()) for _box, part in apart[:1])
        for box, part in apart[1:]
    ]


def find_holes(view: ReviewCrop) -> list[Finding]:
    """Return the background that is enclosed by mask within its slice."""
    enclosed = np.zeros_like(view.inside_mask)
    for box in ndimage.find_objects(view.inside_mask.astype(np.uint8)):
        enclosed[box] = _enclosed_background(view.inside_mask[box])
    words = "{cut}: a hole of {ml} inside the mask {where}."
    return [
        finding_from_candidate(
            view,
            FindingCandidate("hole", True, box, part, _TRUST_HOLE * _network_support(view, box, part), words),
        )
        for box, part in pieces_worth_a_look(enclosed, view)
    ]


def _enclosed_background(inside: FlagMap) -> FlagMap:
    labels, count = ndimage.label(~inside, _IN_PLANE_NEIGHBOURS)
    closed = np.ones(count + 1, bool)
    closed[0] = False
    for axis in (1, 2):
        closed[np.unique(np.take(labels, (0, -1), axis))] = False
    enclosed: FlagMap = closed[labels]
    return enclosed


def find_skipped_slices(view: ReviewCrop) -> list[Finding]:
    """Return gaps of slices without mask between two slices whose masks overlap."""
    have = np.flatnonzero(view.inside_mask.any(axis=(1, 2)))
    found = []
    for below, above in pairwise(have):
        short = 1 < above - below <= max(2.0, _LONGEST_GAP_MM / view.spacing_mm[0])
        if short and (view.inside_mask[below] & view.inside_mask[above]).any():
            between = (view.mask_cover[below] + view.mask_cover[above]) / 2
            box = _whole_slices_box(view, int(below) + 1, int(above))
            weight = np.repeat(between[None], above - below - 1, axis=0)
            count = _slice_count_text(int(above - below) - 1)
            words = f"{{cut}}: no mask in {count} between two that have it; {{ml}} likely missing."
            trust = _TRUST_SKIPPED * _network_support(view, box, weight)
            found.append(
                finding_from_candidate(view, FindingCandidate("skipped", True, box, weight, trust, words))
            )
    return found


def find_jumps(view: ReviewCrop) -> list[Finding]:
    """Return where a slice has mask that no neighbour has, lacks mask that both have, or is an abrupt end."""
    if len(view.mask_cover) < 3 or view.spacing_mm[0] > _NEIGHBOUR_DISTANCE_MM:
        return []
    return [*_find_dents(view), *_find_abrupt_ends(view)]


def find_cut_off_ends(view: ReviewCrop) -> list[Finding]:
    """Return mask in the first or last slice of the volume, where the gland may go on outside of the scan."""
    last = len(view.resampled.area_mm2) - 1
    found = []
    for z in {0, last} & view.resampled.mask_slices if last else ():
        at = z - view.box[0].start
        box = _whole_slices_box(view, at, at + 1)
        words = "{cut}: the mask ends at the edge of the volume with {ml}; the gland may be cut off."
        if view.mask_cover[at].any():
            found.append(
                finding_from_candidate(
                    view, FindingCandidate("edge", True, box, view.mask_cover[box], _TRUST_EDGE, words)
                )
            )
    return found


def _find_dents(view: ReviewCrop) -> Iterator[Finding]:
    below, here, above = view.inside_mask[:-2], view.inside_mask[1:-1], view.inside_mask[2:]
    skipped = ~here.any(axis=(1, 2), keepdims=True)
    lacking, surplus = np.zeros_like(view.inside_mask), np.zeros_like(view.inside_mask)
    lacking[1:-1] = below & above & ~here & ~skipped
    surplus[1:-1] = here & ~below & ~above
    for missing, where in ((True, lacking), (False, surplus)):
        verb = (
            "lacks {ml} {where} that both neighbours have"
            if missing
            else "has {ml} {where} that no neighbour has"
        )
        core = ndimage.grey_opening(where.astype(np.uint8), (1, 3, 3)) > 0
        for box, part in pieces_worth_a_look(core, view):
            if part.sum() * view.voxel_ml < _SMALLEST_JUMP * view.floor_ml:
                continue
            trust = _TRUST_LACKING * _network_support(view, box, part) if missing else _TRUST_SURPLUS
            yield finding_from_candidate(
                view, FindingCandidate("jump", missing, box, part, trust, f"{{cut}}: the mask {verb}.")
            )


def _find_abrupt_ends(view: ReviewCrop) -> Iterator[Finding]:
    """Yield a place beside each slice with a large mask whose neighbour has none."""
    # A margin of one slice on both sides makes the ends of the crop like any other slice.
    areas = np.pad(view.inside_mask.sum(axis=(1, 2)), 1) * view.spacing_mm[1] * view.spacing_mm[2]
    for at in range(1, len(areas) - 1):
        for step in (-1, 1):
            beyond = at - 1 + step
            if areas[at] < _ABRUPT_END_MM2 or areas[at + step] or not 0 <= beyond < len(view.mask_cover):
                continue
            box = _whole_slices_box(view, beyond, beyond + 1)
            words = f"{{cut}}: the mask ends abruptly at {areas[at]:.0f} mm²; {{ml}} likely missing."
            weight = view.mask_cover[at - 1][None] / 2
            trust = _TRUST_END * _network_support(view, box, weight)
            yield finding_from_candidate(view, FindingCandidate("end", True, box, weight, trust, words))


def _network_support(view: ReviewCrop, box: VoxelBox, weight: FloatMap) -> float:
    """Return how far the network's probability supports that tissue is missing, from `_UNSUPPORTED_TRUST` to
    1.

    Where the network leaves out a part of a slice there is mostly no gland: of 18 such dents, gaps and ends
    in drafts one was an error. Without a network the support is 1.
    """
    if view.probability is None:
        return 1.0
    return _UNSUPPORTED_TRUST + (1 - _UNSUPPORTED_TRUST) * float(
        np.average(view.probability[box], weights=weight)
    )


def pieces_worth_a_look(
    where: FlagMap, view: ReviewCrop, connectivity: int = 6
) -> Iterator[tuple[VoxelBox, FloatMap]]:
    """Yield the box and the shape (float32 0/1) of each connected piece that is large enough to look at.

    Args:
        where: (z, rows, columns) bool in the crop of `view`.
        view: the crop; it says which volume is worth a look.
        connectivity: 6 or 26 neighbours.
    """
    if not where.any():
        return
    # The empty layer behind each side makes room for labels that cc3d 4.1 would lack on sides of odd length.
    labels = cc3d.connected_components(np.pad(where, [(0, 1)] * 3), connectivity=connectivity)
    least = view.floor_ml / view.voxel_ml
    sizes = np.bincount(labels.ravel())
    boxes = ndimage.find_objects(labels)
    for number in np.flatnonzero(sizes >= least):
        if number:
            z, y, x = boxes[number - 1]
            yield (z, y, x), (labels[z, y, x] == number).astype(np.float32)


def _whole_slices_box(view: ReviewCrop, start: int, stop: int) -> VoxelBox:
    return slice(start, stop), slice(0, view.mask_cover.shape[1]), slice(0, view.mask_cover.shape[2])


def _slice_count_text(slices: int) -> str:
    return "a slice" if slices == 1 else counted(slices, "slice")


_AIR_HU, _FAT_HU, _BRIGHT_HU = -250.0, -40.0, 260.0
_TRUST_HU = 0.9


def find_implausible_hu(view: ReviewCrop) -> list[Finding]:
    """Return places inside the mask that are air, fat, or as bright as bone or contrast."""
    # The outermost pixel of the mask is left out, because its HU are a mixture (partial volume).
    inner = ndimage.minimum_filter(view.inside_mask.astype(np.uint8), (1, 3, 3)) > 0
    found = []
    for name, where in (
        ("air or gas", inner & (view.hu < _AIR_HU)),
        ("fat", inner & (view.hu >= _AIR_HU) & (view.hu < _FAT_HU)),
        ("bone, calcification or contrast", inner & (view.hu > _BRIGHT_HU)),
    ):
        for box, part in pieces_worth_a_look(where, view):
            typical = float(np.median(view.hu[box][part > 0]))
            words = f"{{cut}}: {{ml}} inside the mask have {typical:.0f} HU, {name}, {{where}}."
            found.append(
                finding_from_candidate(view, FindingCandidate("hu", False, box, part, _TRUST_HU, words))
            )
    return found

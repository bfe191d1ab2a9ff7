"""Finders that look at the shape of the mask: islands, holes, skipped slices, jumps, and cut ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cc3d
import numpy as np
from scipy import ndimage

from attunet_gui.core.counting import counted
from attunet_gui.core.edit import Box
from attunet_gui.review.places import Place
from attunet_gui.review.view import Flags, Floats, Spot, View, place

_LONGEST_GAP_MM = 15.0
# Slices that lie farther apart differ too much to be compared.
_NEXT_MM = 6.0
_ABRUPT_MM2 = 400.0
# A jump must be this many times the smallest volume that is worth a look; every gland has smaller steps.
_LEAST_JUMP = 2.0
_IN_PLANE = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])
# Factor of the trust in missing tissue where the network's probability is 0.
_UNBACKED = 0.1
# The share of the volume named by each finder that turned out to be wrong, as measured.
_TRUST_ISLAND, _TRUST_HOLE, _TRUST_SKIPPED = 0.7, 0.6, 0.9
_TRUST_LACKING, _TRUST_SURPLUS, _TRUST_END, _TRUST_EDGE = 0.7, 1.0, 0.3, 0.05


def islands(view: View) -> list[Place]:
    """Return the connected pieces of the mask other than the largest one."""
    apart = sorted(pieces(view.inside, view, 26), key=lambda piece: -piece[1].sum())
    words = "{cut}: {ml} {where} stand apart from the rest of the mask."
    return [
        place(view, Spot("island", False, box, part, _TRUST_ISLAND * float(1 - part.sum() / main), words))
        for main in (float(part.sum()) for _box, part in apart[:1])
        for box, part in apart[1:]
    ]


def holes(view: View) -> list[Place]:
    """Return the background that is enclosed by mask within its slice."""
    enclosed = np.zeros_like(view.inside)
    for box in ndimage.find_objects(view.inside.astype(np.uint8)):
        enclosed[box] = _enclosed(view.inside[box])
    words = "{cut}: a hole of {ml} inside the mask {where}."
    return [
        place(view, Spot("hole", True, box, part, _TRUST_HOLE * _backed(view, box, part), words))
        for box, part in pieces(enclosed, view)
    ]


def _enclosed(inside: Flags) -> Flags:
    labels, count = ndimage.label(~inside, _IN_PLANE)
    closed = np.ones(count + 1, bool)
    closed[0] = False
    for axis in (1, 2):
        closed[np.unique(np.take(labels, (0, -1), axis))] = False
    enclosed: Flags = closed[labels]
    return enclosed


def skipped_slices(view: View) -> list[Place]:
    """Return gaps of slices without mask between two slices whose masks overlap."""
    have = np.flatnonzero(view.inside.any(axis=(1, 2)))
    found = []
    for below, above in pairwise(have):
        short = 1 < above - below <= max(2.0, _LONGEST_GAP_MM / view.spacing_mm[0])
        if short and (view.inside[below] & view.inside[above]).any():
            between = (view.cover[below] + view.cover[above]) / 2
            box = _whole_slices(view, int(below) + 1, int(above))
            weight = np.repeat(between[None], above - below - 1, axis=0)
            count = _count(int(above - below) - 1)
            words = f"{{cut}}: no mask in {count} between two that have it; {{ml}} likely missing."
            trust = _TRUST_SKIPPED * _backed(view, box, weight)
            found.append(place(view, Spot("skipped", True, box, weight, trust, words)))
    return found


def jumps(view: View) -> list[Place]:
    """Return where a slice has mask that no neighbour has, lacks mask that both have, or is an abrupt end."""
    if len(view.cover) < 3 or view.spacing_mm[0] > _NEXT_MM:
        return []
    return [*_dents(view), *_abrupt_ends(view)]


def edge_of_volume(view: View) -> list[Place]:
    """Return mask in the first or last slice of the volume, where the gland may go on outside of the scan."""
    last = len(view.carried.area_mm2) - 1
    found = []
    for z in {0, last} & view.carried.slices if last else ():
        at = z - view.box[0].start
        box = _whole_slices(view, at, at + 1)
        words = "{cut}: the mask ends at the edge of the volume with {ml}; the gland may be cut off."
        if view.cover[at].any():
            found.append(place(view, Spot("edge", True, box, view.cover[box], _TRUST_EDGE, words)))
    return found


def _dents(view: View) -> Iterator[Place]:
    below, here, above = view.inside[:-2], view.inside[1:-1], view.inside[2:]
    skipped = ~here.any(axis=(1, 2), keepdims=True)
    lacking, surplus = np.zeros_like(view.inside), np.zeros_like(view.inside)
    lacking[1:-1] = below & above & ~here & ~skipped
    surplus[1:-1] = here & ~below & ~above
    for missing, where in ((True, lacking), (False, surplus)):
        verb = (
            "lacks {ml} {where} that both neighbours have"
            if missing
            else "has {ml} {where} that no neighbour has"
        )
        core = ndimage.grey_opening(where.astype(np.uint8), (1, 3, 3)) > 0
        for box, part in pieces(core, view):
            if part.sum() * view.voxel_ml < _LEAST_JUMP * view.floor_ml:
                continue
            trust = _TRUST_LACKING * _backed(view, box, part) if missing else _TRUST_SURPLUS
            yield place(view, Spot("jump", missing, box, part, trust, f"{{cut}}: the mask {verb}."))


def _abrupt_ends(view: View) -> Iterator[Place]:
    """Yield a place beside each slice with a large mask whose neighbour has none."""
    # A margin of one slice on both sides makes the ends of the crop like any other slice.
    areas = np.pad(view.inside.sum(axis=(1, 2)), 1) * view.spacing_mm[1] * view.spacing_mm[2]
    for at in range(1, len(areas) - 1):
        for step in (-1, 1):
            beyond = at - 1 + step
            if areas[at] < _ABRUPT_MM2 or areas[at + step] or not 0 <= beyond < len(view.cover):
                continue
            box = _whole_slices(view, beyond, beyond + 1)
            words = f"{{cut}}: the mask ends abruptly at {areas[at]:.0f} mm²; {{ml}} likely missing."
            weight = view.cover[at - 1][None] / 2
            trust = _TRUST_END * _backed(view, box, weight)
            yield place(view, Spot("end", True, box, weight, trust, words))


def _backed(view: View, box: Box, weight: Floats) -> float:
    """Return how far the network's probability supports that tissue is missing, from `_UNBACKED` to 1.

    Where the network leaves out a part of a slice there is mostly no gland: of 18 such dents, gaps and ends
    in drafts one was an error. Without a network the support is 1.
    """
    if view.probability is None:
        return 1.0
    return _UNBACKED + (1 - _UNBACKED) * float(np.average(view.probability[box], weights=weight))


def pieces(where: Flags, view: View, connectivity: int = 6) -> Iterator[tuple[Box, Floats]]:
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


def _whole_slices(view: View, start: int, stop: int) -> Box:
    return slice(start, stop), slice(0, view.cover.shape[1]), slice(0, view.cover.shape[2])


def _count(slices: int) -> str:
    return "a slice" if slices == 1 else counted(slices, "slice")

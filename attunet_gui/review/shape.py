"""What the shape of a mask says against it: islands, holes, skipped slices, jumps, the edge of the volume."""

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
_NEXT_MM = 6.0
"""Slices further apart say little of one another."""
_ABRUPT_MM2 = 400.0
_LEAST_JUMP = 2.0
"""Of what is worth a look: smaller steps are in every gland."""
_IN_PLANE = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])
_UNBACKED = 0.1
_TRUST_ISLAND, _TRUST_HOLE, _TRUST_SKIPPED = 0.7, 0.6, 0.9
_TRUST_LACKING, _TRUST_SURPLUS, _TRUST_END, _TRUST_EDGE = 0.7, 1.0, 0.3, 0.05


def islands(view: View) -> list[Place]:
    """Pieces of the mask apart from the largest one."""
    apart = sorted(pieces(view.inside, view, 26), key=lambda piece: -piece[1].sum())
    words = "{cut}: {ml} {where} stand apart from the rest of the mask."
    return [
        place(view, Spot("island", False, box, part, _TRUST_ISLAND * float(1 - part.sum() / main), words))
        for main in (float(part.sum()) for _box, part in apart[:1])
        for box, part in apart[1:]
    ]


def holes(view: View) -> list[Place]:
    """Background enclosed by mask within its slice."""
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
    """Slices without mask between two that have it."""
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
    """Where a slice has what no neighbour has, or lacks what both have, and where the mask ends abruptly."""
    if len(view.cover) < 3 or view.spacing_mm[0] > _NEXT_MM:
        return []
    return [*_dents(view), *_abrupt_ends(view)]


def edge_of_volume(view: View) -> list[Place]:
    """Mask in the first or last slice of a volume: the gland may go on where nothing was scanned."""
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
    """A large slice beside one without mask."""
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
    """How far the network bears out that tissue is missing; wholly where there is none.

    Where a network leaves out a part of a slice there is mostly nothing: of 18 such dents, gaps and ends in
    drafts one was an error.
    """
    if view.probability is None:
        return 1.0
    return _UNBACKED + (1 - _UNBACKED) * float(np.average(view.probability[box], weights=weight))


def pieces(where: Flags, view: View, connectivity: int = 6) -> Iterator[tuple[Box, Floats]]:
    """Box and shape of the connected pieces of `where` (z, rows, columns) that are worth a look."""
    if not where.any():
        return
    # An empty layer behind each side: as in `core.gland`.
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

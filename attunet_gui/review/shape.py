"""What the shape of a mask says against it: islands, holes, skipped slices, jumps, the edge of the volume."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Box
from attunet_gui.review.places import Place
from attunet_gui.review.view import Flags, Floats, Spot, View, place

_LONGEST_GAP_MM = 15.0
_NEXT_MM = 6.0
"""Slices further apart say little of one another."""
_ABRUPT_MM2 = 250.0
_IN_PLANE = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])
_TRUST_ISLAND, _TRUST_HOLE, _TRUST_SKIPPED, _TRUST_JUMP, _TRUST_END, _TRUST_EDGE = (
    0.8,
    0.6,
    0.9,
    0.6,
    0.3,
    0.1,
)


def islands(view: View) -> list[Place]:
    """Pieces of the mask apart from the largest one."""
    labels = labelled(view.inside, 26)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    main = int(np.argmax(sizes))
    return [
        place(view, Spot("island", False, box, part, _TRUST_ISLAND * share, words))
        for number, box, part in pieces(labels, view)
        if number != main
        for share in [1 - sizes[number] / sizes[main]]
        for words in ["{cut}: {ml} {where} stand apart from the rest of the mask."]
    ]


def holes(view: View) -> list[Place]:
    """Background enclosed by mask within its slice."""
    labels, _count = ndimage.label(~view.inside, _IN_PLANE)
    enclosed = np.ones(int(labels.max()) + 1, bool)
    for axis in (1, 2):
        enclosed[np.unique(np.take(labels, (0, -1), axis))] = False
    enclosed[0] = False
    words = "{cut}: a hole of {ml} inside the mask {where}."
    return [
        place(view, Spot("hole", True, box, part, _TRUST_HOLE, words))
        for _number, box, part in pieces(labelled(enclosed[labels], 6), view)
    ]


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
            found.append(place(view, Spot("skipped", True, box, weight, _TRUST_SKIPPED, words)))
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
        core = ndimage.binary_opening(where, np.ones((1, 3, 3), bool))
        for _number, box, part in pieces(labelled(core, 6), view):
            yield place(view, Spot("jump", missing, box, part, _TRUST_JUMP, f"{{cut}}: the mask {verb}."))


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
            yield place(view, Spot("end", True, box, view.cover[at - 1][None] / 2, _TRUST_END, words))


def pieces(labels: NDArray[np.uint32], view: View) -> Iterator[tuple[int, Box, Floats]]:
    """Number, box and shape of the pieces that are worth a look."""
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        z, y, x = box
        part = (labels[z, y, x] == number).astype(np.float32)
        if part.sum() * view.voxel_ml >= view.floor_ml:
            yield number, (z, y, x), part


def labelled(mask: Flags, connectivity: int) -> NDArray[np.uint32]:
    """Connected components, numbered from 1; an empty layer behind each side as in `core.gland`."""
    padded = np.pad(mask, [(0, 1)] * 3)
    labels: NDArray[np.uint32] = cc3d.connected_components(padded, connectivity=connectivity)
    return labels[:-1, :-1, :-1]


def _whole_slices(view: View, start: int, stop: int) -> Box:
    return slice(start, stop), slice(0, view.cover.shape[1]), slice(0, view.cover.shape[2])


def _count(slices: int) -> str:
    return "a slice" if slices == 1 else f"{slices} slices"

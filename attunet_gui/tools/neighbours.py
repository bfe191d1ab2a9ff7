"""What was corrected in a slice, carried to the slices around it: no network, and no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.holes import without_new_holes
from attunet_gui.core.rewind import before, is_carried, is_correction
from attunet_gui.tools.regions import inside_mm
from attunet_gui.tools.scene import Mask, Scene, widened

REACH_MM = 8.0
"""Slices from this far on stay as they are; with 10 mm twice as many real slices got worse."""
_HAND_MM = 0.5
"""So much an outline moves because it is drawn anew: that says nothing of the slices around."""
_FADE = 0.75
"""By how much less an outline is moved, in mm for each mm that the slice lies away: a lobe tapers. Less, and
more real slices got worse; more, and less was gained."""
_NEAR_MM = 8.0
"""How far from an outline distances are told apart."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CarryToNeighbours:
    """Move the outlines of nearby slices as those of the current one were moved.

    A slice is seen as the signed distance to its outline. How corrections moved that in the current slice,
    and in others that are drawn in or verified, moves the slices between and around as well, the less the
    farther they lie. So a lobe that was added goes on, and the rest of a neighbour stays its own. Done twice
    it does the same: what was carried before is taken out first.
    """

    @property
    def words(self) -> str:
        """What it does."""
        return "carry to neighbours"

    def apply(self, scene: Scene) -> Edit:
        """The undecided slices around the current one; `AttunetError` if that was not corrected."""
        corrected = scene.locks.slices | {scene.slice}
        if not _differ(scene, scene.slice):
            raise AttunetError("Nothing was corrected in this slice since the draft: draw in it first.")
        reach = int(np.ceil(REACH_MM / scene.spacing_mm[0])) - 1
        z = slice(max(0, scene.slice - reach), min(len(scene.mask), scene.slice + reach + 1))
        wanted = scene.mask[z] != 0
        around = _around(scene, z)
        if around is not None:
            moves = _Moves(scene, around)
            for at, sides in _sides(z, corrected):
                wanted[at - z.start][around] = moves.moved(at, sides)
        rows, columns = scene.plane
        return scene.edit((z, slice(0, rows), slice(0, columns)), wanted)


def _differ(scene: Scene, z: int) -> bool:
    return bool((_began(scene, z) != (scene.mask[z] != 0)).any())


def _began(scene: Scene, z: int) -> Mask:
    """A corrected slice as it was drafted or proposed."""
    return before(scene.mask, z, scene.strokes, is_correction, is_carried)


def _around(scene: Scene, z: slice) -> tuple[slice, slice] | None:
    """Rows and columns in which anything can change, and room to tell distances."""
    there = (scene.mask[z] != 0).any(axis=0) | _began(scene, scene.slice)
    boxes = ndimage.find_objects(there.astype(np.uint8))
    if not boxes:
        return None
    rows, columns = (
        widened(side, _NEAR_MM, step, size)
        for side, step, size in zip(boxes[0], scene.spacing_mm[1:], scene.plane, strict=True)
    )
    return rows, columns


def _sides(part: slice, corrected: frozenset[int]) -> Iterator[tuple[int, list[int]]]:
    """Each slice of `part` that is not corrected, and the nearest corrected one below and above it."""
    for z in range(part.start, part.stop):
        if z not in corrected:
            below, above = [k for k in corrected if k < z], [k for k in corrected if k > z]
            yield z, [*sorted(below)[-1:], *sorted(above)[:1]]


class _Moves:
    """What corrections changed of the distances, each found once."""

    def __init__(self, scene: Scene, around: tuple[slice, slice]) -> None:
        self._scene, self._around = scene, around
        self._known: dict[int, Floats] = {}

    def moved(self, z: int, sides: list[int]) -> Mask:
        """Slice `z`, in the rows and columns, with what was corrected on its `sides`."""
        began = before(self._scene.mask, z, self._scene.strokes, is_carried)
        inside = self._depth(began) + self._move_at(z, sides) > 0
        known = [began, *(self._scene.mask[k] != 0 for k in sides)]
        return without_new_holes(inside, *(plane[self._around] for plane in known))

    def _move_at(self, z: int, sides: list[int]) -> Floats:
        """What the corrections on both sides move at `z`: the stronger one."""
        away_mm = [abs(z - k) * self._scene.spacing_mm[0] for k in sides]
        if len(sides) == 2 and sum(away_mm) <= REACH_MM:
            # Two so close leave nothing to the draft: one passes into the other.
            part = away_mm[0] / sum(away_mm)
            first, last = (_lessened(self._move(k), _HAND_MM) for k in sides)
            return (1 - np.float32(part)) * first + np.float32(part) * last
        moves = [
            _lessened(self._move(k), _HAND_MM + _FADE * mm)
            for k, mm in zip(sides, away_mm, strict=True)
            if mm < REACH_MM
        ]
        return moves[0] if len(moves) == 1 else np.where(abs(moves[0]) >= abs(moves[1]), *moves)

    def _move(self, k: int) -> Floats:
        if k not in self._known:
            self._known[k] = self._depth(self._scene.mask[k] != 0) - self._depth(_began(self._scene, k))
        return self._known[k]

    def _depth(self, plane: Mask) -> Floats:
        return _depth_mm(plane[self._around], self._scene.spacing_mm[1:])


def _lessened(move: Floats, mm: float) -> Floats:
    """`move` by so much nearer to 0, and not beyond."""
    return np.asarray(np.sign(move) * np.maximum(np.abs(move) - np.float32(mm), 0), np.float32)


def _depth_mm(plane: Mask, spacing_mm: tuple[float, ...]) -> Floats:
    """(y, x) distance to the outline in mm, negative outside, told apart up to `_NEAR_MM`."""
    if not plane.any():
        return np.full(plane.shape, -_NEAR_MM, np.float32)
    half = min(spacing_mm) / 2
    depth = inside_mm(plane, spacing_mm) - np.where(plane, half, -half)
    return np.clip(depth, -_NEAR_MM, _NEAR_MM).astype(np.float32)

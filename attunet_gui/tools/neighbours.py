"""What was corrected in a slice, carried to the slices around it: no network, and no waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.rewind import before, is_carried, is_correction
from attunet_gui.tools.scene import Mask, Scene

REACH_MM = 8.0
"""A correction counts the less the farther a slice lies, and nothing from this far on. Farther, or in full
for the first millimetres, it gained more where the draft was bad, and more slices got worse."""
_HAND_MM = 1.0
"""So much an outline moves because it is drawn anew: that says nothing of the slices around."""
_NEAR_MM = 8.0
"""How far from an outline distances are told apart."""

Floats = NDArray[np.float32]
Weight = tuple[int, float]
"""A corrected slice, and how much it counts."""


@dataclass(frozen=True)
class CarryToNeighbours:
    """Move the outlines of nearby slices as those of the current one were moved.

    A slice is seen as the signed distance to its outline. What corrections changed of that in the current
    slice, and in others that are drawn in or verified, is added to what it was in the slices between and
    around, the less the farther they lie. So a lobe that was added goes on, and the rest of a neighbour stays
    its own. Done twice it does the same: what was carried before is taken out first.
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
            for at, weights in _weighed(z, corrected, scene.spacing_mm[0]):
                wanted[at - z.start][around] = moves.moved(at, weights)
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
        slice(max(0, side.start - margin), min(size, side.stop + margin))
        for side, size, margin in zip(boxes[0], scene.plane, _margins(scene), strict=True)
    )
    return rows, columns


def _margins(scene: Scene) -> list[int]:
    return [int(np.ceil(_NEAR_MM / mm)) + 1 for mm in scene.spacing_mm[1:]]


def _weighed(part: slice, corrected: frozenset[int], step_mm: float) -> Iterator[tuple[int, list[Weight]]]:
    """Each slice of `part` that is not corrected, and what the nearest corrected one on each side counts."""
    for z in range(part.start, part.stop):
        if z not in corrected:
            sides = (
                max((k for k in corrected if k < z), default=z),
                min((k for k in corrected if k > z), default=z),
            )
            away = {k: abs(z - k) * step_mm for k in sides if k != z}
            yield z, [(k, weight) for k, weight in _weights(away).items() if weight > 0]


def _weights(away_mm: Mapping[int, float]) -> dict[int, float]:
    """By corrected slice, for one that lies so far from it; together no more than 1."""
    apart = sum(away_mm.values())
    if len(away_mm) == 2 and apart <= REACH_MM:
        # Two so close leave nothing to the draft: one passes into the other.
        return {k: 1 - mm / apart for k, mm in away_mm.items()}
    return {k: 1 - mm / REACH_MM for k, mm in away_mm.items()}


class _Moves:
    """What corrections changed of the distances, each found once."""

    def __init__(self, scene: Scene, around: tuple[slice, slice]) -> None:
        self._scene, self._around = scene, around
        self._known: dict[int, Floats] = {}

    def moved(self, z: int, weights: list[Weight]) -> Mask:
        """Slice `z`, in the rows and columns, with the corrections as much as they count."""
        began = before(self._scene.mask, z, self._scene.strokes, is_carried)
        depth, known = self._depth(began), _holes(began[self._around])
        for k, weight in weights:
            depth = depth + np.float32(weight) * self._move(k)
            known |= _holes(self._scene.mask[k][self._around] != 0)
        inside = depth > 0
        return np.asarray(inside | (_holes(inside) & ~known))

    def _move(self, k: int) -> Floats:
        if k not in self._known:
            move = self._depth(self._scene.mask[k] != 0) - self._depth(_began(self._scene, k))
            self._known[k] = np.sign(move) * np.maximum(np.abs(move) - np.float32(_HAND_MM), 0)
        return self._known[k]

    def _depth(self, plane: Mask) -> Floats:
        return _inside_mm(plane[self._around], self._scene.spacing_mm[1:])


def _holes(plane: Mask) -> Mask:
    """What `plane` (y, x) encloses."""
    return np.asarray(ndimage.binary_fill_holes(plane) & ~plane)


def _inside_mm(plane: Mask, spacing_mm: tuple[float, ...]) -> Floats:
    """(y, x) distance to the outline in mm, negative outside, told apart up to `_NEAR_MM`."""
    if not plane.any():
        return np.full(plane.shape, -_NEAR_MM, np.float32)
    half = min(spacing_mm) / 2
    inner = ndimage.distance_transform_edt(np.pad(plane, 1, mode="edge"), sampling=spacing_mm)[1:-1, 1:-1]
    outer = ndimage.distance_transform_edt(~plane, sampling=spacing_mm)
    depth = np.where(plane, inner - half, half - outer)
    return np.clip(depth, -_NEAR_MM, _NEAR_MM).astype(np.float32)

"""Propagation of the correction of a slice to the slices around it, without the network and at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.pre_edit_mask import is_outline_propagation, is_seen_correction, plane_before_strokes
from attunet_gui.editing.tools.connected_regions import signed_outline_distance_mm
from attunet_gui.editing.tools.tool_scene import BoolMask, ToolScene, widen_slice
from attunet_gui.prediction.postprocess import fill_new_holes
from attunet_gui.system.errors import AttunetError

# Slices at this distance or farther stay as they are. With 10 mm twice as many real slices got worse.
PROPAGATION_REACH_MM = 8.0
# An outline that is drawn anew moves by about this much, which says nothing of the slices around.
REDRAWING_MM = 0.5
# The move of the outline shrinks by this many mm for each mm of distance to the corrected slice, as a lobe
# tapers. With a smaller value more real slices got worse, with a larger one less was gained.
FADE_PER_MM = 0.75
# Distances to an outline are clipped to this many mm, so that far structures do not count.
LARGEST_DISTANCE_MM = 8.0

DistanceMap = NDArray[np.float32]


@dataclass(frozen=True)
class PropagateToNeighbours:
    """Move the outlines of nearby slices as the outline of the current slice was moved.

    Each slice is represented by the signed distance to its outline. The change of that distance by the
    corrections of the current slice, and of others that were drawn in or verified, is added in the slices
    between and around, and shrinks with their distance. A lobe that was added is thus continued, while the
    rest of a neighbour keeps its own outline. Using the tool twice has the effect of using it once, because
    what it changed before is taken out first.
    """

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "carry to neighbours"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit of the slices around the current one that are neither drawn in nor verified.

        Raises:
            AttunetError: if nothing was corrected in the current slice since the draft.
        """
        corrected = scene.locks.locked_slices | {scene.slice}
        if not _is_corrected(scene, scene.slice):
            raise AttunetError("Nothing was corrected in this slice since the draft: draw in it first.")
        reach = int(np.ceil(PROPAGATION_REACH_MM / scene.spacing_mm[0])) - 1
        z = slice(max(0, scene.slice - reach), min(len(scene.mask), scene.slice + reach + 1))
        wanted = scene.mask[z] != 0
        around = _working_area(scene, z)
        if around is not None:
            moves = _OutlineShifts(scene, around)
            for at, sides in _nearest_corrected_slices(z, corrected):
                wanted[at - z.start][around] = moves.propagated_mask(at, sides)
        rows, columns = scene.plane_shape
        return scene.edit_to((z, slice(0, rows), slice(0, columns)), wanted)


def _is_corrected(scene: ToolScene, z: int) -> bool:
    return bool((mask_before_correction(scene, z) != (scene.mask[z] != 0)).any())


def mask_before_correction(scene: ToolScene, z: int) -> BoolMask:
    """Return slice `z`, (y, x) bool, as it was before the annotator corrected it and this tool changed it."""
    return plane_before_strokes(scene.mask, z, scene.strokes, is_seen_correction, is_outline_propagation)


def _working_area(scene: ToolScene, z: slice) -> tuple[slice, slice] | None:
    """Return the rows and columns in which anything can change, widened by the distances that count.

    Args:
        scene: the state of the case.
        z: the range of slices that is propagated to.

    Returns:
        Slices of rows and columns; None if there is no mask.
    """
    there = (scene.mask[z] != 0).any(axis=0) | mask_before_correction(scene, scene.slice)
    boxes = ndimage.find_objects(there.astype(np.uint8))
    if not boxes:
        return None
    rows, columns = (
        widen_slice(side, LARGEST_DISTANCE_MM, step, size)
        for side, step, size in zip(boxes[0], scene.spacing_mm[1:], scene.plane_shape, strict=True)
    )
    return rows, columns


def _nearest_corrected_slices(part: slice, corrected: frozenset[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield each slice of `part` that is not corrected, with the nearest corrected ones below and above."""
    for z in range(part.start, part.stop):
        if z not in corrected:
            below, above = [k for k in corrected if k < z], [k for k in corrected if k > z]
            yield z, [*sorted(below)[-1:], *sorted(above)[:1]]


class _OutlineShifts:
    """The changes of the signed distances by the corrections; each slice is computed once.

    Args:
        scene: the state of the case.
        around: the rows and columns of all planes that are returned.
    """

    def __init__(self, scene: ToolScene, around: tuple[slice, slice]) -> None:
        self._scene, self._around = scene, around
        self._known: dict[int, DistanceMap] = {}

    def propagated_mask(self, z: int, sides: list[int]) -> BoolMask:
        """Return the rows and columns of slice `z` with the corrections of its `sides` propagated, bool.

        Args:
            z: index of the slice.
            sides: indices of one or two corrected slices, the nearest below and above.
        """
        began = plane_before_strokes(self._scene.mask, z, self._scene.strokes, is_outline_propagation)
        inside = self._signed_distance(began) + self._shift_at(z, sides) > 0
        known = [began, *(self._scene.mask[k] != 0 for k in sides)]
        return fill_new_holes(inside, *(plane[self._around] for plane in known))

    def _shift_at(self, z: int, sides: list[int]) -> DistanceMap:
        """Return the change of the signed distance at slice `z` in mm; of two sides the larger one counts."""
        away_mm = [abs(z - k) * self._scene.spacing_mm[0] for k in sides]
        if len(sides) == 2 and sum(away_mm) <= PROPAGATION_REACH_MM:
            # Between two corrected slices this close nothing of the draft is left: one change blends into the
            # other and does not fade.
            part = away_mm[0] / sum(away_mm)
            first, last = (shrink_towards_zero(self._shift_of_slice(k), REDRAWING_MM) for k in sides)
            return (1 - np.float32(part)) * first + np.float32(part) * last
        moves = [
            shrink_towards_zero(self._shift_of_slice(k), REDRAWING_MM + FADE_PER_MM * mm)
            for k, mm in zip(sides, away_mm, strict=True)
            if mm < PROPAGATION_REACH_MM
        ]
        return moves[0] if len(moves) == 1 else np.where(abs(moves[0]) >= abs(moves[1]), *moves)

    def _shift_of_slice(self, k: int) -> DistanceMap:
        if k not in self._known:
            self._known[k] = self._signed_distance(self._scene.mask[k] != 0) - self._signed_distance(
                mask_before_correction(self._scene, k)
            )
        return self._known[k]

    def _signed_distance(self, plane: BoolMask) -> DistanceMap:
        return clipped_distance_mm(plane[self._around], self._scene.spacing_mm[1:])


def shrink_towards_zero(move: DistanceMap, mm: float) -> DistanceMap:
    """Return `move` brought nearer to 0 by `mm`, and not beyond 0."""
    return np.asarray(np.sign(move) * np.maximum(np.abs(move) - np.float32(mm), 0), np.float32)


def clipped_distance_mm(plane: BoolMask, spacing_mm: tuple[float, ...]) -> DistanceMap:
    """Return the (y, x) distance to the outline in mm, negative outside, within `LARGEST_DISTANCE_MM`."""
    if not plane.any():
        return np.full(plane.shape, -LARGEST_DISTANCE_MM, np.float32)
    # The distance transform measures between voxel centres; the outline runs half a pixel beside them.
    half = min(spacing_mm) / 2
    depth = signed_outline_distance_mm(plane, spacing_mm) - np.where(plane, half, -half)
    return np.clip(depth, -LARGEST_DISTANCE_MM, LARGEST_DISTANCE_MM).astype(np.float32)

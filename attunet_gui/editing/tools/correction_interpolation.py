"""Interpolation of corrections: what lies between two corrected slices follows both, and its own draft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.pre_edit_mask import (
    is_outline_propagation,
    is_seen_correction,
    slices_before_strokes,
    strokes_since_draft,
)
from attunet_gui.editing.tools.neighbour_outline_shift import (
    FADE_PER_MM,
    LARGEST_DISTANCE_MM,
    PROPAGATION_REACH_MM,
    REDRAWING_MM,
    DistanceMap,
    clipped_distance_mm,
    shrink_towards_zero,
)
from attunet_gui.editing.tools.slice_interpolation import SliceGap, interpolated_planes
from attunet_gui.editing.tools.tool_scene import BoolMask, ToolScene, widen_slice
from attunet_gui.prediction.postprocess import fill_new_holes
from attunet_gui.system.errors import AttunetError

# Up to the first distance of two corrected slices their own shapes count as much as the corrected draft; from
# the second on only the draft counts, because shapes that far apart tell little of what lies between.
_SHAPES_COUNT_IN_FULL_MM, _SHAPES_COUNT_NOTHING_MM = 20.0, 60.0
# Where the draft had this DSC or less with what the annotator made of it, shapes count in full.
_DOUBTED_DRAFT_DSC = 0.85


@dataclass(frozen=True, eq=False)
class _GapPlane:
    """Two guesses of a slice between corrected ones, in the rows and columns of `around`.

    Attributes:
        by_shape: (y, x) distance to the outline in mm by interpolation of the two corrected slices alone;
            None if one of them is empty.
        by_draft: (y, x) the same by the draft of this slice with the two corrections added to it.
        known: (y, x) bool masks of the draft and of the two corrected slices.
        around: rows and columns.
        weight: how much `by_shape` counts, from 0 to 0.5.
    """

    by_shape: DistanceMap | None
    by_draft: DistanceMap
    known: tuple[BoolMask, ...]
    around: tuple[slice, slice]
    weight: float

    def mask(self) -> BoolMask:
        """Return the mean of both guesses, (y, x) bool."""
        distance = self.by_draft
        if self.by_shape is not None:
            distance = self.weight * self.by_shape + (1 - self.weight) * self.by_draft
        return fill_new_holes(distance > 0, *self.known)

    def disagreement(self) -> int:
        """Return in how many pixels the two guesses differ; 0 if there is only one."""
        if self.by_shape is None:
            return 0
        return int(np.count_nonzero((self.by_shape > 0) != (self.by_draft > 0)))


@dataclass(frozen=True)
class InterpolateCorrections:
    """Propagate the corrections of all corrected slices to the slices between and next to them.

    A slice is corrected if it was drawn in, changed by a tool that worked in it alone, or verified. Between
    two of them, the change of the signed distance to the outline is mixed linearly and added to the draft of
    each slice, so that a slice keeps what its draft had of its own. The mean of that and of the shape-based
    interpolation of the two corrected slices is taken, because the draft is wrong in other places than an
    interpolation is. A gap with a draft that was right at both ends stays. Beyond the outermost corrected
    slices a correction fades as with `PropagateToNeighbours`, and slices without a mask stay empty.

    Using the tool twice has the effect of using it once, because what it changed before is taken out first.
    """

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "interpolate corrections"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit of all slices that were not corrected.

        Raises:
            AttunetError: if nothing was corrected since the draft.
        """
        known = _CorrectedCase(scene)
        if not known.any_changed:
            raise AttunetError("Nothing was corrected since the draft: draw in a slice first.")
        wanted = scene.mask[known.z] != 0
        for gap in pairwise(known.corrected):
            for at, plane in known.gap_planes(gap):
                wanted[at - known.z.start][plane.around] = plane.mask()
        for at, nearest in known.outer_slices():
            wanted[at - known.z.start] = known.faded_mask(at, nearest)
        rows, columns = scene.plane_shape
        return scene.edit_to((known.z, slice(0, rows), slice(0, columns)), wanted)


def interpolation_disagreement(scene: ToolScene) -> Mapping[int, int]:
    """Return how much is unknown of each slice between two corrected ones.

    Returns:
        Index of the slice -> number of pixels in which interpolation of the corrected slices and the draft
        with their corrections differ; without slices of which there is only one of these.
    """
    known = _CorrectedCase(scene)
    return {
        at: plane.disagreement()
        for gap in pairwise(known.corrected)
        for at, plane in known.gap_planes(gap)
        if plane.by_shape is not None
    }


def next_slice_to_correct(scene: ToolScene) -> int:
    """Return the slice whose correction tells most of the others.

    Of the gap between two corrected slices of which most is unknown in all, it is the slice that halves that.
    Where nothing can be interpolated, it is the middle of the widest gap.

    Raises:
        AttunetError: if there is no slice between two corrected ones.
    """
    gaps = [(a, b) for a, b in pairwise(_corrected_slices(scene)) if b - a > 1]
    if not gaps:
        raise AttunetError("Correct the first and the last slice of the gland first, or verify them.")
    unknown = interpolation_disagreement(scene)
    weights = [[unknown.get(z, 0) + 1 for z in range(a + 1, b)] for a, b in gaps]
    most = max(range(len(gaps)), key=lambda number: (sum(weights[number]), -number))
    running = np.cumsum(weights[most])
    return gaps[most][0] + 1 + int(np.searchsorted(running, running[-1] / 2))


class _CorrectedCase:
    """The corrected slices of a case, and what their slices were before.

    Attributes:
        corrected: indices of the corrected slices, ascending.
        z: the slices that corrections can reach.
        any_changed: whether any corrected slice is not as it was before.
    """

    def __init__(self, scene: ToolScene) -> None:
        self._scene = scene
        self.corrected = _corrected_slices(scene)
        reach = int(np.ceil(PROPAGATION_REACH_MM / scene.spacing_mm[0])) - 1
        low, high = (self.corrected[0], self.corrected[-1] + 1) if self.corrected else (0, 0)
        self.z = slice(max(0, low - reach), min(len(scene.mask), high + reach) if high else 0)
        # Without what corrections of other slices changed, and without the corrections themselves as well.
        self._draft = slices_before_strokes(scene.mask, self.z, scene.strokes, is_outline_propagation)
        self._before = slices_before_strokes(
            scene.mask, self.z, scene.strokes, is_outline_propagation, is_seen_correction
        )
        self.any_changed = any((self._end(z) != self._was(z)).any() for z in self.corrected)

    def _end(self, z: int) -> BoolMask:
        return np.asarray(self._scene.mask[z] != 0)

    def _was(self, z: int) -> BoolMask:
        return np.asarray(self._before[z - self.z.start])

    def _drafted(self, z: int) -> BoolMask:
        return np.asarray(self._draft[z - self.z.start])

    def outer_slices(self) -> Iterator[tuple[int, int]]:
        """Yield the index of each slice beyond the outermost corrected ones, and of the nearest of these."""
        first, last = self.corrected[0], self.corrected[-1]
        yield from ((z, first) for z in range(self.z.start, first))
        yield from ((z, last) for z in range(last + 1, self.z.stop))

    def gap_planes(self, gap: SliceGap) -> Iterator[tuple[int, _GapPlane]]:
        """Yield the index of each slice within `gap` and its two guesses; none if neither end was changed."""
        ends, before = [self._end(z) for z in gap], [self._was(z) for z in gap]
        inner = range(gap[0] + 1, gap[1])
        if not inner or all(map(np.array_equal, ends, before)):
            return
        around = self._area([*map(self._drafted, inner), *ends, *before])
        weight = self._shape_weight(gap, [dice_coefficient(*pair) for pair in zip(ends, before, strict=True)])
        shifts = [self._shift(z, around) for z in gap]
        shapes: dict[int, BoolMask] = {}
        if all(end.any() for end in ends):
            shapes = dict(interpolated_planes(self._scene, gap, around))
        for z in inner:
            part = np.float32((z - gap[0]) / (gap[1] - gap[0]))
            yield (
                z,
                _GapPlane(
                    by_shape=self._distance(shapes[z]) if shapes else None,
                    by_draft=self._distance(self._drafted(z)[around])
                    + (1 - part) * shifts[0]
                    + part * shifts[1],
                    known=tuple(plane[around] for plane in (self._drafted(z), *ends)),
                    around=around,
                    weight=weight,
                ),
            )

    def _shape_weight(self, gap: SliceGap, agreement: list[float]) -> float:
        """Return how much the interpolation of two corrected slices counts between them, from 0 to 0.5.

        Args:
            gap: the two corrected slices.
            agreement: DSC of each with what it was before.
        """
        apart_mm = (gap[1] - gap[0]) * self._scene.spacing_mm[0]
        near = (_SHAPES_COUNT_NOTHING_MM - apart_mm) / (_SHAPES_COUNT_NOTHING_MM - _SHAPES_COUNT_IN_FULL_MM)
        doubt = (1 - sum(agreement) / len(agreement)) / (1 - _DOUBTED_DRAFT_DSC)
        return 0.5 * float(np.clip(near, 0, 1) * np.clip(doubt, 0, 1))

    def faded_mask(self, z: int, nearest: int) -> BoolMask:
        """Return slice `z`, (y, x) bool, with a part of the correction of slice `nearest`."""
        plane = self._drafted(z).copy()
        if not plane.any():
            return plane
        around = self._area([plane, self._end(nearest), self._was(nearest)])
        away_mm = abs(z - nearest) * self._scene.spacing_mm[0]
        shift = shrink_towards_zero(self._shift(nearest, around), REDRAWING_MM + FADE_PER_MM * away_mm)
        inside = self._distance(plane[around]) + shift > 0
        plane[around] = fill_new_holes(inside, plane[around], self._end(nearest)[around])
        return plane

    def _shift(self, z: int, around: tuple[slice, slice]) -> DistanceMap:
        """Return the change of the signed distance in mm by the correction of slice `z`."""
        return self._distance(self._end(z)[around]) - self._distance(self._was(z)[around])

    def _area(self, planes: list[BoolMask]) -> tuple[slice, slice]:
        """Return the rows and columns around all `planes`, widened by the distances that count."""
        box = ndimage.find_objects(np.logical_or.reduce(planes).astype(np.uint8))[0]
        rows, columns = (
            widen_slice(side, LARGEST_DISTANCE_MM, step, size)
            for side, step, size in zip(box, self._scene.spacing_mm[1:], self._scene.plane_shape, strict=True)
        )
        return rows, columns

    def _distance(self, plane: BoolMask) -> DistanceMap:
        return clipped_distance_mm(plane, self._scene.spacing_mm[1:])


def _corrected_slices(scene: ToolScene) -> list[int]:
    by_strokes = (
        stroke.edit.changed_slices
        for stroke in strokes_since_draft(scene.strokes)
        if is_seen_correction(stroke)
    )
    found = scene.locks.locked_slices.union(*by_strokes)
    return sorted(z for z in found if 0 <= z < len(scene.mask))

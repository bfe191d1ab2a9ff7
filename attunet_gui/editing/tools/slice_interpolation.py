"""Tools that change whole slices: interpolation, copying, emptying, and going back to the draft."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.editing.tools.connected_regions import signed_outline_distance_mm
from attunet_gui.editing.tools.tool_scene import BoolMask, ToolScene
from attunet_gui.editing.tools.tool_types import ToolParameter
from attunet_gui.system.errors import AttunetError

LARGEST_GAP_PARAMETER = ToolParameter("Largest gap", "mm", 2.0, 60.0, 1.0, 30.0)

# If one end of a gap, shifted onto the other, reaches this DSC with it, both are cuts through one oblique
# tube.
_SAME_SHAPE_DSC = 0.6
# Distances count in full up to `_FULL_WEIGHT_MM`. A millimetre beyond counts `_BEYOND_WEIGHT`, just enough to
# order the voxels.
_FULL_WEIGHT_MM = 10.0
_BEYOND_WEIGHT = 1e-3

Float64Plane = NDArray[np.float64]
SliceGap = tuple[int, int]
"""The indices of two locked slices, lower first, with no locked slice between them."""


@dataclass(frozen=True)
class InterpolateTool:
    """Draw the slices between two decided ones by shape-based interpolation.

    A slice is decided if it was drawn in by hand or is verified, which is what the locks hold. Decided slices
    are read and never changed. The slices between them are drawn anew: the signed distances to both outlines
    are mixed linearly (Raya and Udupa 1990, doi 10.1109/42.52980).

    The original method cuts the mixed distance at 0. A part that lies in one of the two slices only would
    then vanish at once, so the cut is made here where the area changes evenly from one end to the other, and
    distances are bounded to a centimetre. Two ends of one shape are shifted onto each other first. A gap with
    an empty slice at one end stays as it is, because nobody has said where in it the organ ends.

    Attributes:
        largest_gap_mm: largest distance in mm of the two decided slices; wider gaps stay as they are.
        everywhere: whether every gap of the case is filled; otherwise only those that the current slice lies
            in or borders on.

    Raises:
        ValueError: if `largest_gap_mm` is out of bounds.
    """

    largest_gap_mm: float = LARGEST_GAP_PARAMETER.default
    everywhere: bool = False

    def __post_init__(self) -> None:
        LARGEST_GAP_PARAMETER.check_bounds(self.largest_gap_mm)

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "interpolate all gaps" if self.everywhere else "interpolate"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit of the slices between; raise `AttunetError` if there is no such gap."""
        gaps = [gap for gap in _decided_gaps(scene) if self._is_gap_in_reach(gap, scene)]
        if not gaps:
            raise AttunetError(self._no_gap_sentence(scene))
        around = scene.mask_box(in_3d=True)
        z = slice(min(first for first, _ in gaps), max(last for _, last in gaps) + 1)
        box: VoxelBox = (z, around[1], around[2])
        wanted = scene.mask_in(box)
        for first, last in gaps:
            for at, plane in interpolated_planes(scene, (first, last), around[1:]):
                wanted[at - z.start] = plane
        return scene.edit_to(box, wanted)

    def _is_gap_in_reach(self, gap: SliceGap, scene: ToolScene) -> bool:
        near = self.everywhere or gap[0] <= scene.slice <= gap[1]
        return near and (gap[1] - gap[0]) * scene.spacing_mm[0] <= self.largest_gap_mm

    def _no_gap_sentence(self, scene: ToolScene) -> str:
        if not _decided_gaps(scene):
            return "There is nothing to interpolate: draw two slices with a gap between them."
        if self.everywhere:
            return f"No gap is {self.largest_gap_mm:g} mm or less: draw a slice in between, or allow more."
        return (
            f"This slice is not between two drawn ones {self.largest_gap_mm:g} mm apart or less: "
            "draw nearer to it, or allow more."
        )


def _decided_gaps(scene: ToolScene) -> list[SliceGap]:
    decided = sorted(z for z in scene.locks.locked_slices if 0 <= z < len(scene.mask))
    filled = {z for z in decided if scene.mask[z].any()}
    return [(a, b) for a, b in pairwise(decided) if b - a > 1 and a in filled and b in filled]


def interpolated_planes(
    scene: ToolScene, gap: SliceGap, around: tuple[slice, slice]
) -> Iterator[tuple[int, BoolMask]]:
    """Yield the index of each slice within `gap` and its mask, bool, in the rows and columns `around`.

    Both slices of the gap must have a mask there.
    """
    first, last = (scene.mask[z][around] != 0 for z in gap)
    move = _alignment_shift(first, last)
    steps = scene.spacing_mm[1:]
    for z in range(gap[0] + 1, gap[1]):
        part = (z - gap[0]) / (gap[1] - gap[0])
        yield z, _interpolated_mask((first, last), move, part, steps)


def _alignment_shift(first: BoolMask, last: BoolMask) -> Float64Plane:
    """Return the shift (rows, columns) in pixels from the first mask to the last.

    It is 0 unless the shift makes the two masks alike, and more alike than they are without it.
    """
    move = np.subtract(ndimage.center_of_mass(last), ndimage.center_of_mass(first))
    moved = ndimage.shift(first.astype(np.float32), move, order=1) > 0.5
    overlap = dice_coefficient(moved, last)
    return move if overlap > max(_SAME_SHAPE_DSC, dice_coefficient(first, last)) else np.zeros(2)


def _interpolated_mask(
    ends: tuple[BoolMask, BoolMask], move: Float64Plane, part: float, steps: tuple[float, ...]
) -> BoolMask:
    """Return the interpolated mask, (rows, columns) bool.

    Args:
        ends: the masks of the two decided slices.
        move: the shift in pixels from the first to the second.
        part: position between them, from 0 to 1.
        steps: (y, x) size of a pixel in mm.
    """
    here, there = (
        ndimage.shift(signed_outline_distance_mm(mask, steps), way, order=1, mode="nearest")
        for mask, way in zip(ends, (part * move, (part - 1) * move), strict=True)
    )
    depth = (1 - part) * _compressed_distance(here) + part * _compressed_distance(there)
    # The square root of the area changes evenly, as the diameter of a cone does.
    sides = [np.sqrt(np.count_nonzero(mask)) for mask in ends]
    due = round(((1 - part) * sides[0] + part * sides[1]) ** 2)
    return np.asarray(depth >= np.partition(depth, -due, axis=None)[-due])


def _compressed_distance(depth: Float64Plane) -> Float64Plane:
    """Return the distances in mm with all beyond `_FULL_WEIGHT_MM` strongly compressed."""
    return np.asarray(np.clip(depth, -_FULL_WEIGHT_MM, _FULL_WEIGHT_MM) + _BEYOND_WEIGHT * depth)


@dataclass(frozen=True)
class CopySliceTool:
    """Replace the current slice by the nearest slice with a mask, above (towards the head) or below it."""

    side: Literal["above", "below"]

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return f"copy from {self.side}"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit of the current slice; raise `AttunetError` if no slice on that side has a mask."""
        above = self.side == "above"
        others = range(scene.slice + 1, len(scene.mask)) if above else range(scene.slice - 1, -1, -1)
        source = next((z for z in others if scene.mask[z].any()), None)
        if source is None:
            raise AttunetError(f"No slice {self.side} this one has a mask to copy.")
        return scene.edit_to(scene.slice_box(), scene.mask[source : source + 1] != 0)


@dataclass(frozen=True)
class ClearBeyondTool:
    """Empty every slice above (towards the head) or below the current one: the organ ends in it."""

    side: Literal["above", "below"]

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return f"nothing {self.side}"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit of the slices on that side; raise `AttunetError` if none of them has a mask."""
        above = self.side == "above"
        z = slice(scene.slice + 1, len(scene.mask)) if above else slice(0, scene.slice)
        if not scene.mask[z].any():
            raise AttunetError(f"No slice {self.side} this one has a mask.")
        rows, columns = scene.plane_shape
        box: VoxelBox = (z, slice(0, rows), slice(0, columns))
        return scene.edit_to(box, np.zeros_like(scene.mask[z], bool))


@dataclass(frozen=True)
class ClearSliceTool:
    """Empty the current slice."""

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "empty this slice"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit of the current slice; raise `AttunetError` if it has no mask."""
        box = scene.mask_box(in_3d=False)
        return scene.edit_to(box, np.zeros_like(scene.mask_in(box)))


@dataclass(frozen=True)
class RestoreDraftTool:
    """Replace the current slice by that of the draft."""

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "take this slice from the draft"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit of the current slice; it changes nothing if there is no draft."""
        if scene.draft is None:
            return NO_EDIT
        return scene.edit_to(scene.slice_box(), scene.draft[scene.slice : scene.slice + 1] != 0)

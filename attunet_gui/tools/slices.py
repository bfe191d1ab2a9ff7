"""Tools that draw a slice from others: interpolation, copying, and going back to the draft."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import NOTHING, Box, Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.metrics import dice
from attunet_gui.tools.regions import inside_mm
from attunet_gui.tools.scene import Mask, Scene
from attunet_gui.tools.tool import Parameter

LARGEST_GAP = Parameter("Largest gap", "mm", 2.0, 60.0, 1.0, 30.0)

# If one end of a gap, shifted onto the other, reaches this DSC with it, both are cuts through one oblique
# tube.
_SAME_SHAPE = 0.6
# Distances count in full up to `_NEAR_MM`. A millimetre beyond counts `_BEYOND`, just enough to order the
# voxels.
_NEAR_MM = 10.0
_BEYOND = 1e-3

Floats = NDArray[np.float64]
Gap = tuple[int, int]
"""The indices of two locked slices, lower first, with no locked slice between them."""


@dataclass(frozen=True)
class Interpolate:
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

    largest_gap_mm: float = LARGEST_GAP.default
    everywhere: bool = False

    def __post_init__(self) -> None:
        LARGEST_GAP.checked(self.largest_gap_mm)

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return "interpolate all gaps" if self.everywhere else "interpolate"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit of the slices between; raise `AttunetError` if there is no such gap."""
        gaps = [gap for gap in _gaps(scene) if self._is_meant(gap, scene)]
        if not gaps:
            raise AttunetError(self._reason(scene))
        around = scene.mask_box(in_3d=True)
        z = slice(min(first for first, _ in gaps), max(last for _, last in gaps) + 1)
        box: Box = (z, around[1], around[2])
        wanted = scene.mask_in(box)
        for first, last in gaps:
            for at, plane in _between(scene, (first, last), around):
                wanted[at - z.start] = plane
        return scene.edit(box, wanted)

    def _is_meant(self, gap: Gap, scene: Scene) -> bool:
        near = self.everywhere or gap[0] <= scene.slice <= gap[1]
        return near and (gap[1] - gap[0]) * scene.spacing_mm[0] <= self.largest_gap_mm

    def _reason(self, scene: Scene) -> str:
        if not _gaps(scene):
            return "There is nothing to interpolate: draw two slices with a gap between them."
        if self.everywhere:
            return f"No gap is {self.largest_gap_mm:g} mm or less: draw a slice in between, or allow more."
        return (
            f"This slice is not between two drawn ones {self.largest_gap_mm:g} mm apart or less: "
            "draw nearer to it, or allow more."
        )


def _gaps(scene: Scene) -> list[Gap]:
    decided = sorted(z for z in scene.locks.slices if 0 <= z < len(scene.mask))
    filled = {z for z in decided if scene.mask[z].any()}
    return [(a, b) for a, b in pairwise(decided) if b - a > 1 and a in filled and b in filled]


def _between(scene: Scene, gap: Gap, around: Box) -> Iterator[tuple[int, Mask]]:
    """Yield the index of each slice within `gap` and its mask, bool, in the rows and columns of `around`."""
    first, last = (scene.mask[z][around[1:]] != 0 for z in gap)
    move = _move(first, last)
    steps = scene.spacing_mm[1:]
    for z in range(gap[0] + 1, gap[1]):
        part = (z - gap[0]) / (gap[1] - gap[0])
        yield z, _mixed((first, last), move, part, steps)


def _move(first: Mask, last: Mask) -> Floats:
    """Return the shift (rows, columns) in pixels from the first mask to the last.

    It is 0 unless the shift makes the two masks alike, and more alike than they are without it.
    """
    move = np.subtract(ndimage.center_of_mass(last), ndimage.center_of_mass(first))
    moved = ndimage.shift(first.astype(np.float32), move, order=1) > 0.5
    overlap = dice(moved, last)
    return move if overlap > max(_SAME_SHAPE, dice(first, last)) else np.zeros(2)


def _mixed(ends: tuple[Mask, Mask], move: Floats, part: float, steps: tuple[float, ...]) -> Mask:
    """Return the interpolated mask, (rows, columns) bool.

    Args:
        ends: the masks of the two decided slices.
        move: the shift in pixels from the first to the second.
        part: position between them, from 0 to 1.
        steps: (y, x) size of a pixel in mm.
    """
    here, there = (
        ndimage.shift(inside_mm(mask, steps), way, order=1, mode="nearest")
        for mask, way in zip(ends, (part * move, (part - 1) * move), strict=True)
    )
    depth = (1 - part) * _near(here) + part * _near(there)
    # The square root of the area changes evenly, as the diameter of a cone does.
    sides = [np.sqrt(np.count_nonzero(mask)) for mask in ends]
    due = round(((1 - part) * sides[0] + part * sides[1]) ** 2)
    return np.asarray(depth >= np.partition(depth, -due, axis=None)[-due])


def _near(depth: Floats) -> Floats:
    """Return the distances in mm with all beyond `_NEAR_MM` strongly compressed."""
    return np.asarray(np.clip(depth, -_NEAR_MM, _NEAR_MM) + _BEYOND * depth)


@dataclass(frozen=True)
class CopySlice:
    """Replace the current slice by the nearest slice with a mask, above (towards the head) or below it."""

    side: Literal["above", "below"]

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return f"copy from {self.side}"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit of the current slice; raise `AttunetError` if no slice on that side has a mask."""
        above = self.side == "above"
        others = range(scene.slice + 1, len(scene.mask)) if above else range(scene.slice - 1, -1, -1)
        source = next((z for z in others if scene.mask[z].any()), None)
        if source is None:
            raise AttunetError(f"No slice {self.side} this one has a mask to copy.")
        return scene.edit(scene.slice_box(), scene.mask[source : source + 1] != 0)


@dataclass(frozen=True)
class TakeDraft:
    """Replace the current slice by that of the draft."""

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return "take this slice from the draft"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit of the current slice; it changes nothing if there is no draft."""
        if scene.draft is None:
            return NOTHING
        return scene.edit(scene.slice_box(), scene.draft[scene.slice : scene.slice + 1] != 0)

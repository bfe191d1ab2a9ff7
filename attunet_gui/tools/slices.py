"""Tools that carry a slice to others: interpolation between decided slices, copies, and the draft."""

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

_SAME_SHAPE = 0.6
"""DSC from which one end, moved, is taken for the other: a tube that runs obliquely."""
_NEAR_MM = 10.0
_BEYOND = 1e-3
"""What a millimetre beyond `_NEAR_MM` counts: just enough to tell which is the nearer."""

Floats = NDArray[np.float64]
Gap = tuple[int, int]
"""Two decided slices with nothing decided between them."""


@dataclass(frozen=True)
class Interpolate:
    """Draw the slices between two decided ones, by their shape.

    Decided is what the locks hold: a slice drawn in by hand, or verified. Those are read and never changed.
    What lies between them is drawn anew: the signed distances to both outlines are mixed (Raya and Udupa
    1990, doi 10.1109/42.52980) and cut where the area goes evenly from one to the other; a distance counts up
    to a centimetre. Cut at 0 and not bounded, what lies in one of the two slices only is lost at once. Two
    ends of one shape are moved onto each other first. A gap with an empty slice at one end stays as it is:
    where the organ ends in it, nobody has said.

    Attributes:
        largest_gap_mm: between the decided slices; wider gaps stay as they are.
        everywhere: every gap of the case; else the one around the current slice, or those on both its sides.
    """

    largest_gap_mm: float = LARGEST_GAP.default
    everywhere: bool = False

    def __post_init__(self) -> None:
        LARGEST_GAP.checked(self.largest_gap_mm)

    @property
    def words(self) -> str:
        """What it does."""
        return "interpolate all gaps" if self.everywhere else "interpolate"

    def apply(self, scene: Scene) -> Edit:
        """The slices between; `AttunetError` if there are none."""
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
    """Each slice inside of `gap` and its mask in the rows and columns of `around`."""
    first, last = (scene.mask[z][around[1:]] != 0 for z in gap)
    move = _move(first, last)
    steps = scene.spacing_mm[1:]
    for z in range(gap[0] + 1, gap[1]):
        part = (z - gap[0]) / (gap[1] - gap[0])
        yield z, _mixed((first, last), move, part, steps)


def _move(first: Mask, last: Mask) -> Floats:
    """(rows, columns) from the first to the last, if moved they are one shape; else 0."""
    move = np.subtract(ndimage.center_of_mass(last), ndimage.center_of_mass(first))
    moved = ndimage.shift(first.astype(np.float32), move, order=1) > 0.5
    overlap = dice(moved, last)
    return move if overlap > max(_SAME_SHAPE, dice(first, last)) else np.zeros(2)


def _mixed(ends: tuple[Mask, Mask], move: Floats, part: float, steps: tuple[float, ...]) -> Mask:
    """The shape at `part` of the way, as large as is due there."""
    here, there = (
        ndimage.shift(inside_mm(mask, steps), way, order=1, mode="nearest")
        for mask, way in zip(ends, (part * move, (part - 1) * move), strict=True)
    )
    depth = (1 - part) * _near(here) + part * _near(there)
    sides = [np.sqrt(np.count_nonzero(mask)) for mask in ends]
    due = round(((1 - part) * sides[0] + part * sides[1]) ** 2)
    return np.asarray(depth >= np.partition(depth, -due, axis=None)[-due])


def _near(depth: Floats) -> Floats:
    """Distances that count less and less beyond `_NEAR_MM`."""
    return np.asarray(np.clip(depth, -_NEAR_MM, _NEAR_MM) + _BEYOND * depth)


@dataclass(frozen=True)
class CopySlice:
    """Copy the mask of the nearest slice that has one, above (towards the head) or below, over this one."""

    side: Literal["above", "below"]

    @property
    def words(self) -> str:
        """What it does."""
        return f"copy from {self.side}"

    def apply(self, scene: Scene) -> Edit:
        """The change of the current slice; `AttunetError` if no slice on that side has a mask."""
        above = self.side == "above"
        others = range(scene.slice + 1, len(scene.mask)) if above else range(scene.slice - 1, -1, -1)
        source = next((z for z in others if scene.mask[z].any()), None)
        if source is None:
            raise AttunetError(f"No slice {self.side} this one has a mask to copy.")
        return scene.edit(scene.slice_box(), scene.mask[source : source + 1] != 0)


@dataclass(frozen=True)
class TakeDraft:
    """Put the current slice back to what the network drew."""

    @property
    def words(self) -> str:
        """What it does."""
        return "take this slice from the draft"

    def apply(self, scene: Scene) -> Edit:
        """The change of the current slice."""
        if scene.draft is None:
            return NOTHING
        return scene.edit(scene.slice_box(), scene.draft[scene.slice : scene.slice + 1] != 0)

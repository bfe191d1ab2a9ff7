"""What a tool sees: the mask at this moment, the CT, the network's opinion, and where the person is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit import Box, Edit, edit_between
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.history import Stroke
from attunet_gui.core.locks import Locks, Plane

Spacing = tuple[float, float, float]
Point = tuple[int, int, int]
Mask = NDArray[np.bool_]


class Map(Protocol):
    """A (z, y, x) map of which only a box is ever asked for; `core.frame.MapOnGrid` is one."""

    def __getitem__(self, key: Any) -> NDArray[Any]: ...


@dataclass(frozen=True, eq=False)
class Scene:
    """The state of a case that a tool works on. Nothing in it is changed by a tool.

    Attributes:
        mask: (z, y, x) uint8, not zero is set.
        hu: (z, y, x) Hounsfield units.
        spacing_mm: (z, y, x).
        slice: the slice the person looks at.
        probability: of the network, (z, y, x) in [0, 1]; None without a draft.
        draft: (z, y, x) uint8 as the network drew it; None without one.
        locks: what a person has decided. Tools read it; that it is kept is seen to where edits are applied.
        strokes: that led to `mask`, oldest first, as far as they can be undone.
    """

    mask: NDArray[np.uint8]
    hu: NDArray[Any]
    spacing_mm: Spacing
    slice: int
    probability: Map | None = None
    draft: NDArray[np.uint8] | None = None
    locks: Locks = field(default_factory=Locks)
    strokes: tuple[Stroke, ...] = ()

    @property
    def plane(self) -> tuple[int, int]:
        """(y, x) shape of a slice."""
        return self.mask.shape[1], self.mask.shape[2]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return float(np.prod(self.spacing_mm)) / 1000

    def mask_in(self, box: Box) -> Mask:
        """The mask in `box` as bool, a copy."""
        return np.asarray(self.mask[box] != 0)

    def locked_in(self, box: Box) -> Mask:
        """What is locked in `box`, bool."""
        planes: list[Plane] = [
            self.locks.locked(z, self.plane)[box[1:]] for z in range(box[0].start, box[0].stop)
        ]
        return np.stack(planes)

    def drawn_in(self, box: Box) -> Mask:
        """What a person has drawn or cleared by hand in `box`, bool; verified slices are not looked at."""
        drawn = np.zeros([side.stop - side.start for side in box], bool)
        for plane, z in zip(drawn, range(box[0].start, box[0].stop), strict=True):
            if z in self.locks.hand:
                plane[...] = self.locks.hand[z][box[1:]]
        return drawn

    def edit(self, box: Box, wanted: Mask) -> Edit:
        """The edit after which `box` holds `wanted`."""
        z, y, x = box
        return edit_between(self.mask[box], wanted, (z.start, y.start, x.start))

    def slice_box(self) -> Box:
        """The whole of the current slice."""
        rows, columns = self.plane
        return slice(self.slice, self.slice + 1), slice(0, rows), slice(0, columns)

    def mask_box(self, in_3d: bool, margin_mm: float = 0.0) -> Box:
        """The box around the mask in the current slice, or in all of them, cut at the edge of the volume.

        Args:
            in_3d: around the mask in all slices.
            margin_mm: room on every side in which the tool works; the box has a voxel more.

        Raises:
            AttunetError: there is no mask to work on.
        """
        part = slice(0, len(self.mask)) if in_3d else slice(self.slice, self.slice + 1)
        around = _bounds(self.mask[part])
        if around is None:
            where = "in this case" if in_3d else "on this slice"
            raise AttunetError(f"There is no mask {where}: draw one first.")
        z, y, x = (
            widened(side, margin_mm, step, size)
            for side, step, size in zip(around, self.spacing_mm, self.mask.shape, strict=True)
        )
        return (z, y, x) if in_3d else (part, y, x)


def _bounds(mask: NDArray[np.uint8]) -> Box | None:
    slices = np.flatnonzero(mask.max(axis=(1, 2)))
    if not len(slices):
        return None
    z = slice(int(slices[0]), int(slices[-1]) + 1)
    seen = mask[z].max(axis=0)
    rows, columns = np.flatnonzero(seen.max(axis=1)), np.flatnonzero(seen.max(axis=0))
    return z, slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def widened(side: slice, margin_mm: float, step_mm: float, size: int) -> slice:
    """`side` of a box with so much room, and a voxel more, on both ends; cut at those of the volume."""
    margin = int(np.ceil(margin_mm / step_mm)) + 1
    return slice(max(0, side.start - margin), min(size, side.stop + margin))

"""The input of a tool: the present mask, the CT, the network's maps, the locks, and the slice in view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.mask_edit import MaskEdit, VoxelBox, edit_between
from attunet_gui.core.mask_locks import MaskLocks, PlaneMask
from attunet_gui.system.errors import AttunetError

Spacing = tuple[float, float, float]
VoxelPoint = tuple[int, int, int]
BoolMask = NDArray[np.bool_]


class ProbabilityMap(Protocol):
    """A (z, y, x) map of which only a box is accessed, so that it may be computed on access."""

    def __getitem__(self, key: Any) -> NDArray[Any]: ...


@dataclass(frozen=True, eq=False)
class ToolScene:
    """The state of a case that a tool works on. A tool changes nothing in it.

    Attributes:
        mask: (z, y, x) uint8; any non-zero value counts as set.
        hu: (z, y, x) Hounsfield units.
        spacing_mm: (z, y, x) voxel spacing in mm.
        slice: index of the slice that the annotator looks at.
        probability: the network's probability, (z, y, x) in [0, 1]; None without a draft.
        draft: (z, y, x) uint8 0/1, the draft; None without one.
        locks: what the annotator drew by hand or verified. Tools may read the locks; they are enforced where
            the edit is applied.
        strokes: the strokes that led to `mask`, oldest first, as far as they can be undone.
    """

    mask: NDArray[np.uint8]
    hu: NDArray[Any]
    spacing_mm: Spacing
    slice: int
    probability: ProbabilityMap | None = None
    draft: NDArray[np.uint8] | None = None
    locks: MaskLocks = field(default_factory=MaskLocks)
    strokes: tuple[EditStroke, ...] = ()

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(y, x) shape of a slice."""
        return self.mask.shape[1], self.mask.shape[2]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return float(np.prod(self.spacing_mm)) / 1000

    def mask_in(self, box: VoxelBox) -> BoolMask:
        """Return a copy of the mask in `box` as bool."""
        return np.asarray(self.mask[box] != 0)

    def locked_in(self, box: VoxelBox) -> BoolMask:
        """Return an array of the shape of `box`, bool, true where a voxel is locked."""
        planes: list[PlaneMask] = [
            self.locks.locked_plane(z, self.plane_shape)[box[1:]] for z in range(box[0].start, box[0].stop)
        ]
        return np.stack(planes)

    def drawn_in(self, box: VoxelBox) -> BoolMask:
        """Return a bool array of the shape of `box`, true where a voxel was set or cleared by hand.

        Verified slices do not count.
        """
        drawn = np.zeros([side.stop - side.start for side in box], bool)
        for plane, z in zip(drawn, range(box[0].start, box[0].stop), strict=True):
            if z in self.locks.hand:
                plane[...] = self.locks.hand[z][box[1:]]
        return drawn

    def edit_to(self, box: VoxelBox, wanted: BoolMask) -> MaskEdit:
        """Return the edit after which the mask in `box` equals `wanted` (bool, of the shape of the box)."""
        z, y, x = box
        return edit_between(self.mask[box], wanted, (z.start, y.start, x.start))

    def slice_box(self) -> VoxelBox:
        """Return the box of the whole current slice."""
        rows, columns = self.plane_shape
        return slice(self.slice, self.slice + 1), slice(0, rows), slice(0, columns)

    def mask_box(self, in_3d: bool, margin_mm: float = 0.0) -> VoxelBox:
        """Return the box around the mask in the current slice or in all slices, clipped to the volume.

        Args:
            in_3d: whether the box holds the mask of all slices.
            margin_mm: margin in mm on every side in which the tool works; the box has one voxel more.

        Raises:
            AttunetError: if there is no mask to work on.
        """
        part = slice(0, len(self.mask)) if in_3d else slice(self.slice, self.slice + 1)
        around = _mask_bounds(self.mask[part])
        if around is None:
            where = "in this case" if in_3d else "on this slice"
            raise AttunetError(f"There is no mask {where}: draw one first.")
        z, y, x = (
            widen_slice(side, margin_mm, step, size)
            for side, step, size in zip(around, self.spacing_mm, self.mask.shape, strict=True)
        )
        return (z, y, x) if in_3d else (part, y, x)


def _mask_bounds(mask: NDArray[np.uint8]) -> VoxelBox | None:
    slices = np.flatnonzero(mask.max(axis=(1, 2)))
    if not len(slices):
        return None
    z = slice(int(slices[0]), int(slices[-1]) + 1)
    seen = mask[z].max(axis=0)
    rows, columns = np.flatnonzero(seen.max(axis=1)), np.flatnonzero(seen.max(axis=0))
    return z, slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def widen_slice(side: slice, margin_mm: float, step_mm: float, size: int) -> slice:
    """Return `side` of a box widened on both ends by `margin_mm` and one voxel, clipped to the volume.

    Args:
        side: the range of indices along one axis.
        margin_mm: the margin in mm.
        step_mm: voxel spacing along this axis in mm.
        size: number of voxels of the volume along this axis.
    """
    margin = int(np.ceil(margin_mm / step_mm)) + 1
    return slice(max(0, side.start - margin), min(size, side.stop + margin))

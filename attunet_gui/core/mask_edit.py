"""A change of a mask as an immutable value: the voxels that flip, within a box.

Flipping is its own inverse, so applying an edit a second time undoes it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

VoxelBox = tuple[slice, slice, slice]
"""A part of a volume as slices along (z, y, x). Starts and stops lie within the volume; the steps are 1."""

# The fastest level of zlib: masks are mostly zeros, and the annotator must not wait for a stroke.
_ZLIB_LEVEL = 1


@dataclass(frozen=True)
class MaskEdit:
    """Voxels that change from 0 to 1 or from 1 to 0.

    Attributes:
        start: (z, y, x) index of the first voxel of the box.
        shape: (z, y, x) size of the box; (0, 0, 0) for an edit that changes nothing.
        packed: the box as bits (`numpy.packbits` in C order, 1 where a voxel flips), compressed with zlib.
        added, removed: number of voxels that are set and cleared in the mask that the edit was made for.
    """

    start: tuple[int, int, int]
    shape: tuple[int, int, int]
    packed: bytes
    added: int
    removed: int

    @property
    def changed_voxels(self) -> int:
        """Number of voxels that flip."""
        return self.added + self.removed

    @property
    def box(self) -> VoxelBox:
        """The box in the volume."""
        z, y, x = (slice(start, start + size) for start, size in zip(self.start, self.shape, strict=True))
        return z, y, x

    @property
    def box_slices(self) -> range:
        """The indices of the slices of the box."""
        return range(self.start[0], self.start[0] + self.shape[0])

    @cached_property
    def changed_slices(self) -> frozenset[int]:
        """The indices of the slices in which a voxel flips; the box may hold others between them."""
        return frozenset(
            self.start[0] + int(z) for z in np.flatnonzero(self.flipped_voxels().any(axis=(1, 2)))
        )

    def changes_within(self, box: VoxelBox) -> bool:
        """Return whether a voxel flips within `box`, which is given in voxels of the volume."""
        z, y, x = (
            slice(max(b.start - a.start, 0), max(min(b.stop, a.stop) - a.start, 0))
            for a, b in zip(self.box, box, strict=True)
        )
        return bool(self.flipped_voxels()[z, y, x].any())

    def flipped_voxels(self) -> NDArray[np.bool_]:
        """Return (z, y, x) bool of the shape of the box, true where a voxel flips."""
        count = int(np.prod(self.shape))
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=count).astype(bool).reshape(self.shape)

    def apply_to(self, mask: NDArray[np.uint8]) -> None:
        """Flip the voxels of `mask` (z, y, x) 0/1 in place."""
        mask[self.box] ^= self.flipped_voxels()

    def reversed_edit(self) -> MaskEdit:
        """Return the edit that undoes this one: the same voxels, with `added` and `removed` exchanged."""
        return MaskEdit(self.start, self.shape, self.packed, self.removed, self.added)


NO_EDIT = MaskEdit((0, 0, 0), (0, 0, 0), zlib.compress(b"", _ZLIB_LEVEL), 0, 0)
"""The edit that changes nothing."""


def edit_between(
    before: NDArray[Any], after: NDArray[Any], start: tuple[int, int, int] = (0, 0, 0)
) -> MaskEdit:
    """Return the edit that turns `before` into `after`, with the smallest box that holds all changes.

    Args:
        before, after: (z, y, x) arrays of one shape, the whole mask or a box of it; any non-zero value counts
            as set.
        start: (z, y, x) index in the mask of the first voxel of these arrays.
    """
    # A stroke changes few slices; the others are left out before voxels are compared.
    different = np.flatnonzero([not np.array_equal(*planes) for planes in zip(before, after, strict=True)])
    if not len(different):
        return NO_EDIT
    first, last = int(different[0]), int(different[-1]) + 1
    start = (start[0] + first, *start[1:])
    old, new = before[first:last] != 0, after[first:last] != 0
    flips = old != new
    where = _bounding_box(flips)
    if where is None:
        return NO_EDIT
    tight, added = flips[where], int(np.count_nonzero(flips[where] & new[where]))
    z, y, x = (first + part.start for first, part in zip(start, where, strict=True))
    packed = zlib.compress(np.packbits(tight).tobytes(), _ZLIB_LEVEL)
    return MaskEdit((z, y, x), tight.shape, packed, added, int(np.count_nonzero(tight)) - added)


def edit_from_empty(mask: NDArray[Any]) -> MaskEdit:
    """Return the edit that turns an empty mask into `mask` (z, y, x); any non-zero value counts as set."""
    return edit_between(np.broadcast_to(np.uint8(0), mask.shape), mask)


def _bounding_box(flips: NDArray[np.bool_]) -> VoxelBox | None:
    found = []
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        at = np.flatnonzero(flips.any(axis=others))
        if not len(at):
            return None
        found.append(slice(int(at[0]), int(at[-1]) + 1))
    return found[0], found[1], found[2]

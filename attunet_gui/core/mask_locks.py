"""Locked parts of a mask: voxels that the annotator drew by hand, and slices that the annotator verified.

No tool changes a locked voxel unless the annotator agrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, edit_between

PlaneMask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MaskLocks:
    """An immutable set of locks; methods that change it return a new one.

    Attributes:
        hand: index of a slice -> (y, x) bool, true where the annotator set or cleared the voxel by hand.
        verified: indices of the verified slices, which are locked as a whole.
    """

    hand: Mapping[int, PlaneMask] = field(default_factory=dict)
    verified: frozenset[int] = frozenset()

    def with_hand_drawn(self, edit: MaskEdit, plane: tuple[int, int]) -> MaskLocks:
        """Return the locks with the voxels of `edit` locked as drawn by hand.

        Args:
            edit: the edit that the annotator made by hand.
            plane: (y, x) shape of a slice.
        """
        hand = dict(self.hand)
        for z, flips in zip(edit.box_slices, edit.flipped_voxels(), strict=True):
            if flips.any():
                known = hand.get(z)
                drawn = np.zeros(plane, bool) if known is None else known.copy()
                drawn[edit.box[1:]] |= flips
                hand[z] = drawn
        return replace(self, hand=hand)

    def with_verified(self, slices: frozenset[int]) -> MaskLocks:
        """Return the locks with `locked_slices`, and no others, verified."""
        return replace(self, verified=slices)

    @property
    def locked_slices(self) -> frozenset[int]:
        """Indices of the slices in which anything is locked."""
        return self.verified | self.hand.keys()

    def locked_plane(self, z: int, plane: tuple[int, int]) -> PlaneMask:
        """Return (y, x) bool, true where slice `z` is locked; `plane` is the (y, x) shape of a slice."""
        if z in self.verified:
            return np.ones(plane, bool)
        drawn = self.hand.get(z)
        return np.zeros(plane, bool) if drawn is None else drawn

    def split_by_locks(self, edit: MaskEdit, mask: NDArray[np.uint8]) -> tuple[MaskEdit, MaskEdit]:
        """Split an edit by the locks.

        Args:
            edit: an edit of `mask`.
            mask: (z, y, x) uint8 0/1.

        Returns:
            The part of the edit that touches no locked voxel, and the part that touches locked voxels only.
        """
        if not self.locked_slices.intersection(edit.box_slices):
            return edit, NO_EDIT
        flips = edit.flipped_voxels()
        held = np.stack([self.locked_plane(z, mask.shape[1:])[edit.box[1:]] for z in edit.box_slices]) & flips
        before = mask[edit.box] != 0
        return (
            edit_between(before, before ^ (flips & ~held), edit.start),
            edit_between(before, before ^ held, edit.start),
        )

"""What a person has decided and no tool may change without asking: drawn voxels and verified slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit import NOTHING, Edit, edit_between

Plane = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Locks:
    """A value: every method gives a new one.

    Attributes:
        hand: slice -> (y, x) true where a person has set or cleared the voxel by hand.
        verified: slices a person has declared right, locked as a whole.
    """

    hand: Mapping[int, Plane] = field(default_factory=dict)
    verified: frozenset[int] = frozenset()

    def with_hand(self, edit: Edit, plane: tuple[int, int]) -> Locks:
        """With the voxels of `edit` as drawn by hand; `plane` is the (y, x) shape of a slice."""
        hand = dict(self.hand)
        for z, flips in zip(edit.slices, edit.flipped(), strict=True):
            if flips.any():
                known = hand.get(z)
                drawn = np.zeros(plane, bool) if known is None else known.copy()
                drawn[edit.box[1:]] |= flips
                hand[z] = drawn
        return replace(self, hand=hand)

    def with_verified(self, slices: frozenset[int]) -> Locks:
        """With `slices`, and no others, verified."""
        return replace(self, verified=slices)

    @property
    def slices(self) -> frozenset[int]:
        """Slices in which anything is locked."""
        return self.verified | self.hand.keys()

    def locked(self, z: int, plane: tuple[int, int]) -> Plane:
        """(y, x) true where slice `z` is locked."""
        if z in self.verified:
            return np.ones(plane, bool)
        drawn = self.hand.get(z)
        return np.zeros(plane, bool) if drawn is None else drawn

    def divide(self, edit: Edit, mask: NDArray[np.uint8]) -> tuple[Edit, Edit]:
        """`edit` of `mask` as two: what touches nothing locked, and what would."""
        if not self.slices.intersection(edit.slices):
            return edit, NOTHING
        flips = edit.flipped()
        held = np.stack([self.locked(z, mask.shape[1:])[edit.box[1:]] for z in edit.slices]) & flips
        before = mask[edit.box] != 0
        return (
            edit_between(before, before ^ (flips & ~held), edit.start),
            edit_between(before, before ^ held, edit.start),
        )

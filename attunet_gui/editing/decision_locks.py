"""What the annotator decided about the mask of a case: voxels drawn by hand, and verified slices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.mask_edit import MaskEdit, edit_from_empty
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.pre_edit_mask import decided_slices, decided_voxels
from attunet_gui.editing.mask_history import MaskHistory


class DecisionLocks:
    """The locks of a mask, kept equal to its strokes through undo and redo.

    Args:
        history: the mask and its strokes.
        hand: the voxels that were drawn by hand below the undo stack.
        verified: indices of the verified slices.

    Attributes:
        unverified_slices: indices of the slices that lost their mark "verified" by the last change of the
            mask.
    """

    def __init__(self, history: MaskHistory, hand: MaskEdit, verified: frozenset[int]) -> None:
        self._history = history
        rows, columns = history.recorded_mask.shape[1:]
        self._plane = (rows, columns)
        self._locks_below = MaskLocks()
        if hand.changed_voxels:
            self._locks_below = self._locks_below.with_hand_drawn(hand, self._plane)
        self._locks = self._locks_below.with_verified(verified)
        self.unverified_slices: frozenset[int] = frozenset()

    @property
    def mask_locks(self) -> MaskLocks:
        """Voxels drawn by hand, and verified slices."""
        return self._locks

    @property
    def verified_slices(self) -> frozenset[int]:
        """Indices of the verified slices."""
        return self._locks.verified

    @property
    def corrected_slices(self) -> frozenset[int]:
        """Indices of the slices that were corrected by hand or with a tool, in any plane, or verified."""
        return decided_slices(self._locks, self._history.undo_stack.undoable_strokes)

    @property
    def hand_drawn_slices(self) -> frozenset[int]:
        """Indices of the slices that the annotator drew in by hand while they were on screen.

        A stroke that changes several slices, as one in another plane does, does not count: none of these
        slices was seen as a whole.
        """
        return frozenset(
            stroke.slice
            for stroke in self._history.undo_stack.undoable_strokes
            if stroke.by_hand and stroke.edit.changed_slices == {stroke.slice}
        )

    def decided_voxels(self, slices: Iterable[int]) -> dict[int, NDArray[np.bool_]]:
        """Return where voxels of `slices` are as the annotator made them.

        Returns:
            Index of the slice -> (y, x) bool; slices without a decided voxel are left out.
        """
        return decided_voxels(self._locks, self._history.undo_stack.undoable_strokes, slices, self._plane)

    def set_verified(self, slices: frozenset[int]) -> None:
        """Mark `slices`, and no others, as verified."""
        self._locks = self._locks.with_verified(slices)

    def withdraw_verified(self, edit: MaskEdit) -> None:
        """Remove the mark "verified" from the slices that `edit` changes; see `unverified_slices`.

        No entry of the journal is written for this: whoever reads the journal applies the same rule.
        """
        self.unverified_slices = self.verified_slices & edit.changed_slices
        if self.unverified_slices:
            self.set_verified(self.verified_slices - self.unverified_slices)

    def lock_stroke(self, stroke: EditStroke) -> None:
        """Lock the voxels of `stroke` if it was drawn by hand."""
        if stroke.by_hand:
            self._locks = self._locks.with_hand_drawn(stroke.edit, self._plane)

    def unlock_stroke(self, stroke: EditStroke) -> None:
        """Remove the locks of `stroke`, which is undone already.

        A voxel that an earlier stroke locked too stays locked.
        """
        if not stroke.by_hand:
            return
        slices = set(stroke.edit.box_slices)
        again = MaskLocks({z: plane for z, plane in self._locks_below.hand.items() if z in slices})
        for earlier in self._history.undo_stack.undoable_strokes:
            if earlier.by_hand and slices.intersection(earlier.edit.box_slices):
                again = again.with_hand_drawn(earlier.edit, self._plane)
        hand = {z: plane for z, plane in self._locks.hand.items() if z not in slices}
        hand |= {z: plane for z, plane in again.hand.items() if z in slices}
        self._locks = replace(self._locks, hand=hand)

    def keep_dropped_strokes(self, dropped: Iterable[EditStroke]) -> None:
        """Keep the locks of strokes that can no longer be undone."""
        for stroke in dropped:
            if stroke.by_hand:
                self._locks_below = self._locks_below.with_hand_drawn(stroke.edit, self._plane)

    def hand_drawn_below(self) -> MaskEdit:
        """Return the voxels that were drawn by hand below the undo stack, as an edit of an empty mask."""
        drawn = np.zeros(self._history.recorded_mask.shape, np.uint8)
        for z, plane in self._locks_below.hand.items():
            drawn[z] = plane
        return edit_from_empty(drawn)

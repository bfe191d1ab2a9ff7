"""The recorded mask of a case, and the strokes from which it came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.mask_edit import MaskEdit, VoxelBox, edit_between, edit_from_empty
from attunet_gui.core.undo_stack import UndoStack

MaskVoxels = NDArray[np.uint8]


class MaskHistory:
    """A copy of the mask as last recorded, with its undo stack.

    Args:
        shape: (z, y, x) of the mask.
        base: the edit that makes the mask below the undo stack from an empty one.

    Attributes:
        undo_stack: the strokes that can be undone and redone.
    """

    def __init__(self, shape: tuple[int, int, int], base: MaskEdit) -> None:
        self.undo_stack = UndoStack()
        self._recorded: MaskVoxels = np.zeros(shape, np.uint8)
        base.apply_to(self._recorded)
        self._base: MaskEdit | None = base

    @property
    def recorded_mask(self) -> MaskVoxels:
        """(z, y, x) uint8 0/1, the mask as last recorded; a read-only view."""
        view = self._recorded.view()
        view.setflags(write=False)
        return view

    def restore_strokes(
        self, done: Iterable[EditStroke], ahead: Iterable[EditStroke]
    ) -> tuple[EditStroke, ...]:
        """Begin with the strokes of a journal.

        Args:
            done: strokes that can be undone, oldest first; they are applied to the mask.
            ahead: strokes that can be redone, next first.

        Returns:
            The oldest strokes, which are too many to be undone; mostly empty.
        """
        strokes = tuple(done)
        for stroke in strokes:
            stroke.edit.apply_to(self._recorded)
        self.undo_stack, dropped = UndoStack.from_strokes(strokes, ahead)
        return self._forget_base_below(dropped)

    def unrecorded_edit(self, live: MaskVoxels, box: VoxelBox | None) -> MaskEdit:
        """Return the difference between the recorded mask and `live`.

        Args:
            live: (z, y, x), the whole mask on screen; any non-zero value counts as set.
            box: the box outside of which nothing has changed; None if it is not known.
        """
        z, y, x = _clip_box(box, self._recorded.shape)
        return edit_between(self._recorded[z, y, x], live[z, y, x], (z.start, y.start, x.start))

    def push_stroke(self, stroke: EditStroke) -> tuple[EditStroke, ...]:
        """Apply `stroke` to the recorded mask and put it on the undo stack.

        Returns:
            The oldest strokes, which can no longer be undone; mostly empty.
        """
        stroke.edit.apply_to(self._recorded)
        return self._forget_base_below(self.undo_stack.push_stroke(stroke))

    def undo_in(self, live: MaskVoxels) -> EditStroke | None:
        """Undo the last stroke in the recorded mask and in `live` (z, y, x) uint8 0/1; None without one."""
        return self._flip_voxels(self.undo_stack.undo(), live)

    def redo_in(self, live: MaskVoxels) -> EditStroke | None:
        """Redo the stroke that was undone last in the recorded mask and in `live`; None without one."""
        return self._flip_voxels(self.undo_stack.redo(), live)

    def _flip_voxels(self, stroke: EditStroke | None, live: MaskVoxels) -> EditStroke | None:
        if stroke is not None:
            stroke.edit.apply_to(live)
            stroke.edit.apply_to(self._recorded)
        return stroke

    def _forget_base_below(self, dropped: tuple[EditStroke, ...]) -> tuple[EditStroke, ...]:
        # Strokes that can no longer be undone belong to the mask below the undo stack.
        if dropped:
            self._base = None
        return dropped

    def base_edit(self) -> MaskEdit:
        """Return the edit that makes the mask below the undo stack from an empty one."""
        if self._base is None:
            below = self._recorded.copy()
            for stroke in self.undo_stack.undoable_strokes:
                stroke.edit.apply_to(below)
            self._base = edit_from_empty(below)
        return self._base


def masks_equal(one: MaskVoxels, other: MaskVoxels) -> bool:
    """Return whether two masks are equal in shape and voxels."""
    # Slice by slice, because comparing them as a whole would make an array of the size of the volume.
    return one.shape == other.shape and all(map(np.array_equal, one, other))


def _clip_box(box: VoxelBox | None, shape: tuple[int, ...]) -> VoxelBox:
    """Return `box` clipped to the volume, with explicit starts and stops; None is the whole volume."""
    wanted: tuple[Any, ...] = box or (slice(None),) * 3
    z, y, x = (slice(*part.indices(size)[:2]) for part, size in zip(wanted, shape, strict=True))
    return z, y, x

"""The undo stack of a mask. Its size is bounded in bytes and not in number of strokes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from attunet_gui.core.edit_stroke import EditStroke

UNDO_LIMIT_BYTES = 64 << 20
"""Largest size in bytes of all strokes that can be undone or redone."""


class UndoStack:
    """The strokes that can be undone and redone.

    Args:
        limit: largest size of all strokes in bytes. When it is exceeded the oldest strokes are dropped; the
            last one is kept in any case.
    """

    def __init__(self, limit: int = UNDO_LIMIT_BYTES) -> None:
        self._limit = limit
        self._done: deque[EditStroke] = deque()
        self._ahead: list[EditStroke] = []
        self._size = 0

    @classmethod
    def from_strokes(
        cls, done: Iterable[EditStroke], ahead: Iterable[EditStroke] = (), limit: int = UNDO_LIMIT_BYTES
    ) -> tuple[UndoStack, tuple[EditStroke, ...]]:
        """Make an undo stack from strokes.

        Args:
            done: strokes that can be undone, oldest first.
            ahead: strokes that can be redone, next first.
            limit: as for the class.

        Returns:
            The stack, and the oldest strokes that did not fit into the limit.
        """
        stack = cls(limit)
        stack._done.extend(done)
        stack._ahead = list(ahead)[::-1]
        stack._size = sum(stroke.memory_bytes for stroke in (*stack._done, *stack._ahead))
        return stack, stack._drop_oldest_strokes()

    @property
    def undoable_strokes(self) -> tuple[EditStroke, ...]:
        """The strokes that can be undone, oldest first."""
        return tuple(self._done)

    @property
    def redoable_strokes(self) -> tuple[EditStroke, ...]:
        """The strokes that can be redone, next first."""
        return tuple(reversed(self._ahead))

    @property
    def last_stroke(self) -> EditStroke | None:
        """The stroke that `undo` would take back; None if there is none."""
        return self._done[-1] if self._done else None

    @property
    def memory_bytes(self) -> int:
        """Approximate size of all strokes in memory, in bytes."""
        return self._size

    @property
    def undo_text(self) -> str:
        """A summary of what `undo` would take back; "" if there is nothing."""
        return self._done[-1].summary_text if self._done else ""

    @property
    def redo_text(self) -> str:
        """A summary of what `redo` would do again; "" if there is nothing."""
        return self._ahead[-1].summary_text if self._ahead else ""

    def push_stroke(self, stroke: EditStroke) -> tuple[EditStroke, ...]:
        """Add `stroke` and forget the strokes that could be redone.

        Returns:
            The oldest strokes, which had to be dropped for the limit; mostly empty.
        """
        self._size += stroke.memory_bytes - sum(gone.memory_bytes for gone in self._ahead)
        self._ahead.clear()
        self._done.append(stroke)
        return self._drop_oldest_strokes()

    def _drop_oldest_strokes(self) -> tuple[EditStroke, ...]:
        dropped = []
        while self._size > self._limit and len(self._done) > 1:
            dropped.append(self._done.popleft())
            self._size -= dropped[-1].memory_bytes
        return tuple(dropped)

    def undo(self) -> EditStroke | None:
        """Move the last stroke to the redo stack and return it; the caller applies its edit once more.

        Returns None if there is nothing to undo.
        """
        if not self._done:
            return None
        self._ahead.append(self._done.pop())
        return self._ahead[-1]

    def redo(self) -> EditStroke | None:
        """Move the stroke that was undone last back and return it; the caller applies its edit.

        Returns None if there is nothing to redo.
        """
        if not self._ahead:
            return None
        self._done.append(self._ahead.pop())
        return self._done[-1]

"""What was done to a mask, stroke by stroke, and the way back; bounded in bytes, not in steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from attunet_gui.core.counting import noun_of
from attunet_gui.core.edit import Edit

LIMIT = 64 << 20
"""Bytes of strokes that can be undone or redone."""

_OVERHEAD = 600
"""Bytes a stroke takes beside its packed voxels: the objects and the words."""

DRAFT = "draft"
"""Tool of a stroke by which a draft took the place of the mask."""

PROPOSAL = "carry"
"""Tool of a stroke by which a proposal of the network was accepted."""

NEIGHBOURS = "neighbours"
"""Tool of a stroke by which the correction of a slice was carried to those around it."""


@dataclass(frozen=True)
class Stroke:
    """One finished change of the mask, whatever made it.

    Attributes:
        edit: the voxels that flipped.
        tool: key of the tool, such as "brush" or "draft".
        words: what it did, for people, such as "grow 2 mm".
        user: who.
        when: seconds since the epoch.
        slice: that was on screen.
        by_hand: drawn voxel by voxel by a person; its voxels are locked.
    """

    edit: Edit
    tool: str
    words: str
    user: str
    when: float
    slice: int
    by_hand: bool = False

    @property
    def size(self) -> int:
        """Bytes it takes in memory, roughly."""
        return len(self.edit.packed) + _OVERHEAD

    @property
    def told(self) -> str:
        """Such as "grow 2 mm, +812 voxels"."""
        added, removed = self.edit.added, self.edit.removed
        counts = [f"+{added}"] * (added > 0 or removed == 0) + [f"-{removed}"] * (removed > 0)
        return f"{self.words}, {' '.join(counts)} {noun_of(self.edit.changes, 'voxel')}"


class History:
    """Strokes that can be taken back and done again.

    Args:
        limit: bytes that all of them may take; the oldest go first, the last one stays in any case.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._done: deque[Stroke] = deque()
        self._ahead: list[Stroke] = []
        self._size = 0

    @classmethod
    def of(
        cls, done: Iterable[Stroke], ahead: Iterable[Stroke] = (), limit: int = LIMIT
    ) -> tuple[History, tuple[Stroke, ...]]:
        """A history of `done` (oldest first) and `ahead` to redo (next first), and what did not fit."""
        history = cls(limit)
        history._done.extend(done)
        history._ahead = list(ahead)[::-1]
        history._size = sum(stroke.size for stroke in (*history._done, *history._ahead))
        return history, history._shrink()

    @property
    def done(self) -> tuple[Stroke, ...]:
        """What can be undone, oldest first."""
        return tuple(self._done)

    @property
    def ahead(self) -> tuple[Stroke, ...]:
        """What can be redone, next first."""
        return tuple(reversed(self._ahead))

    @property
    def last(self) -> Stroke | None:
        """What `undo` would take back; None if nothing."""
        return self._done[-1] if self._done else None

    @property
    def size(self) -> int:
        """Bytes all strokes take, roughly."""
        return self._size

    @property
    def undo_words(self) -> str:
        """What `undo` would take back, for people; "" if nothing."""
        return self._done[-1].told if self._done else ""

    @property
    def redo_words(self) -> str:
        """What `redo` would do again, for people; "" if nothing."""
        return self._ahead[-1].told if self._ahead else ""

    def push(self, stroke: Stroke) -> tuple[Stroke, ...]:
        """Remember `stroke`; what could be redone is forgotten. The oldest strokes that had to go, if any."""
        self._size += stroke.size - sum(gone.size for gone in self._ahead)
        self._ahead.clear()
        self._done.append(stroke)
        return self._shrink()

    def _shrink(self) -> tuple[Stroke, ...]:
        dropped = []
        while self._size > self._limit and len(self._done) > 1:
            dropped.append(self._done.popleft())
            self._size -= dropped[-1].size
        return tuple(dropped)

    def undo(self) -> Stroke | None:
        """Take the last stroke back; the caller applies its edit once more."""
        if not self._done:
            return None
        self._ahead.append(self._done.pop())
        return self._ahead[-1]

    def redo(self) -> Stroke | None:
        """Do the stroke again that was taken back last; the caller applies its edit."""
        if not self._ahead:
            return None
        self._done.append(self._ahead.pop())
        return self._done[-1]

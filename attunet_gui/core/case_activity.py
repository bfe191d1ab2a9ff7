"""Totals of the entries of a journal: active time, use of tools, distance to the mask that was saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from attunet_gui.core.edit_stroke import DRAFT_TOOL, EditStroke
from attunet_gui.core.journal_entries import (
    JournalEntry,
    MaskWritten,
    SessionOpened,
    StrokeRedone,
    StrokeUndone,
)

LONGEST_PAUSE_S = 60.0
"""Longest gap between two entries, in seconds, that still counts as work; a longer one counts as 0."""


@dataclass(frozen=True)
class UnsavedChanges:
    """The distance between the present mask and the mask that was saved last.

    Attributes:
        steps: number of strokes on top of the saved mask. It is negative after undoing past the saved mask,
            and None if neither undo nor redo leads back to it.
        strokes: how many strokes of the annotator lie between the two; drafts do not count.
    """

    steps: int | None = 0
    strokes: int = 0

    @property
    def loses_annotator_work(self) -> bool:
        """Whether strokes of the annotator would be lost if the journal were deleted."""
        return self.steps != 0 and self.strokes != 0

    def after_entry(self, entry: JournalEntry) -> UnsavedChanges:
        """Return the distance after one more entry."""
        match entry:
            case MaskWritten(current=True):
                return UnsavedChanges()
            case EditStroke(tool=tool):
                return self._after_stroke(int(tool != DRAFT_TOOL))
            case StrokeRedone(tool=tool):
                return self._after_undo_or_redo(1, int(tool != DRAFT_TOOL))
            case StrokeUndone(tool=tool):
                return self._after_undo_or_redo(-1, int(tool != DRAFT_TOOL))
        return self

    def _after_stroke(self, own: int) -> UnsavedChanges:
        # A new stroke discards the redo stack. If the saved mask lay in that stack, nothing leads back to it.
        if self.steps is None or self.steps < 0:
            return UnsavedChanges(None, abs(self.strokes) + own)
        return UnsavedChanges(self.steps + 1, self.strokes + own)

    def _after_undo_or_redo(self, by: int, own: int) -> UnsavedChanges:
        # Without a way back to the saved mask its distance never becomes 0 again, whatever is undone.
        if self.steps is None:
            return UnsavedChanges(None, max(1, self.strokes + by * own))
        return UnsavedChanges(self.steps + by, self.strokes + by * own)


@dataclass(frozen=True)
class ToolUse:
    """Totals of one tool.

    Attributes:
        strokes: number of strokes, including those that were undone later.
        undone: number of undos less number of redos.
        added, removed: number of voxels that the strokes set and cleared.
    """

    strokes: int = 0
    undone: int = 0
    added: int = 0
    removed: int = 0

    def changed_ml(self, voxel_ml: float) -> tuple[float, float]:
        """Return the (added, removed) volumes in ml for voxels of `voxel_ml` ml each."""
        return self.added * voxel_ml, self.removed * voxel_ml


@dataclass(frozen=True)
class CaseActivity:
    """Totals of the work on a case. Their size does not grow with the length of the journal.

    Attributes:
        seconds: active time in seconds, without pauses longer than `LONGEST_PAUSE_S`.
        tools: key of the tool -> its totals.
        slices: indices of the slices that any stroke changed.
        users: name of the annotator -> number of strokes.
        first, last: time of the first and the last entry, seconds since the epoch; None without entries.
    """

    seconds: float = 0.0
    tools: Mapping[str, ToolUse] = field(default_factory=dict)
    slices: frozenset[int] = frozenset()
    users: Mapping[str, int] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None

    def after_entry(self, entry: JournalEntry) -> CaseActivity:
        """Return the totals after one more entry."""
        timed = replace(
            self,
            seconds=self.seconds + self._active_seconds_until(entry),
            first=entry.when if self.first is None else self.first,
            last=entry.when,
        )
        match entry:
            case EditStroke():
                return timed._with_stroke(entry)
            case StrokeUndone(tool=tool):
                return timed._with_undone_count(tool, 1)
            case StrokeRedone(tool=tool):
                return timed._with_undone_count(tool, -1)
        return timed

    def _active_seconds_until(self, entry: JournalEntry) -> float:
        # Nobody worked on a case that was closed, however soon it was opened again.
        if self.last is None or isinstance(entry, SessionOpened):
            return 0.0
        # The system clock may be set back between two entries: a negative gap counts as 0.
        gap = entry.when - self.last
        return gap if 0.0 <= gap <= LONGEST_PAUSE_S else 0.0

    def _with_stroke(self, stroke: EditStroke) -> CaseActivity:
        use, edit = self.tools.get(stroke.tool, ToolUse()), stroke.edit
        use = ToolUse(use.strokes + 1, use.undone, use.added + edit.added, use.removed + edit.removed)
        return replace(
            self,
            tools={**self.tools, stroke.tool: use},
            slices=self.slices | edit.changed_slices,
            users={**self.users, stroke.user: self.users.get(stroke.user, 0) + 1},
        )

    def _with_undone_count(self, tool: str, by: int) -> CaseActivity:
        use = self.tools.get(tool, ToolUse())
        return replace(self, tools={**self.tools, tool: replace(use, undone=use.undone + by)})


def total_activity(entries: Iterable[JournalEntry], before: CaseActivity | None = None) -> CaseActivity:
    """Return the totals of `entries`, in order, added to the totals `before`."""
    return reduce(CaseActivity.after_entry, entries, before or CaseActivity())


# Voxels

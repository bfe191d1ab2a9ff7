"""The entries of a case's journal, and what is computed from them: active time, tool use, edits, a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.draft_correction import DraftCorrection
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox, edit_between
from attunet_gui.core.pre_edit_mask import strokes_since_draft
from attunet_gui.core.undo_stack import DRAFT_TOOL, EditStroke

LONGEST_PAUSE_S = 60.0
"""Longest gap between two entries, in seconds, that still counts as work; a longer one counts as 0."""


@dataclass(frozen=True)
class StrokeUndone:
    """The last stroke, made with `tool`, was undone."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class StrokeRedone:
    """The stroke that was undone last, made with `tool`, was redone."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class SlicesVerified:
    """From now on `slices`, and no others, are verified; each stays so until its mask changes."""

    user: str
    when: float
    slices: frozenset[int]


@dataclass(frozen=True)
class FindingsAccepted:
    """From now on the places of the review list with these `keys`, and no others, are accepted."""

    user: str
    when: float
    keys: frozenset[str]


@dataclass(frozen=True)
class MaskWritten:
    """A mask was written to a file.

    Attributes:
        path: the file.
        crc: CRC-32 of the saved mask, computed as for `Tally.crc`.
        current: whether the saved mask is the mask as it was at this entry. It is not where the annotator
            went on editing while a background thread wrote the file.
    """

    user: str
    when: float
    path: Path
    crc: int
    current: bool


@dataclass(frozen=True)
class SessionOpened:
    """The case was shown on screen."""

    user: str
    when: float


@dataclass(frozen=True)
class SessionClosed:
    """The case was closed normally. The entry is missing after a crash."""

    user: str
    when: float


JournalEntry = (
    EditStroke
    | StrokeUndone
    | StrokeRedone
    | SlicesVerified
    | FindingsAccepted
    | MaskWritten
    | SessionOpened
    | SessionClosed
)
"""Any entry of a journal. The field `when` is in seconds since the epoch in all of them."""


# Unsaved work


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


# Time and tools


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


def undo_redo_stacks(
    entries: Iterable[JournalEntry], done: Sequence[EditStroke] = (), ahead: Sequence[EditStroke] = ()
) -> tuple[tuple[EditStroke, ...], tuple[EditStroke, ...]]:
    """Return the strokes that can be undone (oldest first) and redone (next first) after `entries`.

    Args:
        entries: entries of a journal, in order.
        done, ahead: the strokes that can be undone and redone before `entries`.

    Raises:
        ValueError: if an entry undoes or redoes a stroke that does not exist.
    """
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        _apply_to_stacks(entry, behind, before)
    return tuple(behind), tuple(reversed(before))


def verified_after_entries(
    entries: Iterable[JournalEntry],
    verified: frozenset[int],
    done: Sequence[EditStroke] = (),
    ahead: Sequence[EditStroke] = (),
) -> frozenset[int]:
    """Return the slices that are verified after `entries`.

    A slice loses the mark as soon as any stroke, undo or redo changes its mask: "verified" may never be said
    of a mask that the annotator has not looked at.

    Args:
        entries: entries of a journal, in order.
        verified: the slices that are verified before `entries`.
        done, ahead: the strokes that can be undone (oldest first) and redone (next first) before `entries`.
    """
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        stroke = _apply_to_stacks(entry, behind, before)
        if stroke is not None:
            verified -= stroke.edit.changed_slices
        elif isinstance(entry, SlicesVerified):
            verified = entry.slices
    return verified


def _apply_to_stacks(
    entry: JournalEntry, done: list[EditStroke], ahead: list[EditStroke]
) -> EditStroke | None:
    """Update both stacks in place; return the stroke whose voxels flip, or None if no voxel does.

    Here the next stroke to redo is the last item of `ahead`.
    """
    match entry:
        case EditStroke():
            done.append(entry)
            ahead.clear()
            return entry
        case StrokeUndone():
            return _move_last_stroke(done, ahead)
        case StrokeRedone():
            return _move_last_stroke(ahead, done)
    return None


def _move_last_stroke(source: list[EditStroke], target: list[EditStroke]) -> EditStroke:
    if not source:
        raise ValueError("an entry takes back or repeats a stroke that is not there")
    target.append(source.pop())
    return target[-1]


def replay_entries(
    base: NDArray[np.uint8],
    entries: Iterable[JournalEntry],
    done: Sequence[EditStroke] = (),
    ahead: Sequence[EditStroke] = (),
) -> Iterator[tuple[JournalEntry, VoxelBox, NDArray[np.uint8]]]:
    """Apply all changes one after the other and yield the mask after each.

    Args:
        base: (z, y, x) uint8 0/1, the mask before the first stroke of `done`; it is not changed.
        entries: entries of a journal, in order.
        done, ahead: the strokes that can be undone (oldest first) and redone (next first) before `entries`.

    Yields:
        The entry (those of `done` first, then those of `entries` that change voxels), the box that it
        changed, and the mask after it. The mask is one array that is changed in place: copy it to keep it.
    """
    mask = base.copy()
    for stroke in done:
        stroke.edit.apply_to(mask)
        yield stroke, stroke.edit.box, mask
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        stroke_turned = _apply_to_stacks(entry, behind, before)
        if stroke_turned is not None:
            stroke_turned.edit.apply_to(mask)
            yield entry, stroke_turned.edit.box, mask


def edit_since_draft(mask: NDArray[np.uint8], done: Sequence[EditStroke]) -> MaskEdit:
    """Return the difference between the last draft and `mask` as one edit.

    Args:
        mask: (z, y, x) uint8 0/1, the mask after `done`.
        done: strokes, oldest first. Those after the last draft count; without a draft all of them do.
    """
    edits = [stroke.edit for stroke in strokes_since_draft(done) if stroke.edit.changed_voxels]
    if not edits:
        return NO_EDIT
    box = _bounding_box_of_edits(edits)
    start = (box[0].start, box[1].start, box[2].start)
    # An edit applied twice undoes itself, so flipping the mask by every stroke gives the draft back. Only the
    # hull of the strokes is copied: outside of it draft and mask are equal.
    before = mask[box] != 0
    for edit in edits:
        inner = tuple(
            slice(part.start - low, part.stop - low) for part, low in zip(edit.box, start, strict=True)
        )
        before[inner] ^= edit.flipped_voxels()
    return edit_between(before, mask[box], start)


def correction_since_draft(mask: NDArray[np.uint8], done: Sequence[EditStroke]) -> DraftCorrection:
    """Return the voxels added to and removed from the last draft, and the DSC of draft and `mask`.

    The arguments are those of `edit_since_draft`.
    """
    edit, voxels = edit_since_draft(mask, done), int(np.count_nonzero(mask))
    # No second mask is needed: the voxels of the mask that were not added are those it shares with the draft.
    drafted, common = voxels - edit.added + edit.removed, voxels - edit.added
    dsc = 2 * common / (drafted + voxels) if drafted + voxels else 1.0
    return DraftCorrection(edit.added, edit.removed, dsc)


def _bounding_box_of_edits(edits: Sequence[MaskEdit]) -> VoxelBox:
    lows = np.min([edit.start for edit in edits], axis=0)
    highs = np.max([np.add(edit.start, edit.shape) for edit in edits], axis=0)
    z, y, x = (slice(int(low), int(high)) for low, high in zip(lows, highs, strict=True))
    return z, y, x

"""The entries of a case's journal, and what is computed from them: active time, tool use, edits, a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.correction import Correction
from attunet_gui.core.edit import NOTHING, Box, Edit, edit_between
from attunet_gui.core.history import DRAFT, Stroke
from attunet_gui.core.rewind import since_draft

PAUSE_S = 60.0
"""Longest gap between two entries, in seconds, that still counts as work; a longer one counts as 0."""


@dataclass(frozen=True)
class Undone:
    """The last stroke, made with `tool`, was undone."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class Redone:
    """The stroke that was undone last, made with `tool`, was redone."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class Verified:
    """From now on `slices`, and no others, are verified; each stays so until its mask changes."""

    user: str
    when: float
    slices: frozenset[int]


@dataclass(frozen=True)
class Accepted:
    """From now on the places of the review list with these `keys`, and no others, are accepted."""

    user: str
    when: float
    keys: frozenset[str]


@dataclass(frozen=True)
class Saved:
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
class Opened:
    """The case was shown on screen."""

    user: str
    when: float


@dataclass(frozen=True)
class Closed:
    """The case was closed normally. The entry is missing after a crash."""

    user: str
    when: float


Entry = Stroke | Undone | Redone | Verified | Accepted | Saved | Opened | Closed
"""Any entry of a journal. The field `when` is in seconds since the epoch in all of them."""


# Unsaved work


@dataclass(frozen=True)
class SinceSaved:
    """The distance between the present mask and the mask that was saved last.

    Attributes:
        steps: number of strokes on top of the saved mask. It is negative after undoing past the saved mask,
            and None if neither undo nor redo leads back to it.
        strokes: how many strokes of the annotator lie between the two; drafts do not count.
    """

    steps: int | None = 0
    strokes: int = 0

    @property
    def lost(self) -> bool:
        """Whether strokes of the annotator would be lost if the journal were deleted."""
        return self.steps != 0 and self.strokes != 0

    def after(self, entry: Entry) -> SinceSaved:
        """Return the distance after one more entry."""
        match entry:
            case Saved(current=True):
                return SinceSaved()
            case Stroke(tool=tool):
                return self._stroke(int(tool != DRAFT))
            case Redone(tool=tool):
                return self._turned(1, int(tool != DRAFT))
            case Undone(tool=tool):
                return self._turned(-1, int(tool != DRAFT))
        return self

    def _stroke(self, own: int) -> SinceSaved:
        # A new stroke discards the redo stack. If the saved mask lay in that stack, nothing leads back to it.
        if self.steps is None or self.steps < 0:
            return SinceSaved(None, abs(self.strokes) + own)
        return SinceSaved(self.steps + 1, self.strokes + own)

    def _turned(self, by: int, own: int) -> SinceSaved:
        # Without a way back to the saved mask its distance never becomes 0 again, whatever is undone.
        if self.steps is None:
            return SinceSaved(None, max(1, self.strokes + by * own))
        return SinceSaved(self.steps + by, self.strokes + by * own)


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

    def ml(self, voxel_ml: float) -> tuple[float, float]:
        """Return the (added, removed) volumes in ml for voxels of `voxel_ml` ml each."""
        return self.added * voxel_ml, self.removed * voxel_ml


@dataclass(frozen=True)
class Activity:
    """Totals of the work on a case. Their size does not grow with the length of the journal.

    Attributes:
        seconds: active time in seconds, without pauses longer than `PAUSE_S`.
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

    def after(self, entry: Entry) -> Activity:
        """Return the totals after one more entry."""
        timed = replace(
            self,
            seconds=self.seconds + self._gap(entry),
            first=entry.when if self.first is None else self.first,
            last=entry.when,
        )
        match entry:
            case Stroke():
                return timed._stroke(entry)
            case Undone(tool=tool):
                return timed._turned(tool, 1)
            case Redone(tool=tool):
                return timed._turned(tool, -1)
        return timed

    def _gap(self, entry: Entry) -> float:
        # Nobody worked on a case that was closed, however soon it was opened again.
        if self.last is None or isinstance(entry, Opened):
            return 0.0
        # The system clock may be set back between two entries: a negative gap counts as 0.
        gap = entry.when - self.last
        return gap if 0.0 <= gap <= PAUSE_S else 0.0

    def _stroke(self, stroke: Stroke) -> Activity:
        use, edit = self.tools.get(stroke.tool, ToolUse()), stroke.edit
        use = ToolUse(use.strokes + 1, use.undone, use.added + edit.added, use.removed + edit.removed)
        return replace(
            self,
            tools={**self.tools, stroke.tool: use},
            slices=self.slices | edit.changed_slices,
            users={**self.users, stroke.user: self.users.get(stroke.user, 0) + 1},
        )

    def _turned(self, tool: str, by: int) -> Activity:
        use = self.tools.get(tool, ToolUse())
        return replace(self, tools={**self.tools, tool: replace(use, undone=use.undone + by)})


def activity(entries: Iterable[Entry], before: Activity | None = None) -> Activity:
    """Return the totals of `entries`, in order, added to the totals `before`."""
    return reduce(Activity.after, entries, before or Activity())


# Voxels


def turned(
    entries: Iterable[Entry], done: Sequence[Stroke] = (), ahead: Sequence[Stroke] = ()
) -> tuple[tuple[Stroke, ...], tuple[Stroke, ...]]:
    """Return the strokes that can be undone (oldest first) and redone (next first) after `entries`.

    Args:
        entries: entries of a journal, in order.
        done, ahead: the strokes that can be undone and redone before `entries`.

    Raises:
        ValueError: if an entry undoes or redoes a stroke that does not exist.
    """
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        _turn(entry, behind, before)
    return tuple(behind), tuple(reversed(before))


def verified_after(
    entries: Iterable[Entry],
    verified: frozenset[int],
    done: Sequence[Stroke] = (),
    ahead: Sequence[Stroke] = (),
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
        stroke = _turn(entry, behind, before)
        if stroke is not None:
            verified -= stroke.edit.changed_slices
        elif isinstance(entry, Verified):
            verified = entry.slices
    return verified


def _turn(entry: Entry, done: list[Stroke], ahead: list[Stroke]) -> Stroke | None:
    """Update both stacks in place; return the stroke whose voxels flip, or None if no voxel does.

    Here the next stroke to redo is the last item of `ahead`.
    """
    match entry:
        case Stroke():
            done.append(entry)
            ahead.clear()
            return entry
        case Undone():
            return _moved(done, ahead)
        case Redone():
            return _moved(ahead, done)
    return None


def _moved(source: list[Stroke], target: list[Stroke]) -> Stroke:
    if not source:
        raise ValueError("an entry takes back or repeats a stroke that is not there")
    target.append(source.pop())
    return target[-1]


def replay(
    base: NDArray[np.uint8],
    entries: Iterable[Entry],
    done: Sequence[Stroke] = (),
    ahead: Sequence[Stroke] = (),
) -> Iterator[tuple[Entry, Box, NDArray[np.uint8]]]:
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
        stroke.edit.apply(mask)
        yield stroke, stroke.edit.box, mask
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        stroke_turned = _turn(entry, behind, before)
        if stroke_turned is not None:
            stroke_turned.edit.apply(mask)
            yield entry, stroke_turned.edit.box, mask


def human_edit(mask: NDArray[np.uint8], done: Sequence[Stroke]) -> Edit:
    """Return the difference between the last draft and `mask` as one edit.

    Args:
        mask: (z, y, x) uint8 0/1, the mask after `done`.
        done: strokes, oldest first. Those after the last draft count; without a draft all of them do.
    """
    edits = [stroke.edit for stroke in since_draft(done) if stroke.edit.changes]
    if not edits:
        return NOTHING
    box = _hull(edits)
    start = (box[0].start, box[1].start, box[2].start)
    # An edit applied twice undoes itself, so flipping the mask by every stroke gives the draft back. Only the
    # hull of the strokes is copied: outside of it draft and mask are equal.
    before = mask[box] != 0
    for edit in edits:
        inner = tuple(
            slice(part.start - low, part.stop - low) for part, low in zip(edit.box, start, strict=True)
        )
        before[inner] ^= edit.flipped()
    return edit_between(before, mask[box], start)


def human_correction(mask: NDArray[np.uint8], done: Sequence[Stroke]) -> Correction:
    """Return the voxels added to and removed from the last draft, and the DSC of draft and `mask`.

    The arguments are those of `human_edit`.
    """
    edit, voxels = human_edit(mask, done), int(np.count_nonzero(mask))
    # No second mask is needed: the voxels of the mask that were not added are those it shares with the draft.
    drafted, common = voxels - edit.added + edit.removed, voxels - edit.added
    dsc = 2 * common / (drafted + voxels) if drafted + voxels else 1.0
    return Correction(edit.added, edit.removed, dsc)


def _hull(edits: Sequence[Edit]) -> Box:
    lows = np.min([edit.start for edit in edits], axis=0)
    highs = np.max([np.add(edit.start, edit.shape) for edit in edits], axis=0)
    z, y, x = (slice(int(low), int(high)) for low, high in zip(lows, highs, strict=True))
    return z, y, x

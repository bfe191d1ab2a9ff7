"""What happened to a case, entry by entry, and what can be told from it: time, tools, changes, a replay."""

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
"""Nobody who works is quiet for longer; a longer gap is left out of the active time as a whole."""


@dataclass(frozen=True)
class Undone:
    """The last stroke, made with `tool`, was taken back."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class Redone:
    """The stroke taken back last, made with `tool`, was done again."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class Verified:
    """`slices`, and no others, are declared right from now on, each until its mask changes."""

    user: str
    when: float
    slices: frozenset[int]


@dataclass(frozen=True)
class Accepted:
    """The places of the fix-list with these `keys`, and no others, are accepted from now on."""

    user: str
    when: float
    keys: frozenset[str]


@dataclass(frozen=True)
class Saved:
    """A mask was written to a file.

    Attributes:
        crc: of that mask, as `core.correction.tally` has it.
        current: whether it is the mask as it was at this entry; the person may have gone on meanwhile.
    """

    user: str
    when: float
    path: Path
    crc: int
    current: bool


@dataclass(frozen=True)
class Opened:
    """The case came on screen."""

    user: str
    when: float


@dataclass(frozen=True)
class Closed:
    """The case went off screen as it should."""

    user: str
    when: float


Entry = Stroke | Undone | Redone | Verified | Accepted | Saved | Opened | Closed
"""What a journal is made of; `when` is in seconds since the epoch throughout."""


# Is everything in a file?


@dataclass(frozen=True)
class SinceSaved:
    """How far the mask is from the last one that is in a file.

    Attributes:
        steps: strokes on top of it, negative if it was undone past it; None if no undo leads back.
        strokes: how many of a person's strokes lie between, drafts left out.
    """

    steps: int | None = 0
    strokes: int = 0

    @property
    def lost(self) -> bool:
        """Whether work of a person would be lost with the journal."""
        return self.steps != 0 and self.strokes != 0

    def after(self, entry: Entry) -> SinceSaved:
        """The same, one entry later."""
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
        if self.steps is None or self.steps < 0:
            return SinceSaved(None, abs(self.strokes) + own)
        return SinceSaved(self.steps + 1, self.strokes + own)

    def _turned(self, by: int, own: int) -> SinceSaved:
        if self.steps is None:
            return SinceSaved(None, max(1, self.strokes + by * own))
        return SinceSaved(self.steps + by, self.strokes + by * own)


# Time and tools


@dataclass(frozen=True)
class ToolUse:
    """What was done with one tool.

    Attributes:
        strokes: how many, those that were undone later included.
        undone: how often one was taken back, less how often one was done again.
        added, removed: voxels set and cleared by the strokes.
    """

    strokes: int = 0
    undone: int = 0
    added: int = 0
    removed: int = 0

    def ml(self, voxel_ml: float) -> tuple[float, float]:
        """(added, removed) in ml, for voxels of `voxel_ml`."""
        return self.added * voxel_ml, self.removed * voxel_ml


@dataclass(frozen=True)
class Activity:
    """What was done on a case, as totals; small however long the journal was.

    Attributes:
        seconds: active time, pauses left out.
        tools: key of the tool -> use of it.
        slices: that any stroke changed.
        users: who -> how many strokes.
        first, last: time of the first and last entry, seconds since the epoch; None before any.
    """

    seconds: float = 0.0
    tools: Mapping[str, ToolUse] = field(default_factory=dict)
    slices: frozenset[int] = frozenset()
    users: Mapping[str, int] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None

    def after(self, entry: Entry) -> Activity:
        """The same, one entry later."""
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
    """The totals of `entries` in their order, on top of `before`."""
    return reduce(Activity.after, entries, before or Activity())


# Voxels


def turned(
    entries: Iterable[Entry], done: Sequence[Stroke] = (), ahead: Sequence[Stroke] = ()
) -> tuple[tuple[Stroke, ...], tuple[Stroke, ...]]:
    """What can be undone (oldest first) and redone (next first) after `entries`.

    Args:
        entries: in their order.
        done, ahead: the same before them.

    Raises:
        ValueError: if more is undone or redone than there is.
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
    """The slices that are verified after `entries`: one whose mask changes, by whatever, is so no more.

    Args:
        entries: in their order.
        verified: before them.
        done, ahead: as for `turned`.
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
    """Move the strokes as `entry` says; the stroke whose voxels flip."""
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
    """The mask after every change, from first to last.

    Args:
        base: (z, y, x) 0/1, the mask below `done`; not changed.
        entries: in their order.
        done, ahead: what could be undone and redone before them, as `turned` has it.

    Yields:
        the entry (one of `done`, then one of `entries`), the box that it changed, and the mask after it. The
        mask is the same array every time: copy what shall stay.
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
    """What became of the draft, as one edit from the draft to `mask`.

    Args:
        mask: (z, y, x) 0/1, as it is after `done`.
        done: strokes in their order; all after the last draft among them count, all if there is none.
    """
    edits = [stroke.edit for stroke in since_draft(done) if stroke.edit.changes]
    if not edits:
        return NOTHING
    box = _hull(edits)
    start = (box[0].start, box[1].start, box[2].start)
    before = mask[box] != 0
    for edit in edits:
        inner = tuple(
            slice(part.start - low, part.stop - low) for part, low in zip(edit.box, start, strict=True)
        )
        before[inner] ^= edit.flipped()
    return edit_between(before, mask[box], start)


def human_correction(mask: NDArray[np.uint8], done: Sequence[Stroke]) -> Correction:
    """How far `mask` is from the draft it came from; arguments as for `human_edit`."""
    edit, voxels = human_edit(mask, done), int(np.count_nonzero(mask))
    drafted, common = voxels - edit.added + edit.removed, voxels - edit.added
    dsc = 2 * common / (drafted + voxels) if drafted + voxels else 1.0
    return Correction(edit.added, edit.removed, dsc)


def _hull(edits: Sequence[Edit]) -> Box:
    lows = np.min([edit.start for edit in edits], axis=0)
    highs = np.max([np.add(edit.start, edit.shape) for edit in edits], axis=0)
    z, y, x = (slice(int(low), int(high)) for low, high in zip(lows, highs, strict=True))
    return z, y, x

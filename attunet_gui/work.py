"""The editing of the mask of the open case: strokes are recorded in a journal, undone, redone and locked.

The voxels on screen belong to the viewer. `Work` keeps a copy of the mask as last recorded. Comparing the two
turns any change of the viewer's mask into a stroke, and every stroke is in the journal before the next one
can be made. An object belongs to one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.activity import (
    Accepted,
    Activity,
    Closed,
    Entry,
    Opened,
    Redone,
    Saved,
    Undone,
    Verified,
    human_correction,
    human_edit,
    replay,
    verified_after,
)
from attunet_gui.core.correction import Correction, tally
from attunet_gui.core.edit import NOTHING, Box, Edit, edit_between
from attunet_gui.core.errors import AttunetError, UnreadableInput, UnwritableOutput
from attunet_gui.core.history import History, Stroke
from attunet_gui.core.locks import Locks
from attunet_gui.core.rewind import decided_slices, decided_voxels
from attunet_gui.io.exclusive import HeldElsewhere
from attunet_gui.io.journal import (
    Base,
    Header,
    Identity,
    Journal,
    Journaled,
    Pending,
    Snapshot,
    discard,
    identify,
    journal_path,
    pending,
    prune,
    read_journal,
    set_aside,
)

__all__ = ["HeldElsewhere", "Identity", "Pending", "Work", "discard", "identify", "pending"]

Mask = NDArray[np.uint8]
Clock = Callable[[], float]

# After a failed write the journal is tried again after this many seconds only, so that a full disk does not
# delay every stroke.
_RETRY_S = 5.0


class Work:
    """The recorded mask of a case with its undo stack, locks and journal. It is made by `begin` or `resume`.

    Attributes:
        identity: identity of the CT.
        user: name of the annotator; it may be set when the annotator changes.
        note_on_opening: a sentence for the annotator about damage of the resumed journal; "" if there is
            none.
        left_at: time of the last entry before the case was opened this time, seconds since the epoch; None if
            no journal was resumed.
        unverified: indices of the slices that lost their mark "verified" by the last change of the mask.
    """

    def __init__(self, identity: Identity, base: Base, user: str, clock: Clock = time.time) -> None:
        self.identity, self.user = identity, user
        self.note_on_opening = ""
        self.left_at: float | None = None
        self.unverified: frozenset[int] = frozenset()
        self._clock = clock
        self._header = Header(identity, clock())
        self._history = History()
        self._known: Mask = np.zeros(identity.shape, np.uint8)
        base.mask.apply(self._known)
        self._bottom: Edit | None = base.mask
        self._locks_below = self._locks = _locks_of(base.hand, identity.shape)
        self._verified, self._accepted = base.verified, base.accepted
        self._since, self._activity = base.since, base.activity
        self._journal: Journal | None = None
        self._problem = ""
        self._asked_at = float("-inf")

    # Beginning

    @classmethod
    def begin(cls, identity: Identity, mask: Mask, folder: Path, user: str, clock: Clock = time.time) -> Work:
        """Begin to edit `mask`.

        If the journal of the case ends with exactly this mask, it is continued with its undo stack, locks,
        verified slices and accepted places. Otherwise a new journal begins and only the totals of the
        activity are taken over. An old journal with unsaved work is kept beside the new one, so that
        `pending` still offers it.

        If there is no place to write, the work begins without a journal and `problem` says so.

        Args:
            identity: identity of the CT, from `identify`.
            mask: (z, y, x) uint8 0/1, the mask on screen, which is copied. It is in a file already, or need
                not be kept.
            folder: the folder of the journals; it is made if it does not exist.
            user: name of the annotator.
            clock: returns the time in seconds since the epoch.
        """
        path = journal_path(folder, identity)
        try:
            journal = Journal(path)
        except AttunetError as error:
            work = cls(identity, Base(mask=_from_nothing(mask)), user, clock)
            work._problem = str(error)
            return work
        old = _old_journal(path, identity)
        if old is not None and _same(old.mask(), mask):
            return cls._taken_up(old, journal, user, clock)
        before = Activity() if old is None else old.activity
        work = cls(identity, Base(mask=_from_nothing(mask), activity=before), user, clock)
        _make_room(path, old)
        work._journal = journal
        work._record(Opened(user, clock()))
        with suppress(OSError):
            prune(folder)
        return work

    @classmethod
    def resume(cls, path: Path, identity: Identity, user: str, clock: Clock = time.time) -> Work:
        """Continue the journal at `path`; the recorded mask is then the one that the journal ends with.

        Args:
            path: the journal.
            identity: identity of the CT that is open.
            user: name of the annotator.
            clock: returns the time in seconds since the epoch.

        Raises:
            HeldElsewhere: if another window has the case open.
            UnreadableInput: if the file is no journal, or belongs to another CT.
            UnwritableOutput: if the file cannot be opened for writing.
        """
        journal = Journal(path)
        try:
            old = read_journal(path)
            _check_same(old.header.identity, identity)
        except UnreadableInput:
            journal.close()
            raise
        return cls._taken_up(old, journal, user, clock)

    @classmethod
    def _taken_up(cls, old: Journaled, journal: Journal, user: str, clock: Clock) -> Work:
        work = cls(old.header.identity, old.base, user, clock)
        work._header = old.header
        for stroke in old.stacks[0]:
            stroke.edit.apply(work._known)
            work._lock(stroke)
        work._history, dropped = History.of(*old.stacks)
        work._sink(dropped)
        for entry in old.entries:
            work._count(entry)
        work._verified = verified_after(old.entries, old.base.verified, old.kept, old.ahead)
        work._locks = work._locks.with_verified(work._verified)
        work._journal, work.note_on_opening = journal, old.damage
        work.left_at = work._activity.last
        # Of a damaged journal a copy is kept. The journal then still counts as broken, so that the next entry
        # rewrites the whole file: entries behind the damage could not be read.
        if old.damage:
            set_aside(old.path)
        else:
            with suppress(UnwritableOutput):
                journal.go_on(old.end, old.frames)
        work._record(Opened(user, clock()))
        return work

    # State

    @property
    def mask(self) -> Mask:
        """(z, y, x) uint8 0/1, the mask as last recorded; a read-only view."""
        view = self._known.view()
        view.setflags(write=False)
        return view

    @property
    def history(self) -> History:
        """The strokes that can be undone and redone."""
        return self._history

    @property
    def undo_words(self) -> str:
        """Summary of the stroke that `undo` takes back, such as "grow 2 mm, +812 voxels"; "" without one."""
        return self._history.undo_words

    @property
    def redo_words(self) -> str:
        """A summary of the stroke that `redo` does again; "" without one."""
        return self._history.redo_words

    @property
    def locks(self) -> Locks:
        """Voxels drawn by hand, and verified slices."""
        return self._locks

    @property
    def verified(self) -> frozenset[int]:
        """Indices of the verified slices."""
        return self._verified

    @property
    def corrected(self) -> frozenset[int]:
        """Indices of the slices that were corrected by hand or with a tool, in any plane, or verified."""
        return decided_slices(self._locks, self._history.done)

    def decided(self, slices: Iterable[int]) -> dict[int, NDArray[np.bool_]]:
        """Return where voxels of `slices` are as the annotator made them.

        Returns:
            Index of the slice -> (y, x) bool; slices without a decided voxel are left out.
        """
        shape = self._known.shape
        return decided_voxels(self._locks, self._history.done, slices, (shape[1], shape[2]))

    @property
    def drawn_in(self) -> frozenset[int]:
        """Indices of the slices that the annotator drew in by hand while they were on screen.

        A stroke that changes several slices, as one in another plane does, does not count: none of these
        slices was seen as a whole.
        """
        return frozenset(
            stroke.slice
            for stroke in self._history.done
            if stroke.by_hand and stroke.edit.changed_slices == {stroke.slice}
        )

    @property
    def accepted(self) -> frozenset[str]:
        """Keys of the places of the review list that the annotator accepted."""
        return self._accepted

    @property
    def unsaved(self) -> bool:
        """Whether the mask differs from the last saved one by a stroke; exact through undo and redo."""
        return self._since.steps != 0

    @property
    def activity(self) -> Activity:
        """The totals of the case: active time, tools and slices."""
        return self._activity

    @property
    def journal_path(self) -> Path | None:
        """The file of the journal; None if there is no place to write."""
        return None if self._journal is None else self._journal.path

    @property
    def problem(self) -> str:
        """One sentence on why strokes would be lost in a crash; "" if the journal is written."""
        if self._journal is not None and self._journal.broken and not self._problem:
            self._problem = "The last stroke did not reach the disk; save the mask now."
        return self._problem

    # Strokes

    def note(
        self, live: Mask, box: Box | None, tool: str, words: str, slice: int, by_hand: bool
    ) -> Stroke | None:
        """Record a change that has already been made in the mask on screen.

        Args:
            live: (z, y, x), the whole mask on screen; any non-zero value counts as set.
            box: the box outside of which nothing has changed; None if it is not known.
            tool, words, slice, by_hand: the fields of the stroke.

        Returns:
            The stroke; None if nothing has changed.
        """
        z, y, x = _clipped(box, self._known.shape)
        edit = edit_between(self._known[z, y, x], live[z, y, x], (z.start, y.start, x.start))
        if not edit.changes:
            return None
        edit.apply(self._known)
        stroke = Stroke(edit, tool, words, self.user, self._clock(), slice, by_hand)
        self._sink(self._history.push(stroke))
        self._lock(stroke)
        self._take_green(edit)
        self._record(stroke)
        return stroke

    def apply(
        self,
        live: Mask,
        edit: Edit,
        tool: str,
        words: str,
        slice: int,
        by_hand: bool = False,
        locked: Literal["respect", "override"] = "respect",
    ) -> tuple[Stroke | None, Edit]:
        """Apply an edit to the mask on screen and record it.

        Args:
            live: (z, y, x) uint8 0/1, the mask on screen, which is changed in place. All earlier changes of
                it must have been recorded with `note`.
            edit: an edit that was made for this mask.
            tool, words, slice, by_hand: the fields of the stroke.
            locked: "respect" leaves locked voxels as they are, "override" changes them too.

        Returns:
            The stroke (None if nothing was left to change), and the edit of the locked voxels that was not
            applied.
        """
        free, refused = (edit, NOTHING) if locked == "override" else self._locks.divide(edit, live)
        if not free.changes:
            return None, refused
        free.apply(live)
        return self.note(live, free.box, tool, words, slice, by_hand), refused

    def undo(self, live: Mask) -> Stroke | None:
        """Undo the last stroke in `live` (z, y, x) uint8 0/1 and return it; None if there is none.

        The locks go back as well. Verified slices that the change reaches lose their mark: see `unverified`.
        """
        stroke = self._history.undo()
        if stroke is not None:
            self._flip(stroke.edit, live)
            self._unlock(stroke)
            self._take_green(stroke.edit)
            self._record(Undone(self.user, self._clock(), stroke.tool))
        return stroke

    def redo(self, live: Mask) -> Stroke | None:
        """Redo the stroke that was undone last in `live` (z, y, x) uint8 0/1; return it, or None."""
        stroke = self._history.redo()
        if stroke is not None:
            self._flip(stroke.edit, live)
            self._lock(stroke)
            self._take_green(stroke.edit)
            self._record(Redone(self.user, self._clock(), stroke.tool))
        return stroke

    def _flip(self, edit: Edit, live: Mask) -> None:
        edit.apply(live)
        edit.apply(self._known)

    def _take_green(self, edit: Edit) -> None:
        """Remove the mark "verified" from the slices that `edit` changes.

        No entry is written for this: whoever reads the journal applies the same rule.
        """
        self.unverified = self._verified & edit.changed_slices
        if self.unverified:
            self._verified -= self.unverified
            self._locks = self._locks.with_verified(self._verified)

    def _lock(self, stroke: Stroke) -> None:
        if stroke.by_hand:
            self._locks = self._locks.with_hand(stroke.edit, self._known.shape[1:])

    def _unlock(self, stroke: Stroke) -> None:
        """Remove the locks of `stroke`; a voxel that an earlier stroke locked too stays locked."""
        if not stroke.by_hand:
            return
        slices = set(stroke.edit.slices)
        again = Locks({z: plane for z, plane in self._locks_below.hand.items() if z in slices})
        for earlier in self._history.done:
            if earlier.by_hand and slices.intersection(earlier.edit.slices):
                again = again.with_hand(earlier.edit, self._known.shape[1:])
        hand = {z: plane for z, plane in self._locks.hand.items() if z not in slices}
        hand |= {z: plane for z, plane in again.hand.items() if z in slices}
        self._locks = replace(self._locks, hand=hand)

    def _sink(self, dropped: Iterable[Stroke]) -> None:
        """Make strokes that can no longer be undone part of the mask below the undo stack."""
        for stroke in dropped:
            self._bottom = None
            if stroke.by_hand:
                self._locks_below = self._locks_below.with_hand(stroke.edit, self._known.shape[1:])

    # Decisions of the annotator

    def verify(self, slices: Iterable[int]) -> None:
        """Mark `slices`, and no others, as verified; no tool changes them without asking."""
        chosen = frozenset(map(int, slices))
        if chosen != self._verified:
            self._record(Verified(self.user, self._clock(), chosen))
            self._locks = self._locks.with_verified(chosen)

    def accept(self, *keys: str) -> None:
        """Accept the place of the review list that has these `keys`."""
        self._accept(self._accepted.union(keys))

    def reconsider(self, *keys: str) -> None:
        """Take back the acceptance of the place that has these `keys`."""
        self._accept(self._accepted.difference(keys))

    def _accept(self, keys: frozenset[str]) -> None:
        if keys != self._accepted:
            self._record(Accepted(self.user, self._clock(), keys))

    def saved(self, path: Path, mask: Mask) -> None:
        """Record that `mask` (z, y, x) uint8 0/1 was written to the file `path`.

        It may differ from the mask on screen, which may have been edited while the file was written.
        """
        current = _same(mask, self._known)
        self._record(Saved(self.user, self._clock(), path, tally(mask).crc, current))

    def close(self) -> None:
        """Close the journal and release it for other windows. Nothing can be recorded afterwards."""
        self._record(Closed(self.user, self._clock()))
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # Summaries

    def human_edit(self) -> Edit:
        """Return the difference between the last draft and the mask as one edit."""
        return human_edit(self._known, self._history.done)

    def human_correction(self) -> Correction:
        """Return the voxels added to and removed from the last draft, and the DSC of draft and mask."""
        return human_correction(self._known, self._history.done)

    def replay(self) -> Iterator[tuple[Entry, Box, Mask]]:
        """Yield each stroke that can be undone, the box that it changed, and the mask after it.

        The mask is one array that is changed in place.
        """
        return replay(self._below(), (), self._history.done)

    # The journal

    def _count(self, entry: Entry) -> None:
        self._activity, self._since = self._activity.after(entry), self._since.after(entry)
        match entry:
            case Verified(slices=slices):
                self._verified = slices
            case Accepted(keys=keys):
                self._accepted = keys

    def _record(self, entry: Entry) -> None:
        self._count(entry)
        journal = self._journal
        if journal is None:
            return
        try:
            if journal.broken:
                self._bring_what_is_missing(journal)
            elif not (journal.wants_compaction and self._compacted(journal)):
                journal.append(entry)
                self._problem = ""
        except UnwritableOutput as error:
            self._problem = str(error)

    def _bring_what_is_missing(self, journal: Journal) -> None:
        if abs(self._clock() - self._asked_at) < _RETRY_S:
            return
        self._asked_at = self._clock()
        journal.rewrite(self._snapshot())
        self._problem, self._asked_at = "", float("-inf")

    def _compacted(self, journal: Journal) -> bool:
        # Compaction writes a second file. A disk without room for it may still have room for one more entry.
        try:
            journal.rewrite(self._snapshot())
        except UnwritableOutput:
            return False
        return True

    def _snapshot(self) -> Snapshot:
        base = Base(
            mask=self._bottom_edit(),
            hand=_hand_edit(self._locks_below, self._known.shape),
            verified=self._verified,
            accepted=self._accepted,
            since=self._since,
            activity=self._activity,
        )
        return Snapshot(self._header, base, self._history.done, self._history.ahead)

    def _bottom_edit(self) -> Edit:
        if self._bottom is None:
            self._bottom = _from_nothing(self._below())
        return self._bottom

    def _below(self) -> Mask:
        below = self._known.copy()
        for stroke in self._history.done:
            stroke.edit.apply(below)
        return below


def _clipped(box: Box | None, shape: tuple[int, ...]) -> Box:
    """Return `box` clipped to the volume, with explicit starts and stops; None is the whole volume."""
    wanted: tuple[Any, ...] = box or (slice(None),) * 3
    z, y, x = (slice(*part.indices(size)[:2]) for part, size in zip(wanted, shape, strict=True))
    return z, y, x


def _same(one: Mask, other: Mask) -> bool:
    """Return whether two masks are equal in shape and voxels."""
    # Slice by slice, because comparing them as a whole would make an array of the size of the volume.
    return one.shape == other.shape and all(map(np.array_equal, one, other))


def _from_nothing(mask: Mask) -> Edit:
    return edit_between(np.broadcast_to(np.uint8(0), mask.shape), mask)


def _hand_edit(locks: Locks, shape: tuple[int, ...]) -> Edit:
    drawn = np.zeros(shape, np.uint8)
    for z, plane in locks.hand.items():
        drawn[z] = plane
    return _from_nothing(drawn)


def _locks_of(hand: Edit, shape: tuple[int, int, int]) -> Locks:
    return Locks().with_hand(hand, shape[1:]) if hand.changes else Locks()


def _old_journal(path: Path, identity: Identity) -> Journaled | None:
    try:
        old = read_journal(path)
        _check_same(old.header.identity, identity)
    except UnreadableInput:
        return None
    return old


def _make_room(path: Path, old: Journaled | None) -> None:
    """Keep unsaved work in the file at `path` under another name, before a new journal takes its place."""
    if old is None:
        set_aside(path)
    elif old.since.lost:
        with suppress(OSError):
            path.replace(path.with_name(f"{path.stem}-{int(old.header.made * 1000)}{path.suffix}"))


def _check_same(old: Identity, now: Identity) -> None:
    if (old.digest, tuple(old.shape)) != (now.digest, tuple(now.shape)):
        raise UnreadableInput(
            f"The journal belongs to another CT than {now.name}: the voxels of the file have changed since."
        )

"""The editing of the mask of the open case: strokes are recorded in a journal, undone, redone and locked.

The voxels on screen belong to the viewer. `EditSession` keeps a copy of the mask as last recorded. Comparing
the two turns any change of the viewer's mask into a stroke, and every stroke is in the journal before the
next one can be made. An object belongs to one thread.
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

from attunet_gui.core.case_activity import (
    CaseActivity,
    FindingsAccepted,
    JournalEntry,
    MaskWritten,
    SessionClosed,
    SessionOpened,
    SlicesVerified,
    StrokeRedone,
    StrokeUndone,
    correction_since_draft,
    edit_since_draft,
    replay_entries,
    verified_after_entries,
)
from attunet_gui.core.draft_correction import DraftCorrection, tally_mask
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.pre_edit_mask import decided_slices, decided_voxels
from attunet_gui.core.undo_stack import EditStroke, UndoStack
from attunet_gui.io.journal.journal import (
    CaseIdentity,
    Journal,
    JournalBase,
    JournalContent,
    JournalHeader,
    JournalSnapshot,
    PendingJournal,
    copy_damaged_journal,
    delete_journal,
    identify_volume,
    journal_path,
    pending_journals,
    prune_journals,
    read_journal,
)
from attunet_gui.system.errors import AttunetError, UnreadableInput, UnwritableOutput
from attunet_gui.system.file_lock import LockHeldElsewhere

__all__ = [
    "CaseIdentity",
    "EditSession",
    "LockHeldElsewhere",
    "PendingJournal",
    "delete_journal",
    "identify_volume",
    "pending_journals",
]

MaskVoxels = NDArray[np.uint8]
EpochClock = Callable[[], float]

# After a failed write the journal is tried again after this many seconds only, so that a full disk does not
# delay every stroke.
_RETRY_INTERVAL_S = 5.0


class EditSession:
    """The recorded mask of a case with its undo stack, locks and journal. It is made by `begin_session` or
    `resume_journal`.

    Attributes:
        identity: identity of the CT.
        user: name of the annotator; it may be set when the annotator changes.
        note_on_opening: a sentence for the annotator about damage of the resumed journal; "" if there is
            none.
        left_at: time of the last entry before the case was opened this time, seconds since the epoch; None if
            no journal was resumed.
        unverified_slices: indices of the slices that lost their mark "verified" by the last change of the
            mask.
    """

    def __init__(
        self, identity: CaseIdentity, base: JournalBase, user: str, clock: EpochClock = time.time
    ) -> None:
        self.identity, self.user = identity, user
        self.note_on_opening = ""
        self.left_at: float | None = None
        self.unverified_slices: frozenset[int] = frozenset()
        self._clock = clock
        self._header = JournalHeader(identity, clock())
        self._history = UndoStack()
        self._known: MaskVoxels = np.zeros(identity.shape, np.uint8)
        base.mask.apply_to(self._known)
        self._bottom: MaskEdit | None = base.mask
        self._locks_below = self._locks = _locks_from_edit(base.hand, identity.shape)
        self._verified, self._accepted = base.verified, base.accepted
        self._since, self._activity = base.since, base.activity
        self._journal: Journal | None = None
        self._problem = ""
        self._asked_at = float("-inf")

    # Beginning

    @classmethod
    def begin_session(
        cls, identity: CaseIdentity, mask: MaskVoxels, folder: Path, user: str, clock: EpochClock = time.time
    ) -> EditSession:
        """Begin to edit `recorded_mask`.

        If the journal of the case ends with exactly this mask, it is continued with its undo stack, locks,
        verified slices and accepted places. Otherwise a new journal begins and only the totals of the
        activity are taken over. An old journal with unsaved work is kept beside the new one, so that
        `pending_journals` still offers it.

        If there is no place to write, the work begins without a journal and `journal_problem` says so.

        Args:
            identity: identity of the CT, from `identify_volume`.
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
            work = cls(identity, JournalBase(mask=_edit_from_empty(mask)), user, clock)
            work._problem = str(error)
            return work
        old = _read_matching_journal(path, identity)
        if old is not None and _masks_equal(old.current_mask(), mask):
            return cls._from_journal(old, journal, user, clock)
        before = CaseActivity() if old is None else old.total_activity
        work = cls(identity, JournalBase(mask=_edit_from_empty(mask), activity=before), user, clock)
        _set_old_journal_aside(path, old)
        work._journal = journal
        work._record_entry(SessionOpened(user, clock()))
        with suppress(OSError):
            prune_journals(folder)
        return work

    @classmethod
    def resume_journal(
        cls, path: Path, identity: CaseIdentity, user: str, clock: EpochClock = time.time
    ) -> EditSession:
        """Continue the journal at `path`; the recorded mask is then the one that the journal ends with.

        Args:
            path: the journal.
            identity: identity of the CT that is open.
            user: name of the annotator.
            clock: returns the time in seconds since the epoch.

        Raises:
            LockHeldElsewhere: if another window has the case open.
            UnreadableInput: if the file is no journal, or belongs to another CT.
            UnwritableOutput: if the file cannot be opened for writing.
        """
        journal = Journal(path)
        try:
            old = read_journal(path)
            _check_same_ct(old.header.identity, identity)
        except UnreadableInput:
            journal.close()
            raise
        return cls._from_journal(old, journal, user, clock)

    @classmethod
    def _from_journal(
        cls, old: JournalContent, journal: Journal, user: str, clock: EpochClock
    ) -> EditSession:
        work = cls(old.header.identity, old.base, user, clock)
        work._header = old.header
        for stroke in old.undo_and_redo[0]:
            stroke.edit.apply_to(work._known)
            work._lock_stroke(stroke)
        work._history, dropped = UndoStack.from_strokes(*old.undo_and_redo)
        work._absorb_dropped_strokes(dropped)
        for entry in old.entries:
            work._update_totals(entry)
        work._verified = verified_after_entries(old.entries, old.base.verified, old.kept, old.ahead)
        work._locks = work._locks.with_verified(work._verified)
        work._journal, work.note_on_opening = journal, old.damage
        work.left_at = work._activity.last
        # Of a damaged journal a copy is kept. The journal then still counts as broken, so that the next entry
        # rewrites the whole file: entries behind the damage could not be read.
        if old.damage:
            copy_damaged_journal(old.path)
        else:
            with suppress(UnwritableOutput):
                journal.resume_at(old.end, old.frames)
        work._record_entry(SessionOpened(user, clock()))
        return work

    # State

    @property
    def recorded_mask(self) -> MaskVoxels:
        """(z, y, x) uint8 0/1, the mask as last recorded; a read-only view."""
        view = self._known.view()
        view.setflags(write=False)
        return view

    @property
    def undo_stack(self) -> UndoStack:
        """The strokes that can be undone and redone."""
        return self._history

    @property
    def undo_text(self) -> str:
        """Summary of the stroke that `undo_stroke` takes back, such as "grow 2 mm, +812 voxels"; "" without
        one.
        """
        return self._history.undo_text

    @property
    def redo_text(self) -> str:
        """A summary of the stroke that `redo_stroke` does again; "" without one."""
        return self._history.redo_text

    @property
    def mask_locks(self) -> MaskLocks:
        """Voxels drawn by hand, and verified slices."""
        return self._locks

    @property
    def verified_slices(self) -> frozenset[int]:
        """Indices of the verified slices."""
        return self._verified

    @property
    def corrected_slices(self) -> frozenset[int]:
        """Indices of the slices that were corrected by hand or with a tool, in any plane, or verified."""
        return decided_slices(self._locks, self._history.undoable_strokes)

    def decided_voxels(self, slices: Iterable[int]) -> dict[int, NDArray[np.bool_]]:
        """Return where voxels of `slices` are as the annotator made them.

        Returns:
            Index of the slice -> (y, x) bool; slices without a decided voxel are left out.
        """
        shape = self._known.shape
        return decided_voxels(self._locks, self._history.undoable_strokes, slices, (shape[1], shape[2]))

    @property
    def hand_drawn_slices(self) -> frozenset[int]:
        """Indices of the slices that the annotator drew in by hand while they were on screen.

        A stroke that changes several slices, as one in another plane does, does not count: none of these
        slices was seen as a whole.
        """
        return frozenset(
            stroke.slice
            for stroke in self._history.undoable_strokes
            if stroke.by_hand and stroke.edit.changed_slices == {stroke.slice}
        )

    @property
    def accepted_keys(self) -> frozenset[str]:
        """Keys of the places of the review list that the annotator accepted."""
        return self._accepted

    @property
    def has_unsaved_strokes(self) -> bool:
        """Whether the mask differs from the last saved one by a stroke; exact through undo and redo."""
        return self._since.steps != 0

    @property
    def case_activity(self) -> CaseActivity:
        """The totals of the case: active time, tools and slices."""
        return self._activity

    @property
    def journal_path(self) -> Path | None:
        """The file of the journal; None if there is no place to write."""
        return None if self._journal is None else self._journal.path

    @property
    def journal_problem(self) -> str:
        """One sentence on why strokes would be lost in a crash; "" if the journal is written."""
        if self._journal is not None and self._journal.is_broken and not self._problem:
            self._problem = "The last stroke did not reach the disk; save the mask now."
        return self._problem

    # Strokes

    def record_change(
        self, live: MaskVoxels, box: VoxelBox | None, tool: str, words: str, slice: int, by_hand: bool
    ) -> EditStroke | None:
        """Record a change that has already been made in the mask on screen.

        Args:
            live: (z, y, x), the whole mask on screen; any non-zero value counts as set.
            box: the box outside of which nothing has changed; None if it is not known.
            tool, words, slice, by_hand: the fields of the stroke.

        Returns:
            The stroke; None if nothing has changed.
        """
        z, y, x = _clip_box(box, self._known.shape)
        edit = edit_between(self._known[z, y, x], live[z, y, x], (z.start, y.start, x.start))
        if not edit.changed_voxels:
            return None
        edit.apply_to(self._known)
        stroke = EditStroke(edit, tool, words, self.user, self._clock(), slice, by_hand)
        self._absorb_dropped_strokes(self._history.push_stroke(stroke))
        self._lock_stroke(stroke)
        self._withdraw_verified(edit)
        self._record_entry(stroke)
        return stroke

    def apply_edit(
        self,
        live: MaskVoxels,
        edit: MaskEdit,
        tool: str,
        words: str,
        slice: int,
        by_hand: bool = False,
        locked: Literal["respect", "override"] = "respect",
    ) -> tuple[EditStroke | None, MaskEdit]:
        """Apply an edit to the mask on screen and record it.

        Args:
            live: (z, y, x) uint8 0/1, the mask on screen, which is changed in place. All earlier changes of
                it must have been recorded with `record_change`.
            edit: an edit that was made for this mask.
            tool, words, slice, by_hand: the fields of the stroke.
            locked: "respect" leaves locked voxels as they are, "override" changes them too.

        Returns:
            The stroke (None if nothing was left to change), and the edit of the locked voxels that was not
            applied.
        """
        free, refused = (edit, NO_EDIT) if locked == "override" else self._locks.split_by_locks(edit, live)
        if not free.changed_voxels:
            return None, refused
        free.apply_to(live)
        return self.record_change(live, free.box, tool, words, slice, by_hand), refused

    def undo_stroke(self, live: MaskVoxels) -> EditStroke | None:
        """Undo the last stroke in `live` (z, y, x) uint8 0/1 and return it; None if there is none.

        The locks go back as well. Verified slices that the change reaches lose their mark: see
        `unverified_slices`.
        """
        stroke = self._history.undo()
        if stroke is not None:
            self._flip_voxels(stroke.edit, live)
            self._unlock_stroke(stroke)
            self._withdraw_verified(stroke.edit)
            self._record_entry(StrokeUndone(self.user, self._clock(), stroke.tool))
        return stroke

    def redo_stroke(self, live: MaskVoxels) -> EditStroke | None:
        """Redo the stroke that was undone last in `live` (z, y, x) uint8 0/1; return it, or None."""
        stroke = self._history.redo()
        if stroke is not None:
            self._flip_voxels(stroke.edit, live)
            self._lock_stroke(stroke)
            self._withdraw_verified(stroke.edit)
            self._record_entry(StrokeRedone(self.user, self._clock(), stroke.tool))
        return stroke

    def _flip_voxels(self, edit: MaskEdit, live: MaskVoxels) -> None:
        edit.apply_to(live)
        edit.apply_to(self._known)

    def _withdraw_verified(self, edit: MaskEdit) -> None:
        """Remove the mark "verified" from the slices that `edit` changes.

        No entry is written for this: whoever reads the journal applies the same rule.
        """
        self.unverified_slices = self._verified & edit.changed_slices
        if self.unverified_slices:
            self._verified -= self.unverified_slices
            self._locks = self._locks.with_verified(self._verified)

    def _lock_stroke(self, stroke: EditStroke) -> None:
        if stroke.by_hand:
            self._locks = self._locks.with_hand_drawn(stroke.edit, self._known.shape[1:])

    def _unlock_stroke(self, stroke: EditStroke) -> None:
        """Remove the locks of `stroke`; a voxel that an earlier stroke locked too stays locked."""
        if not stroke.by_hand:
            return
        slices = set(stroke.edit.box_slices)
        again = MaskLocks({z: plane for z, plane in self._locks_below.hand.items() if z in slices})
        for earlier in self._history.undoable_strokes:
            if earlier.by_hand and slices.intersection(earlier.edit.box_slices):
                again = again.with_hand_drawn(earlier.edit, self._known.shape[1:])
        hand = {z: plane for z, plane in self._locks.hand.items() if z not in slices}
        hand |= {z: plane for z, plane in again.hand.items() if z in slices}
        self._locks = replace(self._locks, hand=hand)

    def _absorb_dropped_strokes(self, dropped: Iterable[EditStroke]) -> None:
        """Make strokes that can no longer be undone part of the mask below the undo stack."""
        for stroke in dropped:
            self._bottom = None
            if stroke.by_hand:
                self._locks_below = self._locks_below.with_hand_drawn(stroke.edit, self._known.shape[1:])

    # Decisions of the annotator

    def verify_slices(self, slices: Iterable[int]) -> None:
        """Mark `slices`, and no others, as verified; no tool changes them without asking."""
        chosen = frozenset(map(int, slices))
        if chosen != self._verified:
            self._record_entry(SlicesVerified(self.user, self._clock(), chosen))
            self._locks = self._locks.with_verified(chosen)

    def accept_finding(self, *keys: str) -> None:
        """Accept the place of the review list that has these `keys`."""
        self._record_accepted(self._accepted.union(keys))

    def reopen_finding(self, *keys: str) -> None:
        """Take back the acceptance of the place that has these `keys`."""
        self._record_accepted(self._accepted.difference(keys))

    def _record_accepted(self, keys: frozenset[str]) -> None:
        if keys != self._accepted:
            self._record_entry(FindingsAccepted(self.user, self._clock(), keys))

    def record_saved(self, path: Path, mask: MaskVoxels) -> None:
        """Record that `recorded_mask` (z, y, x) uint8 0/1 was written to the file `path`.

        It may differ from the mask on screen, which may have been edited while the file was written.
        """
        current = _masks_equal(mask, self._known)
        self._record_entry(MaskWritten(self.user, self._clock(), path, tally_mask(mask).crc, current))

    def close_journal(self) -> None:
        """Close the journal and release it for other windows. Nothing can be recorded afterwards."""
        self._record_entry(SessionClosed(self.user, self._clock()))
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # Summaries

    def edit_since_draft(self) -> MaskEdit:
        """Return the difference between the last draft and the mask as one edit."""
        return edit_since_draft(self._known, self._history.undoable_strokes)

    def correction_since_draft(self) -> DraftCorrection:
        """Return the voxels added to and removed from the last draft, and the DSC of draft and mask."""
        return correction_since_draft(self._known, self._history.undoable_strokes)

    def replay_strokes(self) -> Iterator[tuple[JournalEntry, VoxelBox, MaskVoxels]]:
        """Yield each stroke that can be undone, the box that it changed, and the mask after it.

        The mask is one array that is changed in place.
        """
        return replay_entries(self._base_mask(), (), self._history.undoable_strokes)

    # The journal

    def _update_totals(self, entry: JournalEntry) -> None:
        self._activity, self._since = self._activity.after_entry(entry), self._since.after_entry(entry)
        match entry:
            case SlicesVerified(slices=slices):
                self._verified = slices
            case FindingsAccepted(keys=keys):
                self._accepted = keys

    def _record_entry(self, entry: JournalEntry) -> None:
        self._update_totals(entry)
        journal = self._journal
        if journal is None:
            return
        try:
            if journal.is_broken:
                self._rewrite_broken_journal(journal)
            elif not (journal.wants_compaction and self._try_compaction(journal)):
                journal.append_entry(entry)
                self._problem = ""
        except UnwritableOutput as error:
            self._problem = str(error)

    def _rewrite_broken_journal(self, journal: Journal) -> None:
        if abs(self._clock() - self._asked_at) < _RETRY_INTERVAL_S:
            return
        self._asked_at = self._clock()
        journal.rewrite_file(self._journal_snapshot())
        self._problem, self._asked_at = "", float("-inf")

    def _try_compaction(self, journal: Journal) -> bool:
        # Compaction writes a second file. A disk without room for it may still have room for one more entry.
        try:
            journal.rewrite_file(self._journal_snapshot())
        except UnwritableOutput:
            return False
        return True

    def _journal_snapshot(self) -> JournalSnapshot:
        base = JournalBase(
            mask=self._base_edit(),
            hand=_hand_drawn_edit(self._locks_below, self._known.shape),
            verified=self._verified,
            accepted=self._accepted,
            since=self._since,
            activity=self._activity,
        )
        return JournalSnapshot(
            self._header, base, self._history.undoable_strokes, self._history.redoable_strokes
        )

    def _base_edit(self) -> MaskEdit:
        if self._bottom is None:
            self._bottom = _edit_from_empty(self._base_mask())
        return self._bottom

    def _base_mask(self) -> MaskVoxels:
        below = self._known.copy()
        for stroke in self._history.undoable_strokes:
            stroke.edit.apply_to(below)
        return below


def _clip_box(box: VoxelBox | None, shape: tuple[int, ...]) -> VoxelBox:
    """Return `box` clipped to the volume, with explicit starts and stops; None is the whole volume."""
    wanted: tuple[Any, ...] = box or (slice(None),) * 3
    z, y, x = (slice(*part.indices(size)[:2]) for part, size in zip(wanted, shape, strict=True))
    return z, y, x


def _masks_equal(one: MaskVoxels, other: MaskVoxels) -> bool:
    """Return whether two masks are equal in shape and voxels."""
    # Slice by slice, because comparing them as a whole would make an array of the size of the volume.
    return one.shape == other.shape and all(map(np.array_equal, one, other))


def _edit_from_empty(mask: MaskVoxels) -> MaskEdit:
    return edit_between(np.broadcast_to(np.uint8(0), mask.shape), mask)


def _hand_drawn_edit(locks: MaskLocks, shape: tuple[int, ...]) -> MaskEdit:
    drawn = np.zeros(shape, np.uint8)
    for z, plane in locks.hand.items():
        drawn[z] = plane
    return _edit_from_empty(drawn)


def _locks_from_edit(hand: MaskEdit, shape: tuple[int, int, int]) -> MaskLocks:
    return MaskLocks().with_hand_drawn(hand, shape[1:]) if hand.changed_voxels else MaskLocks()


def _read_matching_journal(path: Path, identity: CaseIdentity) -> JournalContent | None:
    try:
        old = read_journal(path)
        _check_same_ct(old.header.identity, identity)
    except UnreadableInput:
        return None
    return old


def _set_old_journal_aside(path: Path, old: JournalContent | None) -> None:
    """Keep unsaved work in the file at `path` under another name, before a new journal takes its place."""
    if old is None:
        copy_damaged_journal(path)
    elif old.since_saved.loses_annotator_work:
        with suppress(OSError):
            path.replace(path.with_name(f"{path.stem}-{int(old.header.made * 1000)}{path.suffix}"))


def _check_same_ct(old: CaseIdentity, now: CaseIdentity) -> None:
    if (old.digest, tuple(old.shape)) != (now.digest, tuple(now.shape)):
        raise UnreadableInput(
            f"The journal belongs to another CT than {now.name}: the voxels of the file have changed since."
        )

"""The editing of the mask of the open case: strokes are recorded in a journal, undone, redone and locked.

The voxels on screen belong to the viewer. `EditSession` keeps a copy of the mask as last recorded. Comparing
the two turns any change of the viewer's mask into a stroke, and every stroke is in the journal before the
next one can be made. An object belongs to one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from attunet_gui.core.case_activity import CaseActivity
from attunet_gui.core.draft_correction import tally_mask
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.journal_entries import (
    FindingsAccepted,
    JournalEntry,
    MaskWritten,
    SessionClosed,
    SessionOpened,
    SlicesVerified,
    StrokeRedone,
    StrokeUndone,
)
from attunet_gui.core.journal_replay import verified_after_entries
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox, edit_from_empty
from attunet_gui.editing.decision_locks import DecisionLocks
from attunet_gui.editing.journal_writer import JournalWriter
from attunet_gui.editing.mask_history import MaskHistory, MaskVoxels, masks_equal
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

EpochClock = Callable[[], float]


class EditSession:
    """The recorded mask of a case with what was decided about it, and its journal. It is made by
    `begin_session` or `resume_journal`.

    Attributes:
        identity: identity of the CT.
        user: name of the annotator; it may be set when the annotator changes.
        history: the recorded mask and its undo stack.
        decisions: voxels drawn by hand, and verified slices.
        journal: the file to which every entry is written.
        note_on_opening: a sentence for the annotator about damage of the resumed journal; "" if there is
            none.
        left_at: time of the last entry before the case was opened this time, seconds since the epoch; None if
            no journal was resumed.
    """

    def __init__(
        self, identity: CaseIdentity, base: JournalBase, user: str, journal: JournalWriter, clock: EpochClock
    ) -> None:
        self.identity, self.user, self.journal = identity, user, journal
        self.note_on_opening = ""
        self.left_at: float | None = None
        self.history = MaskHistory(identity.shape, base.mask)
        self.decisions = DecisionLocks(self.history, base.hand, base.verified)
        self._clock = clock
        self._header = JournalHeader(identity, clock())
        self._accepted = base.accepted
        self._since, self._activity = base.since, base.activity

    # Beginning

    @classmethod
    def begin_session(
        cls, identity: CaseIdentity, mask: MaskVoxels, folder: Path, user: str, clock: EpochClock = time.time
    ) -> EditSession:
        """Begin to edit `mask`.

        If the journal of the case ends with exactly this mask, it is continued with its undo stack, locks,
        verified slices and accepted places. Otherwise a new journal begins and only the totals of the
        activity are taken over. An old journal with unsaved work is kept beside the new one, so that
        `pending_journals` still offers it.

        If there is no place to write, the work begins without a journal and `journal.problem` says so.

        Args:
            identity: identity of the CT, from `identify_volume`.
            mask: (z, y, x) uint8 0/1, the mask on screen, which is copied. It is in a file already, or need
                not be kept.
            folder: the folder of the journals; it is made if it does not exist.
            user: name of the annotator.
            clock: returns the time in seconds since the epoch.
        """
        path, base = journal_path(folder, identity), JournalBase(mask=edit_from_empty(mask))
        try:
            journal = Journal(path)
        except AttunetError as error:
            return cls(identity, base, user, JournalWriter(None, clock, str(error)), clock)
        old = _read_matching_journal(path, identity)
        if old is not None and masks_equal(old.current_mask(), mask):
            return cls._from_journal(old, journal, user, clock)
        if old is not None:
            base = replace(base, activity=old.total_activity)
        work = cls(identity, base, user, JournalWriter(journal, clock), clock)
        _set_old_journal_aside(path, old)
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
        work = cls(old.header.identity, old.base, user, JournalWriter(journal, clock), clock)
        work._header = old.header
        done, ahead = old.undo_and_redo
        dropped = work.history.restore_strokes(done, ahead)
        for stroke in done:
            work.decisions.lock_stroke(stroke)
        work.decisions.keep_dropped_strokes(dropped)
        for entry in old.entries:
            work._update_totals(entry)
        work.decisions.set_verified(
            verified_after_entries(old.entries, old.base.verified, old.kept, old.ahead)
        )
        work.note_on_opening = old.damage
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
        edit = self.history.unrecorded_edit(live, box)
        if not edit.changed_voxels:
            return None
        stroke = EditStroke(edit, tool, words, self.user, self._clock(), slice, by_hand)
        self.decisions.keep_dropped_strokes(self.history.push_stroke(stroke))
        self.decisions.lock_stroke(stroke)
        self.decisions.withdraw_verified(edit)
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
        locks = self.decisions.mask_locks
        free, refused = (edit, NO_EDIT) if locked == "override" else locks.split_by_locks(edit, live)
        if not free.changed_voxels:
            return None, refused
        free.apply_to(live)
        return self.record_change(live, free.box, tool, words, slice, by_hand), refused

    def undo_stroke(self, live: MaskVoxels) -> EditStroke | None:
        """Undo the last stroke in `live` (z, y, x) uint8 0/1 and return it; None if there is none.

        The locks go back as well. Verified slices that the change reaches lose their mark: see
        `DecisionLocks.unverified_slices`.
        """
        stroke = self.history.undo_in(live)
        if stroke is not None:
            self.decisions.unlock_stroke(stroke)
            self.decisions.withdraw_verified(stroke.edit)
            self._record_entry(StrokeUndone(self.user, self._clock(), stroke.tool))
        return stroke

    def redo_stroke(self, live: MaskVoxels) -> EditStroke | None:
        """Redo the stroke that was undone last in `live` (z, y, x) uint8 0/1; return it, or None."""
        stroke = self.history.redo_in(live)
        if stroke is not None:
            self.decisions.lock_stroke(stroke)
            self.decisions.withdraw_verified(stroke.edit)
            self._record_entry(StrokeRedone(self.user, self._clock(), stroke.tool))
        return stroke

    # Decisions of the annotator

    def verify_slices(self, slices: Iterable[int]) -> None:
        """Mark `slices`, and no others, as verified; no tool changes them without asking."""
        chosen = frozenset(map(int, slices))
        if chosen != self.decisions.verified_slices:
            self.decisions.set_verified(chosen)
            self._record_entry(SlicesVerified(self.user, self._clock(), chosen))

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
        """Record that `mask` (z, y, x) uint8 0/1 was written to the file `path`.

        It may differ from the mask on screen, which may have been edited while the file was written.
        """
        current = masks_equal(mask, self.history.recorded_mask)
        self._record_entry(MaskWritten(self.user, self._clock(), path, tally_mask(mask).crc, current))

    def close_journal(self) -> None:
        """Close the journal and release it for other windows. Nothing can be recorded afterwards."""
        self._record_entry(SessionClosed(self.user, self._clock()))
        self.journal.close()

    # The journal

    def _record_entry(self, entry: JournalEntry) -> None:
        self._update_totals(entry)
        self.journal.append_entry(entry, self._journal_snapshot)

    def _update_totals(self, entry: JournalEntry) -> None:
        self._activity, self._since = self._activity.after_entry(entry), self._since.after_entry(entry)
        if isinstance(entry, FindingsAccepted):
            self._accepted = entry.keys

    def _journal_snapshot(self) -> JournalSnapshot:
        base = JournalBase(
            mask=self.history.base_edit(),
            hand=self.decisions.hand_drawn_below(),
            verified=self.decisions.verified_slices,
            accepted=self._accepted,
            since=self._since,
            activity=self._activity,
        )
        strokes = self.history.undo_stack
        return JournalSnapshot(self._header, base, strokes.undoable_strokes, strokes.redoable_strokes)


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

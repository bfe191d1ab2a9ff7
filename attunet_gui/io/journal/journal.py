"""The journal of an open case, in which every stroke is on the disk before the next one can be made.

Each case has one file, `KEY.journal`, in a folder of the user's own, and `KEY.lock`, which is held by the
window that has the case open. An entry is handed to the operating system before `append_entry` returns, so it
survives the end of the process at any moment. A background thread then syncs it to the disk, and the next
`append_entry` waits for that, so a power failure takes at most the last entry. Compaction rewrites the file
from memory, atomically.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.case_activity import CaseActivity, UnsavedChanges, total_activity
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.journal_entries import JournalEntry
from attunet_gui.core.journal_replay import undo_redo_stacks
from attunet_gui.io.journal.framing import MAGIC, BadFrame, JournalFrame, read_frames
from attunet_gui.io.journal.records import (
    COMPACTED_KINDS,
    CaseIdentity,
    JournalBase,
    JournalHeader,
    base_frame,
    entry_frame,
    header_frame,
    identify_volume,
    parse_base,
    parse_entry,
    parse_entry_outline,
    parse_header,
    parse_since_saved,
    record_kind,
)
from attunet_gui.io.result_writing import make_private_folder
from attunet_gui.system.atomic_write import write_atomically
from attunet_gui.system.errors import UnreadableInput, UnwritableOutput
from attunet_gui.system.file_lock import FileLock, acquire_file_lock, is_locked
from attunet_gui.system.folders import walk_folder

__all__ = [
    "CaseIdentity",
    "Journal",
    "JournalBase",
    "JournalContent",
    "JournalHeader",
    "JournalSnapshot",
    "PendingJournal",
    "copy_damaged_journal",
    "delete_journal",
    "identify_volume",
    "journal_path",
    "pending_journals",
    "prune_journals",
    "read_journal",
]

SUFFIX = ".journal"
MOST_BYTES = 32 << 20
MOST_FRAMES = 5000
"""A journal asks to be compacted above either of these, and above twice what the last compaction left."""

KEEP_BYTES = 256 << 20
"""Bytes that the journals of saved cases may take together; see `prune_journals`."""

_LARGEST = 1 << 30
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# fdatasync leaves out the times of the file, which nobody needs; it does not exist on every system.
_sync = getattr(os, "fdatasync", os.fsync)


def journal_path(folder: Path, identity: CaseIdentity) -> Path:
    """Return the path of the journal of a case in `folder`."""
    return folder / f"{identity.journal_key}{SUFFIX}"


# Writing


@dataclass(frozen=True)
class JournalSnapshot:
    """The whole content of a journal, as its owner has it in memory.

    Attributes:
        header: the header.
        base: the state below the strokes in `done`, with the totals of everything that happened.
        done: strokes that can be undone, oldest first.
        ahead: strokes that can be redone, next first.
    """

    header: JournalHeader
    base: JournalBase
    done: Sequence[EditStroke] = ()
    ahead: Sequence[EditStroke] = ()


class Journal:
    """A journal that is being written. It belongs to one thread.

    A new one counts as broken until `rewrite_file` has written the file or `resume_at` has opened an existing
    one.

    Args:
        path: of the file. Its folder is created, and the lock beside it is taken.

    Raises:
        LockHeldElsewhere: if another window has the case open.
        UnwritableOutput: if the folder or the lock file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._disk = ThreadPoolExecutor(1, "attunet-journal")
        self._synced: Future[None] | None = None
        self._file = -1
        self._size = self._frames = 0
        self._most_bytes, self._most_frames = MOST_BYTES, MOST_FRAMES
        self._broken = True
        try:
            _make_journal_folder(path.parent)
            self._hold: FileLock = acquire_file_lock(path.with_suffix(".lock"))
        except OSError as error:
            raise _not_kept_error(error) from error

    def resume_at(self, end: int, frames: int) -> None:
        """Continue an existing file after its first `end` bytes, and cut off the rest.

        Args:
            end: offset behind the last complete frame.
            frames: number of frames before it.

        Raises:
            UnwritableOutput: if the file cannot be written.
        """
        try:
            self._reopen_file()
            os.ftruncate(self._file, end)
        except OSError as error:
            raise _not_kept_error(error) from error
        self._size, self._frames, self._broken = end, frames, False

    def _reopen_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    @property
    def is_broken(self) -> bool:
        """Whether something is missing in the file, so that only `rewrite_file` can go on."""
        if self._synced is not None and self._synced.done() and self._synced.exception() is not None:
            self._broken = True
        return self._broken

    @property
    def wants_compaction(self) -> bool:
        """Whether the file has grown so long that it should be rewritten."""
        return self._size > self._most_bytes or self._frames > self._most_frames

    @property
    def size_bytes(self) -> int:
        """Size of the file in bytes."""
        return self._size

    def append_entry(self, entry: JournalEntry) -> None:
        """Append `entry`. The operating system has it on return; it is on the disk before the next one.

        Raises:
            UnwritableOutput: if this entry or the one before it is not in the file. Nothing of the entry is
                left there, and `rewrite_file` must write what is missing.
        """
        self._wait_for_disk()
        if self._broken:
            raise UnwritableOutput(_NOT_KEPT.format("what came before could not be written"))
        frame = entry_frame(entry)
        # If anything at all interrupts the writing, nothing may be appended behind a torn frame.
        self._broken = True
        try:
            _write_all(self._file, frame)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise _not_kept_error(error) from error
        self._size += len(frame)
        self._frames += 1
        self._broken = False
        self._synced = self._disk.submit(_sync, self._file)

    def _wait_for_disk(self) -> None:
        synced, self._synced = self._synced, None
        if synced is None:
            return
        try:
            synced.result()
        except OSError as error:
            # After a failed sync the system may drop what it could not write, and a second sync may succeed
            # without it: only a new file is sure to hold the entry.
            self._broken = True
            raise _not_kept_error(error) from error

    def rewrite_file(self, snapshot: JournalSnapshot) -> None:
        """Replace the file, atomically, by one that holds `snapshot` and nothing else.

        Raises:
            UnwritableOutput: if that fails; the file is as before.
        """
        with suppress(UnwritableOutput):
            self._wait_for_disk()
        size = _write_snapshot(self.path, snapshot)
        self._broken = True
        try:
            self._reopen_file()
        except OSError as error:
            raise _not_kept_error(error) from error
        self._size, self._frames = size, 2 + len(snapshot.done) + len(snapshot.ahead)
        self._most_bytes = max(MOST_BYTES, 2 * self._size)
        self._most_frames = max(MOST_FRAMES, 2 * self._frames)
        self._broken = False

    def close(self) -> None:
        """Wait for the last sync, close the file and release the lock. Errors of the sync are not raised."""
        self._disk.shutdown(wait=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._broken = True
        self._hold.release()


def _make_journal_folder(folder: Path) -> None:
    try:
        make_private_folder(folder)
    except UnwritableOutput as error:
        raise UnwritableOutput(_NOT_KEPT.format(f"the folder {folder} cannot be made")) from error


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _write_snapshot(path: Path, snapshot: JournalSnapshot) -> int:
    """Write the whole journal atomically, readable by its owner alone, and return its size in bytes."""
    size = 0

    def produce(file: BinaryIO) -> None:
        nonlocal size
        # The permissions of an older file may be wider; a journal names the patient's file.
        if hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), 0o600)
        file.write(MAGIC)
        file.write(header_frame(snapshot.header))
        file.write(base_frame(snapshot.base))
        for kind, strokes in (("kept", snapshot.done), ("ahead", snapshot.ahead)):
            file.writelines(entry_frame(stroke, kind) for stroke in strokes)
        size = file.tell()

    def verify(written: Path) -> None:
        with written.open("rb") as file:
            ends = [frame.end for frame in read_frames(file)]
        if ends[-1] != size:
            raise OSError(errno.EIO, "it read back differently")

    try:
        write_atomically(path, produce, verify)
    except (UnwritableOutput, UnreadableInput, BadFrame) as error:
        cause = error.__cause__
        raise _not_kept_error(
            cause if isinstance(cause, OSError) else OSError(errno.EIO, str(error))
        ) from error
    return size


_NOT_KEPT = "Your strokes are not being kept against a crash: {}; save the mask now."


def _not_kept_error(error: OSError) -> UnwritableOutput:
    if error.errno in _FULL:
        return UnwritableOutput(_NOT_KEPT.format("the disk is full, free some space"))
    return UnwritableOutput(_NOT_KEPT.format(f"the journal cannot be written ({error.strerror or error})"))


# Reading


@dataclass(frozen=True, eq=False)
class JournalContent:
    """The content of a journal up to its last complete frame.

    Attributes:
        path: of the file.
        header: the CT to which it belongs.
        base: the state with which it begins.
        kept, ahead: strokes on top of the base that could be undone (oldest first) and redone (next first)
            when the journal was last compacted. The totals of the base count them.
        entries: all later entries, in order.
        end: offset behind the last complete frame.
        frames: number of complete frames.
        damage: a sentence that says what could not be read; "" if that is nothing, or only an entry that was
            being written when the power failed.
    """

    path: Path
    header: JournalHeader
    base: JournalBase
    kept: tuple[EditStroke, ...]
    ahead: tuple[EditStroke, ...]
    entries: tuple[JournalEntry, ...]
    end: int
    frames: int
    damage: str = ""

    @cached_property
    def undo_and_redo(self) -> tuple[tuple[EditStroke, ...], tuple[EditStroke, ...]]:
        """The strokes that can be undone (oldest first) and redone (next first) at the end of the journal."""
        return undo_redo_stacks(self.entries, self.kept, self.ahead)

    @cached_property
    def since_saved(self) -> UnsavedChanges:
        """The work since the mask was last saved to a file."""
        since = self.base.since
        for entry in self.entries:
            since = since.after_entry(entry)
        return since

    @cached_property
    def total_activity(self) -> CaseActivity:
        """Totals of all work on the case."""
        return total_activity(self.entries, self.base.activity)

    def base_mask(self) -> NDArray[np.uint8]:
        """Return the mask below the first stroke: (z, y, x) uint8, 0 or 1."""
        mask = np.zeros(self.header.identity.shape, np.uint8)
        self.base.mask.apply_to(mask)
        return mask

    def current_mask(self) -> NDArray[np.uint8]:
        """Return the mask after the last complete entry: (z, y, x) uint8, 0 or 1."""
        mask = self.base_mask()
        for stroke in self.undo_and_redo[0]:
            stroke.edit.apply_to(mask)
        return mask


def read_journal(path: Path) -> JournalContent:
    """Read the journal at `path` up to its last complete frame.

    Raises:
        UnreadableInput: if the file cannot be read, is not a journal, or holds what no journal can.
    """
    frames, damage = _read_whole_frames(path)
    try:
        header = parse_header(frames[0])
        shape = header.identity.shape
        base = parse_base(frames[1], shape)
        body = [(record_kind(frame), parse_entry(frame, shape)) for frame in frames[2:]]
        kept, ahead = (_strokes_of_kind(body, kind) for kind in ("kept", "ahead"))
        old = len(kept) + len(ahead)
        if any(kind in COMPACTED_KINDS for kind, _ in body[old:]):
            raise UnreadableInput("its parts are in disorder")
        entries = tuple(entry for _, entry in body[old:])
        undo_redo_stacks(entries, kept, ahead)
    except (UnreadableInput, ValueError) as error:
        raise _unusable_journal_error(path, str(error)) from error
    words = "" if not damage else _damage_sentence(header, body)
    return JournalContent(path, header, base, kept, ahead, entries, frames[-1].end, len(frames), words)


def _strokes_of_kind(body: Iterable[tuple[str, JournalEntry]], kind: str) -> tuple[EditStroke, ...]:
    return tuple(entry for is_a, entry in body if is_a == kind and isinstance(entry, EditStroke))


def _read_whole_frames(path: Path, data: bool = True) -> tuple[list[JournalFrame], bool]:
    """Read the complete frames of a file.

    Args:
        path: of the file.
        data: whether to keep the bytes of each frame; without them only the JSON objects are kept.

    Returns:
        The frames, at least two, and whether the file is damaged behind them.

    Raises:
        UnreadableInput: if the file cannot be read, or fewer than two frames are complete.
    """
    frames, damaged = [], False
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise UnreadableInput("it is larger than any journal")
            for frame in read_frames(file):
                frames.append(frame if data else replace(frame, data=b""))
    except BadFrame as bad:
        damaged = not bad.torn
    except OSError as error:
        raise _unusable_journal_error(path, error.strerror or str(error)) from error
    except UnreadableInput as error:
        raise _unusable_journal_error(path, str(error)) from error
    if len(frames) < 2:
        raise _unusable_journal_error(path, "its beginning is damaged")
    return frames, damaged


def _unusable_journal_error(path: Path, reason: str) -> UnreadableInput:
    return UnreadableInput(f"The journal {path.name} cannot be used: {reason}.")


def _damage_sentence(header: JournalHeader, body: Sequence[tuple[str, JournalEntry]]) -> str:
    strokes = sum(isinstance(entry, EditStroke) for _, entry in body)
    name = header.identity.name
    return f"The journal of {name} is damaged behind stroke {strokes}: what was drawn later is not in it."


# Which cases wait


@dataclass(frozen=True)
class PendingJournal:
    """A journal with work that is in no saved file.

    Attributes:
        path: of the journal, for `Work.resume`.
        identity: the CT, and how to open it.
        when: time of the last entry, in seconds since the epoch.
        strokes: number of an annotator's strokes that are in no saved file.
        user: name of the annotator who made the last entry.
    """

    path: Path
    identity: CaseIdentity
    when: float
    strokes: int
    user: str


def pending_journals(folder: Path) -> tuple[PendingJournal, ...]:
    """Return the journals in `folder` with strokes that are in no saved file, the newest first.

    Voxels are not unpacked. Journals that a window has open, and files that cannot be read, are left out.
    """
    found = [_pending_or_none(path) for path in _unlocked_journals(folder)]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: -one.when))


def _unlocked_journals(folder: Path) -> list[Path]:
    found = (path for path in walk_folder(folder).files if path.parent == folder and path.suffix == SUFFIX)
    return [path for path in found if not is_locked(path.with_suffix(".lock"))]


def _pending_or_none(path: Path) -> PendingJournal | None:
    """Return what is unsaved in the journal at `path`; None if that is nothing, or it cannot be read."""
    try:
        frames, _ = _read_whole_frames(path, data=False)
        header, since = parse_header(frames[0]), parse_since_saved(frames[1])
        outlines = [
            (record_kind(frame), parse_entry_outline(frame, header.identity.shape)) for frame in frames[2:]
        ]
    except UnreadableInput:
        return None
    # Strokes that compaction wrote again are counted in the base.
    for kind, entry in outlines:
        since = since if kind in COMPACTED_KINDS else since.after_entry(entry)
    if not since.loses_annotator_work:
        return None
    last = outlines[-1][1] if outlines else None
    when, user = (header.made, "") if last is None else (last.when, last.user)
    return PendingJournal(path, header.identity, when, abs(since.strokes), user)


def delete_journal(path: Path) -> None:
    """Delete the journal at `path`, as the annotator decided; nothing happens if it does not exist.

    Raises:
        LockHeldElsewhere: if another window has the case open.
        UnwritableOutput: if it cannot be deleted.
    """
    lock = path.with_suffix(".lock")
    try:
        # The lock is taken first: a window may have opened the case in the meantime.
        held = acquire_file_lock(lock)
        path.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        held.release()
    except OSError as error:
        raise UnwritableOutput(f"{path.name} was not deleted ({error.strerror}).") from error


def prune_journals(folder: Path, keep: int = KEEP_BYTES) -> None:
    """Delete the oldest journals in `folder` whose work is saved, as far as these exceed `keep` bytes."""
    files = [(path.stat(), path) for path in _unlocked_journals(folder)]
    if sum(status.st_size for status, _ in files) <= keep:
        return
    # Journals with unsaved work are never deleted, whatever they take.
    waiting, total = {one.path for one in pending_journals(folder)}, 0
    files = [(status, path) for status, path in files if path not in waiting]
    for status, path in sorted(files, key=lambda pair: -pair[0].st_mtime):
        total += status.st_size
        if total > keep:
            with suppress(UnwritableOutput, UnreadableInput):
                delete_journal(path)


def copy_damaged_journal(path: Path) -> Path:
    """Copy the journal at `path` to a file beside it, before a part of it is cut off or overwritten.

    Returns:
        The path of the copy. There is none if the journal does not exist or the copy failed.
    """
    aside = path.with_suffix(".damaged")
    # Failing to copy must not keep the annotator from the part of the journal that can be read.
    with suppress(OSError):
        aside.touch(0o600)
        shutil.copyfile(path, aside)
    return aside

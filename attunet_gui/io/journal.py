"""The journal of an open case, in which every stroke is on the disk before the next one can be made.

Each case has one file, `KEY.journal`, in a folder of the user's own, and `KEY.lock`, which is held by the
window that has the case open. An entry is handed to the operating system before `append` returns, so it
survives the end of the process at any moment. A background thread then syncs it to the disk, and the next
`append` waits for that, so a power failure takes at most the last entry. Compaction rewrites the file from
memory, atomically.
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

from attunet_gui.core.activity import Activity, Entry, SinceSaved, activity, turned
from attunet_gui.core.errors import UnreadableInput, UnwritableOutput
from attunet_gui.core.history import Stroke
from attunet_gui.folders import walk
from attunet_gui.io.atomic import write_atomically
from attunet_gui.io.entries import (
    COMPACTED,
    Base,
    Header,
    Identity,
    base_frame,
    base_of,
    entry_frame,
    entry_of,
    header_frame,
    header_of,
    identify,
    kind_of,
    outline_of,
    since_of,
)
from attunet_gui.io.exclusive import Hold, hold, is_held
from attunet_gui.io.frames import MAGIC, BadFrame, Frame, read_frames
from attunet_gui.io.writing import make_private_folder

__all__ = [
    "Base",
    "Header",
    "Identity",
    "Journal",
    "Journaled",
    "Pending",
    "Snapshot",
    "discard",
    "identify",
    "journal_path",
    "pending",
    "prune",
    "read_journal",
    "set_aside",
]

SUFFIX = ".journal"
MOST_BYTES = 32 << 20
MOST_FRAMES = 5000
"""A journal asks to be compacted above either of these, and above twice what the last compaction left."""

KEEP_BYTES = 256 << 20
"""Bytes that the journals of saved cases may take together; see `prune`."""

_LARGEST = 1 << 30
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# fdatasync leaves out the times of the file, which nobody needs; it does not exist on every system.
_sync = getattr(os, "fdatasync", os.fsync)


def journal_path(folder: Path, identity: Identity) -> Path:
    """Return the path of the journal of a case in `folder`."""
    return folder / f"{identity.key}{SUFFIX}"


# Writing


@dataclass(frozen=True)
class Snapshot:
    """The whole content of a journal, as its owner has it in memory.

    Attributes:
        header: the header.
        base: the state below the strokes in `done`, with the totals of everything that happened.
        done: strokes that can be undone, oldest first.
        ahead: strokes that can be redone, next first.
    """

    header: Header
    base: Base
    done: Sequence[Stroke] = ()
    ahead: Sequence[Stroke] = ()


class Journal:
    """A journal that is being written. It belongs to one thread.

    A new one counts as broken until `rewrite` has written the file or `go_on` has opened an existing one.

    Args:
        path: of the file. Its folder is created, and the lock beside it is taken.

    Raises:
        HeldElsewhere: if another window has the case open.
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
            _make_folder(path.parent)
            self._hold: Hold = hold(path.with_suffix(".lock"))
        except OSError as error:
            raise _unwritable(error) from error

    def go_on(self, end: int, frames: int) -> None:
        """Continue an existing file after its first `end` bytes, and cut off the rest.

        Args:
            end: offset behind the last complete frame.
            frames: number of frames before it.

        Raises:
            UnwritableOutput: if the file cannot be written.
        """
        try:
            self._open()
            os.ftruncate(self._file, end)
        except OSError as error:
            raise _unwritable(error) from error
        self._size, self._frames, self._broken = end, frames, False

    def _open(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    @property
    def broken(self) -> bool:
        """Whether something is missing in the file, so that only `rewrite` can go on."""
        if self._synced is not None and self._synced.done() and self._synced.exception() is not None:
            self._broken = True
        return self._broken

    @property
    def wants_compaction(self) -> bool:
        """Whether the file has grown so long that it should be rewritten."""
        return self._size > self._most_bytes or self._frames > self._most_frames

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self._size

    def append(self, entry: Entry) -> None:
        """Append `entry`. The operating system has it on return; it is on the disk before the next one.

        Raises:
            UnwritableOutput: if this entry or the one before it is not in the file. Nothing of the entry is
                left there, and `rewrite` must write what is missing.
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
            raise _unwritable(error) from error
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
            raise _unwritable(error) from error

    def rewrite(self, snapshot: Snapshot) -> None:
        """Replace the file, atomically, by one that holds `snapshot` and nothing else.

        Raises:
            UnwritableOutput: if that fails; the file is as before.
        """
        with suppress(UnwritableOutput):
            self._wait_for_disk()
        size = _write_snapshot(self.path, snapshot)
        self._broken = True
        try:
            self._open()
        except OSError as error:
            raise _unwritable(error) from error
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


def _make_folder(folder: Path) -> None:
    try:
        make_private_folder(folder)
    except UnwritableOutput as error:
        raise UnwritableOutput(_NOT_KEPT.format(f"the folder {folder} cannot be made")) from error


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _write_snapshot(path: Path, snapshot: Snapshot) -> int:
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
        raise _unwritable(cause if isinstance(cause, OSError) else OSError(errno.EIO, str(error))) from error
    return size


_NOT_KEPT = "Your strokes are not being kept against a crash: {}; save the mask now."


def _unwritable(error: OSError) -> UnwritableOutput:
    if error.errno in _FULL:
        return UnwritableOutput(_NOT_KEPT.format("the disk is full, free some space"))
    return UnwritableOutput(_NOT_KEPT.format(f"the journal cannot be written ({error.strerror or error})"))


# Reading


@dataclass(frozen=True, eq=False)
class Journaled:
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
    header: Header
    base: Base
    kept: tuple[Stroke, ...]
    ahead: tuple[Stroke, ...]
    entries: tuple[Entry, ...]
    end: int
    frames: int
    damage: str = ""

    @cached_property
    def stacks(self) -> tuple[tuple[Stroke, ...], tuple[Stroke, ...]]:
        """The strokes that can be undone (oldest first) and redone (next first) at the end of the journal."""
        return turned(self.entries, self.kept, self.ahead)

    @cached_property
    def since(self) -> SinceSaved:
        """The work since the mask was last saved to a file."""
        since = self.base.since
        for entry in self.entries:
            since = since.after(entry)
        return since

    @cached_property
    def activity(self) -> Activity:
        """Totals of all work on the case."""
        return activity(self.entries, self.base.activity)

    def base_mask(self) -> NDArray[np.uint8]:
        """Return the mask below the first stroke: (z, y, x) uint8, 0 or 1."""
        mask = np.zeros(self.header.identity.shape, np.uint8)
        self.base.mask.apply(mask)
        return mask

    def mask(self) -> NDArray[np.uint8]:
        """Return the mask after the last complete entry: (z, y, x) uint8, 0 or 1."""
        mask = self.base_mask()
        for stroke in self.stacks[0]:
            stroke.edit.apply(mask)
        return mask


def read_journal(path: Path) -> Journaled:
    """Read the journal at `path` up to its last complete frame.

    Raises:
        UnreadableInput: if the file cannot be read, is not a journal, or holds what no journal can.
    """
    frames, damage = _frames(path)
    try:
        header = header_of(frames[0])
        shape = header.identity.shape
        base = base_of(frames[1], shape)
        body = [(kind_of(frame), entry_of(frame, shape)) for frame in frames[2:]]
        kept, ahead = (_strokes(body, kind) for kind in ("kept", "ahead"))
        old = len(kept) + len(ahead)
        if any(kind in COMPACTED for kind, _ in body[old:]):
            raise UnreadableInput("its parts are in disorder")
        entries = tuple(entry for _, entry in body[old:])
        turned(entries, kept, ahead)
    except (UnreadableInput, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    words = "" if not damage else _damage(header, body)
    return Journaled(path, header, base, kept, ahead, entries, frames[-1].end, len(frames), words)


def _strokes(body: Iterable[tuple[str, Entry]], kind: str) -> tuple[Stroke, ...]:
    return tuple(entry for is_a, entry in body if is_a == kind and isinstance(entry, Stroke))


def _frames(path: Path, data: bool = True) -> tuple[list[Frame], bool]:
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
        raise _unreadable(path, error.strerror or str(error)) from error
    except UnreadableInput as error:
        raise _unreadable(path, str(error)) from error
    if len(frames) < 2:
        raise _unreadable(path, "its beginning is damaged")
    return frames, damaged


def _unreadable(path: Path, reason: str) -> UnreadableInput:
    return UnreadableInput(f"The journal {path.name} cannot be used: {reason}.")


def _damage(header: Header, body: Sequence[tuple[str, Entry]]) -> str:
    strokes = sum(isinstance(entry, Stroke) for _, entry in body)
    name = header.identity.name
    return f"The journal of {name} is damaged behind stroke {strokes}: what was drawn later is not in it."


# Which cases wait


@dataclass(frozen=True)
class Pending:
    """A journal with work that is in no saved file.

    Attributes:
        path: of the journal, for `Work.resume`.
        identity: the CT, and how to open it.
        when: time of the last entry, in seconds since the epoch.
        strokes: number of an annotator's strokes that are in no saved file.
        user: name of the annotator who made the last entry.
    """

    path: Path
    identity: Identity
    when: float
    strokes: int
    user: str


def pending(folder: Path) -> tuple[Pending, ...]:
    """Return the journals in `folder` with strokes that are in no saved file, the newest first.

    Voxels are not unpacked. Journals that a window has open, and files that cannot be read, are left out.
    """
    found = [_pending(path) for path in _journals(folder)]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: -one.when))


def _journals(folder: Path) -> list[Path]:
    found = (path for path in walk(folder).files if path.parent == folder and path.suffix == SUFFIX)
    return [path for path in found if not is_held(path.with_suffix(".lock"))]


def _pending(path: Path) -> Pending | None:
    """Return what is unsaved in the journal at `path`; None if that is nothing, or it cannot be read."""
    try:
        frames, _ = _frames(path, data=False)
        header, since = header_of(frames[0]), since_of(frames[1])
        outlines = [(kind_of(frame), outline_of(frame, header.identity.shape)) for frame in frames[2:]]
    except UnreadableInput:
        return None
    # Strokes that compaction wrote again are counted in the base.
    for kind, entry in outlines:
        since = since if kind in COMPACTED else since.after(entry)
    if not since.lost:
        return None
    last = outlines[-1][1] if outlines else None
    when, user = (header.made, "") if last is None else (last.when, last.user)
    return Pending(path, header.identity, when, abs(since.strokes), user)


def discard(path: Path) -> None:
    """Delete the journal at `path`, as the annotator decided; nothing happens if it does not exist.

    Raises:
        HeldElsewhere: if another window has the case open.
        UnwritableOutput: if it cannot be deleted.
    """
    lock = path.with_suffix(".lock")
    try:
        # The lock is taken first: a window may have opened the case in the meantime.
        held = hold(lock)
        path.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        held.release()
    except OSError as error:
        raise UnwritableOutput(f"{path.name} was not deleted ({error.strerror}).") from error


def prune(folder: Path, keep: int = KEEP_BYTES) -> None:
    """Delete the oldest journals in `folder` whose work is saved, as far as these exceed `keep` bytes."""
    files = [(path.stat(), path) for path in _journals(folder)]
    if sum(status.st_size for status, _ in files) <= keep:
        return
    # Journals with unsaved work are never deleted, whatever they take.
    waiting, total = {one.path for one in pending(folder)}, 0
    files = [(status, path) for status, path in files if path not in waiting]
    for status, path in sorted(files, key=lambda pair: -pair[0].st_mtime):
        total += status.st_size
        if total > keep:
            with suppress(UnwritableOutput, UnreadableInput):
                discard(path)


def set_aside(path: Path) -> Path:
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

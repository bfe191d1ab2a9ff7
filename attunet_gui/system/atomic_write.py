"""Atomic writing: a file is complete and verified, or the old one is unchanged."""

from __future__ import annotations

import errno
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from attunet_gui.system.displayable_text import displayable_errors
from attunet_gui.system.errors import UnreadableInput, UnwritableOutput
from attunet_gui.system.folders import list_folder

# What the operating system refuses -> the end of the sentence for the user, with what they can do about it.
_ADVICE_BY_ERRNO = {
    errno.ENOSPC: "the disk is full: free some space and save again",
    errno.EDQUOT: "your share of the disk is used up: free some space and save again",
    errno.EACCES: "you may not write in this folder: choose another",
    errno.EPERM: "you may not write in this folder: choose another",
    errno.EFBIG: "this disk cannot hold a file so large: choose another",
    errno.EROFS: "this disk can only be read: choose another folder",
    errno.ENOENT: "its folder does not exist: choose another or make it first",
    errno.ENOTDIR: "its folder is not a folder: choose another",
    errno.EISDIR: "a folder of that name is there: choose another name",
    errno.ENAMETOOLONG: "its name is too long: choose a shorter one",
}


# By these the files of a killed process are recognised; the leading dot hides them on every way in.
_TEMPORARY_PREFIX, _TEMPORARY_SUFFIX = ".attunet-", ".part"
# Where a lock cannot say whether a process is alive, a file that has not changed for a day is abandoned.
_DAY_S = 86400.0


@displayable_errors()
def write_atomically(path: Path, produce: Callable[[BinaryIO], None], verify: Callable[[Path], None]) -> None:
    """Write a temporary file next to `path`, verify it, and then rename it to `path`.

    Temporary files that a killed process left in the folder are removed.

    Args:
        path: the file to write; its folder must exist. A symbolic link stays, and its target is replaced.
        produce: writes the content to the binary stream it is given.
        verify: reads the temporary file whose path it is given; it raises `UnwritableOutput` if the content
            is not what was meant.

    Raises:
        UnwritableOutput: if the operating system refuses, or from `verify`. Whatever is raised, no temporary
            file stays behind, and a file that was at `path` is as before.
    """
    # Resolved, because a rename over a symbolic link would replace the link and leave its target as it was.
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f"{_TEMPORARY_PREFIX}{secrets.token_hex(6)}{_TEMPORARY_SUFFIX}")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        remove_stale_temporaries(target.parent)
        with _locked_temporary(temporary, _restricted_mode(target)):
            _write_and_sync(temporary, produce)
            verify(temporary)
            temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        reason = _ADVICE_BY_ERRNO.get(
            error.errno or 0, f"{error.strerror or error}: try again or choose another folder"
        )
        raise UnwritableOutput(f"{path.name} was not saved, {reason}.") from error
    finally:
        _remove_quietly(temporary)


def remove_stale_temporaries(folder: Path) -> None:
    """Remove the temporary files in `folder` whose process has ended; those of running processes stay."""
    with suppress(UnreadableInput):
        for left in list_folder(folder, hidden=True):
            if left.name.startswith(_TEMPORARY_PREFIX) and left.name.endswith(_TEMPORARY_SUFFIX):
                with suppress(OSError):
                    _remove_if_abandoned(left)


def _restricted_mode(target: Path) -> int:
    """Return the permission bits for the new file.

    No file may be open to more people than its folder, nor than the file it replaces.
    """
    rights = 0o666 & target.parent.stat().st_mode
    with suppress(OSError):
        rights &= target.stat().st_mode | 0o600
    return rights | 0o600


@contextmanager
def _locked_temporary(temporary: Path, rights: int) -> Iterator[None]:
    """Create the empty file `temporary` and keep it locked within the context."""
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rights)
    if sys.platform == "win32":  # there a file that somebody holds cannot be put in place
        os.close(handle)
        yield
        return
    import fcntl

    try:
        with suppress(OSError):  # some network disks know no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_if_abandoned(left: Path) -> None:
    """Remove the temporary file `left` if no process holds its lock.

    Where the file system does not support locks nothing is removed: the file may be in use.
    """
    if sys.platform == "win32":
        if time.time() - left.stat().st_mtime > _DAY_S:
            left.unlink()
        return
    import fcntl

    handle = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(handle)
            # Another process makes its file first and locks it then: an empty one may be of this instant.
            if status.st_size or time.time() - status.st_mtime > _DAY_S:
                left.unlink()
    finally:
        os.close(handle)


def _write_and_sync(temporary: Path, produce: Callable[[BinaryIO], None]) -> None:
    """Let `produce` write the file, sync it, and drop it from the cache of the system."""
    with temporary.open("r+b") as file:
        produce(file)
        file.flush()
        os.fsync(file.fileno())
        # Verifying must read the disk, not the copy that the system still has in memory.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folder(folder: Path) -> None:
    # Network disks may refuse to sync a folder; the file itself is safe by now.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_quietly(temporary: Path) -> None:
    # A failing disk may refuse this as well; the reason already on its way matters more.
    with suppress(OSError):
        temporary.unlink(missing_ok=True)

"""A lock on a file, which the operating system releases when the process ends in any way."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

from attunet_gui.system.errors import AttunetError

# `is_locked` takes the lock for an instant, which must not pass for another window: so there are several
# tries.
_TRIES, _WAIT_S = 10, 0.02

# What flock on Unix and msvcrt.locking on Windows raise if somebody else has the lock.
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


class LockHeldElsewhere(AttunetError):
    """Another window, or another part of this one, holds the lock."""


class FileLock:
    """A lock that this process holds until `release`, or until it ends."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def acquire_file_lock(path: Path) -> FileLock:
    """Take the lock on the file `path`, which is created if it does not exist.

    Raises:
        LockHeldElsewhere: if another window, or another part of this one, holds it.
        OSError: if the file cannot be created.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for attempt in range(_TRIES):
        if _try_lock(handle):
            return FileLock(handle)
        if attempt + 1 < _TRIES:
            time.sleep(_WAIT_S)
    os.close(handle)
    raise LockHeldElsewhere("This case is open in another window; go on there, or close it there first.")


def is_locked(path: Path) -> bool:
    """Whether any process, this one included, holds the lock on the file `path`; the file is not created."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(handle, shared=True)
    finally:
        os.close(handle)


def _try_lock(handle: int, shared: bool = False) -> bool:
    """Try to take the lock, and return whether this process has it now.

    Some network file systems do not support locks. Then nobody can hold one, and it counts as taken by us.
    """
    try:
        _lock_handle(handle, shared)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _lock_handle(handle: int, shared: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

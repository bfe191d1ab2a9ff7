"""One window at a time: a lock that the system takes away from a process that dies."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

from attunet_gui.core.errors import AttunetError

_TRIES, _WAIT_S = 10, 0.02
"""Whoever only looks holds a lock for an instant; that must not pass for another window."""

_TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


class HeldElsewhere(AttunetError):
    """Another window works on it."""


class Hold:
    """A lock that is ours until `release`, or until this process ends."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        """Let go; does nothing the second time."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def hold(path: Path) -> Hold:
    """Take the lock file `path`, which is made if it is not there.

    Raises:
        HeldElsewhere: if another window, or another part of this one, has it.
        OSError: if the file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for attempt in range(_TRIES):
        if _try(handle):
            return Hold(handle)
        if attempt + 1 < _TRIES:
            time.sleep(_WAIT_S)
    os.close(handle)
    raise HeldElsewhere("This case is open in another window; go on there, or close it there first.")


def is_held(path: Path) -> bool:
    """Whether somebody has the lock file `path`."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try(handle, shared=True)
    finally:
        os.close(handle)


def _try(handle: int, shared: bool = False) -> bool:
    """Whether the lock is ours now. Some network disks know no locks: then nobody else can have it."""
    try:
        _lock(handle, shared)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _lock(handle: int, shared: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

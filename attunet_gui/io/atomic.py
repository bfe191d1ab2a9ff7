"""All or nothing on disk: a file is there complete and checked, or the old one is untouched."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from attunet_gui.core.errors import UnwritableOutput

_REASONS = {
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


def write_atomically(path: Path, produce: Callable[[BinaryIO], None], verify: Callable[[Path], None]) -> None:
    """Let `produce` write a temporary file next to `path`, let `verify` re-read it, then put it in place.

    Args:
        path: where the file shall be; its folder must exist.
        produce: writes the content to the stream.
        verify: reads the temporary file; raises UnwritableOutput if it is not what was meant.

    Raises:
        UnwritableOutput: if anything fails. Whatever is raised, no temporary file stays behind and a file
            that was at `path` is as before.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".attunet-{secrets.token_hex(6)}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        _write(temporary, produce)
        verify(temporary)
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        reason = _REASONS.get(
            error.errno or 0, f"{error.strerror or error}: try again or choose another folder"
        )
        raise UnwritableOutput(f"{path.name} was not saved, {reason}.") from error
    finally:
        _remove(temporary)


def _write(temporary: Path, produce: Callable[[BinaryIO], None]) -> None:
    with temporary.open("xb") as file:
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


def _remove(temporary: Path) -> None:
    # A failing disk may refuse this as well; the reason already on its way matters more.
    with suppress(OSError):
        temporary.unlink(missing_ok=True)

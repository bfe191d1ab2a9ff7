"""What lies in a folder, and what of it could not be looked at. Every walk over a folder is here.

`Path.rglob` and `Path.glob` pass over a folder that they may not enter, and `Path.is_file` says no of a link
that leads nowhere: half of a CT would be missing without a word.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from attunet_gui.core.errors import UnreadableInput

_SYSTEM_NAMES = (
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "lost+found", "$recycle.bin"),
    "system volume information",
)


@dataclass(frozen=True)
class Unread:
    """A file or folder that is there and could not be read.

    Attributes:
        path: which.
        reason: the operating system's.
        is_file: false for what is a folder, or may be one.
    """

    path: Path
    reason: str
    is_file: bool = False

    @property
    def refusal(self) -> UnreadableInput:
        """What may be incomplete for want of it is refused so."""
        return UnreadableInput(
            f"{self.path.name} could not be read, {self.reason}, so images may be missing: ask for access to "
            "it, or take it out."
        )


@dataclass(frozen=True)
class Walked:
    """What is below a folder.

    Attributes:
        files: every file, sorted.
        unread: folders that could not be entered and links that lead nowhere, sorted.
    """

    files: tuple[Path, ...]
    unread: tuple[Unread, ...]

    def whole(self) -> tuple[Path, ...]:
        """`files`, if nothing is unread.

        Raises:
            UnreadableInput: naming the first that is.
        """
        for each in self.unread:
            raise each.refusal
        return self.files


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is the system's own: `.DS_Store`, `._im1`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def walk(folder: Path, *, hidden: bool = False) -> Walked:
    """Every file in `folder` and below it; links are followed, each folder is entered once.

    Pipes, sockets and devices are no files. A folder that is not there has none.

    Args:
        folder: where to begin; it may be hidden itself.
        hidden: with what `is_hidden`.
    """
    found = _Search(hidden)
    found.enter(folder)
    return Walked(tuple(sorted(found.files)), tuple(sorted(found.unread, key=lambda each: each.path)))


def listed(folder: Path, *, hidden: bool = False) -> list[Path]:
    """Files and folders directly in `folder`, sorted; none if it is not there.

    Raises:
        UnreadableInput: if it cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if hidden or not is_hidden(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UnreadableInput(
            f"{folder} could not be read, {reason_of(error)}: ask for access to it."
        ) from error


def beside(path: Path) -> Walked:
    """The files in the folder of the file `path`, and `path` itself even where it is hidden.

    Raises:
        UnreadableInput: if the folder cannot be read.
    """
    search = _Search(hidden=False)
    for each in {*listed(path.parent), path}:
        search.meet(each, follow=False)
    return Walked(tuple(sorted(search.files)), tuple(sorted(search.unread, key=lambda each: each.path)))


def reason_of(error: OSError) -> str:
    """The operating system's words for `error`."""
    if error.errno == errno.ENOENT:
        return "it leads nowhere"
    return error.strerror or type(error).__name__


class _Search:
    """Walks; folders that are only linked to are entered last, so that a place is known by its own name."""

    def __init__(self, hidden: bool) -> None:
        self.files: list[Path] = []
        self.unread: list[Unread] = []
        self._hidden = hidden
        self._entered: set[tuple[int, int]] = set()
        self._above: set[tuple[int, int]] = set()
        self._folders: list[Path] = []
        self._linked: list[Path] = []

    def enter(self, folder: Path) -> None:
        if _is_gone(folder):
            return
        self._above = set(_identities(folder))
        self._folders = [folder]
        while self._folders or self._linked:
            here = self._folders.pop() if self._folders else self._linked.pop(0)
            try:
                self._list(here)
            except OSError as error:
                self.unread.append(Unread(here, reason_of(error)))

    def _list(self, folder: Path) -> None:
        found = folder.stat()
        if (found.st_dev, found.st_ino) in self._entered:
            return
        self._entered.add((found.st_dev, found.st_ino))
        inside = sorted(folder.iterdir())
        if inside and not os.access(folder, os.X_OK):
            # Its names may be listed, but of none it is told what it is.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        for path in inside:
            if self._hidden or not is_hidden(path.name):
                self.meet(path, follow=True)

    def meet(self, path: Path, *, follow: bool) -> None:
        """Take `path` for what it is; folders only where they are followed."""
        try:
            found = path.stat()
            if S_ISREG(found.st_mode):
                self.files.append(path)
            elif S_ISDIR(found.st_mode) and follow and (found.st_dev, found.st_ino) not in self._above:
                (self._linked if path.is_symlink() else self._folders).append(path)
        except OSError as error:
            # What is gone since the folder was listed is no part of it any more.
            if not _is_gone(path):
                self.unread.append(Unread(path, reason_of(error)))


def _is_gone(path: Path) -> bool:
    """Whether nothing is at `path`; no where that is not told, as within a folder that may only be listed."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _identities(folder: Path) -> Iterator[tuple[int, int]]:
    """Of the folders above `folder`: a link to one of them leads out of what was asked for."""
    for above in folder.resolve().parents:
        try:
            found = above.stat()
        except OSError:
            continue
        yield found.st_dev, found.st_ino

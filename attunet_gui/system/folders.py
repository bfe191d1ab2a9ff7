"""Listing of folders, with what could not be read. Every walk over a folder in this product uses this module.

`Path.rglob` and `Path.glob` silently skip a folder that they may not enter, and `Path.is_file` returns false
for a link that leads nowhere. Half of a CT could be missing without a message.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from attunet_gui.system.errors import UnreadableInput

# Files and folders that Windows, macOS and Linux add to folders and volumes by themselves.
_SYSTEM_NAMES = (
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "lost+found", "$recycle.bin"),
    "system volume information",
)


@dataclass(frozen=True)
class UnreadPath:
    """A file or folder that exists and could not be read.

    Attributes:
        path: the file or folder.
        reason: the message of the operating system.
        is_file: whether it is known to be a file.
    """

    path: Path
    reason: str
    is_file: bool = False

    @property
    def as_unreadable_input(self) -> UnreadableInput:
        """The error with which input is refused that may be incomplete because of this."""
        return UnreadableInput(
            f"{self.path.name} could not be read, {self.reason}, so images may be missing: ask for access to "
            "it, or take it out."
        )


@dataclass(frozen=True)
class FolderContents:
    """The content of a folder.

    Attributes:
        files: the files, sorted.
        unread: folders that could not be entered and links that lead nowhere, sorted.
        hidden: hidden files that are left out of `files`, sorted; hidden folders are not looked into.
    """

    files: tuple[Path, ...]
    unread: tuple[UnreadPath, ...]
    hidden: tuple[Path, ...] = ()

    def complete_files(self) -> tuple[Path, ...]:
        """Return `files` if everything could be read.

        Raises:
            UnreadableInput: if something could not; the message names the first.
        """
        for each in self.unread:
            raise each.as_unreadable_input
        return self.files


def is_hidden_name(name: str) -> bool:
    """Return whether a name is that of a hidden or system file: `.DS_Store`, `._im1`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def walk_folder(folder: Path, *, hidden: bool = False) -> FolderContents:
    """List every file in `folder` and below it. Links are followed, and each folder is entered once.

    Pipes, sockets and devices are left out. A folder that does not exist has no files.

    Args:
        folder: where to begin; it may be hidden itself.
        hidden: whether to include hidden files and folders.
    """
    found = _FolderWalk(hidden)
    found.walk_from(folder)
    return found.contents()


def list_folder(folder: Path, *, hidden: bool = False) -> list[Path]:
    """Return the files and folders directly in `folder`, sorted; empty if it does not exist.

    Raises:
        UnreadableInput: if the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if hidden or not is_hidden_name(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UnreadableInput(
            f"{folder} could not be read, {os_error_reason(error)}: ask for access to it."
        ) from error


def files_beside(path: Path) -> FolderContents:
    """Return the files in the folder of the file `path`, including `path` itself even if it is hidden.

    Raises:
        UnreadableInput: if the folder cannot be read.
    """
    search = _FolderWalk(hidden=False)
    for each in {*list_folder(path.parent, hidden=True), path}:
        if each == path or not is_hidden_name(each.name):
            search.add_path(each, follow=False)
        else:
            search.add_hidden(each)
    return search.contents()


def os_error_reason(error: OSError) -> str:
    """Return the message of the operating system for `error`."""
    # The only path that is listed and then not found is a link without a target.
    if error.errno == errno.ENOENT:
        return "it leads nowhere"
    return error.strerror or type(error).__name__


class _FolderWalk:
    """A walk over folders. Linked folders are entered last, so that files are listed under their own path."""

    def __init__(self, hidden: bool) -> None:
        self.files: list[Path] = []
        self.unread: list[UnreadPath] = []
        self._hidden_files: list[Path] = []
        self._hidden = hidden
        self._entered: set[tuple[int, int]] = set()
        self._above: set[tuple[int, int]] = set()
        self._folders: list[Path] = []
        self._linked: list[Path] = []

    def contents(self) -> FolderContents:
        """Return what was found."""
        unread = sorted(self.unread, key=lambda each: each.path)
        return FolderContents(tuple(sorted(self.files)), tuple(unread), tuple(sorted(self._hidden_files)))

    def walk_from(self, folder: Path) -> None:
        if _is_gone(folder):
            return
        self._above = set(_ancestor_ids(folder))
        self._folders = [folder]
        while self._folders or self._linked:
            here = self._folders.pop() if self._folders else self._linked.pop(0)
            try:
                self._visit_folder(here)
            except OSError as error:
                self.unread.append(UnreadPath(here, os_error_reason(error)))

    def _visit_folder(self, folder: Path) -> None:
        found = folder.stat()
        # Device and inode identify a folder whatever path leads to it, so links in a circle end here.
        if (found.st_dev, found.st_ino) in self._entered:
            return
        self._entered.add((found.st_dev, found.st_ino))
        inside = sorted(folder.iterdir())
        if inside and not os.access(folder, os.X_OK):
            # Its names may be listed, but of none it is told what it is.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        for path in inside:
            if self._hidden or not is_hidden_name(path.name):
                self.add_path(path, follow=True)
            else:
                self.add_hidden(path)

    def add_hidden(self, path: Path) -> None:
        """Add a hidden `path` to those that are left out if it is a file."""
        with suppress(OSError):
            if S_ISREG(path.stat().st_mode):
                self._hidden_files.append(path)

    def add_path(self, path: Path, *, follow: bool) -> None:
        """Add `path` to the files or, if `follow` is set, to the folders that are still to be entered."""
        try:
            found = path.stat()
            if S_ISREG(found.st_mode):
                self.files.append(path)
            elif S_ISDIR(found.st_mode) and follow and (found.st_dev, found.st_ino) not in self._above:
                (self._linked if path.is_symlink() else self._folders).append(path)
        except OSError as error:
            # A file that was deleted after the folder was listed is no part of it any more.
            if not _is_gone(path):
                self.unread.append(UnreadPath(path, os_error_reason(error)))


def _is_gone(path: Path) -> bool:
    """Whether nothing is at `path`; no where that is not told, as within a folder that may only be listed."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _ancestor_ids(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield device and inode of each folder above `folder`."""
    # A link to one of them leads out of the folder that was asked for, and is not followed.
    for above in folder.resolve().parents:
        try:
            found = above.stat()
        except OSError:
            continue
        yield found.st_dev, found.st_ino

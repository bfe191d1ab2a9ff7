"""Names in any alphabet, and what may lie where a file is expected."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.fuzzing.made import Rng, pick

NAMES = (
    *(b"ct", b"c t", b"\xc3\xa4\xc3\xb6", "肝臓".encode(), "كبد".encode(), "😀".encode(), b"\xff\xfe\x80"),
    *(b"two\nlines", b"tab\there", b"bell\x07", "\u202egnp".encode(), b"-rf", b"%s%n{0}", b"a" * 200),
    *("é".encode("latin-1"), "肝".encode("shift-jis"), b"'quoted\"", b".hidden", b"trailing. ", b"ct.old"),
)
"""Without ending; bytes, because file systems keep whatever they are given."""


def named(folder: Path, stem: bytes, ending: str) -> Path:
    """A path in `folder`."""
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + stem + ending.encode()))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"\0" * 400)


def _empty_folder(path: Path) -> None:
    path.mkdir()


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _random(path: Path) -> None:
    path.symlink_to("/dev/urandom")


def _socket(path: Path) -> None:
    # A name that does not fit a socket's address becomes an empty file.
    with socket.socket(socket.AF_UNIX) as listening, suppress(OSError, ValueError):
        listening.bind(os.fsencode(path))
        return
    path.touch()


def _link_to_parent(path: Path) -> None:
    path.symlink_to(path.parent, target_is_directory=True)


def _empty(path: Path) -> None:
    path.touch()


IN_PLACE: dict[str, Callable[[Path], None]] = {
    "FIFO": _fifo,
    "folder of rubbish": _folder,
    "empty folder": _empty_folder,
    "link to nothing": _dangling,
    "link to itself": _loop,
    "link to endless zeros": _endless,
    "link to endless noise": _random,
    "socket": _socket,
    "link to its folder": _link_to_parent,
    "empty file": _empty,
}
"""What can be put where a file is expected."""


def put_in_place(path: Path, rng: Rng) -> str:
    """Replace what is at `path` by something that is no ordinary file; its name."""
    path.unlink(missing_ok=True)
    name = pick(rng, tuple(IN_PLACE))
    IN_PLACE[name](path)
    return name

"""Work done by an account that the rights of files hold back; tests may run as root, whom they do not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

T = TypeVar("T")
_NOBODY = 65534
_SECONDS = 60


def as_nobody(work: Callable[[], T]) -> T:
    """What `work` returns, or raises, done without the rights of root; in a fork where this is root."""
    if os.geteuid() != 0:
        return work()
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_without_rights, args=(there, work))
    process.start()
    there.close()
    assert here.poll(_SECONDS), "the other account did not answer"
    done, found = here.recv()
    process.join()
    if not done:
        raise found
    return found  # type: ignore[no-any-return]


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike those of pytest."""
    folder = Path(mkdtemp(prefix="attunet-rights-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def closed(modes: Iterable[tuple[Path, int]]) -> Iterator[None]:
    """Files and folders have these modes for as long as this lasts; what is deeper comes first."""
    former = []
    try:
        for path, mode in modes:
            former.append((path, path.stat().st_mode & 0o777))
            path.chmod(mode)
        yield
    finally:
        for path, mode in reversed(former):
            path.chmod(mode)


def _without_rights(pipe: Connection, work: Callable[[], object]) -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
    try:
        pipe.send((True, work()))
    except Exception as error:
        pipe.send((False, error))

"""A pool of processes that shares work out to all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from attunet_gui.system.progress import ProgressCallback

T = TypeVar("T")
R = TypeVar("R")


def map_in_processes(
    work: Callable[[T], R], items: Sequence[T], stage: str, progress: ProgressCallback
) -> tuple[R, ...]:
    """Return `work(item)` for each item, in order, computed in one process for each core.

    Args:
        work: an importable function.
        items: its arguments; they and the results are pickled.
        stage: name of the stage, for `progress`.
        progress: called after each result; it may raise `WorkCancelled`.
    """
    done: list[R] = []
    # Spawned, not forked: a fork of a process with threads, as numerical libraries have, may hang.
    with _single_threaded_processes(), get_context("spawn").Pool(os.cpu_count()) as pool:
        for result in pool.imap(work, items):
            done.append(result)
            progress(len(done), len(items), stage)
    return tuple(done)


@contextmanager
def _single_threaded_processes() -> Iterator[None]:
    """Have processes that start within the context compute in one thread each, as there is one process for
    each core.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    # The libraries read these variables only once, when they are loaded by the child.
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

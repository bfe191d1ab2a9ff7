"""Work shared out to child processes, one a core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from attunet_gui.core.progress import Progress

T = TypeVar("T")
R = TypeVar("R")


def in_children(work: Callable[[T], R], items: Sequence[T], stage: str, progress: Progress) -> tuple[R, ...]:
    """`work(item)` for each item, in order. `work` must be importable and what it takes picklable."""
    done: list[R] = []
    with _single_threaded_children(), get_context("spawn").Pool(os.cpu_count()) as pool:
        for result in pool.imap(work, items):
            done.append(result)
            progress(len(done), len(items), stage)
    return tuple(done)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Children read this when they start: one thread each, since there is one child a core."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
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

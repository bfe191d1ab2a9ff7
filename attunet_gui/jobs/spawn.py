"""Spawning child processes that do not run the main script of the program that started them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TELLS = ("__spec__", "__file__")
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def without_main() -> Iterator[None]:
    """Keep a child process that is spawned within the context from running this process's main module again.

    Python has a spawned child execute the main script once more, under another name. A script that opens
    napari without asking for its name, as scripts and notebooks of napari do, would open a second window in
    the child and never get to the work. Nothing of ours that is sent to a child is defined in a main module.
    """
    main = sys.modules["__main__"]
    # Two threads that spawn at once would otherwise restore each other's changes of the main module.
    with _ONE_AT_A_TIME:
        kept = {name: getattr(main, name) for name in _TELLS if hasattr(main, name)}
        try:
            # multiprocessing reads `__spec__` and, if that is None, `__file__` to find out what the child has
            # to run.
            main.__spec__ = None
            if "__file__" in kept:
                del main.__file__
            yield
        finally:
            for name, value in kept.items():
                setattr(main, name, value)

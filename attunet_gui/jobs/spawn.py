"""Child processes that know nothing of the program that started them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TELLS = ("__spec__", "__file__")
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def without_main() -> Iterator[None]:
    """While it lasts, a child that is spawned does not run the main module of this process again.

    Python has a spawned child execute the main script once more, under another name. One that opens napari
    without asking for its name, as scripts and notebooks of napari do, would open a second window in the
    child and never get to the work. Nothing of ours that travels to a child is defined in a main module.
    """
    main = sys.modules["__main__"]
    with _ONE_AT_A_TIME:
        kept = {name: getattr(main, name) for name in _TELLS if hasattr(main, name)}
        try:
            main.__spec__ = None
            if "__file__" in kept:
                del main.__file__
            yield
        finally:
            for name, value in kept.items():
                setattr(main, name, value)

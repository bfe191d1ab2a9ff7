"""Messages through a pipe, with large arrays sent beside the pickled message, so that no copy is made to pack
them.

Arrays that arrive are read-only.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_MAIN_ATTRIBUTES = ("__spec__", "__file__")
_SPAWN_LOCK = threading.Lock()


@contextmanager
def hide_main_module() -> Iterator[None]:
    """Keep a child process that is spawned within the context from running this process's main module again.

    Python has a spawned child execute the main script once more, under another name. A script that opens
    napari without asking for its name, as scripts and notebooks of napari do, would open a second window in
    the child and never get to the work. Nothing of ours that is sent to a child is defined in a main module.
    """
    main = sys.modules["__main__"]
    # Two threads that spawn at once would otherwise restore each other's changes of the main module.
    with _SPAWN_LOCK:
        kept = {name: getattr(main, name) for name in _MAIN_ATTRIBUTES if hasattr(main, name)}
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


def send_message(pipe: Connection, message: object) -> None:
    """Send `message`; blocks until the other side has taken it."""
    arrays: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    # The number of arrays comes first, so that the receiver knows how many to wait for.
    pipe.send_bytes(len(arrays).to_bytes(4, "big") + packed)
    for array in arrays:
        pipe.send_bytes(array.raw())


def receive_message(pipe: Connection) -> Any:
    """Wait for the next message and return it.

    Raises:
        EOFError: the other side is gone.
    """
    packed = memoryview(pipe.recv_bytes())
    arrays = [pipe.recv_bytes() for _ in range(int.from_bytes(packed[:4], "big"))]
    return pickle.loads(packed[4:], buffers=arrays)  # noqa: S301  # from our own child or parent

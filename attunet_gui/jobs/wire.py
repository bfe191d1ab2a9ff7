"""Messages through a pipe, with large arrays sent beside the pickled message, so that no copy is made to pack
them.

Arrays that arrive are read-only.
"""

from __future__ import annotations

import pickle
from multiprocessing.connection import Connection
from typing import Any


def send(pipe: Connection, message: object) -> None:
    """Send `message`; blocks until the other side has taken it."""
    arrays: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    # The number of arrays comes first, so that the receiver knows how many to wait for.
    pipe.send_bytes(len(arrays).to_bytes(4, "big") + packed)
    for array in arrays:
        pipe.send_bytes(array.raw())


def receive(pipe: Connection) -> Any:
    """Wait for the next message and return it.

    Raises:
        EOFError: the other side is gone.
    """
    packed = memoryview(pipe.recv_bytes())
    arrays = [pipe.recv_bytes() for _ in range(int.from_bytes(packed[:4], "big"))]
    return pickle.loads(packed[4:], buffers=arrays)  # noqa: S301  # from our own child or parent

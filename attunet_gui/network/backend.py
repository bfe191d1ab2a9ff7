"""TensorFlow and Keras, imported in this one place, with their start-up chatter held back.

TensorFlow's C++ library writes to the terminal before any log level applies. A user who asked for a mask,
or reads one sentence about an error, should not have to look for it between those lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere; errors of the import itself come as exceptions all the same."""
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silent_stderr():
    import keras
    import tensorflow as tf

    # The library says the rest at its first operation.
    tf.constant(0.0) + 1.0

__all__ = ["keras", "tf"]

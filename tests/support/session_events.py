"""Waiting for what a session of the window delivers, in a test without Qt."""

from __future__ import annotations

import time
from collections.abc import Callable

import psygnal


def wait_until(reached: Callable[[], object], seconds: float = 20) -> None:
    """Deliver what waits in psygnal's queue until `reached` is true."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not come to that"
        psygnal.emit_queued()
        time.sleep(0.002)

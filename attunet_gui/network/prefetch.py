"""Batches drawn by a thread while the network computes, and how long the network waited for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Full, Queue
from threading import Event, Thread
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")
_DEPTH = 4
_POLL_S = 0.1


class Ahead(Generic[T]):
    """Takes what a thread has made, in order.

    Attributes:
        waited: seconds spent waiting in `take`.
    """

    def __init__(self) -> None:
        self.waited = 0.0
        self._queue: Queue[T | Exception] = Queue(_DEPTH)
        self._stop = Event()

    def take(self) -> T:
        """The next one; raises what making it raised."""
        started = perf_counter()
        made = self._queue.get()
        self.waited += perf_counter() - started
        if isinstance(made, Exception):
            raise made
        return made

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()

    def fill(self, make: Callable[[int], T], numbers: Iterable[int]) -> None:
        """Make one for each of `numbers` until told to stop."""
        for number in numbers:
            try:
                made: T | Exception = make(number)
            except Exception as error:
                made = error
            if not self._put(made) or isinstance(made, Exception):
                return

    def _put(self, made: T | Exception) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(made, timeout=_POLL_S)
                return True
            except Full:
                continue
        return False


@contextmanager
def made_ahead(make: Callable[[int], T], numbers: Iterable[int]) -> Iterator[Ahead[T]]:
    """`make(number)` for each of `numbers`, a few ahead of who takes them."""
    ahead: Ahead[T] = Ahead()
    thread = Thread(target=ahead.fill, args=(make, numbers), daemon=True)
    thread.start()
    try:
        yield ahead
    finally:
        ahead.stop()
        thread.join()

"""Batches that a thread prepares while the network computes, and the time the network waited for them."""

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
    """A bounded queue of items that a thread makes, taken in order.

    Attributes:
        waited: seconds spent waiting in `take_next`.
    """

    def __init__(self) -> None:
        self.waited = 0.0
        self._queue: Queue[T | Exception] = Queue(_DEPTH)
        self._stop = Event()

    def take(self) -> T:
        """Return the next item; an exception from making it is raised here."""
        started = perf_counter()
        made = self._queue.get()
        self.waited += perf_counter() - started
        if isinstance(made, Exception):
            raise made
        return made

    def stop(self) -> None:
        """Tell the thread to end."""
        self._stop.set()

    def fill(self, make: Callable[[int], T], numbers: Iterable[int]) -> None:
        """Make an item for each of `numbers` until `stop_filling` is called or making one fails."""
        for number in numbers:
            try:
                made: T | Exception = make(number)
            except Exception as error:
                made = error
            if not self._put(made) or isinstance(made, Exception):
                return

    def _put(self, made: T | Exception) -> bool:
        """Put `made` into the queue; return False if the queue was stopped before there was room."""
        while not self._stop.is_set():
            try:
                # With a timeout, or a thread whose queue nobody empties any more would never end.
                self._queue.put(made, timeout=_POLL_S)
                return True
            except Full:
                continue
        return False


@contextmanager
def made_ahead(make: Callable[[int], T], numbers: Iterable[int]) -> Iterator[Ahead[T]]:
    """Make `make(number)` for each of `numbers` in a thread, a few ahead of the caller, while the context
    lasts.
    """
    ahead: Ahead[T] = Ahead()
    thread = Thread(target=ahead.fill, args=(make, numbers), daemon=True)
    thread.start()
    try:
        yield ahead
    finally:
        ahead.stop()
        thread.join()

"""Batches that a thread prepares while the network computes, and the time the network waited for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Full, Queue
from threading import Event, Thread
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")
_QUEUE_DEPTH = 4
_POLL_INTERVAL_S = 0.1


class PrefetchQueue(Generic[T]):
    """A bounded queue of items that a thread makes, taken in order.

    Attributes:
        waited: seconds spent waiting in `take_next`.
    """

    def __init__(self) -> None:
        self.waited = 0.0
        self._queue: Queue[T | Exception] = Queue(_QUEUE_DEPTH)
        self._stop = Event()

    def take_next(self) -> T:
        """Return the next item; an exception from making it is raised here."""
        started = perf_counter()
        made = self._queue.get()
        self.waited += perf_counter() - started
        if isinstance(made, Exception):
            raise made
        return made

    def stop_filling(self) -> None:
        """Tell the thread to end."""
        self._stop.set()

    def fill_queue(self, make: Callable[[int], T], numbers: Iterable[int]) -> None:
        """Make an item for each of `numbers` until `stop_filling` is called or making one fails."""
        for number in numbers:
            try:
                made: T | Exception = make(number)
            except Exception as error:
                made = error
            if not self._put_item(made) or isinstance(made, Exception):
                return

    def _put_item(self, made: T | Exception) -> bool:
        """Put `made` into the queue; return False if the queue was stopped before there was room."""
        while not self._stop.is_set():
            try:
                # With a timeout, or a thread whose queue nobody empties any more would never end.
                self._queue.put(made, timeout=_POLL_INTERVAL_S)
                return True
            except Full:
                continue
        return False


@contextmanager
def prefetch_items(make: Callable[[int], T], numbers: Iterable[int]) -> Iterator[PrefetchQueue[T]]:
    """Make `make(number)` for each of `numbers` in a thread, a few ahead of the caller, while the context
    lasts.
    """
    ahead: PrefetchQueue[T] = PrefetchQueue()
    thread = Thread(target=ahead.fill_queue, args=(make, numbers), daemon=True)
    thread.start()
    try:
        yield ahead
    finally:
        ahead.stop_filling()
        thread.join()

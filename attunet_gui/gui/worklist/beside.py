"""Threads beside the window. What they make comes home to the thread of the window."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from qtpy.QtCore import QObject

from attunet_gui.core.errors import AttunetError, Cancelled
from attunet_gui.gui.qt import Signal

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


def sentence_of(error: Exception, doing: str) -> str:
    """What to tell a person of `error`; what nobody expected is logged."""
    if isinstance(error, AttunetError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"There was not enough memory while {doing}; close other programs and try again."
    _LOG.error(doing, exc_info=error)
    return f"An unexpected {type(error).__name__} came up while {doing}; try again."


class Beside(QObject):
    """One thread that does what it is asked, in turn.

    Args:
        name: of the thread.
        problem: told in the window's thread, in one sentence, where something failed.
    """

    _came_home = Signal(object)

    def __init__(self, name: str, problem: Callable[[str], None]) -> None:
        super().__init__()
        self._thread = ThreadPoolExecutor(1, name)
        self._problem = problem
        self._over = False
        self._came_home.connect(self._settle)

    def ask(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Do `work`; then `then` with its result, or `failed` with a sentence, in the window's thread."""
        self._thread.submit(self._run, work, then, failed or self._problem)

    def _run(self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[str], None]) -> None:
        try:
            home: Callable[[], None] = partial(then, work())
        except Cancelled:
            return
        except Exception as error:
            home = partial(failed, sentence_of(error, "working on the project"))
        self._came_home.emit(home)

    def _settle(self, home: Callable[[], None]) -> None:
        if not self._over:
            home()

    def end(self) -> None:
        """Finish what was asked for; nothing comes home any more."""
        self._over = True
        self._thread.shutdown(wait=True)


class Newest(QObject):
    """Makes what was asked for last first; what too much was asked for after is forgotten, and asked again.

    Args:
        name: of the thread.
        make: (key) -> value, in that thread; None, or an error, gives nothing.
        most: how many may wait.

    Signals:
        made(generation, key, value): in the window's thread; of the generation in which it was asked for.
    """

    made = Signal(int, object, object)
    _came_home = Signal(int, object, object)

    def __init__(self, name: str, make: Callable[[Any], Any], most: int) -> None:
        super().__init__()
        self._thread = ThreadPoolExecutor(1, name)
        self._make, self._lock = make, Lock()
        self._waiting: deque[Any] = deque(maxlen=most)
        self._now: Any = None
        self.generation = 0
        self._came_home.connect(self.made)

    def ask(self, key: Any) -> None:
        """Make the value of `key`, unless it waits or is being made."""
        with self._lock:
            if key == self._now or key in self._waiting:
                return
            self._waiting.append(key)
        self._thread.submit(self._next)

    def forget(self) -> None:
        """Drop what waits; what is being made carries the generation that is over now."""
        with self._lock:
            self._waiting.clear()
            self._now = None
            self.generation += 1

    def _next(self) -> None:
        with self._lock:
            if not self._waiting:
                return
            key = self._now = self._waiting.pop()
            generation = self.generation
        value = self._made(key)
        with self._lock:
            if generation == self.generation:
                self._now = None
        if value is not None:
            self._came_home.emit(generation, key, value)

    def _made(self, key: Any) -> Any:
        try:
            return self._make(key)
        except AttunetError:
            return None
        except Exception:
            _LOG.exception("looking something up for the list")
            return None

    def end(self) -> None:
        """Stop for good."""
        self.forget()
        self._thread.shutdown(wait=True, cancel_futures=True)

"""Background threads whose results are delivered in the thread that owns them; knows no Qt.

An executor runs work one piece at a time on one thread of its own. What the work returns, raises or reports
is handed to a `Deliver` function, which calls it later in the owner's thread: `PsygnalDelivery` through
psygnal's queue, `gui.qt_executor.QtDelivery` through Qt's. Cancelling and closing belong to the owner's
thread as well, and are looked at again at delivery: nothing that was cancelled or closed meanwhile arrives.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock
from typing import Generic, TypeVar

from psygnal import Signal

from attunet_gui.system.errors import AttunetError, WorkCancelled

K = TypeVar("K")
T = TypeVar("T")
Failed = Callable[[Exception], None]
Deliver = Callable[[Callable[[], None]], None]
"""Has its argument called in the owner's thread, in the order of the calls; may be called in any thread."""

_LOG = logging.getLogger(__name__)


class PsygnalDelivery:
    """A `Deliver` for the thread that makes it; `psygnal.emit_queued` there calls what was handed over."""

    _result_ready = Signal(object)

    def __init__(self) -> None:
        self._result_ready.connect(self._call, thread="current")

    def __call__(self, deliver: Callable[[], None]) -> None:
        """Have `deliver` called; at once if this is the owner's thread already."""
        self._result_ready.emit(deliver)

    def _call(self, deliver: Callable[[], None]) -> None:
        deliver()


class Task(Generic[T]):
    """Work that was submitted to an executor. All methods may be called in any thread.

    Attributes:
        stop_requested: set once the work shall end; its next progress report raises `WorkCancelled` then.
    """

    _future: Future[T]

    def __init__(self) -> None:
        self.stop_requested = Event()
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether nothing of this task is delivered any more."""
        return self._cancelled

    def stop(self) -> None:
        """Ask the work to end at its next progress report; how it ended is still delivered."""
        self.stop_requested.set()

    def cancel(self) -> None:
        """Skip the work if it has not begun, else as `stop`; nothing of it is delivered any more."""
        self._cancelled = True
        self.stop()

    def result(self) -> T:
        """Wait for the work, and return its value.

        Raises:
            WorkCancelled: if it was stopped or cancelled before it had a value.
            Exception: whatever the work raised.
        """
        return self._future.result()


class TaskProgress:
    """The `system.progress.ProgressCallback` of one task."""

    def __init__(self, task: Task[T], report: Callable[[int, int, str], None]) -> None:
        self._stop_requested, self._report = task.stop_requested, report

    def check(self) -> None:
        """Raise `WorkCancelled` if the task shall end; report nothing."""
        if self._stop_requested.is_set():
            raise WorkCancelled

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Raise `WorkCancelled` if the task shall end, else report."""
        self.check()
        self._report(done, total, stage)


@dataclass(frozen=True)
class Handlers(Generic[T]):
    """What is called in the owner's thread; None where nobody asks.

    Attributes:
        done: with what the work returned.
        failed: with what it raised, other than `WorkCancelled`. None: the executor's own, else the log.
        stopped: after the work raised `WorkCancelled`.
        progressed: with each report of the work: steps done, steps in all, stage.
    """

    done: Callable[[T], None] | None = None
    failed: Failed | None = None
    stopped: Callable[[], None] | None = None
    progressed: Callable[[int, int, str], None] | None = None


class SerialExecutor:
    """Runs what is submitted in turn, on one thread that the interpreter waits for at its end.

    An error that nobody expected (neither `AttunetError` nor `MemoryError`), and one without a `failed`
    handler, is logged once, in the background thread, also if its task was cancelled or the executor closed.

    Args:
        name: of the thread.
        deliver: calls the handlers in the owner's thread.
        failed: for tasks that bring none of their own.
    """

    def __init__(self, name: str, deliver: Deliver, failed: Failed | None = None) -> None:
        self._name, self._hand_over, self._failed = name, deliver, failed
        self._pool = ThreadPoolExecutor(1, name)
        self._lock = Lock()
        self._tasks: set[Task[object]] = set()
        self._closed = False

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] | None = None,
        failed: Failed | None = None,
    ) -> Task[T]:
        """Run `work`; see `submit_long`."""
        return self.submit_long(lambda _progress: work(), Handlers(done, failed))

    def submit_long(self, work: Callable[[TaskProgress], T], handlers: Handlers[T]) -> Task[T]:
        """Run `work` with a progress that also ends it, after all that was submitted before.

        Raises:
            RuntimeError: after `close`.
        """
        if self._closed:
            raise RuntimeError(f"{self._name} was closed and takes no more work.")
        task: Task[T] = Task()
        with self._lock:
            self._tasks.add(task)  # type: ignore[arg-type]
        task._future = self._pool.submit(self._run, task, work, handlers)
        return task

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` called in the owner's thread, for work that tells of its parts; not after `close`."""
        self._hand_over(partial(self._deliver, None, call))

    def cancel_all(self) -> None:
        """Cancel every task that has not been delivered yet."""
        with self._lock:
            tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()

    def close(self, *, finish: bool = False, wait: bool = True) -> None:
        """Deliver nothing any more, and end the thread; safe to call again.

        Args:
            finish: whether what waits is still done; else it is skipped, and what runs is asked to end.
            wait: until the thread has ended; else it ends by itself, at the latest with the interpreter.
        """
        self._closed = True
        if not finish:
            self.cancel_all()
        self._pool.shutdown(wait=wait)

    # In the background thread

    def _run(self, task: Task[T], work: Callable[[TaskProgress], T], handlers: Handlers[T]) -> T:
        progress = TaskProgress(task, partial(self._report, task, handlers))
        try:
            progress.check()
            result = work(progress)
        except WorkCancelled:
            self._end(task, handlers.stopped)
            raise
        except Exception as error:
            failed = handlers.failed or self._failed
            if failed is None or not isinstance(error, AttunetError | MemoryError):
                _LOG.error("%s: unexpected error", self._name, exc_info=error)
            self._end(task, None if failed is None else partial(failed, error))
            raise
        self._end(task, None if handlers.done is None else partial(handlers.done, result))
        return result

    def _report(self, task: Task[T], handlers: Handlers[T], done: int, total: int, stage: str) -> None:
        if handlers.progressed is not None:
            self._hand_over(partial(self._deliver, task, partial(handlers.progressed, done, total, stage)))

    def _end(self, task: Task[T], call: Callable[[], None] | None) -> None:
        if call is None or self._closed:
            self._forget(task)
        else:
            self._hand_over(partial(self._deliver_last, task, call))

    def _forget(self, task: Task[T]) -> None:
        with self._lock:
            self._tasks.discard(task)

    # In the owner's thread

    def _deliver_last(self, task: Task[T], call: Callable[[], None]) -> None:
        self._forget(task)
        self._deliver(task, call)

    def _deliver(self, task: Task[T] | None, call: Callable[[], None]) -> None:
        if not self._closed and (task is None or not task.cancelled):
            call()


class LatestOnlyExecutor(SerialExecutor):
    """A `SerialExecutor` in which each submission cancels all earlier ones."""

    def submit_long(self, work: Callable[[TaskProgress], T], handlers: Handlers[T]) -> Task[T]:
        """As `SerialExecutor.submit_long`, in place of what was submitted before."""
        self.cancel_all()
        return super().submit_long(work, handlers)


class NewestFirstExecutor(Generic[K, T]):
    """Makes values of keys on one thread, the key that was asked for last first.

    Args:
        executor: whose thread is used; this owns it.
        make: (key) -> value, in the background thread. None and an `AttunetError` deliver nothing; other
            errors are logged.
        made: (key, value), in the owner's thread.
        most: how many keys may wait; the one that waited longest is forgotten, and may be asked for again.
    """

    def __init__(
        self,
        executor: SerialExecutor,
        make: Callable[[K], T | None],
        made: Callable[[K, T], None],
        most: int,
    ) -> None:
        self._executor, self._make, self._made = executor, make, made
        self._lock = Lock()
        self._waiting: deque[K] = deque(maxlen=most)
        self._making: list[K] = []

    def request(self, key: K) -> None:
        """Make the value of `key`, unless it waits or is being made."""
        with self._lock:
            if key in self._making or key in self._waiting:
                return
            self._waiting.append(key)
        self._executor.submit(self._make_next, self._deliver)

    def cancel_all(self) -> None:
        """Forget what waits, and drop what is being made."""
        with self._lock:
            self._waiting.clear()
            self._making = []
        self._executor.cancel_all()

    def close(self) -> None:
        """Make nothing any more, and wait for what is being made."""
        self.cancel_all()
        self._executor.close()

    def _make_next(self) -> tuple[K, T | None] | None:
        with self._lock:
            if not self._waiting:
                return None
            key = self._waiting.pop()
            self._making = making = [key]
        try:
            return key, self._make(key)
        except AttunetError:
            return None
        finally:
            # Only its own key: after `cancel_all` the list is another one.
            with self._lock:
                making.clear()

    def _deliver(self, found: tuple[K, T | None] | None) -> None:
        if found is not None and found[1] is not None:
            self._made(found[0], found[1])

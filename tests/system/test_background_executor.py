"""The executors, without a window: order, errors, what is dropped, and what closing does."""

from __future__ import annotations

import ast
import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psygnal import emit_queued

import attunet_gui
from attunet_gui.system.background_executor import (
    Handlers,
    LatestOnlyExecutor,
    NewestFirstExecutor,
    PsygnalDelivery,
    SerialExecutor,
    Task,
    TaskProgress,
)
from attunet_gui.system.errors import AttunetError, WorkCancelled

PATIENCE_S = 20


class Inbox:
    """A delivery whose owner is the test: `until` calls what was handed over, in its thread."""

    def __init__(self) -> None:
        self._handed: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def __call__(self, deliver: Callable[[], None]) -> None:
        self._handed.put(deliver)

    def drain(self) -> int:
        calls = 0
        while True:
            try:
                call = self._handed.get_nowait()
            except Empty:
                return calls
            call()
            calls += 1

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < end, "nothing more was delivered"
            self.drain()
            time.sleep(0.001)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def held(began: Event, go_on: Event, value: str) -> str:
    began.set()
    assert go_on.wait(PATIENCE_S)
    return value


def raising(error: Exception) -> None:
    raise error


def test_results_arrive_in_order_and_in_the_owners_thread(inbox: Inbox) -> None:
    executor = SerialExecutor("test-serial", inbox)
    got: list[int] = []
    worked, delivered = set(), set()

    def work(number: int) -> int:
        worked.add(threading.current_thread().name)
        return number

    def done(number: int) -> None:
        delivered.add(threading.get_ident())
        got.append(number)

    for number in range(50):
        executor.submit(partial(work, number), done)
    inbox.until(lambda: len(got) == 50)
    executor.close()
    assert got == list(range(50))
    assert worked == {"test-serial_0"}
    assert delivered == {threading.get_ident()}


def test_an_error_goes_to_its_own_handler_else_to_the_executors(inbox: Inbox) -> None:
    general: list[Exception] = []
    own: list[Exception] = []
    executor = SerialExecutor("test", inbox, general.append)
    first, second = AttunetError("The file is damaged."), ValueError("unexpected")
    executor.submit(partial(raising, first), failed=own.append)
    executor.submit(partial(raising, second))
    inbox.until(lambda: bool(own and general))
    executor.close()
    assert (own, general) == ([first], [second])


@pytest.mark.parametrize(
    ("error", "handled", "records"),
    [
        (AttunetError("said"), True, 0),
        (MemoryError(), True, 0),
        (KeyError("x"), True, 1),
        (AttunetError("said"), False, 1),
        (KeyError("x"), False, 1),
        (WorkCancelled(), False, 0),
    ],
)
def test_what_nobody_expected_or_handles_is_logged_once(
    inbox: Inbox, caplog: pytest.LogCaptureFixture, error: Exception, handled: bool, records: int
) -> None:
    got: list[Exception] = []
    executor = SerialExecutor("test", inbox, got.append if handled else None)
    with caplog.at_level(logging.DEBUG, "attunet_gui.system.background_executor"):
        executor.submit(partial(raising, error))
        executor.close(finish=True)
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [error] * records
    inbox.drain()
    assert not got, "nothing is delivered after close"


def test_an_error_does_not_end_the_thread(inbox: Inbox) -> None:
    got: list[str] = []
    executor = SerialExecutor("test", inbox, lambda _error: got.append("failed"))
    executor.submit(partial(raising, ValueError()))
    executor.submit(lambda: "next", got.append)
    inbox.until(lambda: len(got) == 2)
    executor.close()
    assert got == ["failed", "next"]


def test_progress_arrives_before_the_result(inbox: Inbox) -> None:
    told: list[object] = []

    def work(progress: TaskProgress) -> str:
        for done in range(3):
            progress(done, 3, "slices")
        return "done"

    executor = SerialExecutor("test", inbox)
    executor.submit_long(work, Handlers(told.append, progressed=lambda *said: told.append(said)))
    inbox.until(lambda: "done" in told)
    executor.close()
    assert told == [(0, 3, "slices"), (1, 3, "slices"), (2, 3, "slices"), "done"]


def endless(began: Event, progress: TaskProgress) -> None:
    while True:
        progress(0, 0, "endless")
        began.set()
        time.sleep(0.001)


def test_a_stopped_task_ends_at_its_next_report_and_says_so(inbox: Inbox) -> None:
    began, told = Event(), []
    executor = SerialExecutor("test", inbox)
    handlers: Handlers[None] = Handlers(lambda _: told.append("done"), stopped=lambda: told.append("stopped"))
    task = executor.submit_long(partial(endless, began), handlers)
    assert began.wait(PATIENCE_S)
    task.stop()
    inbox.until(lambda: bool(told))
    executor.close()
    assert told == ["stopped"]


def test_a_cancelled_task_ends_and_nothing_of_it_is_delivered(inbox: Inbox) -> None:
    began, told = Event(), []
    executor = SerialExecutor("test", inbox)
    task = executor.submit_long(
        partial(endless, began),
        Handlers(told.append, told.append, lambda: told.append("stopped"), lambda *said: told.append(said)),
    )
    assert began.wait(PATIENCE_S)
    task.cancel()
    executor.submit(lambda: "next", told.append)
    inbox.until(lambda: bool(told))
    with pytest.raises(WorkCancelled):
        task.result()
    executor.close()
    assert told == ["next"]


def test_a_result_that_was_handed_over_before_the_cancel_is_dropped(inbox: Inbox) -> None:
    got: list[str] = []
    executor = SerialExecutor("test", inbox)
    task = executor.submit(lambda: "stale", got.append)
    assert task.result() == "stale"
    executor.cancel_all()
    executor.submit(lambda: "fresh", got.append)
    inbox.until(lambda: bool(got))
    executor.close()
    assert got == ["fresh"]


def test_what_waits_is_skipped_once_it_is_cancelled(inbox: Inbox) -> None:
    began, go_on, ran = Event(), Event(), []
    executor = SerialExecutor("test", inbox)
    executor.submit(partial(held, began, go_on, "first"))
    waiting = executor.submit(lambda: ran.append("second"))
    waiting.cancel()
    go_on.set()
    executor.close(finish=True)
    assert not ran


def test_the_latest_submission_takes_the_place_of_all_earlier_ones(inbox: Inbox) -> None:
    began, go_on, ran, got = Event(), Event(), [], []
    executor = LatestOnlyExecutor("test", inbox)
    executor.submit(partial(held, began, go_on, "running"), got.append)
    assert began.wait(PATIENCE_S)

    def work(name: str) -> str:
        ran.append(name)
        return name

    executor.submit(partial(work, "waiting"), got.append)
    executor.submit(partial(work, "latest"), got.append)
    go_on.set()
    inbox.until(lambda: bool(got))
    executor.close()
    assert (ran, got) == (["latest"], ["latest"])


def test_closing_skips_what_waits_and_waits_for_what_runs(inbox: Inbox) -> None:
    began, go_on, ran, got = Event(), Event(), [], []
    executor = SerialExecutor("test", inbox)

    def work() -> str:
        held(began, go_on, "")
        ran.append("first")
        return "first"

    executor.submit(work, got.append)
    executor.submit(lambda: ran.append("second"), got.append)
    assert began.wait(PATIENCE_S)
    threading.Timer(0.05, go_on.set).start()
    executor.close()
    executor.close()
    inbox.drain()
    assert (ran, got) == (["first"], [])


def test_closing_can_finish_what_waits(inbox: Inbox) -> None:
    ran: list[int] = []
    got: list[object] = []
    executor = SerialExecutor("test", inbox)
    for number in range(20):
        executor.submit(partial(ran.append, number), got.append)
    executor.close(finish=True)
    inbox.drain()
    assert (ran, got) == (list(range(20)), [])


def test_closing_need_not_wait(inbox: Inbox) -> None:
    began, go_on = Event(), Event()
    executor = SerialExecutor("test", inbox)
    task = executor.submit(partial(held, began, go_on, "late"))
    assert began.wait(PATIENCE_S)
    executor.close(wait=False)
    go_on.set()
    assert task.result() == "late"


def test_closing_asks_what_runs_to_end(inbox: Inbox) -> None:
    began, told = Event(), []
    executor = SerialExecutor("test", inbox)
    executor.submit_long(partial(endless, began), Handlers(stopped=lambda: told.append("stopped")))
    assert began.wait(PATIENCE_S)
    executor.close()
    inbox.drain()
    assert not told


def test_a_closed_executor_refuses_work_instead_of_losing_it(inbox: Inbox) -> None:
    executor = SerialExecutor("test", inbox)
    executor.close()
    with pytest.raises(RuntimeError, match="takes no more work"):
        executor.submit(lambda: None)


def test_a_handler_may_close_the_executor(inbox: Inbox) -> None:
    got: list[int] = []
    executor = SerialExecutor("test", inbox)

    def done(number: int) -> None:
        got.append(number)
        executor.close()

    for number in range(3):
        executor.submit(partial(int, number), done)
    inbox.until(lambda: bool(got))
    inbox.drain()
    assert got == [0]


def test_work_can_tell_of_its_parts_until_the_close(inbox: Inbox) -> None:
    got: list[str] = []
    executor = SerialExecutor("test", inbox)
    executor.submit(lambda: executor.post(partial(got.append, "part")), lambda _: got.append("whole"))
    inbox.until(lambda: len(got) == 2)
    executor.close()
    executor.post(partial(got.append, "late"))
    inbox.drain()
    assert got == ["part", "whole"]


def test_psygnals_queue_delivers_in_the_thread_that_made_the_delivery() -> None:
    idents: list[int] = []
    executor = SerialExecutor("test", PsygnalDelivery())
    task = executor.submit(lambda: None, lambda _: idents.append(threading.get_ident()))
    task.result()
    assert not idents
    end = time.monotonic() + PATIENCE_S
    while not idents and time.monotonic() < end:
        emit_queued()
    executor.close()
    assert idents == [threading.get_ident()]


# The newest key first


def test_the_newest_key_is_made_first_once_and_the_oldest_is_forgotten(inbox: Inbox) -> None:
    began, go_on, made = Event(), Event(), []

    def make(key: str) -> str | None:
        return held(began, go_on, key.upper())

    loader = NewestFirstExecutor(SerialExecutor("test", inbox), make, lambda *pair: made.append(pair), 2)
    loader.request("a")
    assert began.wait(PATIENCE_S)
    for key in ("a", "b", "c", "d", "c"):
        loader.request(key)
    go_on.set()
    inbox.until(lambda: len(made) == 3)
    loader.request("b")
    inbox.until(lambda: len(made) == 4)
    loader.close()
    assert made == [("a", "A"), ("d", "D"), ("c", "C"), ("b", "B")]


def test_keys_without_a_value_deliver_nothing(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    made: list[str] = []

    def make(key: str) -> str | None:
        if key == "expected":
            raise AttunetError("There is none.")
        if key == "unexpected":
            raise ValueError
        return None if key == "none" else key

    executor = SerialExecutor("test", inbox)
    loader = NewestFirstExecutor(executor, make, lambda key, _: made.append(key), 9)
    for key in ("good", "none", "expected", "unexpected"):
        loader.request(key)
    inbox.until(lambda: made == ["good"])
    executor.submit(lambda: "end", made.append)
    inbox.until(lambda: made[-1] == "end")
    loader.close()
    assert made == ["good", "end"]
    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [ValueError]


def test_a_key_that_is_being_made_when_all_are_cancelled_is_dropped_and_may_be_asked_again(
    inbox: Inbox,
) -> None:
    began, go_on, made, count = Event(), Event(), [], []

    def make(key: str) -> str:
        count.append(key)
        return held(began, go_on, f"{key}{len(count)}")

    loader = NewestFirstExecutor(SerialExecutor("test", inbox), make, lambda *pair: made.append(pair), 3)
    loader.request("a")
    assert began.wait(PATIENCE_S)
    loader.request("b")
    loader.cancel_all()
    loader.request("a")
    go_on.set()
    inbox.until(lambda: bool(made))
    loader.close()
    assert made == [("a", "a2")]


# Whatever the order of things


class Submissions:
    """An executor, and what must become of the tasks that it was given."""

    def __init__(self, latest_only: bool, chance: random.Random) -> None:
        self.inbox, self.latest_only, self.chance = Inbox(), latest_only, chance
        self.executor = (LatestOnlyExecutor if latest_only else SerialExecutor)("test", self.inbox)
        self.tasks: list[Task[int]] = []
        self.ran: list[int] = []
        self.arrived: list[int] = []
        self.cancelled: set[int] = set()

    @property
    def due(self) -> set[int]:
        return set(range(len(self.tasks))) - self.cancelled

    def _work(self, fails: bool, number: int) -> int:
        self.ran.append(number)
        if fails:
            raise AttunetError(str(number))
        return number

    def _arrive(self, number: int) -> None:
        assert number not in self.cancelled
        self.arrived.append(number)

    def submit(self, fails: bool = False) -> None:
        if self.latest_only:
            self.cancelled |= self.due
        work = partial(self._work, fails, len(self.tasks))
        failed = lambda error: self._arrive(int(str(error)))  # noqa: E731
        self.tasks.append(self.executor.submit(work, self._arrive, failed))

    def cancel_one(self) -> None:
        if self.tasks:
            one = self.chance.randrange(len(self.tasks))
            self.tasks[one].cancel()
            self.cancelled.add(one)

    def cancel_all(self) -> None:
        self.executor.cancel_all()
        self.cancelled |= self.due

    def step(self, name: str) -> None:
        steps = {
            "submit": self.submit,
            "fail": partial(self.submit, fails=True),
            "cancel one": self.cancel_one,
            "cancel all": self.cancel_all,
            "deliver": self.inbox.drain,
            "yield": partial(time.sleep, 0),
        }
        steps[name]()


_STEPS = st.lists(
    st.sampled_from(["submit", "fail", "cancel one", "cancel all", "deliver", "yield"]), max_size=40
)


@settings(max_examples=60)
@given(_STEPS, st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_what_is_delivered_is_what_was_not_cancelled_in_order(
    steps: list[str], latest_only: bool, finish: bool, chance: random.Random
) -> None:
    made = Submissions(latest_only, chance)
    for step in steps:
        made.step(step)
    if not finish:
        made.inbox.until(lambda: made.due <= set(made.arrived))
    made.executor.close(finish=finish)
    before = list(made.arrived)
    made.inbox.drain()
    assert made.arrived == before, "nothing after close"
    assert made.arrived == sorted(set(made.arrived)), "in order, each once"
    assert made.ran == sorted(set(made.ran))
    assert made.due <= set(made.ran)


def test_submissions_from_many_threads_are_each_done_and_delivered_once(inbox: Inbox) -> None:
    executor = SerialExecutor("test", inbox)
    ran: list[int] = []
    got: list[int] = []
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:

        def work(number: int) -> int:
            ran.append(number)
            return number

        def submit(first: int) -> None:
            for number in range(first, first + 100):
                executor.submit(partial(work, number), got.append)

        with ThreadPoolExecutor(4) as submitters:
            list(submitters.map(submit, range(0, 400, 100)))
        inbox.until(lambda: len(got) == 400)
    finally:
        sys.setswitchinterval(switch)
    executor.close()
    assert got == ran
    assert sorted(got) == list(range(400))
    assert not executor._tasks, "no task is kept that was delivered"


# Nobody else

_MAKERS = frozenset(
    (
        "Thread",
        "Timer",
        "ThreadPoolExecutor",
        "ThreadPool",
        "QThread",
        "QThreadPool",
        "QRunnable",
        "thread_worker",
    )
)
_ALLOWED = {
    "attunet_gui.system.background_executor": "the one executor of the window's process",
    "attunet_gui.io.journal.journal": "syncs a stroke to the disk beside the next one, which waits for it",
    "attunet_gui.workers.inference_process": "listens to the child's pipe, and kills one that does not obey",
    "attunet_gui.workers.inference_worker": "in the child: loads TensorFlow beside a draft",
    "attunet_gui.network.inference": "in the child: slices in flight in the engine",
    "attunet_gui.network.batch_prefetch": "in the child: the next batch is made beside a step",
    "attunet_gui.cli.predict_command": "loads the model while the first CT is read; there is no window",
}


def _names(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return name
    return ""


def _makes_threads(source: str) -> bool:
    return any(_names(node) in _MAKERS for node in ast.walk(ast.parse(source)))


def test_a_thread_is_found_under_any_name() -> None:
    assert _makes_threads("from concurrent.futures import ThreadPoolExecutor as Pool")
    assert _makes_threads("import threading as t\nt.Thread(target=print)")
    assert not _makes_threads("from threading import Event, Lock")


def test_no_other_module_makes_a_thread() -> None:
    root = Path(attunet_gui.__file__).parent
    making = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts)
        for path in root.rglob("*.py")
        if _makes_threads(path.read_text("utf-8"))
    }
    assert making == set(_ALLOWED)

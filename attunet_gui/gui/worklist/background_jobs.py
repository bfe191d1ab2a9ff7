"""Background jobs that take minutes: importing, drafting, exporting, training.

With progress and cancelling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from time import monotonic
from typing import Literal

from qtpy.QtCore import QObject

from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.system.background_executor import Handlers, SerialExecutor, TaskProgress
from attunet_gui.system.errors import failure_sentence
from attunet_gui.system.progress import ProgressCallback

JobKind = Literal["import", "draft", "export", "learn", "compare"]
JOB_TITLES: dict[JobKind, str] = {
    "import": "Importing",
    "draft": "Drafting the list",
    "export": "Exporting",
    "learn": "Learning",
    "compare": "Comparing drafts",
}
"""Kind of a background job, and how it is called in messages."""
_REPORT_INTERVAL_S = 0.1


@dataclass(frozen=True)
class BackgroundJobStatus:
    """How far a background job is; `total` 0 means that the end is not known.

    Attributes:
        kind: of the job; one of a kind runs at a time.
        done: parts that are done.
        total: number of parts.
        stage: what is being done, as text.
        cases: the case that the rest is about, such as (3, 120); (0, 0) while that is not known.
        stopping: whether the job was told to stop.
    """

    kind: JobKind
    done: int = 0
    total: int = 0
    stage: str = ""
    cases: tuple[int, int] = (0, 0)
    stopping: bool = False


@dataclass(frozen=True)
class _RunningJob:
    """A job that runs, and the event that tells it to stop."""

    status: BackgroundJobStatus
    stop: Event


class BackgroundJobs(QObject):
    """Runs background jobs, one of a kind at a time.

    Signals:
        changed: a job began, made progress or ended.
        ended(kind, sentence, problem): a job ended or was stopped; in the window's thread.
    """

    changed = Signal()
    ended = Signal(str, str, bool)

    def __init__(self) -> None:
        super().__init__()
        delivery = QtDelivery()
        # Jobs of different kinds run at the same time.
        self._executors = {kind: SerialExecutor(f"attunet-{kind}", delivery) for kind in JOB_TITLES}
        self._running: dict[JobKind, _RunningJob] = {}

    @property
    def running_jobs(self) -> tuple[BackgroundJobStatus, ...]:
        """Status of every job that is running."""
        return tuple(running.status for running in self._running.values())

    def begin_job(self, kind: JobKind, work: Callable[[ProgressCallback], str]) -> None:
        """Start `work`, which returns a sentence on what it did.

        Does nothing if one of its kind is running.
        """
        if kind in self._running:
            return
        handlers = Handlers(
            done=partial(self._job_done, kind),
            failed=partial(self._job_failed, kind),
            stopped=partial(self._job_stopped, kind),
            progressed=partial(self._job_progressed, kind),
        )
        task = self._executors[kind].submit_long(
            lambda progress: work(_limit_progress_rate(progress)), handlers
        )
        self._running[kind] = _RunningJob(BackgroundJobStatus(kind), task.stop_requested)
        self.changed.emit()

    def cancel_job(self, kind: JobKind) -> None:
        """Tell a job to stop at its next report of progress; what it has done stays."""
        running = self._running.get(kind)
        if running is not None:
            running.stop.set()
            self._running[kind] = replace(running, status=replace(running.status, stopping=True))
            self.changed.emit()

    def _job_progressed(self, kind: JobKind, done: int, total: int, stage: str) -> None:
        running = self._running.get(kind)
        if running is None:
            return
        cases = (done, total) if stage == "cases" else running.status.cases
        status = replace(running.status, done=done, total=total, stage=stage, cases=cases)
        self._running[kind] = replace(running, status=status)
        self.changed.emit()

    def _job_done(self, kind: JobKind, sentence: str) -> None:
        self._job_finished(kind, sentence, problem=False)

    def _job_stopped(self, kind: JobKind) -> None:
        sentence = f"{JOB_TITLES[kind]} was stopped; what is done stays, and the rest can follow."
        self._job_finished(kind, sentence, problem=False)

    def _job_failed(self, kind: JobKind, error: Exception) -> None:
        self._job_finished(kind, failure_sentence(error, JOB_TITLES[kind].lower()), problem=True)

    def _job_finished(self, kind: JobKind, sentence: str, problem: bool) -> None:
        self._running.pop(kind, None)
        self.ended.emit(kind, sentence, problem)
        self.changed.emit()

    def end_all_jobs(self) -> None:
        """Stop all jobs and wait until they have ended."""
        for running in self._running.values():
            running.stop.set()
        for executor in self._executors.values():
            executor.close()


def _limit_progress_rate(progress: TaskProgress) -> ProgressCallback:
    """As `progress`, a few times a second: ten thousand files would be ten thousand events for the window."""
    told = -_REPORT_INTERVAL_S

    def report(done: int, total: int, stage: str) -> None:
        nonlocal told
        progress.check()
        if stage == "cases" or monotonic() - told > _REPORT_INTERVAL_S:
            told = monotonic()
            progress(done, total, stage)

    return report

"""Inputs made and judged in processes that may crash, hang or eat memory without harm to the run."""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from tests.fuzzing import dicom, itk, nifti, permissions
from tests.fuzzing.judge import Outcome, judge
from tests.fuzzing.made import Made

READING_SECONDS = 10.0
"""What reading may take of a processor; longer is a hang. The clock would count what other programs take."""
WAITING_SECONDS = 120.0
"""What reading may take by the clock, for whatever waits and takes nothing of a processor."""

_OTHER_SECONDS = 120.0
_ROOM_BYTES = 4 << 30
MAKERS: dict[str, Callable[[int, int, Path], Made]] = {
    nifti.KIND: nifti.make,
    itk.KIND: itk.make,
    dicom.KIND: dicom.make,
    permissions.KIND: permissions.make,
}


@dataclass(frozen=True)
class Job:
    """Which input: `MAKERS[kind](seed, number, folder)`."""

    kind: str
    seed: int
    number: int


@dataclass(frozen=True)
class Judged:
    """An input and what came of it.

    Attributes:
        job: makes it again.
        steps: what was done to it.
        outcome: what the product made of it.
        seconds: of reading and checking, by the clock.
    """

    job: Job
    steps: tuple[str, ...]
    outcome: Outcome
    seconds: float


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Job
    steps: tuple[str, ...] = ()
    stage: str = "making"
    since: float = 0.0
    used: float = 0.0

    def enter(self, stage: str) -> None:
        self.stage, self.since, self.used = stage, monotonic(), _processor_seconds(self.process.pid)

    @property
    def late(self) -> bool:
        by_clock = monotonic() - self.since
        if self.stage != "reading":
            return by_clock > _OTHER_SECONDS
        worked = _processor_seconds(self.process.pid) - self.used
        return worked > READING_SECONDS or by_clock > WAITING_SECONDS


def _processor_seconds(pid: int | None) -> float:
    """What the process has taken of a processor; 0 where it has ended."""
    try:
        # The name of the command is in brackets, and may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def judge_all(jobs: Iterable[Job], processes: int = 2) -> Iterator[Judged]:
    """What came of each of `jobs`, in the order in which they end; each in a folder of its own."""
    left = iter(jobs)
    with TemporaryDirectory(prefix="attunet-fuzz-") as folder:
        workers = [_started(Path(folder), job) for job in islice(left, processes)]
        try:
            while workers:
                yield from _round(workers, left, Path(folder))
        finally:
            for worker in workers:
                worker.process.kill()


def _round(workers: list[_Worker], left: Iterator[Job], folder: Path) -> Iterator[Judged]:
    ready = wait([worker.pipe for worker in workers], timeout=0.25)
    for worker in list(workers):
        judged = _heard(worker) if worker.pipe in ready else _late(worker)
        if judged is None:
            continue
        yield judged
        job = next(left, None)
        if worker.process.is_alive() and judged.outcome.kind != "hang":
            worker.pipe.send(job)
        else:
            workers.remove(worker)
            if job is not None:
                workers.append(_started(folder, job))
            continue
        if job is None:
            worker.process.join()
            workers.remove(worker)
        else:
            worker.job, worker.steps = job, ()
            worker.enter("making")


def _heard(worker: _Worker) -> Judged | None:
    try:
        said = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        outcome = Outcome("crash", f"exit code {worker.process.exitcode} while {worker.stage}")
        return Judged(worker.job, worker.steps, outcome, monotonic() - worker.since)
    if isinstance(said, Judged):
        return said
    if isinstance(said, tuple):
        worker.steps = said
    else:
        worker.enter(said)
    return None


def _late(worker: _Worker) -> Judged | None:
    if not worker.late:
        return None
    worker.process.kill()
    worker.process.join()
    seconds = monotonic() - worker.since
    return Judged(worker.job, worker.steps, Outcome("hang", f"while {worker.stage}"), seconds)


def _started(folder: Path, job: Job) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, folder))
    process.start()
    there.close()
    here.send(job)
    worker = _Worker(process, here, job)
    worker.enter("making")
    return worker


# In the worker


def _serve(pipe: Connection, folder: Path) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    _warm_up(folder)
    _limit_memory()
    while (job := pipe.recv()) is not None:
        pipe.send(_judged(job, folder, pipe.send))


def _warm_up(folder: Path) -> None:
    """Import what is imported late, so that the first input does not pay for it."""
    for kind in MAKERS:
        for number in range(3):
            _judged(Job(kind, 0, number), folder, lambda _: None)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _judged(job: Job, folder: Path, tell: Callable[[object], None]) -> Judged:
    with TemporaryDirectory(dir=folder) as name:
        inside = Path(name) / "input"
        inside.mkdir()
        for each in (folder, Path(name), inside):
            each.chmod(0o755)  # another account, which some inputs are read by, may enter
        made = MAKERS[job.kind](job.seed, job.number, inside)
        tell(made.steps)
        since = monotonic()
        outcome = judge(made, Path(name) / "mask.nii.gz", stage=tell)
        return Judged(job, made.steps, outcome, monotonic() - since)

"""Children that do one thing: what comes home, and what is left behind (nothing)."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from attunet_gui.system.errors import AttunetError, InferenceProcessDied, WorkCancelled
from attunet_gui.system.progress import no_progress
from attunet_gui.workers import one_shot_process
from attunet_gui.workers.one_shot_process import run_in_process

WORK = "tests.support.child_process_functions"


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


class Impatient:
    """A `ProgressCallback` that stops at a stage."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def __call__(self, done: int, total: int, stage: str) -> None:
        if stage == self._stage:
            raise WorkCancelled


def test_the_result_comes_home_from_another_process_that_is_nicer() -> None:
    heard: list[tuple[int, int, str]] = []
    value, pid, niceness = run_in_process(f"{WORK}:double", 21, lambda *told: heard.append(told))
    assert value == 42
    assert pid != os.getpid()
    assert niceness > os.nice(0)
    steps = [told for told in heard if told[2] == "doubling"]
    assert list(dict.fromkeys(steps)) == [(1, 3, "doubling"), (2, 3, "doubling"), (3, 3, "doubling")]


def test_it_may_have_children_itself() -> None:
    assert run_in_process(f"{WORK}:share_out", [-1, 2], no_progress) == [1, 2]


def test_an_error_comes_home_as_its_sentence() -> None:
    with pytest.raises(AttunetError, match="Nobody is left to judge"):
        run_in_process(f"{WORK}:refuse", "Nobody is left to judge.", no_progress)
    with pytest.raises(AttunetError, match="unexpected ZeroDivisionError came up"):
        run_in_process(f"{WORK}:stumble", None, no_progress)


def test_a_child_that_dies_is_reported() -> None:
    with pytest.raises(InferenceProcessDied, match="exit code 9"):
        run_in_process(f"{WORK}:die", None, no_progress)


def test_whoever_stops_it_lets_it_finish_what_it_does(tmp_path: Path) -> None:
    with pytest.raises(WorkCancelled):
        run_in_process(f"{WORK}:go_on", tmp_path / "note", Impatient("going on"))
    assert (tmp_path / "note").read_text() == "stopped"


def test_a_child_whose_parent_is_gone_stops() -> None:
    near, far = multiprocessing.Pipe()
    one_shot_process._send_progress(far, 1, 2, "working")
    near.close()
    with pytest.raises(WorkCancelled):
        one_shot_process._send_progress(far, 2, 2, "working")
    far.close()


def test_a_child_that_does_not_obey_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_shot_process, "_GRACE_S", 0.1)
    monkeypatch.setattr(one_shot_process, "_END_S", 0.5)
    with pytest.raises(WorkCancelled):
        run_in_process(f"{WORK}:hang", None, Impatient("hanging"))

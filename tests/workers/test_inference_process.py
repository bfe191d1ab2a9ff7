"""The real child process: drafts, is cancelled, dies, and is replaced."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.workers.inference_messages import JobStatus, PredictRequest, PropagateRequest
from attunet_gui.workers.inference_process import InferenceProcess

_PATIENCE_SECONDS = 300
_LOOKED_AT_SECONDS = 0.5


class _Ears:
    """Everything a runner said, in order."""

    def __init__(self, runner: InferenceProcess) -> None:
        self.heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        runner.status_changed.connect(lambda status: self.heard.put(("status", status)))
        runner.slices_drafted.connect(lambda *part: self.heard.put(("arrived", part)))
        runner.draft_finished.connect(lambda *result: self.heard.put(("finished", result)))
        runner.propagation_finished.connect(lambda *result: self.heard.put(("proposed", result)))
        runner.job_failed.connect(lambda *failure: self.heard.put(("failed", failure)))

    def wait_for(self, kind: str, state: str | None = None) -> Any:
        end = monotonic() + _PATIENCE_SECONDS
        while True:
            what, value = self.heard.get(timeout=max(0.01, end - monotonic()))
            if what == kind and state in (None, getattr(value, "state", None)):
                return value


@pytest.fixture(scope="module")
def volume() -> Volume:
    return phantom_volume(make_phantom(PhantomRequest(1, (40, 48, 48), (6.0, 8.0, 8.0))))


@pytest.fixture(scope="module")
def long_volume() -> Volume:
    return phantom_volume(make_phantom(PhantomRequest(1, (6000, 8, 8), (0.05, 40.0, 40.0))))


@pytest.fixture
def runner() -> Iterator[InferenceProcess]:
    runner = InferenceProcess()
    yield runner
    runner.close()
    assert runner.child_pid is None


def test_a_draft_is_made_cancelled_and_made_again(
    runner: InferenceProcess, volume: Volume, long_volume: Volume, tiny_bundle: Path
) -> None:
    ears = _Ears(runner)
    runner.load_bundle(tiny_bundle)
    first = runner.submit(PredictRequest(volume, tiny_bundle))
    assert runner.status.state == "loading"
    job, prediction, draft = ears.wait_for("finished")
    assert job == first
    assert draft.shape == volume.grid.shape
    assert prediction.probability.shape[0] == 40
    warm_child = runner.child_pid

    runner.submit(PredictRequest(long_volume, tiny_bundle))
    status = ears.wait_for("status", "running")
    assert status.total == 6000
    asked = monotonic()
    runner.cancel_request()
    assert runner.status.state == "idle"
    third = runner.submit(PredictRequest(volume, tiny_bundle))
    job, _prediction, _draft = ears.wait_for("finished")
    assert job == third, "a stale result was reported"
    assert runner.child_pid == warm_child, "a child that obeys is kept"
    assert monotonic() - asked < _PATIENCE_SECONDS


def test_slices_arrive_from_the_one_in_view_outwards_and_make_up_the_prediction(
    runner: InferenceProcess, volume: Volume, tiny_bundle: Path
) -> None:
    ears = _Ears(runner)
    begun: list[NetworkPrediction] = []
    runner.draft_begun.connect(lambda _job, prediction: begun.append(prediction))
    runner.load_volume(volume)
    runner.submit(PredictRequest(volume, tiny_bundle, first=30))
    _job, first, _drafted = ears.wait_for("arrived")
    assert 30 in first
    arrived = [first]
    while sum(map(len, arrived)) < 40:
        arrived.append(ears.wait_for("arrived")[1])
    assert sorted(np.concatenate(arrived).tolist()) == list(range(40))
    _job, prediction, _draft = ears.wait_for("finished")
    assert prediction.probability is begun[0].probability
    assert prediction.probability.max() > 0
    assert prediction.gates[0].values.min() > 0
    assert prediction.body.any()


def test_what_is_made_ready_of_one_ct_is_not_taken_for_another(
    runner: InferenceProcess, volume: Volume, tiny_bundle: Path
) -> None:
    other = phantom_volume(make_phantom(PhantomRequest(2, (40, 48, 48), (6.0, 8.0, 8.0))))
    ears = _Ears(runner)
    found = []
    for shown, wanted in ((volume, volume), (other, volume), (volume, other), (other, other)):
        runner.load_bundle(tiny_bundle)
        runner.load_volume(shown)
        sleep(_LOOKED_AT_SECONDS)
        runner.submit(PredictRequest(wanted, tiny_bundle))
        found.append(ears.wait_for("finished")[1].probability)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert (found[0] != found[2]).any()


def test_a_killed_child_is_one_sentence_and_the_next_run_works(
    runner: InferenceProcess, volume: Volume, long_volume: Volume, tiny_bundle: Path
) -> None:
    ears = _Ears(runner)
    runner.submit(PredictRequest(long_volume, tiny_bundle))
    ears.wait_for("status", "running")
    assert runner.child_pid is not None
    os.kill(runner.child_pid, signal.SIGKILL)
    _job, sentence = ears.wait_for("failed")
    assert "ended unexpectedly" in sentence
    assert runner.status.state == "idle"
    runner.submit(PredictRequest(volume, tiny_bundle))
    ears.wait_for("finished")


def test_a_damaged_model_is_reported_and_the_child_lives_on(
    runner: InferenceProcess, volume: Volume, tiny_bundle: Path, tmp_path: Path
) -> None:
    ears = _Ears(runner)
    runner.submit(PredictRequest(volume, tmp_path))
    _job, sentence = ears.wait_for("failed")
    assert "card.json" in sentence
    runner.submit(PredictRequest(volume, tiny_bundle))
    ears.wait_for("finished")


def test_a_child_that_does_not_stop_is_killed(
    runner: InferenceProcess, long_volume: Volume, tiny_bundle: Path
) -> None:
    ears = _Ears(runner)
    runner.submit(PredictRequest(long_volume, tiny_bundle))
    ears.wait_for("status", "running")
    pid = runner.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    runner.cancel_request()
    end = monotonic() + 10
    while runner.child_pid is not None and monotonic() < end:
        sleep(0.05)
    assert runner.child_pid is None


def test_a_request_behind_a_job_that_does_not_stop_is_done_by_a_new_child(
    runner: InferenceProcess, volume: Volume, long_volume: Volume, tiny_bundle: Path
) -> None:
    ears = _Ears(runner)
    runner.submit(PredictRequest(long_volume, tiny_bundle))
    ears.wait_for("status", "running")
    stuck = runner.child_pid
    assert stuck is not None
    os.kill(stuck, signal.SIGSTOP)
    second = runner.submit(PredictRequest(volume, tiny_bundle))
    job, _prediction, _draft = ears.wait_for("finished")
    assert job == second
    assert runner.child_pid != stuck
    assert not [what for what, _value in ears.heard.queue if what == "failed"]


def test_a_listener_that_fails_does_not_make_the_runner_deaf(
    runner: InferenceProcess, volume: Volume, tiny_bundle: Path
) -> None:
    def fail(status: JobStatus) -> None:
        raise RuntimeError("a bug in a panel")

    ears = _Ears(runner)
    runner.submit(PredictRequest(volume, tiny_bundle))
    ears.wait_for("status")
    runner.status_changed.connect(fail)
    while runner.status.state != "idle":
        sleep(0.05)
    runner.status_changed.disconnect(fail)
    runner.submit(PredictRequest(volume, tiny_bundle))
    ears.wait_for("finished")


def test_cancel_without_a_job_says_nothing(runner: InferenceProcess) -> None:
    ears = _Ears(runner)
    runner.cancel_request()
    assert ears.heard.empty()


def test_corrections_go_to_the_child_and_a_proposal_comes_back(
    runner: InferenceProcess, volume: Volume, tiny_bundle: Path
) -> None:
    ears = _Ears(runner)
    mask = np.zeros(volume.grid.shape, np.uint8)
    mask[10:30, 20:30, 20:30] = 1
    one = runner.submit(PropagateRequest(volume, tiny_bundle, mask, None, (12,)))
    job, proposal = ears.wait_for("proposed")
    assert job == one
    assert not proposal.kept
    assert "at least two" in proposal.reason
    assert np.array_equal(proposal.mask, mask)

    two = runner.submit(PropagateRequest(volume, tiny_bundle, mask, 0 * mask, (12, 18), budget_seconds=1e6))
    status = ears.wait_for("status", "running")
    assert status.stage == "learning"
    job, proposal = ears.wait_for("proposed")
    assert job == two
    assert proposal.corrected == (12, 18)
    assert proposal.dsc_before == 0
    assert proposal.dsc_after is not None
    assert runner.status.state == "idle"


def test_learning_is_cancelled_and_a_draft_follows(
    runner: InferenceProcess, volume: Volume, tiny_bundle: Path
) -> None:
    ears = _Ears(runner)
    mask = np.zeros(volume.grid.shape, np.uint8)
    mask[10:30, 20:30, 20:30] = 1
    runner.submit(
        PropagateRequest(volume, tiny_bundle, mask, 0 * mask, tuple(range(12, 28)), budget_seconds=1e6)
    )
    ears.wait_for("status", "running")
    runner.cancel_request()
    assert runner.status.state == "idle"
    last = runner.submit(PredictRequest(volume, tiny_bundle))
    job, _prediction, _draft = ears.wait_for("finished")
    assert job == last
    assert not [what for what, _value in ears.heard.queue if what == "proposed"]

"""A run: it validates, keeps what it should, and goes on after it was stopped as if it had not been."""

from __future__ import annotations

import json
import os
import signal
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.network.batch_sampling import TrainingCase, TrainingData, TrainingSource
from attunet_gui.network.families.family_registry import family_by_name
from attunet_gui.network.model_bundle import load_network, write_bundle
from attunet_gui.network.tensorflow_runtime import keras
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE, RunFolder
from attunet_gui.network.training_log import LOG_FILE, read_log
from attunet_gui.network.training_loop import TrainingJob, train_network
from attunet_gui.network.validation_scores import validate_cases
from attunet_gui.system.errors import AttunetError, WorkCancelled
from tests.support.model_cards import card_fields
from tests.support.small_training import (
    CONFIG,
    PREPROCESSING,
    STEPS,
    trained_weights,
    training_case,
    training_job,
)

pytestmark = pytest.mark.network


def _data() -> TrainingData:
    return TrainingData(
        (TrainingSource("some", 1.0, (training_case(1), training_case(2))),), (training_case(3),)
    )


def _losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_log(folder / LOG_FILE)]


def _train_and_be_killed(folder: str) -> None:
    def die(done: int, total: int, stage: str) -> None:
        if done == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    train_network(training_job(checkpoint_seconds=0), _data(), RunFolder(Path(folder), "run"), die)


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train_network(training_job(), _data(), RunFolder(tmp_path / "whole", "run"))
    killed = get_context("spawn").Process(target=_train_and_be_killed, args=(str(tmp_path / "killed"),))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert len(_losses(tmp_path / "killed")) == 4
    steps: list[int] = []
    resumed = train_network(
        training_job(checkpoint_seconds=0),
        _data(),
        RunFolder(tmp_path / "killed", "run"),
        lambda done, total, stage: steps.append(done),
    )
    assert steps == [4, 5, 6]
    assert resumed.standing.step == whole.standing.step == STEPS
    assert _losses(tmp_path / "killed") == pytest.approx(_losses(tmp_path / "whole"), abs=2e-4)
    assert trained_weights(resumed) == pytest.approx(trained_weights(whole), abs=2e-3)


def test_a_cancelled_run_keeps_its_last_step_and_a_line_too_many_is_cut(tmp_path: Path) -> None:
    def cancel(done: int, total: int, stage: str) -> None:
        if done == 3:
            raise WorkCancelled

    keep = RunFolder(tmp_path, "run")
    with pytest.raises(WorkCancelled):
        train_network(training_job(), _data(), keep, cancel)
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"step": 4, "loss": 9.0}\n{"step": 5, "lo')
    train_network(training_job(), _data(), keep)
    rows = read_log(tmp_path / LOG_FILE)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert max(row["loss"] for row in rows) < 9
    assert [row["step"] for row in rows if "validation" in row] == [2, 4, 6]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    keep = RunFolder(tmp_path, "run")
    first, told = train_network(training_job(), _data(), keep), []
    again = train_network(training_job(), _data(), keep, lambda *what: told.append(what))
    assert told == []
    assert np.array_equal(trained_weights(first), trained_weights(again))
    assert again.standing == first.standing


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    train_network(training_job(steps=1), _data(), RunFolder(tmp_path, "run"))
    with pytest.raises(AttunetError, match="another recipe"):
        train_network(training_job(steps=1), _data(), RunFolder(tmp_path, "other"))
    path = tmp_path / CHECKPOINT_FILE
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(AttunetError, match="cannot be read"):
        train_network(training_job(steps=1), _data(), RunFolder(tmp_path, "run"))


def test_one_seed_is_one_run_and_another_is_another(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_network(training_job(steps=3, seed=seed), _data(), RunFolder(tmp_path / name))
    assert _losses(tmp_path / "a") == pytest.approx(_losses(tmp_path / "b"), abs=2e-4)
    assert _losses(tmp_path / "a") != pytest.approx(_losses(tmp_path / "c"), abs=2e-4)


def test_training_ends_when_validation_gets_no_better_and_the_best_weights_are_kept() -> None:
    # Far too small a rate to learn anything: the first validation stays the best.
    job = training_job(steps=50, validate_every=1, patience=3, learning_rate=1e-12)
    trained = train_network(job, _data())
    assert (trained.standing.step, trained.standing.best_step) == (4, 1)
    assert trained.held_out_score == trained.standing.best_score


def test_best_and_last_keep_different_weights() -> None:
    data = _data()
    best, last = (
        train_network(training_job(steps=8, learning_rate=0.02, keep=keep), data) for keep in ("best", "last")
    )
    assert best.standing.best_step < 8, "the last validation is the best: nothing is shown here"
    assert not np.array_equal(trained_weights(best), trained_weights(last))


def test_a_run_can_start_from_a_bundle(tmp_path: Path) -> None:
    keras.utils.set_random_seed(9)
    family = family_by_name("attention_unet_2d")
    network = family.build_network(family.parse_config(CONFIG))
    fields = card_fields(config=CONFIG, preprocessing={"size": [32, 48], "spacing_mm": 8.0})
    bundle = write_bundle(tmp_path / "start", network, fields)
    job = training_job(steps=1, learning_rate=1e-12)
    started = train_network(
        TrainingJob(job.family, job.config, PREPROCESSING, job.settings, start=bundle), _data()
    )
    before = np.concatenate([np.asarray(v).ravel() for v in network.trainable_variables])
    assert trained_weights(started) == pytest.approx(before, abs=1e-6)
    assert trained_weights(train_network(job, _data())) != pytest.approx(before, abs=1e-2)


def test_a_network_with_dropout_is_trained_resumed_and_written(tmp_path: Path) -> None:
    config = CONFIG | {"dropout": 0.3}
    job = TrainingJob("attention_unet_2d", config, PREPROCESSING, training_job(checkpoint_seconds=0).settings)
    keep = RunFolder(tmp_path / "run", "run")

    def cancel(done: int, total: int, stage: str) -> None:
        if done == 2:
            raise WorkCancelled

    with pytest.raises(WorkCancelled):
        train_network(job, _data(), keep, cancel)
    trained = train_network(job, _data(), keep)
    fields = card_fields(config=config, preprocessing={"size": [32, 48], "spacing_mm": 8.0})
    again = load_network(write_bundle(tmp_path / "model", trained.network, fields))
    for before, after in zip(trained.network.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(before, after)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    with pytest.raises(AttunetError, match="learning_rate"):
        train_network(training_job(steps=20, learning_rate=1e30), _data())


def test_the_text_says_loss_score_time_left_and_waiting() -> None:
    said: list[str] = []
    train_network(training_job(), _data(), progress=lambda done, total, stage: said.append(stage))
    assert said[0] == "training, in float32"
    assert "DSC" not in said[1]
    for word in ("training, loss", "DSC", "at 6, best", "min left", "% waiting"):
        assert word in said[-1]


def test_validation_scores_slices_with_the_organ_and_whole_volumes() -> None:
    case = training_case(4)

    def half(images: np.ndarray) -> np.ndarray:
        """The upper half of the organ."""
        found = (images[..., 1] > 150).astype(np.float32)
        found[:, 16:] = 0
        return found

    found = validate_cases((case, training_case(5)), neighbours=1, threshold=0.5, infer=half)
    assert found.slices == pytest.approx(2 / 3, abs=0.05)
    assert found.volumes == pytest.approx(2 / 3, abs=0.05)
    empty = TrainingCase(case.images, 0 * case.truth)
    assert json.dumps(validate_cases((empty,), 1, 0.5, half).slices) == "0.0"

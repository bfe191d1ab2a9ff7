"""Heads that only training has, and averages of late weights: right numbers, and no trace in a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attunet_gui.network.batch_sampling import IGNORED_LABEL, TrainingCase, TrainingData, TrainingSource
from attunet_gui.network.tensorflow_runtime import keras, tf
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE, RunFolder, read_checkpoint
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.network.training_loop import TrainingJob, train_network
from attunet_gui.network.training_losses import coarse_loss
from attunet_gui.system.errors import AttunetError, WorkCancelled
from attunet_gui.training.recipe_schema import read_recipe
from attunet_gui.training.training_run import run_fingerprint
from tests.support.small_training import CONFIG, PREPROCESSING, STEPS, trained_weights, training_case

pytestmark = pytest.mark.network
_RECIPES = Path(__file__).parents[2] / "resources" / "recipes"


def _job(**settings: Any) -> TrainingJob:
    wanted = {"steps": STEPS, "batch": 3, "precision": "float32", "checkpoint_seconds": 0} | settings
    return TrainingJob(
        "attention_unet_2d", CONFIG | {"levels": 3}, PREPROCESSING, TrainingConfig.model_validate(wanted)
    )


def _data(*cases: TrainingCase) -> TrainingData:
    return TrainingData((TrainingSource("some", 1.0, cases or (training_case(1), training_case(2))),))


def _difference(truth: Any, found: Any) -> Any:
    return keras.ops.abs(truth[..., :1] - found) * (1 - truth[..., 1:2])


def test_coarse_truth_is_the_share_of_the_organ_and_each_head_counts_half_of_the_one_before() -> None:
    truth = np.zeros((1, 8, 8, 2), np.float32)
    truth[0, :3, :4, 0] = 1
    truth[0, 7, 7, 1] = 1  # ignored
    share = truth[..., 0].reshape(1, 4, 2, 4, 2).mean(axis=(2, 4))[..., None]
    assert share[0, 1, 0, 0] == 0.5
    off = share + 0.25
    off[0, 3, 3] = 9  # of the coarse pixel that is ignored
    outputs = {"coarse1": tf.constant(off), "coarse2": tf.zeros((1, 2, 2, 1))}
    coarser = share.reshape(1, 2, 2, 2, 2, 1).mean(axis=(2, 4))
    assert float(coarse_loss(_difference, tf.constant(truth), outputs)) == pytest.approx(
        0.25 * 15 / 16 + 0.5 * coarser[0].sum() / 4
    )


def test_deep_supervision_changes_what_is_learnt_and_leaves_no_head_in_the_network() -> None:
    plain, deep = (train_network(_job(deep_supervision=weight), _data()) for weight in (0.0, 0.5))
    assert [v.path for v in deep.network.weights] == [v.path for v in plain.network.weights]
    assert list(deep.network.output) == list(plain.network.output)
    assert np.abs(trained_weights(deep) - trained_weights(plain)).max() > 1e-3


def test_a_killed_run_with_heads_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    def cancel(done: int, total: int, stage: str) -> None:
        if done == 3:
            raise WorkCancelled

    ignoring = training_case(1)
    ignoring.truth[2, :, :9] = IGNORED_LABEL
    data, job = _data(ignoring, training_case(2)), _job(deep_supervision=0.4, view=(16, 24), view_share=1.0)
    whole = train_network(job, data, RunFolder(tmp_path / "whole", "run"))
    keep = RunFolder(tmp_path / "killed", "run")
    with pytest.raises(WorkCancelled):
        train_network(job, data, keep, cancel)
    first, last = (read_checkpoint(tmp_path / name / CHECKPOINT_FILE, "run") for name in ("killed", "whole"))
    assert first is not None
    assert last is not None
    heads = [name for name in first[0] if name.startswith("heads/")]
    assert len(heads) == 2, "a kernel and an offset of the one level that is not the finest"
    assert all(np.abs(first[0][name] - last[0][name]).max() > 0 for name in heads), "they learn"
    resumed = train_network(job, data, keep)
    assert trained_weights(resumed) == pytest.approx(trained_weights(whole), abs=5e-3)


def test_a_network_without_coarser_maps_cannot_be_supervised_deeply() -> None:
    shallow = TrainingJob("attention_unet_2d", CONFIG, PREPROCESSING, TrainingConfig(deep_supervision=0.5))
    with pytest.raises(AttunetError, match="no coarser maps for deep_supervision"):
        train_network(shallow, _data())


def test_the_last_steps_are_averaged_alike(tmp_path: Path) -> None:
    path, trained = tmp_path / CHECKPOINT_FILE, []

    def collect(done: int, total: int, stage: str) -> None:
        found = read_checkpoint(path, "run")
        if done and found:
            trained.append({name: v for name, v in found[0].items() if name.startswith("network/")})

    train_network(_job(average_share=0.5), _data(), RunFolder(tmp_path, "run"), collect)
    found = read_checkpoint(path, "run")
    assert found is not None
    assert len(trained) == STEPS == 6
    for name in trained[0]:
        mean = np.mean([each[name] for each in trained[3:]], axis=0)
        assert found[0][name.replace("network/", "average/", 1)] == pytest.approx(mean, abs=1e-5)


def test_recipes_without_the_later_options_go_on_from_checkpoints_of_before() -> None:
    recipe = read_recipe(_RECIPES / "starter-fine.toml")
    before = "415a782f67e338dfc3b542636888e36f1cdeff33a47b9a36143026b278528256"
    assert run_fingerprint(recipe, (), None) == before
    for table, option in (
        ("training", {"deep_supervision": 0.5}),
        ("training", {"average_share": 0.25}),
        ("preprocessing", {"neighbour_distance_mm": 3.0}),
    ):
        changed = recipe.model_copy(update={table: getattr(recipe, table).model_copy(update=option)})
        assert run_fingerprint(changed, (), None) != before

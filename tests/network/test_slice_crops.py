"""Learning from parts of slices: the right part, with the organ in it, through the same weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attunet_gui.network.augmentation import CropWindow, augment_batch
from attunet_gui.network.batch_sampling import BatchSampler, TrainingCase, TrainingData, TrainingSource
from attunet_gui.network.families.family_registry import family_by_name
from attunet_gui.network.tensorflow_runtime import tf
from attunet_gui.network.training_checkpoint import RunFolder
from attunet_gui.network.training_config import AugmentationConfig, SamplingConfig, TrainingConfig
from attunet_gui.network.training_loop import TrainingJob, network_for_crop, train_network
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.system.errors import WorkCancelled

pytestmark = pytest.mark.network
_CONFIG: dict[str, Any] = {"size": (32, 48), "filters": 2, "levels": 2, "gate_filters": 4}
_VIEW = (16, 24)
_STILL = AugmentationConfig.model_validate(
    {name: 0 for name in AugmentationConfig.model_fields if name != "elastic_grid_pixels"}
)


def _case(seed: int = 0) -> TrainingCase:
    truth = np.zeros((6, 32, 48), np.uint8)
    truth[1:5, 25:31, 2:6] = 1
    noise = np.random.default_rng(seed).integers(0, 60, truth.shape)
    return TrainingCase((60 + 120 * truth + noise).astype(np.uint8), truth)


def _sampler(foreground: float) -> BatchSampler:
    return BatchSampler(
        (TrainingSource("some", 1.0, (_case(),)),), 1, SamplingConfig(foreground_share=foreground), 5
    )


def _job(**settings: Any) -> TrainingJob:
    wanted = {
        "steps": 5,
        "batch": 3,
        "precision": "float32",
        "learning_rate": 1e-2,
        "view": _VIEW,
        "view_share": 0.6,
    } | settings
    return TrainingJob(
        "attention_unet_2d",
        _CONFIG,
        PreprocessingConfig(size=(32, 48), spacing_mm=8.0),
        TrainingConfig.model_validate(wanted),
    )


def test_a_part_is_that_part_of_the_slice() -> None:
    images = np.random.default_rng(1).integers(0, 255, (2, 32, 48, 3), dtype=np.uint8)
    truth = np.random.default_rng(2).integers(0, 2, (2, 32, 48, 1), dtype=np.uint8)
    centres = np.array([[7.5, 11.5], [9.5, 30.5]], np.float32)
    part = CropWindow(_VIEW, tf.constant(centres))
    seen, target = augment_batch(
        tf.constant(images), tf.constant(truth), [1, 2], _STILL, (-160.0, 240.0), part
    )
    corners = ((0, 0), (2, 19))
    for number, (row, column) in enumerate(corners):
        inside = np.s_[number, row : row + 16, column : column + 24]
        assert np.allclose(seen[number], images[inside] / 255, atol=1e-5)
        assert np.array_equal(target[number], truth[inside])


def test_what_turns_into_a_part_from_beyond_its_edge_is_there() -> None:
    bright = np.full((1, 32, 48, 3), 200, np.uint8)
    bright[:, :, :, 1] = 190  # not a lone picture
    settings = _STILL.model_copy(update={"rotation_degrees": 60.0, "scale": 0.2})
    part = CropWindow((8, 8), tf.constant([[15.5, 23.5]]))
    for seed in range(5):
        seen, _ = augment_batch(
            tf.constant(bright), tf.constant(bright[..., :1] * 0), [seed, 1], settings, (-160.0, 240.0), part
        )
        assert np.min(seen) > 0.7


def test_the_organ_is_in_the_part_and_the_part_in_the_slice() -> None:
    batch = _sampler(1.0).draw_batch(3, 40, _VIEW)
    low = batch.centres - (np.array(_VIEW) - 1) / 2
    assert (low >= 0).all()
    assert (low + _VIEW <= (32, 48)).all()
    for truth, (row, column) in zip(batch.truth[..., 0], np.rint(low).astype(int), strict=True):
        assert truth[row : row + 16, column : column + 24].any()
    assert len(np.unique(batch.centres, axis=0)) > 5


def test_a_slice_without_organ_is_looked_at_anywhere() -> None:
    empty = replace(_case(), truth=np.zeros((6, 32, 48), np.uint8))
    batch = BatchSampler((TrainingSource("some", 1.0, (empty,)),), 1, SamplingConfig(), 5).draw_batch(
        1, 60, _VIEW
    )
    assert batch.centres.min(axis=0) == pytest.approx((8, 12), abs=3)
    assert batch.centres.max(axis=0) == pytest.approx((23, 35), abs=3)


def test_how_much_is_looked_at_does_not_change_which_slices_come() -> None:
    whole, parts = (_sampler(0.5).draw_batch(7, 12, view) for view in (None, _VIEW))
    assert np.array_equal(whole.images, parts.images)
    assert np.array_equal(whole.truth, parts.truth)
    assert np.allclose(whole.centres, (15.5, 23.5))


def test_the_network_of_a_part_is_the_same_network() -> None:
    family = family_by_name("attention_unet_2d")
    network = family.build_network(family.parse_config(_CONFIG))
    small = network_for_crop(network, _VIEW)
    assert network_for_crop(network, None) is network
    assert [one is other for one, other in zip(small.weights, network.weights, strict=True)] == [True] * len(
        network.weights
    )
    assert small.output["probability"].shape == (None, *_VIEW, 1)


def test_the_last_steps_see_whole_slices() -> None:
    settings = _job().settings
    assert [settings.crop_size_at(step) for step in range(1, 6)] == [_VIEW, _VIEW, _VIEW, None, None]
    assert TrainingConfig().crop_size_at(1) is None


def test_a_run_with_parts_goes_on_as_if_it_had_not_been_stopped(tmp_path: Any) -> None:
    def cancel(done: int, total: int, stage: str) -> None:
        if done == stopped:
            raise WorkCancelled

    data = TrainingData((TrainingSource("some", 1.0, (_case(1), _case(2))),), (_case(3),))
    whole = train_network(_job(), data)
    plain = train_network(_job(view=None), data)
    weights = [np.concatenate([np.ravel(v) for v in found.network.get_weights()]) for found in (whole, plain)]
    assert np.abs(weights[0] - weights[1]).max() > 0.02
    for stopped in (2, 4):
        keep = RunFolder(tmp_path / str(stopped), "run")
        with pytest.raises(WorkCancelled):
            train_network(_job(), data, keep, cancel)
        resumed = train_network(_job(), data, keep)
        found = np.concatenate([np.ravel(v) for v in resumed.network.get_weights()])
        assert found == pytest.approx(weights[0], abs=5e-3)

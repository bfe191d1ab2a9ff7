"""What nobody judged teaches nothing: no gradient, no draw, no score."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.network.augmentation import augment_batch
from attunet_gui.network.batch_sampling import (
    IGNORED_LABEL,
    BatchSampler,
    TrainingCase,
    TrainingData,
    TrainingSource,
    make_training_case,
)
from attunet_gui.network.families.family_registry import family_by_name
from attunet_gui.network.model_bundle import read_bundle, set_calibration
from attunet_gui.network.tensorflow_runtime import tf
from attunet_gui.network.training_config import AugmentationConfig, SamplingConfig
from attunet_gui.network.training_loop import network_from_bundle, train_network
from attunet_gui.network.training_losses import LOSSES, masked_loss
from attunet_gui.network.validation_scores import validate_cases
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.training.finetuning.finetune_run import blend_weights
from tests.support.model_cards import TINY_CONFIG
from tests.support.small_training import trained_weights, training_case, training_job

pytestmark = pytest.mark.network


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_have_a_gradient_of_exactly_zero_and_the_others_have_one(name: str) -> None:
    random = np.random.default_rng(1)
    truth = tf.constant((random.random((2, 8, 9, 1)) < 0.3).astype(np.float32))
    counted = random.random((2, 8, 9, 1)) < 0.5
    counted[1] = False
    logits = tf.Variable(random.normal(0, 3, truth.shape).astype(np.float32))
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(masked_loss(LOSSES[name], truth, tf.sigmoid(logits), counted))
    gradient = tape.gradient(value, logits).numpy()
    assert np.all(gradient[~counted] == 0.0)
    assert np.all(gradient[counted] != 0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_predicted_where_nobody_judged_does_not_change_the_loss(name: str) -> None:
    random = np.random.default_rng(2)
    truth, one, other = (random.random((1, 6, 7, 1)).round(1).astype(np.float32) for _ in range(3))
    counted = random.random(truth.shape) < 0.6
    losses = [
        np.asarray(masked_loss(LOSSES[name], truth.round(), np.where(counted, one, there), counted))
        for there in (one, other, np.ones_like(one))
    ]
    assert np.array_equal(losses[0], losses[1])
    assert np.array_equal(losses[0], losses[2])


def _partial(seed: int, known: slice) -> TrainingCase:
    case = training_case(seed)
    truth = np.full_like(case.truth, IGNORED_LABEL)
    truth[known] = case.truth[known]
    return TrainingCase(case.images, truth)


def test_ignored_is_learnt_from_neither_as_background_nor_as_organ() -> None:
    """Half of each slice is hidden: what comes out is another network than from either reading of it."""

    def learnt(hidden: int | None) -> np.ndarray:
        case = training_case(1)
        truth = case.truth.copy()
        truth[:, :, 20:] = truth[:, :, 20:] if hidden is None else hidden
        data = TrainingData((TrainingSource("some", 1.0, (TrainingCase(case.images, truth),)),))
        return trained_weights(train_network(training_job(steps=2), data))

    ignored = learnt(IGNORED_LABEL)
    assert np.array_equal(ignored, learnt(IGNORED_LABEL))
    assert not any(np.allclose(ignored, learnt(other), atol=1e-6) for other in (None, 0, 1))


def test_slices_that_are_ignored_are_never_drawn() -> None:
    sources = (TrainingSource("some", 1.0, (_partial(1, slice(2, 4)), _partial(2, slice(0, 0)))),)
    batch = BatchSampler(sources, 1, SamplingConfig(), seed=1).draw_batch(1, 64)
    assert not (batch.truth == IGNORED_LABEL).any()
    assert batch.truth.any()


def test_masks_move_together_and_the_ignored_one_covers_all_it_touched() -> None:
    truth = np.zeros((4, 32, 48, 2), np.uint8)
    truth[:, 8:20, 10:30, 0] = 1
    truth[:, 8:20, 10:30, 1] = 1
    images = np.repeat(truth[..., :1] * 200, 3, axis=-1)
    _, target = augment_batch(images, truth, tf.constant([1, 2]), AugmentationConfig(), (-160.0, 240.0))
    assert np.array_equal(target[..., 0], target[..., 1])
    assert target.numpy().any()


def test_validation_counts_judged_pixels_only() -> None:
    case = _partial(1, slice(0, 3))
    bright = lambda images: (images[..., 1] > 120).astype(np.float32)  # noqa: E731
    assert validate_cases((case,), 1, 0.5, bright).volumes == pytest.approx(1.0)


def test_a_pixel_is_ignored_as_soon_as_a_part_of_it_is() -> None:
    hu = np.zeros((4, 40, 60), np.int16)
    affine = np.diag([-4.0, -4.0, 5.0, 1.0])
    volume = Volume(
        hu, canonical_reorientation(VoxelGrid((60, 40, 4), affine)), "x", VolumeOrigin(__file__, "test")
    )  # type: ignore[arg-type]
    mask, judged = np.ones(hu.shape, np.uint8), np.ones(hu.shape, bool)
    judged[2], judged[1, 20, 30] = False, False
    found = make_training_case(
        volume, mask, PreprocessingConfig(size=(32, 48), spacing_mm=8.0), judged=judged
    )
    assert (found.truth[2] == IGNORED_LABEL).sum() >= 20 * 30
    assert 1 <= (found.truth[1] == IGNORED_LABEL).sum() <= 4
    assert not (found.truth[[0, 3]] == IGNORED_LABEL).any()


def test_a_folded_start_cuts_its_draft_at_one_half(tiny_bundle: Path, tmp_path: Path) -> None:
    line = ProbabilityCalibration(slope=0.6, offset=-1.5)
    copy = copytree(tiny_bundle, tmp_path / "copy")
    bundle = set_calibration(read_bundle(copy), line, 0.23)
    size = (*bundle.card.preprocessing.size, bundle.card.preprocessing.input_channels)
    images = np.random.default_rng(3).random((2, *size)).astype(np.float32)
    plain, folded = (
        np.asarray(network_from_bundle(bundle, folded=fold)(images)["probability"]) for fold in (False, True)
    )
    edge = np.log(0.23 / 0.77)
    there = line.apply(plain.astype(np.float64))
    assert np.log(folded / (1 - folded)) == pytest.approx(np.log(there / (1 - there)) - edge, abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_part_of_the_way_is_a_point_on_the_straight_line(share: float) -> None:
    family = family_by_name("attention_unet_2d")
    first, last = (family.build_network(family.parse_config(TINY_CONFIG)) for _ in range(2))
    begun, ended = first.get_weights(), last.get_weights()
    blend_weights(first, last, share)
    for start, end, found in zip(begun, ended, last.get_weights(), strict=True):
        assert found == pytest.approx((1 - share) * start + share * end, abs=1e-6)

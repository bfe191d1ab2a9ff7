"""Random variation: seeded, each part with a switch, truth and image moved together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from attunet_gui.network.augmentation import augment_batch
from attunet_gui.network.training_config import AugmentationConfig

pytestmark = pytest.mark.network
_WINDOW = (-160.0, 240.0)
_OFF = AugmentationConfig.model_validate(
    {name: 0 for name in AugmentationConfig.model_fields if name != "elastic_grid_pixels"}
)
_PARTS = sorted(set(AugmentationConfig.model_fields) - {"elastic_grid_pixels"})


def _batch(seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (4, 48, 64, 3)).astype(np.uint8)
    truth = np.zeros((4, 48, 64, 1), np.uint8)
    truth[:, 16:34, 20:44] = 1
    return images, truth


def _varied(
    images: NDArray[np.uint8], truth: NDArray[np.uint8], settings: AugmentationConfig, seed: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    found = augment_batch(tf.constant(images), tf.constant(truth), tf.constant([3, seed]), settings, _WINDOW)
    return found[0].numpy(), found[1].numpy()


def test_one_seed_is_one_result_and_another_is_another() -> None:
    first, again, other = (_varied(*_batch(), AugmentationConfig(), seed) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_values_stay_in_0_to_1_and_truth_stays_sharp() -> None:
    images, truth = _varied(*_batch(), AugmentationConfig(noise=0.5, brightness=0.5))
    assert (images.dtype, truth.dtype) == (np.float32, np.float32)
    assert 0 <= images.min() < images.max() <= 1
    assert set(np.unique(truth)) == {0, 1}


def test_switched_off_nothing_changes() -> None:
    images, truth = _batch()
    varied, still = _varied(images, truth, _OFF)
    assert np.allclose(varied, images / np.float32(255), atol=1e-5)
    assert np.array_equal(still, truth)


@pytest.mark.parametrize("part", _PARTS)
def test_each_part_alone_changes_something(part: str) -> None:
    on: Any = 1.0 if part.endswith("share") else getattr(AugmentationConfig(), part)
    images, truth = _batch()
    varied, _truth = _varied(images, truth, _OFF.model_copy(update={part: on}))
    assert np.abs(varied - images / 255).max() > 0.01


def test_truth_moves_with_the_image() -> None:
    _images, truth = _batch()
    images = np.repeat(100 + 100 * truth, 3, axis=-1)
    settings = _OFF.model_copy(
        update={
            "rotation_degrees": 30.0,
            "scale": 0.3,
            "shear": 0.2,
            "shift_pixels": 6.0,
            "elastic_pixels": 2.0,
        }
    )
    varied, moved = _varied(images, truth, settings)
    assert np.array_equal(varied[..., :1] >= 150 / 255, moved == 1)
    assert np.abs(moved - truth).mean() > 0.01


def test_the_two_axes_are_scaled_on_their_own() -> None:
    images, truth = _batch()
    _varied_images, moved = _varied(images, truth, _OFF.model_copy(update={"scale": 0.4}), seed=4)
    rows = moved.any(axis=2).sum(axis=1).ravel() / 18
    columns = moved.any(axis=1).sum(axis=1).ravel() / 24
    assert np.abs(rows / columns - 1).max() > 0.15


def test_no_slice_is_ever_mirrored() -> None:
    images = np.tile(np.linspace(40, 215, 64).astype(np.uint8)[None, None, :, None], (4, 48, 1, 3))
    truth = np.zeros((4, 48, 64, 1), np.uint8)
    for seed in range(20):
        varied, _truth = _varied(images, truth, AugmentationConfig(noise=0), seed)
        inner = varied[:, 16:32, :, 1].mean(axis=1)
        assert (inner[:, 36:44].mean(axis=1) > inner[:, 20:28].mean(axis=1)).all()


def test_a_lone_slice_keeps_its_channels_equal() -> None:
    images, truth = _batch()
    images[:2] = images[:2, ..., :1]
    varied, _truth = _varied(images, truth, AugmentationConfig())
    spread = np.abs(varied - varied[..., :1]).max(axis=(1, 2, 3))
    assert (spread[:2] == 0).all()
    assert (spread[2:] > 0).all()


def test_a_clipped_slice_is_never_darker_than_0_hu() -> None:
    images, truth = _batch()
    varied, _truth = _varied(images, truth, AugmentationConfig(clipped_share=1.0))
    assert varied.min() == pytest.approx(160 / 400)


def test_what_was_cut_off_stays_cut_off() -> None:
    images, truth = _batch()
    images[:, :, 30:] = 102
    images = np.maximum(images, 102)
    settings = AugmentationConfig(elastic_pixels=0, rotation_degrees=0, scale=0, shear=0, shift_pixels=0)
    varied, _truth = _varied(images, truth, settings.model_copy(update={"clipped_share": 0.0}))
    assert np.allclose(varied[:, :, 34:], 102 / 255)
    assert varied.min() >= np.float32(102 / 255)

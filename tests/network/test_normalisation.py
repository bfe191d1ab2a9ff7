"""The fused batch normalisation is Keras' own, only faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attunet_gui.network.families.fused_layers import FusedBatchNormalisation
from attunet_gui.network.tensorflow_runtime import keras, tf

pytestmark = pytest.mark.network
_INPUTS = np.random.default_rng(0).normal(3, 2, (4, 16, 20, 5)).astype(np.float32)
_WEIGHTS = [np.linspace(low, low + 1, 5, dtype=np.float32) for low in (0.5, -1, 0, 2)]


def _layers(**said: Any) -> tuple[Any, Any]:
    pair = (keras.layers.BatchNormalization(**said), FusedBatchNormalisation(**said))
    for layer in pair:
        layer.build(_INPUTS.shape)
        layer.set_weights(_WEIGHTS)
    return pair


def _gradients(layer: Any, inputs: np.ndarray, training: bool = True) -> list[np.ndarray]:
    given, towards = (
        tf.constant(inputs),
        tf.constant(np.random.default_rng(1).normal(size=inputs.shape), tf.float32),
    )
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = tf.reduce_sum(layer(given, training=training) * towards)
    return [np.asarray(each) for each in tape.gradient(value, [given, *layer.trainable_variables])]


def test_outputs_gradients_and_running_statistics_are_those_of_keras() -> None:
    plain, fused = _layers()
    for expected, found in zip(_gradients(plain, _INPUTS), _gradients(fused, _INPUTS), strict=True):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert np.allclose(plain(_INPUTS, training=True), fused(_INPUTS, training=True), atol=1e-4)
    for expected, found in zip(plain.get_weights(), fused.get_weights(), strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert not np.allclose(fused.get_weights()[2], _WEIGHTS[2])


def test_it_predicts_with_the_running_statistics() -> None:
    plain, fused = _layers()
    assert np.allclose(plain(_INPUTS, training=False), fused(_INPUTS, training=False), atol=1e-5)
    for expected, found in zip(
        _gradients(plain, _INPUTS, False), _gradients(fused, _INPUTS, False), strict=True
    ):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)
    for before, after in zip(_WEIGHTS, fused.get_weights(), strict=True):
        assert np.array_equal(before, after)


def test_what_may_not_be_trained_keeps_its_statistics() -> None:
    _plain, fused = _layers()
    fused.trainable = False
    assert np.array_equal(fused(_INPUTS, training=True), fused(_INPUTS, training=False))
    assert np.array_equal(fused.get_weights()[2], _WEIGHTS[2])


def test_in_bfloat16_the_statistics_stay_float32() -> None:
    plain, fused = _layers(dtype="mixed_bfloat16")
    expected, found = (layer(_INPUTS, training=True) for layer in (plain, fused))
    assert found.dtype == expected.dtype == tf.bfloat16
    assert np.allclose(tf.cast(found, tf.float32), tf.cast(expected, tf.float32), atol=0.05)
    assert fused.moving_variance.dtype == "float32"
    assert fused.get_weights()[3] == pytest.approx(plain.get_weights()[3], rel=1e-2)

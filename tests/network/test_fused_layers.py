"""The decoder's convolution is Keras' own over an enlarged and a joined map, only faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attunet_gui.network.families.fused_layers import UpsampleConcatConvolution
from attunet_gui.network.tensorflow_runtime import keras, tf

pytestmark = pytest.mark.network
_RANDOM = np.random.default_rng(0)
_COARSE = _RANDOM.normal(size=(2, 6, 9, 8)).astype(np.float32)
_SKIP = _RANDOM.normal(size=(2, 12, 18, 4)).astype(np.float32)
_TOWARDS = _RANDOM.normal(size=(2, 12, 18, 4)).astype(np.float32)


def _plain(dtype: str) -> tuple[Any, Any]:
    """UpSampling2D, Concatenate and Conv2D; the layer that has the weights."""
    convolution = keras.layers.Conv2D(4, 3, padding="same", activation="relu", dtype=dtype)
    up, join = keras.layers.UpSampling2D(2, dtype=dtype), keras.layers.Concatenate(dtype=dtype)
    return lambda inputs: convolution(join([up(inputs[0]), inputs[1]])), convolution


def _pair(dtype: str = "float32") -> tuple[Any, Any, Any, Any]:
    plain, convolution = _plain(dtype)
    joined = UpsampleConcatConvolution(4, dtype=dtype)
    plain([_COARSE, _SKIP])
    joined([_COARSE, _SKIP])
    weights = [
        _RANDOM.normal(size=(3, 3, 12, 4), scale=0.2).astype(np.float32),
        np.linspace(-1, 1, 4, dtype=np.float32),
    ]
    for layer in (convolution, joined):
        layer.set_weights(weights)
    return plain, convolution, joined, joined


def _gradients(call: Any, layer: Any) -> list[np.ndarray]:
    given = [tf.constant(_COARSE), tf.constant(_SKIP)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = tf.reduce_sum(tf.cast(call(given), tf.float32) * _TOWARDS)
    return [np.asarray(each) for each in tape.gradient(value, [*given, *layer.trainable_variables])]


def test_outputs_and_gradients_are_those_of_keras() -> None:
    plain, convolution, joined, layer = _pair()
    assert np.allclose(plain([_COARSE, _SKIP]), joined([_COARSE, _SKIP]), atol=1e-5)
    expected, found = _gradients(plain, convolution), _gradients(joined, layer)
    assert len(expected) == len(found) == 4
    for one, other in zip(expected, found, strict=True):
        assert np.abs(one).max() > 0.5
        assert other == pytest.approx(one, rel=1e-4, abs=1e-4)


def test_the_rim_is_dark_beyond_the_edge_as_in_keras() -> None:
    plain, _convolution, joined, _layer = _pair()
    expected, found = np.asarray(plain([_COARSE, _SKIP])), np.asarray(joined([_COARSE, _SKIP]))
    for rim in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        assert found[rim] == pytest.approx(expected[rim], abs=1e-5)


def test_in_bfloat16_weights_are_added_in_float32_and_stay_so() -> None:
    plain, _convolution, joined, layer = _pair("mixed_bfloat16")
    expected, found = plain([_COARSE, _SKIP]), joined([_COARSE, _SKIP])
    assert found.dtype == expected.dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert np.allclose(tf.cast(found, tf.float32), tf.cast(expected, tf.float32), atol=0.06)


def test_it_is_told_its_shape_before_it_computes() -> None:
    coarse, skip = keras.Input((6, 9, 8)), keras.Input((12, 18, 4))
    assert UpsampleConcatConvolution(5)([coarse, skip]).shape == (None, 12, 18, 5)

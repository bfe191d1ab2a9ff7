"""The article's network: its size, its gates, its round trip through a bundle."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from attunet_gui.network.families.attention_unet_2d.attention_unet_config import (
    AttentionUNet2DConfig,
    count_parameters,
    list_gates,
)
from attunet_gui.network.families.attention_unet_2d.attention_unet_keras import build_network
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.inference import load_model, predict_volume
from attunet_gui.network.model_bundle import load_network, read_bundle, write_bundle
from attunet_gui.network.training_losses import LOSSES
from attunet_gui.prediction.map_overlays import make_overlays
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from tests.support.model_cards import TINY_CONFIG, card_fields

pytestmark = pytest.mark.network
_SHIPPED = Path(__file__).parents[2] / "models" / "phantom-starter"
TINY = AttentionUNet2DConfig.model_validate(TINY_CONFIG)


def test_the_article_has_7951369_parameters() -> None:
    network = build_network(AttentionUNet2DConfig(filters=32, size=(224, 224), channels=3))
    assert network.count_params() == 7_951_369


@pytest.mark.parametrize(
    "config",
    [
        AttentionUNet2DConfig(),
        TINY,
        AttentionUNet2DConfig(filters=5, levels=4, channels=1, gate_filters=3),
        TINY.model_copy(update={"gates": False}),
    ],
    ids=["article", "tiny", "odd", "plain"],
)
def test_the_number_of_weights_is_known_without_building(config: AttentionUNet2DConfig) -> None:
    assert count_parameters(config) == build_network(config).count_params()


def test_there_is_no_lambda_in_it() -> None:
    assert not [layer for layer in build_network(TINY).layers if isinstance(layer, keras.layers.Lambda)]


def test_each_block_is_two_times_convolution_relu_normalisation() -> None:
    names = [layer.name for layer in build_network(TINY).layers if layer.name.startswith("encoder2_")]
    assert names == [
        "encoder2_1_conv",
        "encoder2_1_norm",
        "encoder2_2_conv",
        "encoder2_2_norm",
        "encoder2_pool",
    ]
    convolution = build_network(TINY).get_layer("encoder2_1_conv")
    assert convolution.kernel_size == (3, 3)
    assert convolution.activation is keras.activations.relu


def test_dropout_is_optional() -> None:
    with_dropout = build_network(TINY.model_copy(update={"dropout": 0.2}))
    assert sum(isinstance(layer, keras.layers.Dropout) for layer in with_dropout.layers) == 5
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in build_network(TINY).layers)


def test_a_gate_is_wired_as_in_the_article() -> None:
    network = build_network(TINY)
    assert network.get_layer("gate1_gating").strides == (1, 1)
    assert network.get_layer("gate1_score").filters == 1
    assert network.get_layer("gate1").activation is keras.activations.sigmoid
    closed = build_network(TINY)
    closed.get_layer("gate1_score").bias.assign([-80.0])
    image = np.random.default_rng(0).random((1, 64, 64, 3)).astype(np.float32)
    skip = keras.Model(closed.input, closed.get_layer("gate1_apply").output)(image)
    assert np.abs(np.asarray(skip)).max() < 1e-6


def test_the_skip_goes_through_a_1x1_convolution_with_stride_2() -> None:
    network = build_network(TINY)
    skip = np.random.default_rng(5).random((2, 64, 64, 2)).astype(np.float32)
    every_second, convolution = network.get_layer("gate1_stride"), network.get_layer("gate1_skip")
    whole = keras.layers.Conv2D(4, 1, strides=2, activation="relu")
    whole.build(skip.shape)
    whole.set_weights(convolution.get_weights())
    assert np.allclose(convolution(every_second(skip)), whole(skip), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("training", [False, True])
def test_a_fresh_gate_lets_everything_pass(seed: int, training: bool) -> None:
    keras.utils.set_random_seed(seed)
    network = build_network(TINY.model_copy(update={"filters": 8, "gate_filters": 16}))
    image = np.random.default_rng(seed).random((2, 64, 64, 3)).astype(np.float32)
    outputs = network(image, training=training)
    for gate in list_gates(TINY):
        assert np.mean(outputs[gate.name]) > 0.94
        assert np.min(outputs[gate.name]) > 0.85
    first, second = (network.get_layer(f"{gate.name}_score").kernel for gate in list_gates(TINY))
    assert np.all(np.asarray(first) != np.asarray(second))


def test_without_gates_it_is_the_plain_network_of_the_same_width(tmp_path: Path) -> None:
    config = TINY_CONFIG | {"gates": False}
    network = build_network(AttentionUNet2DConfig.model_validate(config))
    assert set(network.output) == {PROBABILITY}
    assert not [layer.name for layer in network.layers if layer.name.startswith("gate")]
    joins = {layer.name: layer.kernel.shape for layer in network.layers if layer.name.endswith("_1_conv")}
    assert len(joins) == 2 * TINY.levels - 1
    assert joins == {
        layer.name: layer.kernel.shape for layer in build_network(TINY).layers if layer.name in joins
    }
    bundle = write_bundle(tmp_path / "plain", network, card_fields(config=config))
    volume = phantom_volume(make_phantom(PhantomRequest(5, (2, 60, 70), (5.0, 5.0, 5.0))))
    prediction = predict_volume(volume, load_model(bundle))
    assert prediction.gates == ()
    assert [overlay.title for overlay in make_overlays(prediction)] == ["Probability"]


def test_a_loaded_network_has_the_numbers_of_its_file_and_no_fresh_ones() -> None:
    bundle = read_bundle(_SHIPPED)
    stored = load_file(bundle.weights_path)
    for variable in load_network(bundle).variables:
        assert np.array_equal(variable.numpy(), stored[variable.path]), variable.path


@pytest.mark.parametrize("wrong", [{"size": (100, 224)}, {"channels": 2}, {"filters": 0}, {"lambda": 1}])
def test_a_configuration_that_cannot_be_built_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AttentionUNet2DConfig.model_validate(wrong)


def test_dice_over_the_image_counts_overlap_and_the_article_form_does_not() -> None:
    truth = np.zeros((2, 8, 8, 1), np.float32)
    truth[:, :4] = 1
    shifted = np.roll(truth, 2, axis=1)
    image = np.asarray(LOSSES["dice"](truth, shifted))
    assert image == pytest.approx([1 - (2 * 16 + 1) / (64 + 1)] * 2)
    assert np.asarray(LOSSES["dice"](truth, truth)) == pytest.approx([0, 0], abs=1e-6)
    article = np.asarray(LOSSES["article_dice"](truth, shifted))
    assert article.shape == (2, 8, 8)
    assert set(np.unique(article)) == {0.0, 0.5}


def test_an_empty_image_with_an_empty_prediction_costs_nothing() -> None:
    empty = np.zeros((1, 8, 8, 1), np.float32)
    assert np.asarray(LOSSES["dice"](empty, empty)) == pytest.approx([0.0])

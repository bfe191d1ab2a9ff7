"""The article's network: its size, its gates, its round trip through a bundle."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from attunet_gui.core.map_overlays import make_overlays
from attunet_gui.core.preprocess import PreprocessingConfig
from attunet_gui.network.batch_sampling import TrainingCase, TrainingSource
from attunet_gui.network.families.attention_unet_2d.attention_unet_config import (
    PROBABILITY,
    AttentionUNet2DConfig,
    gate_names,
    gate_sizes,
    parameter_count,
)
from attunet_gui.network.families.attention_unet_2d.attention_unet_keras import build_network
from attunet_gui.network.families.family_registry import FAMILIES, ModelFamily
from attunet_gui.network.inference import load_model, predict_volume
from attunet_gui.network.model_bundle import load_network, read_bundle, write_bundle
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.network.training_loop import TrainingData, TrainingJob, train_network
from attunet_gui.network.training_losses import LOSSES
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
    assert parameter_count(config) == build_network(config).count_params()


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
    for name in gate_names(TINY):
        assert np.mean(outputs[name]) > 0.94
        assert np.min(outputs[name]) > 0.85
    first, second = (network.get_layer(f"{name}_score").kernel for name in gate_names(TINY))
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


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
class TestEveryFamily:
    """What any family has to keep."""

    def test_its_configuration_survives_json(self, family: ModelFamily) -> None:
        config = family.config_type()
        assert family.config_type.model_validate_json(config.model_dump_json()) == config

    def test_its_gates_are_named_outputs_in_0_to_1_of_one_pass(self, family: ModelFamily) -> None:
        outputs = family.build_network(TINY)(np.random.default_rng(1).normal(size=(2, 64, 64, 3)) * 9)
        assert set(outputs) == {PROBABILITY, *gate_names(TINY)}
        for name, size in zip(gate_names(TINY), gate_sizes(TINY), strict=True):
            assert outputs[name].shape == (2, *size, 1)
        for values in outputs.values():
            assert 0 <= np.min(values) <= np.max(values) <= 1

    def test_it_predicts_the_same_after_saving_and_loading(self, family: ModelFamily, tmp_path: Path) -> None:
        network = family.build_network(TINY)
        network.set_weights(
            [w + 0.01 * np.arange(w.size).reshape(w.shape) / w.size for w in network.get_weights()]
        )
        bundle = write_bundle(tmp_path / "tiny", network, card_fields(family=family.name))
        image = np.random.default_rng(2).random((1, 64, 64, 3)).astype(np.float32)
        before, after = network(image), load_network(bundle)(image)
        for name in before:
            assert np.array_equal(before[name], after[name])

    def test_training_lowers_the_loss(self, family: ModelFamily) -> None:
        images = np.full((8, 64, 64), 60, np.uint8)
        truth = np.zeros((8, 64, 64), np.uint8)
        truth[2:6, 20:44, 20:44] = 1
        case = TrainingCase(np.where(truth, 200, images).astype(np.uint8), truth)
        losses: list[float] = []
        settings = TrainingConfig(steps=100, batch=4, precision="float32", learning_rate=0.01)
        wanted = PreprocessingConfig(size=(64, 64), spacing_mm=7.0)
        train_network(
            TrainingJob(family.name, TINY_CONFIG, wanted, settings),
            TrainingData((TrainingSource("one", 1.0, (case,)),)),
            progress=lambda done, total, stage: (
                losses.append(float(stage.split()[2].strip(","))) if done else None
            ),
        )
        assert losses[-1] < 0.8 * losses[0]


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

"""What every family of networks keeps, from its configuration to both engines, training and adaptation.

Everything goes through `FAMILIES`, so a new family is tested as soon as its folder is registered.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from attunet_gui.network.batch_sampling import TrainingCase, TrainingData, TrainingSource
from attunet_gui.network.engines.engine_registry import ENGINES, KERAS, OPENVINO, EngineKind, InferenceEngine
from attunet_gui.network.families import family_registry
from attunet_gui.network.families.family_registry import FAMILIES, family_by_name
from attunet_gui.network.families.model_family import PROBABILITY, ModelFamily, NetworkConfig
from attunet_gui.network.gate_intervention import gate_held
from attunet_gui.network.inference import load_model, predict_volume
from attunet_gui.network.model_bundle import ModelBundle, load_network, set_calibration, write_bundle
from attunet_gui.network.online_adapter import AdaptationExamples, MaskedSlices, OnlineAdapter
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.network.training_loop import (
    TrainingJob,
    network_for_crop,
    network_from_bundle,
    train_network,
)
from attunet_gui.prediction.map_overlays import make_overlays
from attunet_gui.prediction.network_prediction import blank_prediction, draft_mask, outline_of_prediction
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError, InvalidModelBundle
from tests.support.model_cards import card_fields

pytestmark = pytest.mark.network
_INSTALLED = [kind for kind in ENGINES if kind.is_installed]
_ROOT = Path(__file__).parents[2]
_FAMILIES_FOLDER = Path(family_registry.__file__).parent
_PLACE = "attunet_gui.network.families"


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> ModelFamily:
    return request.param


@pytest.fixture(scope="module")
def config(family: ModelFamily) -> NetworkConfig:
    return family.parse_config(family.tiny_config)


@pytest.fixture(scope="module")
def bundle(
    family: ModelFamily, config: NetworkConfig, tmp_path_factory: pytest.TempPathFactory
) -> ModelBundle:
    """A bundle whose weights are all different from fresh ones."""
    keras.utils.set_random_seed(7)
    network = family.build_network(config)
    random = np.random.default_rng(7)
    network.set_weights([w + random.uniform(-0.05, 0.05, w.shape) for w in network.get_weights()])
    # A fresh network says "nothing" nearly everywhere; here both answers are to occur.
    logits = np.asarray(family.build_logits(network)(_images(config, 2)))
    family.shift_logits(network, 1 / logits.std(), -np.median(logits) / logits.std())
    return write_bundle(tmp_path_factory.mktemp("models") / family.name, network, _fields(family, config))


def _images(config: NetworkConfig, count: int, seed: int = 4) -> NDArray[np.float32]:
    """(count, rows, columns, channels or slices) float32 in [0, 1]."""
    random = np.random.default_rng(seed)
    return random.random((count, *config.input_shape)).astype(np.float32)


def _answer_shape(config: NetworkConfig, size: tuple[int, int] | None = None) -> tuple[int, ...]:
    """(rows, columns, slices) of an output that has `size` over the whole grid; None is that of the grid."""
    factor = config.size[0] // (size or config.size)[0]
    rows, columns, slices = config.input_shape
    return rows // factor, columns // factor, slices // factor if config.patch else 1


def _fields(family: ModelFamily, config: NetworkConfig) -> dict[str, Any]:
    """Fields of a card whose preprocessing makes the input of the network."""
    preprocessing = {"size": config.size, "spacing_mm": 7.0, "neighbours": config.channels // 2}
    return card_fields(family=family.name, config=config.model_dump(mode="json"), preprocessing=preprocessing)


# The registry and its folders


def test_every_folder_is_registered_under_its_name() -> None:
    folders = sorted(path.parent.name for path in _FAMILIES_FOLDER.glob("*/__init__.py"))
    assert sorted(family.name for family in FAMILIES) == folders
    for family in FAMILIES:
        assert family_by_name(family.name) is family


def test_listing_the_families_loads_neither_tensorflow_nor_openvino() -> None:
    script = (
        "import sys\n"
        "from attunet_gui.network.families.family_registry import FAMILIES\n"
        "for family in FAMILIES:\n"
        "    config = family.parse_config(family.tiny_config)\n"
        "    family.count_parameters(config), family.gate_sizes(config), family.output_names(config)\n"
        "print(len(FAMILIES), sorted({'tensorflow', 'keras', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{len(FAMILIES)} []"


def _named_modules(source: str) -> Iterator[str]:
    """Yield every module that `source` imports, and every text in it, which may name one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _reaches_inside(path: Path, source: str) -> list[str]:
    """Return the families that the file at `path` names from outside of their folder."""
    inside = path.parent.name if path.parent.parent == _FAMILIES_FOLDER else None
    return [
        family.name
        for family in FAMILIES
        if family.name != inside and any(f"{_PLACE}.{family.name}" in name for name in _named_modules(source))
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "from attunet_gui.network.families.unet_2d.unet_keras import build_network",
        "from attunet_gui.network.families import unet_2d",
        "import attunet_gui.network.families.unet_2d as plain",
        "import_module('attunet_gui.network.families.unet_2d')",
    ],
)
def test_every_way_to_reach_inside_a_family_is_seen(statement: str) -> None:
    assert _reaches_inside(_ROOT / "attunet_gui" / "network" / "inference.py", statement) == ["unet_2d"]
    assert _reaches_inside(_FAMILIES_FOLDER / "attention_unet_2d" / "x.py", statement) == ["unet_2d"]
    assert _reaches_inside(_FAMILIES_FOLDER / "unet_2d" / "x.py", statement) == []


def test_nobody_reaches_inside_a_family() -> None:
    """The registry imports a folder by its name in `_FOLDERS`; a family's own test may look inside it."""
    looked_at = [*(_ROOT / "attunet_gui").rglob("*.py"), *(_ROOT / "benchmarks").rglob("*.py")]
    assert _FAMILIES_FOLDER / "family_registry.py" in looked_at
    found = {
        str(path.relative_to(_ROOT)): names
        for path in looked_at
        if (names := _reaches_inside(path, path.read_text("utf-8")))
    }
    assert found == {}


# The configuration


def test_a_configuration_survives_json(family: ModelFamily, config: NetworkConfig) -> None:
    for each in (family.config_type(), config):
        assert family.config_type.model_validate_json(each.model_dump_json()) == each
        assert family.parse_config(each.model_dump(mode="json")) == each


def test_an_unknown_or_wrong_field_is_refused(family: ModelFamily) -> None:
    for wrong in ({"lambda": 1}, {"channels": 2}, {"size": [0, 64]}, {"size": "large"}):
        with pytest.raises(InvalidModelBundle, match="configuration is not valid"):
            family.parse_config({**family.tiny_config, **wrong})


def test_slices_of_another_size_take_the_same_weights(family: ModelFamily, config: NetworkConfig) -> None:
    step = config.size_multiple
    assert step >= 1
    assert all(side % step == 0 for side in config.size)
    other = config.with_size((step, 3 * step))
    assert other.size == (step, 3 * step)
    shapes = [
        [(v.path, tuple(v.shape)) for v in family.build_network(each).weights] for each in (config, other)
    ]
    assert shapes[0] == shapes[1]


def test_the_number_of_weights_is_known_without_building(family: ModelFamily, config: NetworkConfig) -> None:
    one_channel = config.model_copy(update={"channels": 1})
    for each in (config, one_channel, family.config_type()):
        assert family.count_parameters(each) == family.build_network(each).count_params()


# The network


def test_outputs_are_the_named_ones_in_0_to_1_of_one_pass(family: ModelFamily, config: NetworkConfig) -> None:
    outputs = family.build_network(config)(np.random.default_rng(1).normal(size=(2, *config.input_shape)) * 9)
    assert set(outputs) == set(family.output_names(config))
    assert family.output_names(config) == (PROBABILITY, *family.gate_names(config))
    assert outputs[PROBABILITY].shape == (2, *_answer_shape(config))
    for name, size in zip(family.gate_names(config), family.gate_sizes(config), strict=True):
        assert outputs[name].shape == (2, *_answer_shape(config, size))
    for values in outputs.values():
        assert 0 <= np.min(values) <= np.max(values) <= 1


def test_there_is_no_lambda_in_it(family: ModelFamily, config: NetworkConfig) -> None:
    network = family.build_network(config)
    assert not [layer for layer in network.layers if isinstance(layer, keras.layers.Lambda)]


def test_it_predicts_the_same_after_saving_and_loading(
    family: ModelFamily, config: NetworkConfig, tmp_path: Path
) -> None:
    network = family.build_network(config)
    network.set_weights(
        [w + 0.01 * np.arange(w.size).reshape(w.shape) / w.size for w in network.get_weights()]
    )
    fields = _fields(family, config) | {"config": dict(family.tiny_config)}
    written = write_bundle(tmp_path / "tiny", network, fields)
    assert (written.family, written.config) == (family, config)
    before, after = network(_images(config, 1)), load_network(written)(_images(config, 1))
    for name in before:
        assert np.array_equal(before[name], after[name])


def test_logits_are_those_of_the_probability_and_can_be_shifted(
    family: ModelFamily, bundle: ModelBundle, config: NetworkConfig
) -> None:
    network, images = load_network(bundle), _images(config, 2)
    logits = np.asarray(family.build_logits(network)(images))
    assert np.allclose(1 / (1 + np.exp(-logits)), network(images)[PROBABILITY], atol=1e-6)
    shared = family.build_logits(network)
    family.shift_logits(network, 1.5, -0.75)
    assert np.allclose(shared(images), 1.5 * logits - 0.75, atol=1e-4)
    assert np.abs(logits).max() > 0.1


def test_a_part_of_a_slice_goes_through_the_same_weights(family: ModelFamily, config: NetworkConfig) -> None:
    network, step = family.build_network(config), config.size_multiple
    part = network_for_crop(network, (2 * step, 4 * step))
    assert part(np.zeros((1, 2 * step, 4 * step, config.input_shape[-1])))[PROBABILITY].shape[1:3] == (
        2 * step, 4 * step,
    )  # fmt: skip
    assert {id(v) for v in part.weights} == {id(v) for v in network.weights}


# The engines


def _in_float32(kind: EngineKind, bundle: ModelBundle) -> InferenceEngine:
    if kind is not OPENVINO:
        return kind.load_engine(bundle)
    from attunet_gui.network.engines.openvino_engine import OpenVINOEngine  # the package may be absent

    return OpenVINOEngine(bundle, "f32")


@pytest.mark.parametrize("kind", _INSTALLED, ids=lambda kind: kind.name)
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_output_of_every_engine_is_keras_in_float32(
    kind: EngineKind, count: int, bundle: ModelBundle, config: NetworkConfig
) -> None:
    images = _images(config, count)
    reference = load_network(bundle)(images)
    outputs = _in_float32(kind, bundle).run(np.ascontiguousarray(np.moveaxis(images, -1, 1)))
    assert set(outputs) == set(reference) == set(bundle.family.output_names(config))
    for name, values in outputs.items():
        expected = np.moveaxis(np.asarray(reference[name]), -1, 1)
        expected = expected if config.patch else expected[:, 0]
        assert values.shape == expected.shape
        assert np.abs(values - expected).max() < 1e-5


@pytest.mark.parametrize("kind", _INSTALLED, ids=lambda kind: kind.name)
def test_a_volume_is_predicted_and_shown_with_the_gates_that_there_are(
    kind: EngineKind, family: ModelFamily, bundle: ModelBundle, config: NetworkConfig
) -> None:
    volume = phantom_volume(make_phantom(PhantomRequest(5, (3, 60, 70), (5.0, 5.0, 5.0))))
    prediction = predict_volume(volume, load_model(bundle, kind))
    assert tuple(gate.values.shape[1:] for gate in prediction.gates) == family.gate_sizes(config)
    assert draft_mask(prediction).shape == volume.grid.shape
    titles = [overlay.title for overlay in make_overlays(prediction)]
    merged = ["Gates merged"] if prediction.gates else []
    assert titles == [
        "Probability",
        *merged,
        *(gate.title.replace("gate", "Gate") for gate in prediction.gates),
    ]
    # The way of a prediction from the child process to the window: an outline, then slice by slice.
    received = blank_prediction(outline_of_prediction(prediction))
    received.fill_slices(prediction.select_slices(np.array([0, 1, 2])))
    assert np.array_equal(received.probability, prediction.probability)
    for one, other in zip(received.gates, prediction.gates, strict=True):
        assert np.array_equal(one.values, other.values)


# Training and adaptation


def test_training_lowers_the_loss(family: ModelFamily) -> None:
    images = np.full((8, 64, 64), 60, np.uint8)
    truth = np.zeros((8, 64, 64), np.uint8)
    truth[2:6, 20:44, 20:44] = 1
    case = TrainingCase(np.where(truth, 200, images).astype(np.uint8), truth, slice_mm=7.0)
    losses: list[float] = []
    settings = TrainingConfig(steps=100, batch=4, precision="float32", learning_rate=0.01)
    channels = family.parse_config(family.tiny_config).channels
    wanted = PreprocessingConfig(size=(64, 64), spacing_mm=7.0, neighbours=channels // 2)
    train_network(
        TrainingJob(family.name, dict(family.tiny_config), wanted, settings),
        TrainingData((TrainingSource("one", 1.0, (case,)),)),
        progress=lambda done, total, stage: (
            losses.append(float(stage.split()[2].strip(","))) if done else None
        ),
    )
    assert losses[-1] < 0.8 * losses[0]


def test_training_goes_on_from_the_calibrated_draft(
    family: ModelFamily, bundle: ModelBundle, config: NetworkConfig, tmp_path: Path
) -> None:
    fields = bundle.card.model_dump(exclude={"weights"})
    copy = write_bundle(tmp_path / "copy", load_network(bundle), fields)
    calibrated = set_calibration(copy, ProbabilityCalibration(slope=1.3, offset=0.4), 0.7)
    images = _images(config, 2)
    plain = np.asarray(load_network(calibrated)(images)[PROBABILITY])
    drafted = calibrated.card.calibration.apply(plain) >= 0.7
    folded = np.asarray(network_from_bundle(calibrated, folded=True)(images)[PROBABILITY]) >= 0.5
    assert 0 < drafted.sum() < drafted.size
    assert (drafted != folded).mean() < 1e-3


def test_it_adapts_to_corrected_slices_and_forgets_them(bundle: ModelBundle) -> None:
    learner = OnlineAdapter(load_model(bundle))
    shape = bundle.config.with_size(learner.size).input_shape
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    slices = MaskedSlices(images, (images[..., 1] > 200).astype(np.uint8))
    fresh = learner.predict_logits(images)
    learner.learn_examples(AdaptationExamples(slices, slices), steps=3, seed=1)
    assert not np.array_equal(learner.predict_logits(images), fresh), "nothing was learnt"
    learner.reset_weights()
    assert np.array_equal(learner.predict_logits(images), fresh)


# Gates


def test_a_gate_is_held_where_there_is_one_and_refused_in_a_sentence_elsewhere(
    family: ModelFamily, bundle: ModelBundle, config: NetworkConfig
) -> None:
    model, gates = load_model(bundle, KERAS), family.gate_names(config)
    batch = np.moveaxis(_images(config, 2), -1, 1)
    before = model.run(batch)
    for name in gates:
        with gate_held(model, name, 0.25) as held:
            assert np.allclose(held.run(batch)[name], 0.25, atol=1e-6)
    says = "it has gate1" if gates else f"family {family.name} has no attention gates.*choose a model that"
    with pytest.raises(AttunetError, match=says), gate_held(model, "gate99", 0.5):
        pass
    for name, values in model.run(batch).items():
        assert np.array_equal(values, before[name])


def test_each_map_of_the_decoder_has_half_the_resolution_of_the_one_before(
    family: ModelFamily, config: NetworkConfig
) -> None:
    sizes = [tuple(each.shape[1:3]) for each in family.decoder_maps(family.build_network(config))]
    rows, columns = config.size
    assert sizes == [(rows >> level, columns >> level) for level in range(len(sizes))]
    assert (len(sizes) > 1) == (family.decoder_lister is not None)


def test_a_family_without_gates_holds_none(family: ModelFamily, config: NetworkConfig) -> None:
    if family.gate_holder is None:
        assert family.list_gates(config) == family.list_gates(family.config_type()) == ()
        with pytest.raises(AttunetError, match="no attention gates"):
            family.hold_gate(object(), "gate1", 0.5)
    else:
        assert family.list_gates(config)

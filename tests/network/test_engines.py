"""Every engine gives what Keras gives in float32: to 1e-5 in float32, the same mask in bfloat16."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from attunet_gui.core.errors import AttunetError, BadModel
from attunet_gui.core.metrics import dice
from attunet_gui.core.prediction import Prediction, draft_mask
from attunet_gui.network import engines
from attunet_gui.network.bundle import Bundle, find_bundles, load_network, read_bundle
from attunet_gui.network.engines import (
    ENGINES,
    KERAS,
    OPENVINO,
    Engine,
    EngineKind,
    default_engine,
    engine_called,
)
from attunet_gui.network.predict import load_model, predict
from attunet_gui.paths import model_folders
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom, phantom_volume

pytestmark = pytest.mark.network

INSTALLED = [kind for kind in ENGINES if kind.installed]


def _name(kind: EngineKind) -> str:
    return kind.name


@pytest.fixture(scope="module")
def starters_drafts() -> dict[str, Prediction]:
    volume = phantom_volume(make_phantom(PhantomRequest(31, (40, 160, 200), (5.0, 2.0, 2.0))))
    bundle = next(b for b in find_bundles(model_folders()) if b.card.recommended)
    return {kind.name: predict(volume, load_model(bundle, kind)) for kind in INSTALLED}


def _in_float32(bundle: Bundle) -> Engine:
    from attunet_gui.network.openvino_engine import OpenVINOEngine  # the package may be absent

    return OpenVINOEngine(bundle, "f32")


@pytest.mark.parametrize("kind", INSTALLED, ids=_name)
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_output_of_every_engine_is_keras_in_float32(
    kind: EngineKind, count: int, tiny_bundle: Path
) -> None:
    bundle = read_bundle(tiny_bundle)
    batch = np.random.default_rng(4).random((count, 3, 64, 64)).astype(np.float32)
    reference = load_network(bundle)(np.moveaxis(batch, 1, -1))
    engine = _in_float32(bundle) if kind is OPENVINO else kind.load(bundle)
    outputs = engine.run(batch)
    assert set(outputs) == set(reference)
    for name, values in outputs.items():
        assert values.shape == reference[name].shape[:3]
        assert np.abs(values - np.asarray(reference[name])[..., 0]).max() < 1e-5


@pytest.mark.parametrize("kind", INSTALLED, ids=_name)
def test_the_starter_drafts_the_same_mask_in_every_engine(
    kind: EngineKind, starters_drafts: dict[str, Prediction]
) -> None:
    reference, found = starters_drafts[KERAS.name], starters_drafts[kind.name]
    assert draft_mask(reference).sum() > 500
    assert dice(draft_mask(found), draft_mask(reference)) >= 0.999
    maps = [(found.probability, reference.probability)]
    maps += [(one.values, other.values) for one, other in zip(found.gates, reference.gates, strict=True)]
    for one, other in maps:
        difference = np.abs(one.astype(np.float32) - other.astype(np.float32))
        assert difference.max() < 0.1
        assert difference.mean() < 1e-3


@pytest.mark.parametrize("kind", INSTALLED, ids=_name)
def test_changed_weights_are_refused_by_every_engine(
    kind: EngineKind, tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = read_bundle(copytree(tiny_bundle, tmp_path / "copy"))
    content = bytearray(bundle.weights_path.read_bytes())
    content[-1] ^= 1
    bundle.weights_path.write_bytes(content)
    with pytest.raises(BadModel, match="sha256"):
        kind.load(bundle)


def test_the_fast_engine_is_the_default_and_keras_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "_GPU", Path("/nowhere"))
    assert default_engine() is (OPENVINO if OPENVINO.installed else KERAS)
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "openvino" else object())
    assert default_engine() is KERAS


def test_where_there_is_a_gpu_keras_uses_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "_GPU", tmp_path)
    assert default_engine() is KERAS


def test_an_unknown_engine_is_named_with_those_that_are_there() -> None:
    with pytest.raises(AttunetError, match=r"no engine 'abacus' here; installed: .*keras"):
        engine_called("abacus")

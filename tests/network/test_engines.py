"""Every engine drafts the same mask, in bfloat16 too. `test_every_family.py` compares their numbers."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.network.engines import engine_registry
from attunet_gui.network.engines.engine_registry import (
    ENGINES,
    KERAS,
    OPENVINO,
    EngineKind,
    default_engine,
    engine_by_name,
)
from attunet_gui.network.inference import load_model, predict_volume
from attunet_gui.network.model_bundle import find_bundles, read_bundle
from attunet_gui.prediction.network_prediction import NetworkPrediction, draft_mask
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError, InvalidModelBundle
from attunet_gui.system.paths import model_folders

pytestmark = pytest.mark.network

INSTALLED = [kind for kind in ENGINES if kind.is_installed]


def _name(kind: EngineKind) -> str:
    return kind.name


@pytest.fixture(scope="module")
def starters_drafts() -> dict[str, NetworkPrediction]:
    volume = phantom_volume(make_phantom(PhantomRequest(31, (40, 160, 200), (5.0, 2.0, 2.0))))
    bundle = next(b for b in find_bundles(model_folders()) if b.card.recommended)
    return {kind.name: predict_volume(volume, load_model(bundle, kind)) for kind in INSTALLED}


@pytest.mark.parametrize("kind", INSTALLED, ids=_name)
def test_the_starter_drafts_the_same_mask_in_every_engine(
    kind: EngineKind, starters_drafts: dict[str, NetworkPrediction]
) -> None:
    reference, found = starters_drafts[KERAS.name], starters_drafts[kind.name]
    assert draft_mask(reference).sum() > 500
    assert dice_coefficient(draft_mask(found), draft_mask(reference)) >= 0.999
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
    with pytest.raises(InvalidModelBundle, match="sha256"):
        kind.load_engine(bundle)


def test_the_fast_engine_is_the_default_and_keras_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_registry, "_GPU", Path("/nowhere"))
    assert default_engine() is (OPENVINO if OPENVINO.is_installed else KERAS)
    monkeypatch.setattr(engine_registry, "find_spec", lambda name: None if name == "openvino" else object())
    assert default_engine() is KERAS


def test_where_there_is_a_gpu_keras_uses_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine_registry, "_GPU", tmp_path)
    assert default_engine() is KERAS


def test_an_unknown_engine_is_named_with_those_that_are_there() -> None:
    with pytest.raises(AttunetError, match=r"no engine 'abacus' here; installed: .*keras"):
        engine_by_name("abacus")

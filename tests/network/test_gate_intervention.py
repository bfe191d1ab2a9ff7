"""A held gate gives one value; afterwards the model is what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attunet_gui.core.provenance import ModelId
from attunet_gui.network.engines.engine_registry import KERAS
from attunet_gui.network.gate_intervention import gate_held
from attunet_gui.network.inference import LoadedModel, load_model
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.errors import AttunetError

pytestmark = pytest.mark.network


@pytest.mark.parametrize("coefficient", [0.0, 0.3, 1.0])
def test_one_gate_is_held_and_let_go(tiny_bundle: Path, coefficient: float) -> None:
    model = load_model(read_bundle(tiny_bundle), KERAS)
    batch = np.random.default_rng(1).random((2, 3, 64, 64)).astype(np.float32)
    before = model.run(batch)
    with gate_held(model, "gate2", coefficient) as held:
        during = held.run(batch)
    after = model.run(batch)
    assert np.allclose(during["gate2"], coefficient, atol=1e-6)
    assert coefficient not in (0, 1) or np.all(during["gate2"] == coefficient)
    assert not np.allclose(during["probability"], before["probability"], atol=1e-5)
    for name, values in before.items():
        assert np.array_equal(after[name], values)


def test_it_is_let_go_after_an_error_too(tiny_bundle: Path) -> None:
    model = load_model(read_bundle(tiny_bundle), KERAS)
    batch = np.random.default_rng(1).random((1, 3, 64, 64)).astype(np.float32)
    before = model.run(batch)["gate1"]
    with pytest.raises(RuntimeError), gate_held(model, "gate1", 0.0):
        raise RuntimeError
    assert np.array_equal(model.run(batch)["gate1"], before)


def test_another_engine_cannot_hold_a_gate(tiny_bundle: Path) -> None:
    model = LoadedModel(read_bundle(tiny_bundle), object(), ModelId("m", "0" * 64, "other"))  # type: ignore[arg-type]
    with pytest.raises(AttunetError, match="not in other"), gate_held(model, "gate1", 0.5):
        pass

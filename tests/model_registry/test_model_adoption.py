"""Which model is the default: adopted, rolled back, and never one that was held back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.core.provenance import ModelId
from attunet_gui.model_registry.model_adoption import (
    HISTORY_FILE,
    AdoptionStep,
    adopt_bundle,
    adopted_model,
    offered_bundles,
    read_history,
    roll_back_model,
)
from attunet_gui.network.model_bundle import ModelBundle, read_bundle, set_lineage
from attunet_gui.prediction.model_card import GuardRecord, ModelLineage
from attunet_gui.system.errors import AttunetError, InvalidModelBundle
from attunet_gui.system.paths import model_folders, user_data_folder


def _model(name: str, tiny: Path, guard: GuardRecord | None = None, *, tuned: bool = False) -> ModelBundle:
    """A bundle of the user, called `name`."""
    folder = model_folders()[0] / name
    shutil.copytree(tiny, folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"name": name}))
    bundle = read_bundle(folder)
    if not tuned:
        return bundle
    parent = ModelId(name="parent", sha256="1" * 64)
    return set_lineage(bundle, ModelLineage(ancestors=(parent,), data_sha256="2" * 64, guard=guard))


def test_what_is_adopted_comes_first_and_rolling_back_undoes_it_step_by_step(tiny_bundle: Path) -> None:
    shipped = offered_bundles()[0].card.name
    a, b = (_model(name, tiny_bundle) for name in ("zz-a", "zz-b"))
    assert offered_bundles()[0].card.name == shipped
    for bundle in (a, b):
        adopt_bundle(bundle, user_data_folder())
        assert offered_bundles()[0].card.name == bundle.card.name
    back = roll_back_model(user_data_folder())
    assert back is not None
    assert back.name == "zz-a" == offered_bundles()[0].card.name
    assert roll_back_model(user_data_folder()) is None
    assert offered_bundles()[0].card.name == shipped
    with pytest.raises(AttunetError, match="none to go back from"):
        roll_back_model(user_data_folder())
    assert [step.what for step in read_history(user_data_folder())] == [
        "adopt",
        "adopt",
        "rollback",
        "rollback",
    ]


def test_adopting_twice_is_one_step(tiny_bundle: Path) -> None:
    bundle = _model("zz-a", tiny_bundle)
    for _ in range(2):
        adopt_bundle(bundle, user_data_folder())
    assert len(read_history(user_data_folder())) == 1


def test_what_the_guard_held_back_is_adopted_only_if_one_insists(tiny_bundle: Path) -> None:
    verdict = GuardRecord(passed=False, sentence="The old model stays: it is worse.")
    bundle = _model("zz-bad", tiny_bundle, verdict, tuned=True)
    with pytest.raises(AttunetError, match=r"held back\. The old model stays"):
        adopt_bundle(bundle, user_data_folder())
    assert read_history(user_data_folder()) == ()
    adopt_bundle(bundle, user_data_folder(), anyway=True)
    assert offered_bundles()[0].card.name == "zz-bad"


def test_what_was_never_compared_is_not_adopted(tiny_bundle: Path) -> None:
    with pytest.raises(AttunetError, match="never compared"):
        adopt_bundle(_model("zz-new", tiny_bundle, tuned=True), user_data_folder())


def test_changed_weights_are_not_adopted(tiny_bundle: Path) -> None:
    bundle = _model("zz-a", tiny_bundle)
    content = bytearray(bundle.weights_path.read_bytes())
    content[-1] ^= 1
    bundle.weights_path.write_bytes(content)
    with pytest.raises(InvalidModelBundle, match="not those the card was made for"):
        adopt_bundle(bundle, user_data_folder())


def test_an_adopted_model_that_is_gone_leaves_the_shipped_one(tiny_bundle: Path) -> None:
    shipped = offered_bundles()[0].card.name
    bundle = _model("zz-a", tiny_bundle)
    adopt_bundle(bundle, user_data_folder())
    shutil.rmtree(bundle.folder)
    assert offered_bundles()[0].card.name == shipped


@pytest.mark.parametrize("content", ["", "[]", '{"steps": [{"what": "adopt"}]}', "[" * 100_000])
def test_a_damaged_history_keeps_the_window_opening_and_is_not_written_over(
    content: str, tiny_bundle: Path
) -> None:
    bundle = _model("zz-a", tiny_bundle)
    path = user_data_folder() / HISTORY_FILE
    path.write_text(content)
    assert offered_bundles()
    with pytest.raises(AttunetError, match="cannot be read"):
        adopt_bundle(bundle, user_data_folder())
    assert path.read_text() == content


@given(st.lists(st.sampled_from("abc-"), max_size=20))
def test_the_default_is_what_a_stack_would_say(moves: str) -> None:
    stack: list[str] = []
    history = []
    for move in moves:
        if move == "-":
            stack = stack[:-1]
        else:
            stack.append(move)
        model = ModelId(name=move, sha256="0" * 64)
        history.append(AdoptionStep(what="rollback" if move == "-" else "adopt", model=model, time="now"))
    found = adopted_model(history)
    assert (found.name if found else None) == (stack[-1] if stack else None)


def test_choosing_the_default_loads_no_tensorflow() -> None:
    code = "import sys; import attunet_gui.model_registry.model_adoption as a; a.offered_bundles(); "
    code += "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

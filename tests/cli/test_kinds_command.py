"""`attunet kinds` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from attunet_gui.synthesis.label_map_ct.ct_kinds import CT_KINDS
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest
from tests.support.cli_process import run_attunet, run_in_process
from tests.support.training_data import write_pair


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two sets of two volumes, phantoms in place of what rendering would take long to make."""
    for kind in ("prone", "mass"):
        folder = tmp_path / "sets" / kind
        for number in range(2):
            write_pair(folder, f"{kind}-{number}", PhantomRequest(number, (16, 36, 36), (14.0, 12.0, 12.0)))
        told = {
            "test_set_of": kind,
            "cases": [
                {"name": f"{kind}-{number}", "subject": f"s{number}", "donors": []} for number in range(2)
            ],
        }
        (folder / "manifest.json").write_text(json.dumps(told))
    return tmp_path / "sets"


def test_every_kind_is_listed(tmp_path: Path) -> None:
    done = run_in_process("kinds", "list", home=tmp_path)
    assert done.returncode == 0, done.stderr
    for kind in CT_KINDS:
        assert kind.name in done.stdout


def test_two_models_are_measured_side_by_side(tmp_path: Path, tiny_bundle: Path, sets: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(tiny_bundle, twin)
    card = json.loads((twin / "card.json").read_text())
    (twin / "card.json").write_text(json.dumps(card | {"name": "twin"}))
    out = tmp_path / "out"
    done = run_attunet("kinds", "measure", tiny_bundle, twin, "--sets", sets, "-o", out, home=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "kinds.json").read_text())
    assert [row["name"] for row in result["kinds"]] == ["prone", "mass"]
    assert set(result["models"]) == {card["name"], "twin"}
    for row in result["kinds"]:
        first, second = (row["scores"][name]["by_case"]["dsc"] for name in (card["name"], "twin"))
        assert first == second
        assert len(row["scores"]["twin"]["cases"]) == 2
    table = (out / "kinds.md").read_text().splitlines()
    assert table[0] == f"| kind | volumes | {card['name']} | twin | twin - {card['name']} |"
    assert "+0.000" in table[2]
    assert "on average over 2 kinds" in done.stdout


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (("--kind", "upside-down"), "There is no kind of CT called"),
        (("--kind", "clips"), "has a test set in"),
        ((), "Both models are called"),
    ],
)
def test_what_cannot_be_measured_is_said(
    tmp_path: Path, tiny_bundle: Path, sets: Path, extra: tuple[str, ...], says: str
) -> None:
    names = (tiny_bundle,) if extra else (tiny_bundle, tiny_bundle)
    done = run_in_process(
        "kinds", "measure", *names, "--sets", sets, "-o", tmp_path / "o", *extra, home=tmp_path
    )
    assert done.returncode == 1
    assert says in done.stderr

"""Six arms of a small recipe: what each learns from, who is scored, and that nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attunet_gui.network.model_bundle import read_bundle
from benchmarks.ablation.__main__ import app
from benchmarks.ablation.arm_comparison import ARMS, Ablation
from tests.support.training_data import OWN, write_recipe, write_two_people

pytestmark = pytest.mark.network
_PHANTOMS = '[[data]]\nname = "made"\nkind = "phantoms"\nfirst_seed = 5\ncases = 1\n[validation]'


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The command, finished once."""
    root = tmp_path_factory.mktemp("ablation")
    write_two_people(root / "pairs")
    recipe = write_recipe(root, OWN, ("[validation]", _PHANTOMS))
    data = f"own={root / 'pairs'}"
    said = (str(recipe), "--data", data, "--fold", "1", "--steps", "1", "-o", str(root / "out"))
    done = CliRunner().invoke(app, said, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "gates, learnt from both" in done.output
    return said


def _folds(out: Path) -> list[list[str]]:
    folds: list[list[str]] = json.loads((out / "folds.json").read_text())["folds"]
    return folds


def test_every_arm_is_scored_on_the_same_people_none_of_whom_it_knew(words: tuple[str, ...]) -> None:
    out = Path(words[-1])
    folds = _folds(out)
    found = Ablation.model_validate_json((out / "arms.json").read_text())
    assert (found.steps, found.folds, found.of_folds) == (1, (1,), 2)
    assert [result.arm for result in found.results] == list(ARMS)
    for result in found.results:
        assert [row.patient for row in result.scores.patients] == folds[1]
        (run,) = (path for path in (out / result.arm.key).iterdir() if path.is_dir())
        card = read_bundle(run / "bundle").card
        held_out = json.loads((run / "held-out.json").read_text())["people"]
        synthetic = result.arm.taught == "synthetic"
        assert held_out == (sorted(person for fold in folds for person in fold) if synthetic else folds[1])
        learnt = {"real": ["own"], "synthetic": ["procedural phantoms"]}
        assert [source.name for source in card.training.data] == learnt.get(
            result.arm.taught, ["own", "procedural phantoms"]
        )
        assert (card.config["gates"], card.training.steps) == (result.arm.gates, 1)
        assert (len(result.gates) > 0, (out / f"{result.arm.key}.png").exists()) == (result.arm.gates,) * 2
    assert (out / "table.md").read_text().startswith("| network | learnt from | DSC |")


def test_what_is_done_is_not_done_again(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    before = (Path(words[-1]) / "arms.json").read_bytes()
    monkeypatch.setattr("attunet_gui.training.crossvalidation.train_run", None)
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (Path(words[-1]) / "arms.json").read_bytes() == before

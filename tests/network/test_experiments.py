"""Variants of a small recipe: who is scored by what, and that nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attunet_gui.evaluation.model_drafts import score_drafts
from attunet_gui.network.inference import average_models, load_model
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.training.recipe_schema import read_recipe
from attunet_gui.training.recipe_sources import source_cases
from benchmarks.experiments.__main__ import app
from benchmarks.experiments.experiment_run import VariantResult
from tests.support.training_data import OWN, write_recipe, write_two_people

pytestmark = pytest.mark.network
_VARIANTS = """
[[variant]]
name = "base"
title = "As it is"
[[variant]]
name = "finer"
title = "Finer"
change = {preprocessing = {spacing_mm = 6.0}}
[[variant]]
name = "both"
title = "Mean"
drafted_by = ["base", "finer"]
[[variant]]
name = "chosen"
title = "Chosen"
drafted_by = ["base"]
looks = true
chosen_drafting = true
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The command, finished once."""
    root = tmp_path_factory.mktemp("experiments")
    write_two_people(root / "pairs")
    recipe, variants = write_recipe(root, OWN), root / "variants.toml"
    variants.write_text(_VARIANTS, "utf-8")
    data = f"own={root / 'pairs'}"
    said = (str(recipe), str(variants), "--data", data, "--steps", "1", "-o", str(root / "out"))
    done = CliRunner().invoke(app, said, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "As it is" in done.output
    return said


def _results(out: Path) -> list[VariantResult]:
    return [VariantResult.model_validate(row) for row in json.loads((out / "experiments.json").read_text())]


def test_everybody_is_drafted_by_models_that_held_them_out(words: tuple[str, ...]) -> None:
    out, recipe = Path(words[-1]), read_recipe(Path(words[0]))
    base, finer, both, chosen = _results(out)
    for result in (base, finer, both, chosen):
        assert {row.patient for row in result.scores.patients} == {"even", "odd"}
        assert (result.gain is None) == (result is base)
    assert [result.minutes > 0 for result in (base, finer, both, chosen)] == [True, True, False, False]
    folder = {"own": Path(words[3].removeprefix("own="))}
    for fold in (0, 1):
        runs = [out / name / f"fold-{fold}" for name in ("base", "finer")]
        (person,) = json.loads((runs[0] / "held-out.json").read_text())["people"]
        models = [load_model(read_bundle(run / "bundle")) for run in runs]
        assert [model.card.preprocessing.spacing_mm for model in models] == [8.0, 6.0]
        expected = score_drafts(average_models(*models), source_cases(recipe, "own", folder, [person]))
        assert [row for row in both.scores.cases if row.patient == person] == list(expected.cases)
    table = (out / "table.md").read_text()
    assert table.startswith("| variant | DSC | precision |")
    assert table.count("\n| ") == 5


def test_what_is_done_is_not_done_again(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    before = (Path(words[-1]) / "experiments.json").read_bytes()
    monkeypatch.setattr("attunet_gui.training.crossvalidation.train_run", None)
    monkeypatch.setattr("benchmarks.experiments.experiment_run.draft_cases", None)
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (Path(words[-1]) / "experiments.json").read_bytes() == before

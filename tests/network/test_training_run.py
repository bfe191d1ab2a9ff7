"""A recipe becomes a measured bundle, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attunet_gui.evaluation.case_scores import ScoreTable
from attunet_gui.evaluation.patient_splits import read_folds
from attunet_gui.network.model_bundle import read_bundle, verify_weights
from attunet_gui.system.errors import AttunetError
from attunet_gui.training.crossvalidation import run_crossvalidation
from attunet_gui.training.recipe_schema import PhantomData, read_recipe
from attunet_gui.training.training_run import TrainingOptions, run_recipe
from tests.support.training_data import OWN, write_recipe, write_two_people

pytestmark = pytest.mark.network
_SHIPPED = Path(__file__).parents[2] / "resources" / "recipes" / "phantom-starter.toml"


_SMALL = (
    ("filters = 16", "filters = 2"),
    ("cases = 64", "cases = 1"),
    ("cases = 20", "cases = 1"),
    ("steps = 1300", "steps = 2"),
    ("batch = 12", "batch = 2"),
)


def test_a_recipe_becomes_a_bundle_with_its_figures(tmp_path: Path) -> None:
    stages: set[str] = set()
    done = run_recipe(
        TrainingOptions(write_recipe(tmp_path, _SHIPPED.read_text("utf-8"), *_SMALL), tmp_path / "run"),
        lambda done, total, stage: stages.add(stage.split(",")[0]),
    )
    assert stages == {"loading phantoms", "training", "measuring"}
    again = read_bundle(tmp_path / "run" / "bundle")
    verify_weights(again)
    assert again.card == done.bundle.card
    assert [result.cases for result in again.card.results] == [1]
    assert again.card.training.steps == 2


def test_training_and_measuring_never_share_a_phantom() -> None:
    recipe = read_recipe(_SHIPPED)
    (phantoms,) = (data for data in recipe.data if isinstance(data, PhantomData))
    assert recipe.phantom_check is not None
    assert not set(phantoms.seeds) & set(recipe.phantom_check.seeds)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small CT of two people."""
    folder = tmp_path_factory.mktemp("pairs")
    write_two_people(folder)
    return folder


def test_a_run_leaves_model_log_and_pictures_and_can_be_started_from(tmp_path: Path, pairs: Path) -> None:
    order = TrainingOptions(write_recipe(tmp_path, OWN), tmp_path / "first", {"own": pairs})
    first = run_recipe(order)
    names = {path.name for path in order.output.iterdir()}
    assert names == {
        "bundle", "checkpoint.safetensors", "curve.png", "held-out.json", "log.jsonl", "overlays.png",
        "recipe.toml",
    }  # fmt: skip
    card = first.bundle.card
    assert [(source.name, source.cases, source.licence) for source in card.training.data] == [
        ("own", 2, "CC0-1.0")
    ]
    assert (card.results[0].cases, 0 <= card.results[0].value <= 1) == (2, True)
    assert str(tmp_path) not in card.model_dump_json()

    second = run_recipe(
        TrainingOptions(order.recipe, tmp_path / "second", {"own": pairs}, start=first.bundle.folder)
    )
    assert second.bundle.card.training.data == card.training.data
    assert second.bundle.card.training.settings["started_from"]["sha256"] == card.weights_sha256
    other = write_recipe(tmp_path, OWN, ("filters = 2", "filters = 3"))
    with pytest.raises(AttunetError, match="another network"):
        run_recipe(TrainingOptions(other, tmp_path / "third", {"own": pairs}, start=first.bundle.folder))


def test_a_changed_recipe_is_no_continuation_unless_begun_anew(tmp_path: Path, pairs: Path) -> None:
    folder, data = tmp_path / "run", {"own": pairs}
    run_recipe(TrainingOptions(write_recipe(tmp_path, OWN), folder, data))
    said_otherwise = write_recipe(tmp_path, OWN, ('title = "Own"', 'title = "Mine"'))
    assert run_recipe(TrainingOptions(said_otherwise, folder, data)).bundle.card.title == "Mine"
    changed = write_recipe(tmp_path, OWN, ("batch = 2", "batch = 3"))
    with pytest.raises(AttunetError, match="another recipe"):
        run_recipe(TrainingOptions(changed, folder, data))
    again = run_recipe(TrainingOptions(changed, folder, data, restart=True))
    assert again.bundle.card.training.settings["batch"] == 3


def test_cross_validation_scores_everyone_once_and_only_once(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = TrainingOptions(write_recipe(tmp_path, OWN), tmp_path / "run", {"own": pairs})
    scores = run_crossvalidation(order)
    assert [(row.patient, row.cases) for row in scores.patients] == [("even", 2), ("odd", 2)]
    for number, fold in enumerate(read_folds(order.output / "folds.json")):
        held_out = json.loads((order.output / f"fold-{number}" / "held-out.json").read_text())
        assert tuple(held_out["people"]) == fold
        card = read_bundle(order.output / f"fold-{number}" / "bundle").card
        assert card.training.settings["keep"] == "last", "the people of the fold must not choose the weights"
    assert ScoreTable.model_validate_json((order.output / "scores.json").read_text()) == scores
    monkeypatch.setattr("attunet_gui.training.crossvalidation.train_run", None)
    assert run_crossvalidation(order) == scores


def test_a_recipe_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    for text, says in (("name = ", "cannot be read"), ("name = 'x'", "is not valid at")):
        path.write_text(text)
        with pytest.raises(AttunetError, match=says):
            read_recipe(path)

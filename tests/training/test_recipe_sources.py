"""What a recipe says, what its sources hold and who is held out; no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attunet_gui.network.batch_sampling import TrainingCase, TrainingSource
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest
from attunet_gui.system.errors import AttunetError
from attunet_gui.training.recipe_schema import ValidationData, read_recipe
from attunet_gui.training.recipe_sources import check_folders, labelled_cases, load_sources
from attunet_gui.training.train_validation_split import deal_folds, held_out_people, split_cases
from attunet_gui.training.training_figures import DraftExample, draw_curves, draw_examples
from attunet_gui.training.training_run import TrainingOptions, read_start_bundle
from tests.support.model_cards import TINY_CONFIG
from tests.support.training_data import PAIR_SOURCE, small_recipe, write_pair

_RECIPES = sorted((Path(__file__).parents[2] / "resources" / "recipes").glob("*.toml"))
_SMALL = PreprocessingConfig(size=(32, 48), spacing_mm=8.0)


@pytest.mark.parametrize("path", _RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    assert read_recipe(path).name.startswith(path.stem)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": [PAIR_SOURCE, PAIR_SOURCE]}, "one name"),
        ({"data": [PAIR_SOURCE | {"weight": 0}]}, "weight above 0"),
        ({"validation": {"source": "others"}}, "not among data"),
        ({"crossvalidation": {"source": "others"}}, "not among data"),
        ({"validation": {"source": "synthetic", "fold": 5, "folds": 5}}, "below folds"),
        ({"data": [PAIR_SOURCE | {"kind": "guesses"}]}, "guesses"),
        (
            {
                "data": [{"name": "p", "kind": "phantoms", "first_seed": 10, "cases": 5}],
                "phantom_check": {"first_seed": 14, "cases": 1},
            },
            "cannot be measured on",
        ),
        ({"training": {"steps": 2, "view": [512, 48]}}, "view must lie within the slice"),
        ({"training": {"steps": 2, "view": [31, 47]}}, r"view cannot be \(31, 47\).* must be a multiple of"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        small_recipe(**changes)


@pytest.mark.parametrize(("filters", "fits"), [(16, True), (8, False)])
def test_a_start_may_be_for_slices_of_another_size_but_is_the_same_network(filters: int, fits: bool) -> None:
    shipped = _RECIPES[0].parents[2] / "models" / "phantom-starter"
    recipe = read_recipe(_RECIPES[0].parent / "starter-fine.toml")
    recipe = recipe.model_copy(update={"config": recipe.config | {"filters": filters}})
    order = TrainingOptions(_RECIPES[0], Path("run"), start=shipped)
    assert tuple(read_bundle(shipped).card.preprocessing.size) != recipe.preprocessing.size
    if fits:
        found = read_start_bundle(order, recipe)
        assert found is not None
        assert found.card.name == "phantom-starter"
    else:
        with pytest.raises(AttunetError, match="is another network than the recipe's"):
            read_start_bundle(order, recipe)


def test_a_folder_that_is_not_named_is_asked_for(tmp_path: Path) -> None:
    for folders, says in (
        ({}, "--data synthetic=FOLDER"),
        ({"synthetic": tmp_path / "gone"}, "no such folder"),
        ({"synthetic": tmp_path, "more": tmp_path}, "no source 'more'"),
    ):
        with pytest.raises(AttunetError, match=says):
            check_folders(small_recipe(), folders)
    check_folders(small_recipe(), {"synthetic": tmp_path})


def _written(folder: Path, name: str, seed: int) -> int:
    return write_pair(folder, name, PhantomRequest(seed, (24, 40, 40), (9.0, 10.0, 10.0)))


def test_pairs_are_read_with_the_people_of_the_manifest(tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        assert _written(tmp_path, name, seed) > 0
    cases = [{"name": "a", "subject": "one", "donors": ["two"], "seed": 7}]
    (tmp_path / "manifest.json").write_text(json.dumps({"cases": cases}))
    stages: list[tuple[int, int, str]] = []
    recipe = small_recipe(preprocessing=_SMALL, config=TINY_CONFIG | {"size": [32, 48]})
    (source,) = load_sources(recipe, {"synthetic": tmp_path}, lambda *told: stages.append(told))
    assert [(case.name, case.people) for case in source.cases] == [("a", ("one", "two")), ("b", ("b",))]
    assert stages[-1] == (2, 2, "loading synthetic")
    for case in source.cases:
        assert case.images.shape == case.truth.shape == (24, 32, 48)
        assert (case.images.dtype, case.truth.dtype) == (np.uint8, np.uint8)
        assert 0 < case.truth.sum() < case.truth.size / 20


def test_a_folder_without_pairs_or_with_a_wrong_manifest_is_one_sentence(tmp_path: Path) -> None:
    (data,) = small_recipe().data
    with pytest.raises(AttunetError, match=r"images/NAME\.nii\.gz"):
        labelled_cases(data, tmp_path)
    _written(tmp_path, "a", 1)
    (tmp_path / "manifest.json").write_text('{"cases": [{"name": "a"}]}')
    with pytest.raises(AttunetError, match="is not a manifest"):
        labelled_cases(data, tmp_path)


def _case(name: str, *people: str) -> TrainingCase:
    empty = np.zeros((1, 2, 2), np.uint8)
    return TrainingCase(empty, empty, name, people)


_SOURCES = (
    TrainingSource("real", 1.0, tuple(_case(f"{who}{n}", who) for who in "abcde" for n in range(2))),
    TrainingSource("made", 1.0, (_case("m1", "a", "x"), _case("m2", "x", "b"), _case("m3", "x"))),
)


def test_who_is_held_out_is_in_no_training_case_not_even_as_donor() -> None:
    data = split_cases(_SOURCES, ("a", "b"), "real")
    names = [[case.name for case in source.cases] for source in data.sources]
    assert names == [["c0", "c1", "d0", "d1", "e0", "e1"], ["m3"]]
    assert [case.name for case in data.held_out] == ["a0", "a1", "b0", "b1"]


def test_a_held_out_subject_validates_whoever_lent_the_rest_of_the_body() -> None:
    data = split_cases(_SOURCES, ("a",), "made")
    assert [case.name for case in data.held_out] == ["m1"]
    assert [case.name for case in data.sources[1].cases] == ["m2", "m3"]


def test_folds_part_everyone_and_a_fold_is_who_is_held_out() -> None:
    wanted = ValidationData(source="real", folds=3, seed=4)
    folds = deal_folds(_SOURCES, wanted)
    assert sorted(person for fold in folds for person in fold) == list("abcde")
    for number in range(3):
        assert held_out_people(_SOURCES, wanted.model_copy(update={"fold": number})) == folds[number]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (ValidationData(source="real", subjects=("zoe",)), "'zoe', who is not in"),
        (ValidationData(source="real", folds=6), "cannot be split"),
    ],
)
def test_people_who_cannot_be_held_out_are_one_sentence(wanted: ValidationData, says: str) -> None:
    with pytest.raises(AttunetError, match=says):
        held_out_people(_SOURCES, wanted)


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(AttunetError, match="Nothing is left"):
        split_cases(_SOURCES[:1], tuple("abcde"), "real")
    with pytest.raises(AttunetError, match="anyone who is held out"):
        split_cases(_SOURCES, ("zoe",), "real")


def test_curves_and_examples_become_pictures(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    rows: list[dict[str, Any]] = [{"step": step, "loss": 1 / step} for step in range(1, 80)]
    rows[40]["validation"] = {"slices": 0.4, "volumes": 0.5}
    draw_curves(tmp_path / "curve.png", rows)
    image = np.full((32, 48), 100, np.uint8)
    truth = np.zeros((32, 48), np.uint8)
    truth[10:20, 10:20] = 1
    examples = [
        DraftExample("one", image, truth, np.roll(truth, 3, axis=1)),
        DraftExample("none", image, truth, 0 * truth),
    ]
    draw_examples(tmp_path / "overlays.png", examples)
    draw_examples(tmp_path / "empty.png", [])
    for name in ("curve", "overlays"):
        with pillow.open(tmp_path / f"{name}.png") as picture:
            assert np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0).shape[0] > 10

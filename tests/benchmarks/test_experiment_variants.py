"""A file of variants: what it says, what it may not say; the one in the repository fits its recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from attunet_gui.evaluation.case_scores import CaseScore
from attunet_gui.system.errors import AttunetError
from attunet_gui.training.recipe_schema import read_recipe
from benchmarks.experiments.drafting_choice import choose_by_others
from benchmarks.experiments.variants import Variant, changed_recipe, read_variants
from tests.support.training_data import OWN, write_recipe

_ROOT = Path(__file__).parents[2]
_ONE = '[[variant]]\nname = "one"\ntitle = "One"\n'


def test_the_variants_in_the_repository_are_valid_recipes_that_differ() -> None:
    recipe = read_recipe(_ROOT / "resources/recipes/starter-fine.toml")
    variants = read_variants(_ROOT / "benchmarks/experiments/starter-fine.toml")
    first, *others = (changed_recipe(recipe, each) for each in variants if not each.drafted_by)
    assert first.model_copy(update={"name": recipe.name}) == recipe
    names = {"name"}
    fresh = [each.name for each in variants if each.fresh and not each.change]
    assert fresh == ["fresh"], "it differs in its start alone"
    for changed in others:
        same = changed.model_dump(exclude=names) == recipe.model_dump(exclude=names)
        assert same is (changed.name == "starter-fine-fresh")


def test_a_change_reaches_deep_tables_and_sources_by_name_and_nothing_else(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path, OWN))
    change = {
        "data": {"own": {"weight": 0.5}},
        "training": {"augmentation": {"noise": 0.01}},
        "preprocessing": {"neighbour_distance_mm": 3.0},
    }
    found = changed_recipe(recipe, Variant(name="one", title="One", change=change))
    assert (recipe.data[0].weight, found.data[0].weight) == (1.0, 0.5)
    assert found.training.augmentation.noise == 0.01
    assert found.training.augmentation.blur == recipe.training.augmentation.blur
    assert found.training.steps == recipe.training.steps
    assert found.preprocessing.neighbour_distance_mm == 3.0
    assert (found.name, found.config) == ("own-one", recipe.config)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"training": {"steps": 0}}, "one is not valid at 'training.steps'"),
        ({"training": {"stepps": 5}}, "one is not valid at 'training.stepps'"),
        ({"data": {"other": {"weight": 1}}}, "changes the source 'other'"),
        ({"preprocessing": {"size": [64, 64]}}, "contradicts itself"),
    ],
)
def test_a_change_that_is_no_recipe_is_one_sentence(
    change: dict[str, object], says: str, tmp_path: Path
) -> None:
    recipe = read_recipe(write_recipe(tmp_path, OWN))
    with pytest.raises(AttunetError, match=says):
        changed_recipe(recipe, Variant(name="one", title="One", change=change))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at 'variant'"),
        ("[[variant", "cannot be read"),
        (_ONE + _ONE, "two variants have one name"),
        (_ONE + "looks = true", "needs drafted_by"),
        (_ONE + 'drafted_by = ["none"]', "drafted_by 'none', which no earlier variant trains"),
        (_ONE + 'drafted_by = ["one"]\nfresh = true', "nothing of its training can change"),
        (_ONE + "looky = 1", "looky"),
    ],
)
def test_a_file_with_a_fault_is_one_sentence(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "variants.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(AttunetError, match=says):
        read_variants(path)


def test_what_is_chosen_for_a_person_is_what_serves_the_others() -> None:
    def row(patient: str, case: str, *dsc: float) -> tuple[CaseScore, ...]:
        return tuple(CaseScore(patient=patient, case=case, dsc=d, precision=0, recall=0) for d in dsc)

    tried = [
        row("a", "a1", 0.9, 0.1, 0.0),
        row("a", "a2", 0.9, 0.1, 0.0),
        row("a", "a3", 0.9, 0.1, 0.0),
        row("b", "b1", 0.2, 0.8, 0.0),
        row("c", "c1", 0.3, 0.4, 0.0),
    ]
    # a: the others' means are 0.25 and 0.6; b: 0.6 and 0.25; c: 0.55 and 0.45, every person once.
    assert [(score.case, score.dsc) for score in choose_by_others(tried)] == [
        ("a1", 0.1),
        ("a2", 0.1),
        ("a3", 0.1),
        ("b1", 0.2),
        ("c1", 0.3),
    ]
    with pytest.raises(AttunetError, match="at least two people"):
        choose_by_others(tried[:3])

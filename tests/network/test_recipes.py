"""A recipe becomes a measured bundle, or one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from attunet_gui.core.errors import AttunetError
from attunet_gui.network.bundle import read_bundle, verify
from attunet_gui.recipes.run import Order, run_recipe
from attunet_gui.recipes.schema import PhantomData, read_recipe

pytestmark = pytest.mark.network
_SHIPPED = Path(__file__).parents[2] / "resources" / "recipes" / "phantom-starter.toml"


def _small(tmp_path: Path) -> Path:
    text = _SHIPPED.read_text("utf-8")
    for wish, small in (
        ("filters = 16", "filters = 2"),
        ("cases = 64", "cases = 1"),
        ("cases = 20", "cases = 1"),
        ("steps = 1300", "steps = 2"),
        ("batch = 12", "batch = 2"),
    ):
        assert wish in text
        text = text.replace(wish, small, 1)
    path = tmp_path / "small.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_recipe_becomes_a_bundle_with_its_figures(tmp_path: Path) -> None:
    stages: set[str] = set()
    done = run_recipe(
        Order(_small(tmp_path), tmp_path / "run"),
        lambda done, total, stage: stages.add(stage.split(",")[0]),
    )
    assert stages == {"making phantoms", "training", "measuring"}
    again = read_bundle(tmp_path / "run" / "bundle")
    verify(again)
    assert again.card == done.bundle.card
    assert [result.cases for result in again.card.results] == [1]
    assert again.card.training.steps == 2


def test_training_and_measuring_never_share_a_phantom() -> None:
    recipe = read_recipe(_SHIPPED)
    (phantoms,) = (data for data in recipe.data if isinstance(data, PhantomData))
    assert recipe.phantom_check is not None
    assert not set(phantoms.seeds) & set(recipe.phantom_check.seeds)


def test_a_recipe_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    for text, says in (("name = ", "cannot be read"), ("name = 'x'", "is not valid at")):
        path.write_text(text)
        with pytest.raises(AttunetError, match=says):
            read_recipe(path)

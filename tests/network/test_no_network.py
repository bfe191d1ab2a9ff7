"""TensorFlow and Keras turn to no network when a model is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.watched_process import watch

pytestmark = pytest.mark.network
RECIPE = Path(__file__).parents[2] / "packaging" / "tiny-recipe.toml"


def test_training_reaches_for_nothing(tmp_path: Path) -> None:
    seen = watch(
        ["-m", "attunet_gui", "train", str(RECIPE), "-o", str(tmp_path / "run")], tmp_path / "watched"
    )
    assert (tmp_path / "run" / "bundle" / "card.json").is_file()
    assert seen.attempts == ()

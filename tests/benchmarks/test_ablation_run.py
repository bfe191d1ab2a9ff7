"""What cannot be compared is one sentence, before anything is read or trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from attunet_gui.system.errors import AttunetError
from attunet_gui.training.training_run import TrainingOptions
from benchmarks.ablation.ablation_run import Extent, ablate
from tests.support.training_data import OWN, write_recipe

_PHANTOMS = '[[data]]\nname = "made"\nkind = "phantoms"\nfirst_seed = 5\ncases = 1\n[validation]'
_BOTH = (("[validation]", _PHANTOMS),)


@pytest.mark.parametrize(
    ("changes", "folds", "says"),
    [
        ((), (), "'own' and another source"),
        ((*_BOTH, ("cases = 1", "cases = 1\nweight = 0")), (), "'own' and another source"),
        (_BOTH, (2,), "the folds 0 to 1, not 2"),
        ((*_BOTH, ('[validation]\nsource = "own"\nfolds = 2', "")), (), "has no folds"),
        (_BOTH, (), "--data own=FOLDER"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    changes: tuple[tuple[str, str], ...], folds: tuple[int, ...], says: str, tmp_path: Path
) -> None:
    order = TrainingOptions(write_recipe(tmp_path, OWN, *changes), tmp_path / "out")
    with pytest.raises(AttunetError, match=says):
        ablate(order, Extent(folds))
    assert not order.output.exists()


def test_weights_that_know_something_are_refused(tmp_path: Path) -> None:
    order = TrainingOptions(write_recipe(tmp_path, OWN, *_BOTH), tmp_path / "out", start=tmp_path)
    with pytest.raises(AttunetError, match="fresh weights"):
        ablate(order, Extent())

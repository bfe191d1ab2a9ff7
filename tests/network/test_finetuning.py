"""The whole way with a tiny network: corrected cases, a better model, and one from wrong labels held back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from attunet_gui.cli.training_commands import finetune_and_print
from attunet_gui.network.model_bundle import load_network, read_bundle, set_calibration
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE
from attunet_gui.network.training_loop import TrainingPace, steps_within
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import AttunetError, WorkCancelled
from attunet_gui.system.plurals import counted
from attunet_gui.training.finetuning import finetune_run
from attunet_gui.training.finetuning.finetune_config import (
    MAX_VALIDATIONS,
    FinetuneBudget,
    FinetuneConfig,
    ReplayConfig,
    settings_for,
)
from attunet_gui.training.finetuning.finetune_run import (
    PLAN_FILE,
    VERDICT_FILE,
    run_finetuning,
)
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel

pytestmark = pytest.mark.network
_ALONE = ReplayConfig(phantoms=0, judging=0)


def _write(folder: Path, seeds: range, *, aside: int = 0) -> Path:
    """A bright organ in a gray body; its label lies `aside` voxels beside it."""
    for seed in seeds:
        random = np.random.default_rng(seed)
        hu = np.full((48, 40, 5), -1000, np.int16)
        hu[4:44, 4:36] = 40 + random.integers(-15, 15, (40, 32, 5))
        label = np.zeros(hu.shape, np.uint8)
        x, y = random.integers(8, 14), random.integers(8, 14)
        hu[x : x + 14, y : y + 12, 1:4] = 210
        label[x + aside : x + aside + 14, y : y + 12, 1:4] = 1
        for part, values in (("images", hu), ("labels", label)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            image = nib.Nifti1Image(values, np.diag([-6.0, -6.0, 5.0, 1.0]))
            nib.save(image, folder / part / f"case-{seed}.nii.gz")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _in_large_steps() -> Iterator[None]:
    """So small a network, without anything learnt before, gets nowhere in the steps of a large one.

    And there is no straight way from chance to what is learnt: all of it is kept.
    """
    with pytest.MonkeyPatch.context() as patch:
        large = {"learning_rate": 2e-2, "average": 0.9}
        patch.setattr(finetune_run, "settings_for", lambda *of: settings_for(*of).model_copy(update=large))
        patch.setattr(finetune_run, "BLEND_SHARE", 1.0)
        yield


def _order(folder: Path, parent: Path, steps: int = 100) -> FinetuneConfig:
    return FinetuneConfig(
        folder / "right", parent, folder / "run", replay=_ALONE, effort=FinetuneBudget(steps)
    )


@pytest.fixture(scope="module")
def learnt(
    _in_large_steps: None, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, FinetunedModel]:
    folder = tmp_path_factory.mktemp("finetuned")
    _write(folder / "right", range(6))
    return folder, run_finetuning(_order(folder, tiny_bundle, steps=150))


def test_a_better_model_passes_and_its_card_tells_where_it_comes_from(
    learnt: tuple[Path, FinetunedModel], tiny_bundle: Path
) -> None:
    folder, done = learnt
    assert done.verdict.passed, done.verdict.sentence
    (group,) = done.verdict.groups
    assert group.dsc.mean > 0.2
    assert (len(done.division.training), len(done.division.held_out)) == (5, 1)
    lineage = read_bundle(folder / "run" / "bundle").card.lineage
    assert lineage is not None
    assert lineage.guard is not None
    assert (lineage.guard.passed, lineage.parent.sha256) == (
        True,
        read_bundle(tiny_bundle).card.weights_sha256,
    )
    assert (len(lineage.trained_on), len(lineage.held_out)) == (5, 1)
    assert json.loads((folder / "run" / VERDICT_FILE).read_text())["passed"]


def test_a_model_from_wrong_labels_is_held_back(learnt: tuple[Path, FinetunedModel], tmp_path: Path) -> None:
    parent = learnt[0] / "run" / "bundle"
    wrong = _write(tmp_path / "wrong", range(20, 25), aside=14)
    frozen = _write(tmp_path / "frozen", range(30, 33))
    order = replace(_order(tmp_path, parent), dataset=wrong, validation=frozen)
    done = run_finetuning(order)
    assert not done.verdict.passed
    assert done.verdict.sentence.startswith("The old model stays")
    lineage = done.bundle.card.lineage
    assert lineage is not None
    assert lineage.guard is not None
    assert not lineage.guard.passed
    assert len(lineage.ancestors) == 2


def test_who_judged_a_model_never_teaches_the_next(
    learnt: tuple[Path, FinetunedModel], tmp_path: Path
) -> None:
    folder, first = learnt
    grown = _write(_write(tmp_path / "grown", range(6)), range(40, 46))
    order = replace(_order(tmp_path, folder / "run" / "bundle", steps=1), dataset=grown)
    second = run_finetuning(order)
    assert set(first.division.held_out) <= set(second.division.held_out)
    old, new = first.bundle.card.lineage, second.bundle.card.lineage
    assert old is not None
    assert new is not None
    assert set(old.held_out).isdisjoint(new.trained_on)
    assert len(new.held_out) > len(old.held_out)


def test_a_cancelled_run_goes_on_and_ends_where_it_would_have(tiny_bundle: Path, tmp_path: Path) -> None:
    _write(tmp_path / "right", range(3))
    order = _order(tmp_path, tiny_bundle, steps=4)

    def cancel(done: int, total: int, stage: str) -> None:
        if stage.startswith("training") and done == 2:
            raise WorkCancelled

    with pytest.raises(WorkCancelled):
        run_finetuning(order, cancel)
    assert (order.output / CHECKPOINT_FILE).is_file()
    assert not (order.output / "bundle").exists()
    resumed = run_finetuning(order)
    whole = run_finetuning(replace(order, output=tmp_path / "whole"))
    here, there = (load_network(done.bundle).get_weights() for done in (resumed, whole))
    assert all(np.allclose(a, b, atol=2e-3) for a, b in zip(here, there, strict=True))
    with pytest.raises(AttunetError, match="another recipe"):
        run_finetuning(replace(order, seed=7))


def test_no_learning_is_the_parent_again(tiny_bundle: Path, tmp_path: Path) -> None:
    """Calibration and threshold move into the weights; the drafts stay."""
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "parent"))
    set_calibration(read_bundle(copy), ProbabilityCalibration(slope=0.7, offset=0.4), 0.61)
    _write(tmp_path / "right", range(3))
    done = run_finetuning(_order(tmp_path, copy, steps=1))
    assert (done.bundle.card.threshold, done.bundle.card.calibration) == (0.5, ProbabilityCalibration())
    assert abs(done.verdict.groups[0].dsc.mean) < 0.1


def test_names_that_do_not_fit_are_refused_before_any_work(tiny_bundle: Path, tmp_path: Path) -> None:
    _write(tmp_path / "right", range(3))
    with pytest.raises(AttunetError, match="no name for a model"):
        run_finetuning(replace(_order(tmp_path, tiny_bundle), name="../evil"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("seconds", "measured", "steps"),
    [
        (60.0, TrainingPace(step=0.5, validation=5.0, start=10.0), 60),
        (60.0, TrainingPace(step=0.5, validation=0.0, start=0.0), 120),
        (600.0, TrainingPace(step=7.0, validation=20.0, start=33.0), 69),
        (6.0, TrainingPace(step=0.5, validation=5.0, start=10.0), 1),
    ],
)
def test_validations_and_the_start_are_within_the_minutes(
    seconds: float, measured: TrainingPace, steps: int
) -> None:
    found = steps_within(seconds, measured, MAX_VALIDATIONS)
    assert found == steps
    taken = measured.start + MAX_VALIDATIONS * measured.validation + found * measured.step
    assert taken <= seconds or found == 1


def test_no_run_validates_more_often_than_was_reckoned_with() -> None:
    for steps in range(1, 500):
        every = settings_for(steps, 1).validate_every
        due = sum(step % every == 0 or step == steps for step in range(1, steps + 1))
        assert 1 <= due <= MAX_VALIDATIONS


def test_a_run_bounded_by_minutes_keeps_its_steps_and_says_what_is_outside(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "right", range(6))
    order = replace(_order(tmp_path, tiny_bundle), effort=FinetuneBudget(minutes=0.1))
    finetune_and_print(order, wanted=False)
    told = capsys.readouterr().out
    assert told.startswith("0.1 minutes are for learning and its validation.")
    steps = json.loads((tmp_path / "run" / PLAN_FILE).read_text())["steps"]
    assert f" {counted(steps, 'step')} in " in told

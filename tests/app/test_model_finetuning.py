"""Fine-tuning as one function with one request, by which the window and the command line work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from attunet_gui.app.model_finetuning import (
    LEARN,
    FinetuneRequest,
    FinetuningOptions,
    adopt_finetuned_model,
    finetune_model,
    request_finetuning,
)
from attunet_gui.io.datasets.dataset_layouts import find_dataset_cases
from attunet_gui.model_registry.model_adoption import offered_bundles
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.finetuning.finetune_config import FinetuneConfig
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel
from tests.support.finetuning_doubles import Pupil, accept, change, learnt_of, verdict_of
from tests.support.project_cases import drafted_project

BETTER = verdict_of(change("validation", "b", 0.5, 0.7), change("phantoms", "p", 0.8, 0.8))


def test_what_the_command_line_asks_is_done_as_it_was_asked(tmp_path: Path) -> None:
    asked = FinetuneConfig(tmp_path / "data", tmp_path / "parent", tmp_path / "run", name="mine", seed=3)
    seen: list[FinetuneConfig] = []

    def train(config: FinetuneConfig, _progress: ProgressCallback) -> FinetunedModel:
        seen.append(config)
        return learnt_of(BETTER)

    learnt = finetune_model(FinetuneRequest(asked), train, no_progress)
    assert seen == [asked]
    assert learnt.verdict == BETTER
    assert list(tmp_path.iterdir()) == []


def test_accepted_cases_are_exported_before_a_run_of_their_own(tmp_path: Path, tiny_bundle: Path) -> None:
    project = drafted_project(tmp_path, 3)
    for name in ("case-0001", "case-0002"):
        accept(project, name)
    request = request_finetuning(read_bundle(tiny_bundle), FinetuningOptions(), project)
    pupil = Pupil(tiny_bundle)
    prepared: list[FinetuneConfig] = []
    learnt = finetune_model(
        request, lambda config, progress: pupil(LEARN, config, progress), no_progress, prepared.append
    )
    assert prepared == pupil.orders
    (config,) = prepared
    assert [case.name for case in find_dataset_cases(config.dataset)] == ["case-0001", "case-0002"]
    assert (config.parent, config.output.parent) == (tiny_bundle, project.folder / "learning")
    assert learnt.bundle.folder == config.output / "bundle"
    assert learnt.name == config.name == f"tiny-tuned-{config.output.name.removeprefix('run-')}"
    project.close()


@pytest.mark.parametrize("kept", [True, False])
def test_adopting_makes_it_the_default_and_drops_the_checkpoint_unless_it_is_kept(
    tmp_path: Path, tiny_bundle: Path, kept: bool
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_bundle, run / "bundle")
    (run / CHECKPOINT_FILE).write_bytes(b"weights")
    adopted = adopt_finetuned_model(learnt_of(BETTER, read_bundle(run / "bundle")), keep_checkpoint=kept)
    assert offered_bundles()[0].folder == adopted.folder
    assert adopted.folder != run / "bundle"
    assert (run / CHECKPOINT_FILE).exists() is kept

"""Fine-tuning a model, comparing and adopting it, for the window and the command line alike.

The functions read and write files, so the window calls them from a background thread.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from attunet_gui.app.dataset_exporting import ExportRequest, export_cases
from attunet_gui.export.formats.nnunet import NNUNET_FORMAT
from attunet_gui.io.datasets.dataset_layouts import dataset_digest, find_dataset_cases
from attunet_gui.io.result_writing import make_private_folder
from attunet_gui.model_registry.model_adoption import (
    adopt_bundle,
    offered_bundles,
    roll_back_model,
    rollback_target,
)
from attunet_gui.model_registry.model_archive import import_model
from attunet_gui.network.model_bundle import ModelBundle, read_bundle
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE
from attunet_gui.prediction.model_card import ModelCard
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_export import export_cases_of
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.paths import model_folders, user_data_folder
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.training.finetuning.finetune_config import (
    CaseRole,
    ComparedCase,
    FinetuneBudget,
    FinetuneConfig,
    ModelComparisonConfig,
    ReplayConfig,
)
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel
from attunet_gui.training.finetuning.judge_choice import CaseDivision

ChildProcessCall = Callable[[str, object, ProgressCallback], Any]
"""Runs a function of ours, named "module:function", in a child process of its own."""

LEARN = "attunet_gui.training.finetuning.finetune_run:run_finetuning"
"""Functions that run in a child process, as "module:function"."""
COMPARE = "attunet_gui.training.finetuning.accepted_case_comparison:compare_on_accepted_cases"
ACCEPTED = frozenset({CaseStatus.ACCEPTED, CaseStatus.SECOND_READ})
MOST_COMPARED = 10
"""How many accepted cases are compared at most."""
_MINUTES = 8.0
"""Minutes of training that are suggested."""
_FOLDER, _DATA = "learning", "accepted"
_MARK, _LONGEST_NAME = 8, 40
"""Lengths: of the digest in the name of a run, and at most of the name of the model before it."""


@dataclass(frozen=True, eq=False)
class FinetuneRequest:
    """What a fine-tuning learns from, and where it works.

    Attributes:
        config: what is asked.
        project: its accepted cases are exported into the folder `config.dataset` and learnt from; None if
            that folder is a data set already.
        shared_output: whether `config.output` is a folder of several runs. The run then has a folder in it,
            and the model a name, that follow from model, data and choices: the same request goes on in the
            same run.
    """

    config: FinetuneConfig
    project: Project | None = None
    shared_output: bool = False


def finetune_model(
    request: FinetuneRequest,
    train: Callable[[FinetuneConfig, ProgressCallback], FinetunedModel],
    progress: ProgressCallback,
    prepared: Callable[[FinetuneConfig], None] = lambda _config: None,
) -> FinetunedModel:
    """Export the accepted cases if that is asked, train, and compare the new model with the one before.

    Args:
        request: what is asked.
        train: `training.finetuning.finetune_run.run_finetuning`, here or in a child process.
        progress: is told of each step.
        prepared: is called with the configuration of the run before training begins.

    Raises:
        AttunetError: if there is nothing to learn from, or data, parent and output folder do not fit.
        UnwritableOutput: if the accepted cases cannot be exported.
        WorkCancelled: from `progress`; the next call goes on there.
    """
    config = prepare_finetuning(request, progress)
    prepared(config)
    return train(config, progress)


def request_finetuning(
    parent: ModelBundle, options: FinetuningOptions, project: Project | None
) -> FinetuneRequest:
    """Return the request for what was chosen in the window.

    Args:
        parent: the model to start from.
        options: what was chosen.
        project: the open project; None if there is none.

    Raises:
        AttunetError: if neither a data set was chosen nor a project is open.
    """
    if options.dataset is None and project is None:
        raise AttunetError("No project is open: open one, or choose the folder of a data set.")
    output = finetuning_folder(None if project is None else project.folder)
    config = FinetuneConfig(
        dataset=output / _DATA if options.dataset is None else options.dataset,
        parent=parent.folder,
        output=output,
        validation=options.validation,
        replay=options.replay,
        effort=options.effort,
    )
    return FinetuneRequest(config, project if options.dataset is None else None, shared_output=True)


@dataclass(frozen=True)
class FinetuningOptions:
    """What the annotator chose.

    Attributes:
        dataset: folder of the data set to train on; None takes the accepted cases of the project.
        validation: folder of the data set that judges; None holds a fifth of the patients back.
        effort: how long to train.
        replay: earlier data that is trained again, so that it is not forgotten.
    """

    dataset: Path | None = None
    validation: Path | None = None
    effort: FinetuneBudget = field(default_factory=lambda: FinetuneBudget(minutes=_MINUTES))
    replay: ReplayConfig = field(default_factory=ReplayConfig)


@dataclass(frozen=True)
class DefaultModel:
    """Which model this user drafts with.

    Attributes:
        name: of the model; "" if there is none.
        before: name of the model that a roll-back brings back; "" if there is none.
    """

    name: str = ""
    before: str = ""


def finetuning_folder(project: Path | None) -> Path:
    """Return the folder for all runs of the project in the folder `project`; None is for work without one."""
    return (user_data_folder() if project is None else project) / _FOLDER


def prepare_finetuning(request: FinetuneRequest, progress: ProgressCallback) -> FinetuneConfig:
    """Export the accepted cases if that is asked, and return the configuration of the run.

    Raises:
        AttunetError: if there is nothing to train on.
        UnwritableOutput: if the accepted cases cannot be exported.
        WorkCancelled: from `progress`.
    """
    config = request.config
    if request.project is not None:
        _export_accepted_cases(request.project, config.dataset, progress)
    if not request.shared_output:
        return config
    make_private_folder(config.output)
    card = read_bundle(config.parent).card
    key = _config_digest(card, config, progress)
    # A model that was tuned before keeps its first name, so that names do not grow with each run.
    base = card.name.split("-tuned-")[0][:_LONGEST_NAME]
    return replace(config, output=config.output / f"run-{key}", name=f"{base}-tuned-{key}")


def _export_accepted_cases(project: Project, folder: Path, progress: ProgressCallback) -> None:
    """Export the accepted cases as a data set, or bring it up to date.

    Raises:
        AttunetError: if no case is accepted, or one cannot be exported.
        UnwritableOutput: if the folder cannot be written.
        WorkCancelled: from `progress`.
    """
    if not project.count_cases(CaseQuery(status=ACCEPTED)):
        raise AttunetError("No case is accepted yet: there is nothing to learn from.")
    make_private_folder(folder.parent)
    request = ExportRequest(project, folder, NNUNET_FORMAT, ACCEPTED)
    # "cases" as the stage would be taken for the progress of the whole job.
    report = export_cases(request, partial(_report_collecting, progress)).report
    if report.others:
        # A case that is not accepted any more must not be trained on.
        shutil.rmtree(folder)
        report = export_cases(request, partial(_report_collecting, progress)).report
    if report.refused:
        name, why = next(iter(report.refused.items()))
        raise AttunetError(f"{name} cannot teach: {why} Work on it again, or reject it.")


def _report_collecting(progress: ProgressCallback, done: int, total: int, _stage: str) -> None:
    progress(done, total, "collecting the cases")


def _config_digest(card: ModelCard, config: FinetuneConfig, progress: ProgressCallback) -> str:
    """Return a digest of model, data and choices, which names the run."""
    validation = () if config.validation is None else (config.validation,)
    folders = (config.dataset, *validation, *config.replay.folders)
    digests = [dataset_digest(find_dataset_cases(folder), progress) for folder in folders]
    # The folders count by the digest of their content, not by their path.
    replay = asdict(config.replay) | {"folders": len(config.replay.folders)}
    asked = [card.weights_sha256, digests, asdict(config.effort), replay, config.validation is not None]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:_MARK]


def make_model_comparison(
    project: Project, old: Path, learnt: FinetunedModel, division: CaseDivision | None
) -> ModelComparisonConfig:
    """Return the comparison of accepted cases: those that did not train first, then the latest accepted.

    Masks without a stroke or a verified slice are left out: they are the old model's own drafts.

    Args:
        project: whose cases.
        old: folder of the model before.
        learnt: the new model.
        division: of the accepted cases into training and held-out ones; None if others were trained on.
    """
    rows = project.list_cases(CaseQuery(status=ACCEPTED, order="changed", descending=True))
    looked_at = [case for case in export_cases_of(project, rows) if case.verified is None or case.verified]
    cases = [
        ComparedCase(case, _role_in_finetuning(case.name, division)) for case in looked_at if case.is_evidence
    ]
    # In the order of the roles: those that did not teach come first.
    first = sorted(cases, key=lambda each: list(CaseRole).index(each.role))
    return ModelComparisonConfig(
        old, learnt.bundle.folder, tuple(first[:MOST_COMPARED]), len(looked_at) - len(cases)
    )


def _role_in_finetuning(name: str, division: CaseDivision | None) -> CaseRole:
    # Others than the accepted cases were trained on.
    if division is None:
        return CaseRole.NOT_KNOWN
    if name in division.training:
        return CaseRole.TAUGHT
    return CaseRole.JUDGED if name in division.held_out else CaseRole.NEITHER


def count_dataset_cases(folder: Path) -> int:
    """Return the number of cases of the data set in `folder`.

    Raises `AttunetError` if there is no data set.
    """
    return len(find_dataset_cases(folder))


def find_default_model() -> DefaultModel:
    """Return which model is used, and which one a roll-back brings back."""
    offered, before = offered_bundles(), rollback_target()
    return DefaultModel(
        offered[0].card.name if offered else "",
        "" if before is None else before.card.name,
    )


def adopt_finetuned_model(learnt: FinetunedModel, *, keep_checkpoint: bool = False) -> ModelBundle:
    """Import the new model, make it the default and return it.

    Args:
        learnt: the new model.
        keep_checkpoint: whether the checkpoint of its run stays; it has three times the size of the model.

    Raises:
        AttunetError: if it cannot be imported or adopted.
    """
    bundle = import_model(learnt.bundle.folder, model_folders()[0])
    adopt_bundle(bundle, user_data_folder())
    if not keep_checkpoint:
        # The run is finished, so nothing goes on from it.
        (learnt.bundle.folder.parent / CHECKPOINT_FILE).unlink(missing_ok=True)
    return bundle


def restore_previous_model() -> ModelBundle:
    """Make the model before the default again and return it.

    Raises:
        AttunetError: if there is no model before, or it is gone.
    """
    roll_back_model(user_data_folder())
    offered = offered_bundles()
    if not offered:
        raise AttunetError("The model before is not at hand any more; choose the folder of another.")
    return offered[0]

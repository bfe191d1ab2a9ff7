"""What a run of fine-tuning needs of project and disk, as functions for a background thread."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from attunet_gui.export import (
    ExportOptions,
    ExportReport,
    Pseudonymizer,
    export_dataset,
    export_format_named,
    read_export_key,
)
from attunet_gui.io.datasets.dataset_layouts import dataset_digest, find_dataset_cases
from attunet_gui.io.result_writing import make_private_folder
from attunet_gui.model_registry.model_adoption import (
    adopt_bundle,
    offered_bundles,
    roll_back_model,
    rollback_target,
)
from attunet_gui.model_registry.model_archive import import_model
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_export import export_cases_of, export_key_path
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.paths import model_folders, user_data_folder
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.training.finetuning.finetune_config import (
    AcceptedCase,
    FinetuneBudget,
    FinetuneConfig,
    ModelComparisonConfig,
    ReplayConfig,
)
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel
from attunet_gui.training.finetuning.holdout import CaseDivision

ChildProcessCall = Callable[[str, object, ProgressCallback], Any]
"""Runs a function of ours, named "module:function", in a child process of its own."""

LEARN = "attunet_gui.training.finetuning.finetune_process:finetune_in_process"
"""Functions that run in a child process, as "module:function"."""
COMPARE = "attunet_gui.training.finetuning.finetune_process:compare_in_process"
ACCEPTED = frozenset({CaseStatus.ACCEPTED, CaseStatus.SECOND_READ})
MOST_COMPARED = 10
"""How many accepted cases are compared at most."""
_MINUTES = 8.0
"""Minutes of training that are suggested."""
_FOLDER, _DATA, _FORMAT = "learning", "accepted", "nnunet"
_MARK, _LONGEST_NAME = 8, 40
"""Lengths: of the digest in the name of a run, and at most of the name of the model before it."""
_ROLES = ("judged", "neither", "not known", "taught")
"""Roles of an accepted case in the training of the new model.

Those that did not train it are compared first.
"""


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


@dataclass(frozen=True, eq=False)
class FinetuningRequest:
    """A model, the choices for training it further, and the open project, if there is one."""

    parent: ModelBundle
    options: FinetuningOptions
    project: Project | None

    @property
    def output_folder(self) -> Path:
        """The folder for data and runs."""
        return finetuning_folder(None if self.project is None else self.project.folder)


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


def make_finetune_config(request: FinetuningRequest, progress: ProgressCallback) -> FinetuneConfig:
    """Return the configuration of a run for the child process.

    The same choices and cases give the same output folder, so that a run that was stopped goes on.

    Raises:
        AttunetError: if there is nothing to train on.
        UnwritableOutput: if the accepted cases cannot be exported.
        WorkCancelled: from `progress`.
    """
    make_private_folder(request.output_folder)
    options = request.options
    dataset = export_accepted_cases(request, progress) if options.dataset is None else options.dataset
    key = _request_digest(request, dataset, progress)
    # A model that was tuned before keeps its first name, so that names do not grow with each run.
    base = request.parent.card.name.split("-tuned-")[0][:_LONGEST_NAME]
    return FinetuneConfig(
        dataset=dataset,
        parent=request.parent.folder,
        output=request.output_folder / f"run-{key}",
        validation=options.validation,
        replay=options.replay,
        effort=options.effort,
        name=f"{base}-tuned-{key}",
    )


def export_accepted_cases(request: FinetuningRequest, progress: ProgressCallback) -> Path:
    """Export the accepted cases of the project as a data set, or bring it up to date, and return its folder.

    Raises:
        AttunetError: if no project is open, or a case cannot be exported.
        UnwritableOutput: if the folder cannot be written.
        WorkCancelled: from `progress`.
    """
    if request.project is None:
        raise AttunetError("No project is open: open one, or choose the folder of a data set.")
    folder = request.output_folder / _DATA
    report = _export_dataset(request.project, folder, progress)
    if report.others:
        # A case that is not accepted any more must not be trained on.
        shutil.rmtree(folder)
        report = _export_dataset(request.project, folder, progress)
    if report.refused:
        name, why = next(iter(report.refused.items()))
        raise AttunetError(f"{name} cannot teach: {why} Work on it again, or reject it.")
    return folder


def _export_dataset(project: Project, folder: Path, progress: ProgressCallback) -> ExportReport:
    found = export_cases_of(project, project.list_cases(CaseQuery(status=ACCEPTED)))
    if not found:
        raise AttunetError("No case is accepted yet: there is nothing to learn from.")
    order = ExportOptions(
        folder, export_format_named(_FORMAT), Pseudonymizer(read_export_key(export_key_path(project)))
    )
    return export_dataset(found, order, partial(_report_collecting, progress))


def _report_collecting(progress: ProgressCallback, done: int, total: int, _stage: str) -> None:
    """Pass progress on under another stage: for a background job "cases" would be its whole progress."""
    progress(done, total, "collecting the cases")


def _request_digest(request: FinetuningRequest, dataset: Path, progress: ProgressCallback) -> str:
    """Return a digest of model, data and choices, which names the run."""
    options = request.options
    folders = [dataset, *([options.validation] if options.validation else []), *options.replay.folders]
    digests = [dataset_digest(find_dataset_cases(folder), progress) for folder in folders]
    # The folders count by the digest of their content, not by their path.
    replay = asdict(options.replay) | {"folders": len(options.replay.folders)}
    asked = [
        request.parent.card.weights_sha256,
        digests,
        asdict(options.effort),
        replay,
        options.validation is not None,
    ]
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
        AcceptedCase(
            case.name,
            case.image,
            case.series,
            case.mask,
            case.verified,
            _role_in_finetuning(case.name, division),
        )
        for case in looked_at
        if case.is_evidence
    ]
    first = sorted(cases, key=lambda case: _ROLES.index(case.role))
    return ModelComparisonConfig(
        old, learnt.bundle, tuple(first[:MOST_COMPARED]), len(looked_at) - len(cases)
    )


def _role_in_finetuning(name: str, division: CaseDivision | None) -> str:
    # Others than the accepted cases were trained on.
    if division is None:
        return "not known"
    if name in division.training:
        return "taught"
    return "judged" if name in division.held_out else "neither"


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


def adopt_finetuned_model(learnt: FinetunedModel) -> ModelBundle:
    """Import the new model, make it the default and return it.

    Raises:
        AttunetError: if it cannot be imported or adopted.
    """
    bundle = import_model(learnt.bundle, model_folders()[0])
    adopt_bundle(bundle, user_data_folder())
    # The checkpoint has three times the size of the model, and the run is finished.
    (learnt.bundle.parent / CHECKPOINT_FILE).unlink(missing_ok=True)
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

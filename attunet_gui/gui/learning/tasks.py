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

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress
from attunet_gui.io.datasets import dataset_digest, find_dataset
from attunet_gui.io.exports import Identity, Order, Report, export, export_format, read_key
from attunet_gui.io.writing import make_private_folder
from attunet_gui.network.bundle import Bundle
from attunet_gui.network.checkpoint import CHECKPOINT_FILE
from attunet_gui.paths import model_folders, user_data
from attunet_gui.project.exporting import export_cases, key_path
from attunet_gui.project.project import Project
from attunet_gui.project.rows import CaseQuery
from attunet_gui.project.status import Status
from attunet_gui.recipes.finetuning.answer import Learnt
from attunet_gui.recipes.finetuning.order import AcceptedCase, Comparison, Effort, FinetuneOrder, Replay
from attunet_gui.recipes.holding import Division
from attunet_gui.registry.adoption import adopt, offered_before, offered_bundles, rollback
from attunet_gui.registry.archive import import_model

Child = Callable[[str, object, Progress], Any]
"""Runs a function of ours, named "module:function", in a child process of its own."""

LEARN = "attunet_gui.recipes.finetuning.errands:learn"
"""Functions that run in a child process, as "module:function"."""
COMPARE = "attunet_gui.recipes.finetuning.errands:compare"
ACCEPTED = frozenset({Status.ACCEPTED, Status.SECOND_READ})
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
class LearningWish:
    """What the annotator chose.

    Attributes:
        dataset: folder of the data set to train on; None takes the accepted cases of the project.
        validation: folder of the data set that judges; None holds a fifth of the patients back.
        effort: how long to train.
        replay: earlier data that is trained again, so that it is not forgotten.
    """

    dataset: Path | None = None
    validation: Path | None = None
    effort: Effort = field(default_factory=lambda: Effort(minutes=_MINUTES))
    replay: Replay = field(default_factory=Replay)


@dataclass(frozen=True, eq=False)
class Lesson:
    """A model, the choices for training it further, and the open project, if there is one."""

    parent: Bundle
    wish: LearningWish
    project: Project | None

    @property
    def place(self) -> Path:
        """The folder for data and runs."""
        return place_of(None if self.project is None else self.project.folder)


@dataclass(frozen=True)
class Default:
    """Which model this user drafts with.

    Attributes:
        name: of the model; "" if there is none.
        before: name of the model that a roll-back brings back; "" if there is none.
    """

    name: str = ""
    before: str = ""


def place_of(project: Path | None) -> Path:
    """Return the folder for all runs of the project in the folder `project`; None is for work without one."""
    return (user_data() if project is None else project) / _FOLDER


def ordered(lesson: Lesson, progress: Progress) -> FinetuneOrder:
    """Return the configuration of a run for the child process.

    The same choices and cases give the same output folder, so that a run that was stopped goes on.

    Raises:
        AttunetError: if there is nothing to train on.
        UnwritableOutput: if the accepted cases cannot be exported.
        Cancelled: from `progress`.
    """
    make_private_folder(lesson.place)
    wish = lesson.wish
    dataset = exported(lesson, progress) if wish.dataset is None else wish.dataset
    key = _key(lesson, dataset, progress)
    # A model that was tuned before keeps its first name, so that names do not grow with each run.
    base = lesson.parent.card.name.split("-tuned-")[0][:_LONGEST_NAME]
    return FinetuneOrder(
        dataset=dataset,
        parent=lesson.parent.folder,
        output=lesson.place / f"run-{key}",
        validation=wish.validation,
        replay=wish.replay,
        effort=wish.effort,
        name=f"{base}-tuned-{key}",
    )


def exported(lesson: Lesson, progress: Progress) -> Path:
    """Export the accepted cases of the project as a data set, or bring it up to date, and return its folder.

    Raises:
        AttunetError: if no project is open, or a case cannot be exported.
        UnwritableOutput: if the folder cannot be written.
        Cancelled: from `progress`.
    """
    if lesson.project is None:
        raise AttunetError("No project is open: open one, or choose the folder of a data set.")
    folder = lesson.place / _DATA
    report = _export(lesson.project, folder, progress)
    if report.others:
        # A case that is not accepted any more must not be trained on.
        shutil.rmtree(folder)
        report = _export(lesson.project, folder, progress)
    if report.refused:
        name, why = next(iter(report.refused.items()))
        raise AttunetError(f"{name} cannot teach: {why} Work on it again, or reject it.")
    return folder


def _export(project: Project, folder: Path, progress: Progress) -> Report:
    found = export_cases(project, project.cases(CaseQuery(status=ACCEPTED)))
    if not found:
        raise AttunetError("No case is accepted yet: there is nothing to learn from.")
    order = Order(folder, export_format(_FORMAT), Identity(read_key(key_path(project))))
    return export(found, order, partial(_staged, progress))


def _staged(progress: Progress, done: int, total: int, _stage: str) -> None:
    """Pass progress on under another stage: for a background job "cases" would be its whole progress."""
    progress(done, total, "collecting the cases")


def _key(lesson: Lesson, dataset: Path, progress: Progress) -> str:
    """Return a digest of model, data and choices, which names the run."""
    wish = lesson.wish
    folders = [dataset, *([wish.validation] if wish.validation else []), *wish.replay.folders]
    digests = [dataset_digest(find_dataset(folder), progress) for folder in folders]
    # The folders count by the digest of their content, not by their path.
    replay = asdict(wish.replay) | {"folders": len(wish.replay.folders)}
    asked = [lesson.parent.card.sha256, digests, asdict(wish.effort), replay, wish.validation is not None]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:_MARK]


def comparison(project: Project, old: Path, learnt: Learnt, division: Division | None) -> Comparison:
    """Return the comparison of accepted cases: those that did not train first, then the latest accepted.

    Masks without a stroke or a verified slice are left out: they are the old model's own drafts.

    Args:
        project: whose cases.
        old: folder of the model before.
        learnt: the new model.
        division: of the accepted cases into training and held-out ones; None if others were trained on.
    """
    rows = project.cases(CaseQuery(status=ACCEPTED, order="changed", descending=True))
    looked_at = [case for case in export_cases(project, rows) if case.verified is None or case.verified]
    cases = [
        AcceptedCase(case.name, case.image, case.series, case.mask, case.verified, _role(case.name, division))
        for case in looked_at
        if case.is_evidence
    ]
    first = sorted(cases, key=lambda case: _ROLES.index(case.role))
    return Comparison(old, learnt.bundle, tuple(first[:MOST_COMPARED]), len(looked_at) - len(cases))


def _role(name: str, division: Division | None) -> str:
    # Others than the accepted cases were trained on.
    if division is None:
        return "not known"
    if name in division.training:
        return "taught"
    return "judged" if name in division.held_out else "neither"


def cases_in(folder: Path) -> int:
    """Return the number of cases of the data set in `folder`.

    Raises `AttunetError` if there is no data set.
    """
    return len(find_dataset(folder))


def default() -> Default:
    """Return which model is used, and which one a roll-back brings back."""
    offered, before = offered_bundles(), offered_before()
    return Default(
        offered[0].card.name if offered else "",
        "" if before is None else before.card.name,
    )


def taken_over(learnt: Learnt) -> Bundle:
    """Import the new model, make it the default and return it.

    Raises:
        AttunetError: if it cannot be imported or adopted.
    """
    bundle = import_model(learnt.bundle, model_folders()[0])
    adopt(bundle, user_data())
    # The checkpoint has three times the size of the model, and the run is finished.
    (learnt.bundle.parent / CHECKPOINT_FILE).unlink(missing_ok=True)
    return bundle


def gone_back() -> Bundle:
    """Make the model before the default again and return it.

    Raises:
        AttunetError: if there is no model before, or it is gone.
    """
    rollback(user_data())
    offered = offered_bundles()
    if not offered:
        raise AttunetError("The model before is not at hand any more; choose the folder of another.")
    return offered[0]

"""What a lesson needs of the project and of the disk, as functions for a thread."""

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
"""As `jobs.errand.in_own_child`."""

LEARN = "attunet_gui.recipes.finetuning.errands:learn"
COMPARE = "attunet_gui.recipes.finetuning.errands:compare"
ACCEPTED = frozenset({Status.ACCEPTED, Status.SECOND_READ})
MOST_COMPARED = 10
_MINUTES = 8.0
_FOLDER, _DATA, _FORMAT = "learning", "accepted", "nnunet"
_MARK, _LONGEST_NAME = 8, 40
_ROLES = ("judged", "neither", "not known", "taught")
"""Of an accepted case; whoever did not teach says more about the new model, and comes first."""


@dataclass(frozen=True)
class LearningWish:
    """What a person asks for.

    Attributes:
        dataset: folder that teaches; None is the accepted cases of the project.
        validation: folder that judges; None holds a fifth of the people back.
        effort: how long.
        replay: what is learnt again.
    """

    dataset: Path | None = None
    validation: Path | None = None
    effort: Effort = field(default_factory=lambda: Effort(minutes=_MINUTES))
    replay: Replay = field(default_factory=Replay)


@dataclass(frozen=True, eq=False)
class Lesson:
    """A model, what it shall learn, and the project it is learnt from, if one is open."""

    parent: Bundle
    wish: LearningWish
    project: Project | None

    @property
    def place(self) -> Path:
        """Where data and runs go."""
        return place_of(None if self.project is None else self.project.folder)


@dataclass(frozen=True)
class Default:
    """Which model this user drafts with.

    Attributes:
        name: of it; "" if there is none.
        before: the one that a roll-back brings back; "" if there is none.
    """

    name: str = ""
    before: str = ""


def place_of(project: Path | None) -> Path:
    """The folder of all lessons of the project in the folder `project`; None for none."""
    return (user_data() if project is None else project) / _FOLDER


def ordered(lesson: Lesson, progress: Progress) -> FinetuneOrder:
    """What the child is asked to do. The same wish and the same cases give the same run, which then goes on.

    Raises:
        AttunetError: there is nothing to learn from.
        UnwritableOutput: the accepted cases cannot be exported.
        Cancelled: from `progress`.
    """
    make_private_folder(lesson.place)
    wish = lesson.wish
    dataset = exported(lesson, progress) if wish.dataset is None else wish.dataset
    key = _key(lesson, dataset, progress)
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
    """The accepted cases of the project as a data set beside it, brought up to date; errors as `ordered`."""
    if lesson.project is None:
        raise AttunetError("No project is open: open one, or choose the folder of a data set.")
    folder = lesson.place / _DATA
    report = _export(lesson.project, folder, progress)
    if report.others:
        # Accepted once and taken back since: it must not teach any more.
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
    """For a chore the stage "cases" would be its whole measure."""
    progress(done, total, "collecting the cases")


def _key(lesson: Lesson, dataset: Path, progress: Progress) -> str:
    wish = lesson.wish
    folders = [dataset, *([wish.validation] if wish.validation else []), *wish.replay.folders]
    digests = [dataset_digest(find_dataset(folder), progress) for folder in folders]
    replay = asdict(wish.replay) | {"folders": len(wish.replay.folders)}
    asked = [lesson.parent.card.sha256, digests, asdict(wish.effort), replay, wish.validation is not None]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:_MARK]


def comparison(project: Project, old: Path, learnt: Learnt, division: Division | None) -> Comparison:
    """Up to `MOST_COMPARED` accepted cases, those that did not teach first, then those accepted last.

    Masks without a stroke or a verified slice are the old model's answer, and are left out.

    Args:
        project: whose cases.
        old: folder of the model before.
        learnt: the new one.
        division: of the accepted cases; None if others taught.
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
    if division is None:
        return "not known"
    if name in division.training:
        return "taught"
    return "judged" if name in division.held_out else "neither"


def cases_in(folder: Path) -> int:
    """How many cases the data set in `folder` has; `AttunetError` if there is none."""
    return len(find_dataset(folder))


def default() -> Default:
    """Which model is used, and which one comes back."""
    offered, before = offered_bundles(), offered_before()
    return Default(
        offered[0].card.name if offered else "",
        "" if before is None else before.card.name,
    )


def taken_over(learnt: Learnt) -> Bundle:
    """Import the new model and make it the default; errors as `import_model` and `adopt` of the registry."""
    bundle = import_model(learnt.bundle, model_folders()[0])
    adopt(bundle, user_data())
    # Three times the size of the model, and nothing is left to go on with.
    (learnt.bundle.parent / CHECKPOINT_FILE).unlink(missing_ok=True)
    return bundle


def gone_back() -> Bundle:
    """Return to the default before; errors as `registry.adoption.rollback`."""
    rollback(user_data())
    offered = offered_bundles()
    if not offered:
        raise AttunetError("The model before is not at hand any more; choose the folder of another.")
    return offered[0]

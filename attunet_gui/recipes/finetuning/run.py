"""A fine-tuning: train, compare the new model with the old one, and write the verdict into the card.

It is the training loop of every run: batches follow from the seed, there is a checkpoint every minute, and a
run that was stopped goes on. Against forgetting, part of each batch is replayed from earlier data, which are
phantoms made on the spot and data sets that the caller names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attunet_gui.core.calibration import Calibration
from attunet_gui.core.card import Card, DataSource, GuardRecord, Result, Training
from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.provenance import versions
from attunet_gui.evaluation.guard import PHANTOMS, GroupChange, Verdict, judge
from attunet_gui.evaluation.versus import compare_models
from attunet_gui.io.writing import make_private_folder, write_json
from attunet_gui.network.blending import blend
from attunet_gui.network.bundle import Bundle, add_results, read_bundle, trace, write_bundle
from attunet_gui.network.checkpoint import CHECKPOINT_FILE, RunFolder
from attunet_gui.network.history import LOG_FILE
from attunet_gui.network.predict import load_model
from attunet_gui.network.sampling import Source, TrainingData
from attunet_gui.network.settings import TrainingSettings
from attunet_gui.recipes.finetuning.material import (
    Material,
    gather,
    judges,
    lineage,
    training_data,
)
from attunet_gui.recipes.finetuning.order import KEPT, VALIDATIONS, FinetuneOrder, settings_for
from attunet_gui.recipes.holding import Division
from attunet_gui.recipes.run import BUNDLE_FOLDER, with_curve
from attunet_gui.recipes.schema import PhantomData
from attunet_gui.recipes.sources import about_empty

if TYPE_CHECKING:
    from attunet_gui.network.train import Job, Trained

PLAN_FILE, VERDICT_FILE = "finetune.json", "verdict.json"


@dataclass(frozen=True)
class Finetuned:
    """The result of a fine-tuning.

    Attributes:
        bundle: the new model; its card holds lineage and verdict.
        verdict: of the guard.
        division: which corrected cases were learnt from and which judged.
        steps, seconds: of training.
        precision: the number format it was computed with.
        about_empty: a sentence about cases without any pancreas that were learnt from; "" if there are none.
    """

    bundle: Bundle
    verdict: Verdict
    division: Division
    steps: int
    seconds: float
    precision: str
    about_empty: str = ""


def finetune(order: FinetuneOrder, progress: Progress = silent) -> Finetuned:
    """Learn from corrected cases, or go on where an earlier run stopped; write the bundle into the output
    folder.

    Raises:
        AttunetError: data set, parent or the contents of the folder do not fit, or no case is left to judge.
        UnreadableInput: a case cannot be read.
        Cancelled: from `progress`; the next call goes on there.
    """
    parent = read_bundle(order.parent)
    # Only to find out now, and not after the training, whether the name is valid.
    _name(order, parent.card, "0" * 64)
    # Before the folder is touched: a wrong data set leaves the results of an earlier run alone.
    material = gather(order, parent, progress)
    make_private_folder(order.output)
    _cleared(order)
    data = training_data(order, material, progress)
    bundle, trained = _trained(order, material, data, progress)
    changes = compare_models(load_model(parent), load_model(bundle), judges(order, material), progress)
    verdict = judge(changes, left_out=material.division.drafts)
    bundle = _signed(bundle, verdict)
    write_json(order.output / VERDICT_FILE, asdict(verdict) | {"groups": [_told(g) for g in verdict.groups]})
    standing, empty = trained.standing, about_empty(data.sources)
    return Finetuned(
        bundle, verdict, material.division, standing.step, standing.seconds, trained.precision, empty
    )


def _cleared(order: FinetuneOrder) -> None:
    """Remove what an earlier run left, if a restart is wanted."""
    if order.restart:
        for name in (CHECKPOINT_FILE, LOG_FILE, PLAN_FILE):
            (order.output / name).unlink(missing_ok=True)


def _trained(
    order: FinetuneOrder, material: Material, data: TrainingData, progress: Progress
) -> tuple[Bundle, Trained]:
    """Train the network and write its bundle."""
    # Imported here, so that a message about wrong data does not wait for TensorFlow.
    from attunet_gui.network.train import started, train

    asked = _asked(order, material, data)
    settings = settings_for(_steps(order, material, data, asked), order.seed)
    # Before training: a run that is resumed must not choose another number of steps.
    write_json(order.output / PLAN_FILE, {"asked": asked, "steps": settings.steps})
    folder = RunFolder(order.output, _digest({"asked": asked, "settings": settings.model_dump(mode="json")}))
    told = with_curve(order.output, settings.validate_every, progress)
    trained = train(_job(material, settings), data, folder, told)
    blend(started(material.parent, folded=True), trained.network, KEPT)
    fields = _card_fields(order, material, data, settings, trained)
    return write_bundle(order.output / BUNDLE_FOLDER, trained.network, fields), trained


def _job(material: Material, settings: TrainingSettings) -> Job:
    """Return the training job: the parent's network with its calibration and threshold in the weights."""
    from attunet_gui.network.train import Job

    card = material.parent.card
    return Job(card.family, card.config, card.preprocessing, settings, 0.5, material.parent, folded=True)


def _steps(order: FinetuneOrder, material: Material, data: TrainingData, asked: dict[str, Any]) -> int:
    """Return the number of steps that was asked for.

    If a time was asked for, it is the number of steps that fit into it on this machine. That is measured once
    and then kept in the plan of the run, so that a resumed run has the same number.
    """
    from attunet_gui.network.train import pace, steps_within

    if order.effort.minutes is None:
        return order.effort.steps
    kept = _read_plan(order.output / PLAN_FILE)
    if kept.get("asked") == asked:
        return int(kept["steps"])
    job = _job(material, settings_for(1, order.seed))
    return steps_within(60 * order.effort.minutes, pace(job, data), VALIDATIONS)


def _read_plan(path: Path) -> dict[str, Any]:
    """Return the plan of an earlier run; {} if there is none that can be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _asked(order: FinetuneOrder, material: Material, data: TrainingData) -> dict[str, Any]:
    """Return everything that must be equal for a run to be resumed, as JSON values."""
    return {
        "parent": material.parent.card.sha256,
        "data": material.data_sha256,
        "seed": order.seed,
        "effort": asdict(order.effort),
        "label": order.label,
        "held_out": sorted(material.division.held_out),
        "sources": [[each.name, each.weight, [case.name for case in each.cases]] for each in data.sources],
    }


def _card_fields(
    order: FinetuneOrder, material: Material, data: TrainingData, settings: TrainingSettings, trained: Trained
) -> dict[str, Any]:
    """Return the fields of the new card, all but the weights."""
    card = material.parent.card
    training = Training(
        command=f"attunet finetune DATASET --from {card.name} --steps {settings.steps} --seed {order.seed}",
        seed=order.seed,
        steps=trained.standing.step,
        seconds=round(trained.standing.seconds, 1),
        data=(*map(_learnt_from, data.sources), *card.training.data),
        settings={**settings.model_dump(), "computed_in": trained.precision, "blend": KEPT},
    )
    taught = len(material.division.training)
    changed = {
        "name": _name(order, card, material.data_sha256),
        "title": f"{card.title}, fine-tuned",
        "description": f"{card.name}, fine-tuned on {counted(taught, 'corrected case')}.",
        # Calibration and threshold of the parent were moved into the weights before training.
        "calibration": Calibration(),
        "threshold": 0.5,
        "training": training,
        # Results of the parent were measured with its own weights.
        "results": (),
        "recommended": False,
        "lineage": lineage(material),
        "versions": versions(),
    }
    return card.model_dump(exclude={"weights"}) | changed


def _learnt_from(source: Source) -> DataSource:
    """Return what the card says of `source`."""
    if source.name != PHANTOMS:
        return DataSource(
            name=source.name,
            cases=len(source.cases),
            licence="as their owner says",
            attribution="Corrected by whoever fine-tuned the model.",
        )
    about = PhantomData(kind="phantoms", name=PHANTOMS, first_seed=0, cases=len(source.cases))
    return DataSource(name=PHANTOMS, cases=about.cases, licence=about.licence, attribution=about.attribution)


def _name(order: FinetuneOrder, card: Card, data_sha256: str) -> str:
    """Return the name of the new model.

    Raises:
        AttunetError: the name that was asked for is not valid.
    """
    if order.name:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", order.name):
            raise AttunetError(f"{order.name!r} is no name for a model: use a-z, 0-9, '.', '_' and '-'.")
        return order.name
    # The name of a model that is fine-tuned again and again does not grow.
    return f"{card.name.split('-tuned-')[0][:40]}-tuned-{data_sha256[:8]}"


def _signed(bundle: Bundle, verdict: Verdict) -> Bundle:
    """Return the bundle with the verdict and its scores in the card."""
    assert bundle.card.lineage is not None
    guard = GuardRecord(passed=verdict.passed, sentence=verdict.sentence)
    bundle = trace(bundle, bundle.card.lineage.model_copy(update={"guard": guard}))
    return add_results(bundle, tuple(_results(bundle, verdict)))


def _results(bundle: Bundle, verdict: Verdict) -> Iterator[Result]:
    """Yield the mean scores of each group of judges."""
    for group in verdict.groups:
        rows = [row for row in verdict.cases if row.group == group.group]
        for title, part in (("DSC", "dsc_after"), ("NSD at 2 mm", "nsd_after")):
            yield Result(
                measure=f"{title}, whole volume",
                data=f"{group.group}, held out of training",
                cases=len(rows),
                value=round(sum(getattr(row, part) for row in rows) / len(rows), 4),
                command=bundle.card.training.command,
            )


def _told(group: GroupChange) -> dict[str, Any]:
    """Return the change of a group as JSON values."""
    return {
        "group": group.group,
        "cases": group.cases,
        "dsc": group.dsc.model_dump(),
        "nsd": group.nsd.model_dump(),
    }


def _digest(content: object) -> str:
    """Return the sha256 of JSON values; keys are sorted, so equal values have equal digests."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

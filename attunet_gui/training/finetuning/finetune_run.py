"""A fine-tuning: train, compare the new model with the old one, and write the verdict into the card.

It is the training loop of every run: batches follow from the seed, there is a checkpoint every minute, and a
run that was stopped goes on. Against forgetting, part of each batch is replayed from earlier data, which are
phantoms made on the spot and data sets that the caller names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attunet_gui.evaluation.model_comparison import compare_models
from attunet_gui.evaluation.model_guard import PHANTOM_GROUP, GroupScoreChange, GuardVerdict, judge_model
from attunet_gui.io.result_writing import make_private_folder, write_json
from attunet_gui.network.batch_sampling import TrainingData, TrainingSource
from attunet_gui.network.inference import load_model
from attunet_gui.network.model_bundle import ModelBundle, read_bundle, set_lineage, set_results, write_bundle
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE, RunFolder
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.network.training_log import LOG_FILE
from attunet_gui.prediction.model_card import (
    GuardRecord,
    MeasuredResult,
    ModelCard,
    TrainingDataSource,
    TrainingRecord,
)
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.hashing import sha256_of_json
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.system.software_versions import software_versions
from attunet_gui.training.finetuning.finetune_config import (
    BLEND_SHARE,
    MAX_VALIDATIONS,
    FinetuneConfig,
    settings_for,
)
from attunet_gui.training.finetuning.finetune_data import (
    FinetuneData,
    build_lineage,
    gather_finetune_data,
    judging_cases,
    load_training_data,
)
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel
from attunet_gui.training.recipe_schema import PhantomData
from attunet_gui.training.recipe_sources import empty_cases_note
from attunet_gui.training.training_run import BUNDLE_FOLDER, with_curve

if TYPE_CHECKING:
    from attunet_gui.network.training_loop import TrainingJob, TrainingResult


def blend_weights(first: Any, last: Any, share: float) -> None:
    """Move every weight of `last` to `share` of the way from `first`: 0 gives `first`, 1 leaves `last`
    unchanged.

    On the straight line from a network to its fine-tuned version, most of what is new is gained before much
    of what was known is lost (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903).

    Args:
        first, last: Keras models of one family and configuration; `last` is changed in place.
        share: 0 to 1.
    """
    pairs = zip(first.get_weights(), last.get_weights(), strict=True)
    last.set_weights([start + share * (end - start) for start, end in pairs])


PLAN_FILE, VERDICT_FILE = "finetune.json", "verdict.json"


def run_finetuning(order: FinetuneConfig, progress: ProgressCallback = no_progress) -> FinetunedModel:
    """Learn from corrected cases, or go on where an earlier run stopped; write the bundle into the output
    folder.

    Raises:
        AttunetError: data set, parent or the contents of the folder do not fit, or no case is left to judge.
        UnreadableInput: a case cannot be read.
        WorkCancelled: from `progress`; the next call goes on there.
    """
    parent = read_bundle(order.parent)
    # Only to find out now, and not after the training, whether the name is valid.
    _model_name(order, parent.card, "0" * 64)
    # Before the folder is touched: a wrong data set leaves the results of an earlier run alone.
    material = gather_finetune_data(order, parent, progress)
    make_private_folder(order.output)
    _clear_earlier_run(order)
    data = load_training_data(order, material, progress)
    bundle, trained = _train_bundle(order, material, data, progress)
    changes = compare_models(load_model(parent), load_model(bundle), judging_cases(order, material), progress)
    verdict = judge_model(changes, left_out=material.division.drafts)
    bundle = _record_verdict(bundle, verdict)
    write_json(
        order.output / VERDICT_FILE, asdict(verdict) | {"groups": [_group_as_dict(g) for g in verdict.groups]}
    )
    standing, empty = trained.standing, empty_cases_note(data.sources)
    return FinetunedModel(
        bundle, verdict, material.division, standing.step, standing.seconds, trained.precision, empty
    )


def _clear_earlier_run(order: FinetuneConfig) -> None:
    """Remove what an earlier run left, if a restart is wanted."""
    if order.restart:
        for name in (CHECKPOINT_FILE, LOG_FILE, PLAN_FILE):
            (order.output / name).unlink(missing_ok=True)


def _train_bundle(
    order: FinetuneConfig, material: FinetuneData, data: TrainingData, progress: ProgressCallback
) -> tuple[ModelBundle, TrainingResult]:
    """Train the network and write its bundle."""
    # Imported here, so that a message about wrong data does not wait for TensorFlow.
    from attunet_gui.network.training_loop import network_from_bundle, train_network

    asked = _describe_request(order, material, data)
    settings = settings_for(_step_count(order, material, data, asked), order.seed)
    # Before training: a run that is resumed must not choose another number of steps.
    write_json(order.output / PLAN_FILE, {"asked": asked, "steps": settings.steps})
    folder = RunFolder(
        order.output, _hash_json({"asked": asked, "settings": settings.model_dump(mode="json")})
    )
    told = with_curve(order.output, settings.validate_every, progress)
    trained = train_network(_training_job(material, settings), data, folder, told)
    blend_weights(network_from_bundle(material.parent, folded=True), trained.network, BLEND_SHARE)
    fields = _card_fields(order, material, data, settings, trained)
    return write_bundle(order.output / BUNDLE_FOLDER, trained.network, fields), trained


def _training_job(material: FinetuneData, settings: TrainingConfig) -> TrainingJob:
    """Return the training job: the parent's network with its calibration and threshold in the weights."""
    from attunet_gui.network.training_loop import TrainingJob

    card = material.parent.card
    return TrainingJob(
        card.family, card.config, card.preprocessing, settings, 0.5, material.parent, fold_calibration=True
    )


def _step_count(
    order: FinetuneConfig, material: FinetuneData, data: TrainingData, asked: dict[str, Any]
) -> int:
    """Return the number of steps that was asked for.

    If a time was asked for, it is the number of steps that fit into it on this machine. That is measured once
    and then kept in the plan of the run, so that a resumed run has the same number.
    """
    from attunet_gui.network.training_loop import measure_pace, steps_within

    if order.effort.minutes is None:
        return order.effort.steps
    kept = _read_plan(order.output / PLAN_FILE)
    if kept.get("asked") == asked:
        return int(kept["steps"])
    job = _training_job(material, settings_for(1, order.seed))
    return steps_within(60 * order.effort.minutes, measure_pace(job, data), MAX_VALIDATIONS)


def _read_plan(path: Path) -> dict[str, Any]:
    """Return the plan of an earlier run; {} if there is none that can be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _describe_request(order: FinetuneConfig, material: FinetuneData, data: TrainingData) -> dict[str, Any]:
    """Return everything that must be equal for a run to be resumed, as JSON values."""
    return {
        "parent": material.parent.card.weights_sha256,
        "data": material.data_sha256,
        "seed": order.seed,
        "effort": asdict(order.effort),
        "label": order.label,
        "held_out": sorted(material.division.held_out),
        "sources": [[each.name, each.weight, [case.name for case in each.cases]] for each in data.sources],
    }


def _card_fields(
    order: FinetuneConfig,
    material: FinetuneData,
    data: TrainingData,
    settings: TrainingConfig,
    trained: TrainingResult,
) -> dict[str, Any]:
    """Return the fields of the new card, all but the weights."""
    card = material.parent.card
    training = TrainingRecord(
        command=f"attunet finetune DATASET --from {card.name} --steps {settings.steps} --seed {order.seed}",
        seed=order.seed,
        steps=trained.standing.step,
        seconds=round(trained.standing.seconds, 1),
        data=(*map(_card_data_source, data.sources), *card.training.data),
        settings={**settings.model_dump(), "computed_in": trained.precision, "blend": BLEND_SHARE},
    )
    taught = len(material.division.training)
    changed = {
        "name": _model_name(order, card, material.data_sha256),
        "title": f"{card.title}, fine-tuned",
        "description": f"{card.name}, fine-tuned on {counted(taught, 'corrected case')}.",
        # Calibration and threshold of the parent were moved into the weights before training.
        "calibration": ProbabilityCalibration(),
        "threshold": 0.5,
        "training": training,
        # Results of the parent were measured with its own weights.
        "results": (),
        "recommended": False,
        "lineage": build_lineage(material),
        "versions": software_versions(),
    }
    return card.model_dump(exclude={"weights"}) | changed


def _card_data_source(source: TrainingSource) -> TrainingDataSource:
    """Return what the card says of `source`."""
    if source.name != PHANTOM_GROUP:
        return TrainingDataSource(
            name=source.name,
            cases=len(source.cases),
            licence="as their owner says",
            attribution="Corrected by whoever fine-tuned the model.",
        )
    about = PhantomData(kind="phantoms", name=PHANTOM_GROUP, first_seed=0, cases=len(source.cases))
    return TrainingDataSource(
        name=PHANTOM_GROUP, cases=about.cases, licence=about.licence, attribution=about.attribution
    )


def _model_name(order: FinetuneConfig, card: ModelCard, data_sha256: str) -> str:
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


def _record_verdict(bundle: ModelBundle, verdict: GuardVerdict) -> ModelBundle:
    """Return the bundle with the verdict and its scores in the card."""
    assert bundle.card.lineage is not None
    guard = GuardRecord(passed=verdict.passed, sentence=verdict.sentence)
    bundle = set_lineage(bundle, bundle.card.lineage.model_copy(update={"guard": guard}))
    return set_results(bundle, tuple(_verdict_results(bundle, verdict)))


def _verdict_results(bundle: ModelBundle, verdict: GuardVerdict) -> Iterator[MeasuredResult]:
    """Yield the mean scores of each group of judges."""
    for group in verdict.groups:
        rows = [row for row in verdict.cases if row.group == group.group]
        for title, part in (("DSC", "dsc_after"), ("NSD at 2 mm", "nsd_after")):
            yield MeasuredResult(
                measure=f"{title}, whole volume",
                data=f"{group.group}, held out of training",
                cases=len(rows),
                value=round(sum(getattr(row, part) for row in rows) / len(rows), 4),
                command=bundle.card.training.command,
            )


def _group_as_dict(group: GroupScoreChange) -> dict[str, Any]:
    """Return the change of a group as JSON values."""
    return {
        "group": group.group,
        "cases": group.cases,
        "dsc": group.dsc.model_dump(),
        "nsd": group.nsd.model_dump(),
    }


def _hash_json(content: object) -> str:
    """Return the sha256 of JSON values; keys are sorted, so equal values have equal digests."""
    return sha256_of_json(content)

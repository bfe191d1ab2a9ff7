"""One case on every way, and how good its fix-list is; what is done is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.io.result_writing import make_folder, write_text
from attunet_gui.network.inference import LoadedModel
from attunet_gui.prediction.network_prediction import draft_mask
from attunet_gui.review.case_evidence import make_case_evidence
from attunet_gui.review.finding_precision import finding_precision, named_error_share
from attunet_gui.review.finding_search import find_findings
from attunet_gui.review.review_progress import ReviewState, open_findings
from attunet_gui.system.progress import ProgressCallback, no_progress
from benchmarks.effort.correction_traces import Trace, Way, walk
from benchmarks.effort.prediction_cache import cached_prediction
from benchmarks.effort.simulated_annotator import CorrectionTask
from benchmarks.effort.strategies import PLAIN

_FIRST_PLACES = 10
_CASES, _PREDICTIONS = "cases", "predictions"


class CaseEffort(BaseModel):
    """A case on every way.

    Attributes:
        case: its name.
        group: what it is summarised with.
        spacing_mm: (z, y, x).
        extent: slices from the first with gland to the last.
        dsc: of the draft.
        places: how many the fix-list of the draft names.
        precision: share of the first ten of them that are errors; 1 if there are none.
        named: share of all wrong voxels that lie in one that says the right thing of them.
        traces: by the key of the way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: str
    group: str
    spacing_mm: tuple[float, float, float]
    extent: int
    dsc: float
    places: int
    precision: float
    named: float
    traces: Mapping[str, Trace]


class _Record(BaseModel):
    """What is kept of a case: it is taken again if it was made by the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_by: tuple[str, ...]
    found: CaseEffort


@dataclass(frozen=True)
class GroupedCase:
    """A case and what it is summarised with."""

    group: str
    case: LabelledCase


@dataclass(frozen=True)
class EffortBench:
    """What is measured.

    Attributes:
        model: drafts.
        output: folder in which predictions and what was found of each case are kept.
        made_by: what is kept must have been made by the same to be taken.
        carrying: the way on which the network carries corrections on.
        most_carried: in how many of the first cases of each group it is gone; None for all.
    """

    model: LoadedModel
    output: Path
    made_by: tuple[str, ...]
    carrying: Way | None = None
    most_carried: int | None = None


def measure_effort(
    bench: EffortBench, cases: Sequence[GroupedCase], progress: ProgressCallback = no_progress
) -> tuple[CaseEffort, ...]:
    """Every case on every way; a case that is kept is not corrected again.

    Raises:
        UnreadableInput: a case cannot be read.
        UnwritableOutput: nothing can be kept in the folder.
    """
    for part in (_CASES, _PREDICTIONS):
        make_folder(bench.output / part)
    found = []
    for number, grouped in enumerate(cases):
        found.append(_kept_or_measured(bench, grouped, _ways(bench, cases, number), progress))
        progress(number + 1, len(cases), "cases")
    return tuple(found)


def _ways(bench: EffortBench, cases: Sequence[GroupedCase], number: int) -> tuple[Way, ...]:
    """Those of case `number`."""
    before = sum(other.group == cases[number].group for other in cases[:number])
    if bench.carrying is None or (bench.most_carried is not None and before >= bench.most_carried):
        return PLAIN
    return (*PLAIN, bench.carrying)


def _kept_or_measured(
    bench: EffortBench, grouped: GroupedCase, ways: Sequence[Way], progress: ProgressCallback
) -> CaseEffort:
    """The case on `ways`; on those that are kept she does not go again."""
    path = bench.output / _CASES / f"{grouped.case.name}.json"
    kept = _kept(path, bench)
    known = {} if kept is None else kept.traces
    missing = [way for way in ways if way.key not in known]
    if kept is None or missing:
        kept = _with(known, _measured(bench, grouped, missing, progress))
        write_text(path, _Record(made_by=bench.made_by, found=kept).model_dump_json() + "\n")
    wanted = {way.key: kept.traces[way.key] for way in ways}
    return kept.model_copy(update={"traces": wanted})


def _with(traces: Mapping[str, Trace], found: CaseEffort) -> CaseEffort:
    return found.model_copy(update={"traces": {**traces, **found.traces}})


def _kept(path: Path, bench: EffortBench) -> CaseEffort | None:
    try:
        record = _Record.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError):
        return None
    return record.found if record.made_by == bench.made_by else None


def _measured(
    bench: EffortBench, grouped: GroupedCase, ways: Sequence[Way], progress: ProgressCallback
) -> CaseEffort:
    name = grouped.case.name
    task = _task(bench, grouped.case, lambda done, total, stage: progress(done, total, f"{stage} of {name}"))
    return corrected(grouped, task, ways, progress)


def _task(bench: EffortBench, case: LabelledCase, progress: ProgressCallback) -> CorrectionTask:
    volume, truth = case.load()
    prediction = cached_prediction(
        bench.output / _PREDICTIONS / f"{case.name}.npz", volume, bench.model, progress
    )
    draft = draft_mask(prediction)
    return CorrectionTask(volume, truth, draft, make_case_evidence(volume, prediction, draft))


def corrected(
    grouped: GroupedCase, task: CorrectionTask, ways: Sequence[Way], progress: ProgressCallback = no_progress
) -> CaseEffort:
    """What `task` takes on each of `ways`, and what the fix-list of its draft is worth."""
    name, (draft, truth) = grouped.case.name, (task.draft, task.truth)
    places = open_findings(find_findings(draft, task.evidence).findings, ReviewState())
    return CaseEffort(
        case=name,
        group=grouped.group,
        spacing_mm=task.spacing_mm,
        extent=len(task.extent),
        dsc=dice_coefficient(draft, truth),
        places=len(places),
        precision=finding_precision(places[:_FIRST_PLACES], draft, truth, task.spacing_mm),
        named=named_error_share(places, draft, truth),
        traces=dict(_walked(ways, task, name, progress)),
    )


def _walked(
    ways: Sequence[Way], task: CorrectionTask, name: str, progress: ProgressCallback
) -> Iterator[tuple[str, Trace]]:
    for way in ways:
        yield (
            way.key,
            walk(way, task, progress=lambda done, total, stage: progress(done, total, f"{stage}, {name}")),
        )

"""Measurement of a model on labelled cases: one pass yields scores, histograms and slices for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from pydantic import BaseModel

from attunet_gui.evaluation.attention_gate_report import (
    GateHistogram,
    GateReport,
    gate_histograms,
    report_gate,
)
from attunet_gui.evaluation.calibration_fit import best_threshold, fit_calibration
from attunet_gui.evaluation.case_scores import CaseScore, ScoreTable, summarise_scores
from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.evaluation.model_drafts import draft_cases, score_drafts
from attunet_gui.evaluation.probability_histogram import ProbabilityHistogram, prediction_histogram
from attunet_gui.evaluation.slice_excerpts import SliceExcerpt, slice_with_maps, worst_slice
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from attunet_gui.network.inference import LoadedModel

_WORST_KEPT, _CASES_SHOWN = 12, 5


@dataclass(frozen=True, eq=False)
class ModelMeasurement:
    """The result of measuring a model on labelled cases.

    Attributes:
        scores: the scores of the drafts.
        tallies: patient -> a tally of the pixels of the body for each case.
        gates: the figures of each gate, finest first.
        worst: a slice of each of the cases with the lowest DSC, lowest first.
        shown: a slice with all maps of a few cases, taken evenly from all cases.
        seconds: wall time in seconds of preprocessing and network for all cases together.
    """

    scores: ScoreTable
    tallies: Mapping[str, Sequence[ProbabilityHistogram]]
    gates: tuple[GateReport, ...]
    worst: tuple[SliceExcerpt, ...]
    shown: tuple[SliceExcerpt, ...]
    seconds: float

    @property
    def has_organ(self) -> bool:
        """Whether any truth holds a pixel of the organ on the frame of the network."""
        return bool(self.pooled_histogram.organ.any())

    @property
    def pooled_histogram(self) -> ProbabilityHistogram:
        """The tally of all cases together."""
        return reduce(add, (one for tallies in self.tallies.values() for one in tallies))


def measure_model(
    model: LoadedModel, cases: Sequence[LabelledCase], progress: ProgressCallback = no_progress
) -> ModelMeasurement:
    """Draft every case and compare it with the truth.

    Args:
        model: the loaded model.
        cases: at least one case.
        progress: is called after slices and cases; it may raise `WorkCancelled`.

    Raises:
        ValueError: if there are no cases.
        UnreadableInput: if a case cannot be read.
    """
    scores: list[CaseScore] = []
    tallies: dict[str, list[ProbabilityHistogram]] = {}
    gates: list[tuple[GateHistogram, ...]] = []
    worst: list[SliceExcerpt] = []
    shown: list[SliceExcerpt] = []
    seconds = 0.0
    for number, drafted in enumerate(draft_cases(model, cases, progress)):
        scores.append(drafted.draft_score)
        truth = drafted.truth_on_network_grid()
        tallies.setdefault(drafted.case.patient_name, []).append(
            prediction_histogram(drafted.prediction, truth)
        )
        gates.append(gate_histograms(drafted.prediction, truth))
        worst = sorted([*worst, worst_slice(drafted)], key=lambda view: view.dsc)[:_WORST_KEPT]
        shown += [slice_with_maps(drafted)] if _is_shown(number, len(cases)) else []
        seconds += sum(drafted.prediction.seconds.values())
    return ModelMeasurement(
        summarise_scores(scores),
        tallies,
        tuple(report_gate(reduce(add, counts)) for counts in zip(*gates, strict=True)),
        tuple(worst),
        tuple(shown),
        seconds,
    )


def _is_shown(number: int, cases: int) -> bool:
    """Return whether case `number` is shown: five cases are, or all if there are fewer, at even distances."""
    shown = min(_CASES_SHOWN, cases)
    return number * shown // cases != (number - 1) * shown // cases


def measure_held_gates(
    model: LoadedModel,
    cases: Sequence[LabelledCase],
    measured: ModelMeasurement,
    progress: ProgressCallback = no_progress,
) -> tuple[GateReport, ...]:
    """Return the gates of `measured` with the change of the DSC when each is held at 1 and at its mean.

    This takes two more passes over all cases for each gate.
    """
    return tuple(
        report.model_copy(
            update={
                "held_open": _dsc_change_with_gate(model, cases, (f"gate{level}", 1.0), measured, progress),
                "held_at_mean": _dsc_change_with_gate(
                    model, cases, (f"gate{level}", report.mean), measured, progress
                ),
            }
        )
        for level, report in enumerate(measured.gates, start=1)
    )


def _dsc_change_with_gate(
    model: LoadedModel,
    cases: Sequence[LabelledCase],
    held: tuple[str, float],
    measured: ModelMeasurement,
    progress: ProgressCallback,
) -> float:
    from attunet_gui.network.gate_intervention import gate_held

    def named(done: int, total: int, stage: str) -> None:
        progress(done, total, f"{stage} with {held[0]} held at {held[1]:.2f}")

    with gate_held(model, *held):
        found = score_drafts(model, cases, named)
    return found.by_patient.dsc.mean - measured.scores.by_patient.dsc.mean


class CalibrationSuggestion(BaseModel, frozen=True, extra="forbid"):
    """The calibration and threshold that some cases suggest for the model card.

    No result may be reported on the cases that were used for it.

    Attributes:
        calibration: the calibration for the card; it includes the one that the card has already.
        threshold: the threshold of the highest mean DSC on the frame of the network with this calibration.
    """

    calibration: ProbabilityCalibration
    threshold: float


def suggest_calibration(measured: ModelMeasurement, present: ProbabilityCalibration) -> CalibrationSuggestion:
    """Return the `suggest_from_histograms` from the cases of `measured`; `present` is the calibration of the
    card.
    """
    return suggest_from_histograms(measured.tallies, present)


def suggest_from_histograms(
    tallies: Mapping[str, Sequence[ProbabilityHistogram]], present: ProbabilityCalibration
) -> CalibrationSuggestion:
    """Return the calibration and threshold that fit best.

    Args:
        tallies: patient -> tallies of the cases.
        present: the calibration that the card has, under which the tallies were made.

    Raises:
        ValueError: if all pixels are organ, or none is.
    """
    mending = fit_calibration(reduce(add, (one for counted in tallies.values() for one in counted)))
    mended = {
        patient: [one.with_calibration(mending) for one in counted] for patient, counted in tallies.items()
    }
    return CalibrationSuggestion(calibration=present.followed_by(mending), threshold=best_threshold(mended))

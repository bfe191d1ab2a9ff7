"""Measurement of a model on labelled cases: one pass yields scores, histograms and slices for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from pydantic import BaseModel

from attunet_gui.core.calibration import Calibration
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.calibration import best_threshold, fit_calibration
from attunet_gui.evaluation.cases import Case
from attunet_gui.evaluation.drafting import drafts, score_drafts
from attunet_gui.evaluation.gates import GateCount, GateReport, count_gates, report_gate
from attunet_gui.evaluation.scores import CaseScore, Scores, summarise
from attunet_gui.evaluation.tally import Tally, tally_prediction
from attunet_gui.evaluation.views import View, map_view, worst_view

if TYPE_CHECKING:
    from attunet_gui.network.predict import Model

_WORST, _SHOWN = 12, 5


@dataclass(frozen=True, eq=False)
class Measured:
    """The result of measuring a model on labelled cases.

    Attributes:
        scores: the scores of the drafts.
        tallies: patient -> a tally of the pixels of the body for each case.
        gates: the figures of each gate, finest first.
        worst: a slice of each of the cases with the lowest DSC, lowest first.
        shown: a slice with all maps of a few cases, taken evenly from all cases.
        seconds: wall time in seconds of preprocessing and network for all cases together.
    """

    scores: Scores
    tallies: Mapping[str, Sequence[Tally]]
    gates: tuple[GateReport, ...]
    worst: tuple[View, ...]
    shown: tuple[View, ...]
    seconds: float

    @property
    def has_organ(self) -> bool:
        """Whether any truth holds a pixel of the organ on the frame of the network."""
        return bool(self.tally.organ.any())

    @property
    def tally(self) -> Tally:
        """The tally of all cases together."""
        return reduce(add, (one for tallies in self.tallies.values() for one in tallies))


def measure(model: Model, cases: Sequence[Case], progress: Progress = silent) -> Measured:
    """Draft every case and compare it with the truth.

    Args:
        model: the loaded model.
        cases: at least one case.
        progress: is called after slices and cases; it may raise `Cancelled`.

    Raises:
        ValueError: if there are no cases.
        UnreadableInput: if a case cannot be read.
    """
    scores: list[CaseScore] = []
    tallies: dict[str, list[Tally]] = {}
    gates: list[tuple[GateCount, ...]] = []
    worst: list[View] = []
    shown: list[View] = []
    seconds = 0.0
    for number, drafted in enumerate(drafts(model, cases, progress)):
        scores.append(drafted.score)
        truth = drafted.truth_on_frame()
        tallies.setdefault(drafted.case.patient, []).append(tally_prediction(drafted.prediction, truth))
        gates.append(count_gates(drafted.prediction, truth))
        worst = sorted([*worst, worst_view(drafted)], key=lambda view: view.dsc)[:_WORST]
        shown += [map_view(drafted)] if _is_shown(number, len(cases)) else []
        seconds += sum(drafted.prediction.seconds.values())
    return Measured(
        summarise(scores),
        tallies,
        tuple(report_gate(reduce(add, counts)) for counts in zip(*gates, strict=True)),
        tuple(worst),
        tuple(shown),
        seconds,
    )


def _is_shown(number: int, cases: int) -> bool:
    """Return whether case `number` is shown: five cases are, or all if there are fewer, at even distances."""
    shown = min(_SHOWN, cases)
    return number * shown // cases != (number - 1) * shown // cases


def hold_gates(
    model: Model, cases: Sequence[Case], measured: Measured, progress: Progress = silent
) -> tuple[GateReport, ...]:
    """Return the gates of `measured` with the change of the DSC when each is held at 1 and at its mean.

    This takes two more passes over all cases for each gate.
    """
    return tuple(
        report.model_copy(
            update={
                "held_open": _change(model, cases, (f"gate{level}", 1.0), measured, progress),
                "held_at_mean": _change(model, cases, (f"gate{level}", report.mean), measured, progress),
            }
        )
        for level, report in enumerate(measured.gates, start=1)
    )


def _change(
    model: Model, cases: Sequence[Case], held: tuple[str, float], measured: Measured, progress: Progress
) -> float:
    from attunet_gui.network.held_gate import gate_held

    def named(done: int, total: int, stage: str) -> None:
        progress(done, total, f"{stage} with {held[0]} held at {held[1]:.2f}")

    with gate_held(model, *held):
        found = score_drafts(model, cases, named)
    return found.by_patient.dsc.mean - measured.scores.by_patient.dsc.mean


class Suggestion(BaseModel, frozen=True, extra="forbid"):
    """The calibration and threshold that some cases suggest for the model card.

    No result may be reported on the cases that were used for it.

    Attributes:
        calibration: the calibration for the card; it includes the one that the card has already.
        threshold: the threshold of the highest mean DSC on the frame of the network with this calibration.
    """

    calibration: Calibration
    threshold: float


def suggest(measured: Measured, present: Calibration) -> Suggestion:
    """Return the `suggestion` from the cases of `measured`; `present` is the calibration of the card."""
    return suggestion(measured.tallies, present)


def suggestion(tallies: Mapping[str, Sequence[Tally]], present: Calibration) -> Suggestion:
    """Return the calibration and threshold that fit best.

    Args:
        tallies: patient -> tallies of the cases.
        present: the calibration that the card has, under which the tallies were made.

    Raises:
        ValueError: if all pixels are organ, or none is.
    """
    mending = fit_calibration(reduce(add, (one for counted in tallies.values() for one in counted)))
    mended = {patient: [one.calibrated(mending) for one in counted] for patient, counted in tallies.items()}
    return Suggestion(calibration=present.then(mending), threshold=best_threshold(mended))

"""What a model does on labelled cases: one pass yields scores, counts and slices to look at."""

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
    """What a model does on labelled cases.

    Attributes:
        scores: the table.
        tallies: patient -> a tally a case, of the body.
        gates: each gate, finest first.
        worst: a slice of each of the cases with the lowest DSC, lowest first.
        shown: a slice of a few cases, evenly over all of them, with every map.
        seconds: wall time of preprocessing and network, all cases together.
    """

    scores: Scores
    tallies: Mapping[str, Sequence[Tally]]
    gates: tuple[GateReport, ...]
    worst: tuple[View, ...]
    shown: tuple[View, ...]
    seconds: float

    @property
    def has_organ(self) -> bool:
        """Whether a truth has anything of the organ, as the network sees it."""
        return bool(self.tally.organ.any())

    @property
    def tally(self) -> Tally:
        """All cases together."""
        return reduce(add, (one for tallies in self.tallies.values() for one in tallies))


def measure(model: Model, cases: Sequence[Case], progress: Progress = silent) -> Measured:
    """Draft every case and compare; `progress` may raise `Cancelled`.

    Raises:
        ValueError: there are no cases.
        UnreadableInput: a case cannot be read.
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
    """Five cases, or all if there are fewer, evenly over all of them."""
    shown = min(_SHOWN, cases)
    return number * shown // cases != (number - 1) * shown // cases


def hold_gates(
    model: Model, cases: Sequence[Case], measured: Measured, progress: Progress = silent
) -> tuple[GateReport, ...]:
    """The gates of `measured` with what each is worth: two more passes over all cases a gate."""
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
    """What these cases would put into the card. Only cases nothing else is reported on may be used for it.

    Attributes:
        calibration: the line that makes the probability honest, the card's own included.
        threshold: what then gives the highest mean DSC on the network's grid.
    """

    calibration: Calibration
    threshold: float


def suggest(measured: Measured, present: Calibration) -> Suggestion:
    """`suggestion` from the cases of `measured`."""
    return suggestion(measured.tallies, present)


def suggestion(tallies: Mapping[str, Sequence[Tally]], present: Calibration) -> Suggestion:
    """Calibration and threshold that fit `tallies` (by patient) best; `present` is the card's calibration.

    Raises:
        ValueError: there is nothing but organ, or no organ at all.
    """
    mending = fit_calibration(reduce(add, (one for counted in tallies.values() for one in counted)))
    mended = {patient: [one.calibrated(mending) for one in counted] for patient, counted in tallies.items()}
    return Suggestion(calibration=present.then(mending), threshold=best_threshold(mended))

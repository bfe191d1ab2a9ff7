"""Tables of the scores of many pairs: one row for each case, means with intervals, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from attunet_gui.evaluation.case_scores import MeanEstimate, empty_truths_sentence, estimate_mean
from attunet_gui.evaluation.pair_scores import NSD_TOLERANCE_MM, PairScores


@dataclass(frozen=True)
class PairMeasure:
    """A measure, which is a column of the table.

    Attributes:
        name: name in JSON and CSV, which is also the name of an attribute of `PairScores`.
        title: name for people.
        digits: number of digits after the decimal point.
    """

    name: str
    title: str
    digits: int = 3


PAIR_MEASURES = (
    PairMeasure("dsc", "DSC"),
    PairMeasure("nsd", f"NSD at {NSD_TOLERANCE_MM:g} mm"),
    PairMeasure("hd95_mm", "HD95, mm", 1),
    PairMeasure("assd_mm", "ASSD, mm", 2),
    PairMeasure("precision", "precision"),
    PairMeasure("recall", "recall"),
    PairMeasure("volume_error_ml", "volume error, ml", 1),
    PairMeasure("relative_volume_error", "volume error, share"),
)


@dataclass(frozen=True)
class PairRow:
    """One case.

    Attributes:
        name: name of the case.
        person: identifier of the patient; intervals resample patients.
        scores: the scores of the draft.
    """

    name: str
    person: str
    scores: PairScores

    def score_of(self, measure: PairMeasure) -> float | None:
        """Return the score in the column of `measure`; None if it is not defined."""
        found: float | None = getattr(self.scores, measure.name)
        return found

    def text(self, measure: PairMeasure) -> str:
        """Return the score in the column of `measure` as text; "-" if it is not defined."""
        value = self.score_of(measure)
        return "-" if value is None else f"{value:.{measure.digits}f}"


@dataclass(frozen=True)
class PairMeasureSummary:
    """A measure over all cases.

    Attributes:
        measure: the measure.
        estimate: its mean over the cases in which it is defined; None if there are none.
        undefined: number of cases in which it is not defined because a mask is empty.
    """

    measure: PairMeasure
    estimate: MeanEstimate | None
    undefined: int


def summarise_pairs(rows: Sequence[PairRow], seed: int = 0) -> tuple[PairMeasureSummary, ...]:
    """Return mean, deviation and 95 % bootstrap interval of each of `PAIR_MEASURES`, averaged by patient.

    A missed organ has no surface distance. A mean of distances must therefore be read together with the
    number of cases that it leaves out.

    Raises:
        ValueError: if there are no rows.
    """
    if not rows:
        raise ValueError("there are no cases to summarise")
    return tuple(_summarise_measure(measure, rows, seed) for measure in PAIR_MEASURES)


def _summarise_measure(measure: PairMeasure, rows: Sequence[PairRow], seed: int) -> PairMeasureSummary:
    known = [(value, row.person) for row in rows if (value := row.score_of(measure)) is not None]
    found = (
        estimate_mean([value for value, _ in known], [person for _, person in known], seed) if known else None
    )
    return PairMeasureSummary(measure, found, len(rows) - len(known))


def empty_truths_of_pairs(rows: Sequence[PairRow]) -> str:
    """Return a warning about empty truths; "" if there are none."""
    return empty_truths_sentence([row.name for row in rows if not row.scores.truth_ml], len(rows))


def pair_table_csv(rows: Sequence[PairRow]) -> str:
    """Return the scores as CSV with a header and one line for each case; undefined scores are empty cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "person", *(measure.name for measure in PAIR_MEASURES), "draft_ml", "truth_ml"])
    for row in rows:
        volumes = (row.scores.draft_ml, row.scores.truth_ml)
        writer.writerow(
            [row.name, row.person, *(row.score_of(measure) for measure in PAIR_MEASURES), *volumes]
        )
    return text.getvalue()

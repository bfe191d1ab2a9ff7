"""Tables of the scores of many pairs: one row for each case, means with intervals, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from attunet_gui.evaluation.empty import empty_words
from attunet_gui.evaluation.pairs import TOLERANCE_MM, PairScores
from attunet_gui.evaluation.scores import Estimate, estimate


@dataclass(frozen=True)
class Measure:
    """A measure, which is a column of the table.

    Attributes:
        name: name in JSON and CSV, which is also the name of an attribute of `PairScores`.
        title: name for people.
        digits: number of digits after the decimal point.
    """

    name: str
    title: str
    digits: int = 3


MEASURES = (
    Measure("dsc", "DSC"),
    Measure("nsd", f"NSD at {TOLERANCE_MM:g} mm"),
    Measure("hd95_mm", "HD95, mm", 1),
    Measure("assd_mm", "ASSD, mm", 2),
    Measure("precision", "precision"),
    Measure("recall", "recall"),
    Measure("volume_error_ml", "volume error, ml", 1),
    Measure("relative_volume_error", "volume error, share"),
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

    def value(self, measure: Measure) -> float | None:
        """Return the score in the column of `measure`; None if it is not defined."""
        found: float | None = getattr(self.scores, measure.name)
        return found

    def text(self, measure: Measure) -> str:
        """Return the score in the column of `measure` as text; "-" if it is not defined."""
        value = self.value(measure)
        return "-" if value is None else f"{value:.{measure.digits}f}"


@dataclass(frozen=True)
class MeasureSummary:
    """A measure over all cases.

    Attributes:
        measure: the measure.
        estimate: its mean over the cases in which it is defined; None if there are none.
        undefined: number of cases in which it is not defined because a mask is empty.
    """

    measure: Measure
    estimate: Estimate | None
    undefined: int


def summarise_pairs(rows: Sequence[PairRow], seed: int = 0) -> tuple[MeasureSummary, ...]:
    """Return mean, deviation and 95 % bootstrap interval of each of `MEASURES`, averaged by patient.

    A missed organ has no surface distance. A mean of distances must therefore be read together with the
    number of cases that it leaves out.

    Raises:
        ValueError: if there are no rows.
    """
    if not rows:
        raise ValueError("there are no cases to summarise")
    return tuple(_summary(measure, rows, seed) for measure in MEASURES)


def _summary(measure: Measure, rows: Sequence[PairRow], seed: int) -> MeasureSummary:
    known = [(value, row.person) for row in rows if (value := row.value(measure)) is not None]
    found = estimate([value for value, _ in known], [person for _, person in known], seed) if known else None
    return MeasureSummary(measure, found, len(rows) - len(known))


def about_empty(rows: Sequence[PairRow]) -> str:
    """Return a warning about empty truths; "" if there are none."""
    return empty_words([row.name for row in rows if not row.scores.truth_ml], len(rows))


def as_csv(rows: Sequence[PairRow]) -> str:
    """Return the scores as CSV with a header and one line for each case; undefined scores are empty cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "person", *(measure.name for measure in MEASURES), "draft_ml", "truth_ml"])
    for row in rows:
        volumes = (row.scores.draft_ml, row.scores.truth_ml)
        writer.writerow([row.name, row.person, *(row.value(measure) for measure in MEASURES), *volumes])
    return text.getvalue()

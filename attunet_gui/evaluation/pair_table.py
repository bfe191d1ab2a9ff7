"""Scores of many pairs: a row a case, means with intervals, CSV."""

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
    """A column of the table.

    Attributes:
        name: in JSON and CSV; an attribute of `PairScores`.
        title: for people.
        digits: after the point.
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
        name: of the case.
        person: whose it is; intervals resample people.
        scores: of the draft.
    """

    name: str
    person: str
    scores: PairScores

    def value(self, measure: Measure) -> float | None:
        """The score in this column; None where it is not defined."""
        found: float | None = getattr(self.scores, measure.name)
        return found

    def text(self, measure: Measure) -> str:
        """The score for people; "-" where it is not defined."""
        value = self.value(measure)
        return "-" if value is None else f"{value:.{measure.digits}f}"


@dataclass(frozen=True)
class MeasureSummary:
    """A measure over all cases.

    Attributes:
        measure: the column.
        estimate: over the cases where it is defined; None if it is nowhere.
        undefined: cases where it is not: a mask of theirs is empty.
    """

    measure: Measure
    estimate: Estimate | None
    undefined: int


def summarise_pairs(rows: Sequence[PairRow], seed: int = 0) -> tuple[MeasureSummary, ...]:
    """Mean, deviation and 95 % bootstrap interval of each of `MEASURES`, by person as `scores.estimate`.

    A missed organ has no HD95, so read a mean of distances beside the number of cases it leaves out.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("there are no cases to summarise")
    return tuple(_summary(measure, rows, seed) for measure in MEASURES)


def _summary(measure: Measure, rows: Sequence[PairRow], seed: int) -> MeasureSummary:
    known = [(value, row.person) for row in rows if (value := row.value(measure)) is not None]
    found = estimate([value for value, _ in known], [person for _, person in known], seed) if known else None
    return MeasureSummary(measure, found, len(rows) - len(known))


def about_empty(rows: Sequence[PairRow]) -> str:
    """What to say of empty truths; "" if there are none."""
    return empty_words([row.name for row in rows if not row.scores.truth_ml], len(rows))


def as_csv(rows: Sequence[PairRow]) -> str:
    """A line a case with a line of names above; nothing where a score is not defined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "person", *(measure.name for measure in MEASURES), "draft_ml", "truth_ml"])
    for row in rows:
        volumes = (row.scores.draft_ml, row.scores.truth_ml)
        writer.writerow([row.name, row.person, *(row.value(measure) for measure in MEASURES), *volumes])
    return text.getvalue()

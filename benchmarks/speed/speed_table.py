"""A measure, what it should reach, and what was found: values, their spread and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict

Compared = Literal["alone", "times faster", "times the peer"]
HEADINGS = ("measure", "asked", "found", "spread", "reached", "ours", "peer", "runs", "others on the CPU")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measure(_Frozen):
    """One row, before it is measured.

    Attributes:
        key: its name on the command line.
        title: what is measured.
        limit: what to reach, in `unit` or as a ratio to the peer.
        unit: of a sample, ours or the peer's.
        compared: whether the samples count alone, or as a ratio to the peer's.
        least: whether `limit` is the least that is wanted; else the most.
    """

    key: str
    title: str
    limit: float
    unit: str
    compared: Compared = "alone"
    least: bool = False

    @property
    def asked(self) -> str:
        """For people: "at most 0.15 s"."""
        words = "at least" if self.least else "at most"
        return f"{words} {_told(self.limit)} {self.unit if self.compared == 'alone' else self.compared}"


class Runs(_Frozen):
    """Samples of a measure, in its unit.

    Attributes:
        ours: one a run; () if it could not be measured, for the reason in `note`.
        theirs: the peer's, each from the same round as the sample of ours at its place.
        peer: who that is.
        note: what else is to know.
    """

    ours: tuple[float, ...] = ()
    theirs: tuple[float, ...] = ()
    peer: str = ""
    note: str = ""


class Row(_Frozen):
    """A measure with its samples.

    Attributes:
        measure, runs: see there.
        others: share of all cores that other programs took right before and right after, 0 to 1.
    """

    measure: Measure
    runs: Runs
    others: tuple[float, float]

    @property
    def value(self) -> float | None:
        """The median, or the ratio of the medians; None if there is nothing to tell."""
        ours, theirs = self.runs.ours, self.runs.theirs
        if not ours or (self.measure.compared != "alone" and not theirs):
            return None
        return self._compared(median(ours), median(theirs) if theirs else 0.0)

    @property
    def spread(self) -> tuple[float, float] | None:
        """Smallest and largest of the runs; of a ratio: of the rounds in which both were measured."""
        if self.value is None:
            return None
        theirs = self.runs.theirs or (0.0,) * len(self.runs.ours)
        found = [self._compared(*pair) for pair in zip(self.runs.ours, theirs, strict=False)]
        return min(found), max(found)

    @property
    def reached(self) -> bool | None:
        """Whether `value` is as good as it should be; None if there is none."""
        if self.value is None:
            return None
        limit = self.measure.limit
        return self.value >= limit if self.measure.least else self.value <= limit

    def _compared(self, ours: float, theirs: float) -> float:
        match self.measure.compared:
            case "alone":
                return ours
            case "times faster":
                return theirs / ours
            case _:
                return ours / theirs


def cells(row: Row) -> tuple[str, ...]:
    """`row` under `HEADINGS`."""
    measure, runs, value, spread = row.measure, row.runs, row.value, row.spread
    unit = measure.unit if measure.compared == "alone" else "x"
    before, after = row.others
    return (
        measure.title,
        measure.asked,
        "-" if value is None else f"{_told(value)} {unit}",
        "-" if spread is None else f"{_told(spread[0])} to {_told(spread[1])}",
        {True: "yes", False: "no", None: "not measured"}[row.reached],
        _middle(runs.ours, measure.unit),
        f"{_middle(runs.theirs, measure.unit)} {runs.peer}".strip(),
        str(len(runs.ours)),
        f"{before:.0%}, {after:.0%}",
    )


def as_markdown(rows: Iterable[Row]) -> str:
    """A table, and the notes of its rows below it."""
    rows = tuple(rows)
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(cells(row) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"- {row.measure.title}: {row.runs.note}" for row in rows if row.runs.note)
    return f"{table}\n\n{notes}\n" if notes else f"{table}\n"


def _middle(samples: Sequence[float], unit: str) -> str:
    return f"{_told(median(samples))} {unit}" if samples else ""


def _told(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

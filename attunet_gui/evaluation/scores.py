"""Scores of drafts against the truth: a row a case, means by patient and by case, intervals by bootstrap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from attunet_gui.core.metrics import overlap
from attunet_gui.evaluation.empty import empty_words

MEASURES = ("dsc", "precision", "recall")
_DRAWS = 4000


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CaseScore(_Row):
    """Scores of one case, a slice or a volume; `empty` if its truth is."""

    patient: str
    case: str
    dsc: float = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)
    empty: bool = False


class PatientScore(_Row):
    """Means over the cases of one patient."""

    patient: str
    cases: int
    dsc: float
    precision: float
    recall: float


class Estimate(_Row):
    """A mean and how sure it is.

    Attributes:
        mean: the mean.
        deviation: standard deviation of what the mean is taken over.
        interval: 95 % bootstrap interval of the mean; None for a single patient.
    """

    mean: float
    deviation: float
    interval: tuple[float, float] | None


class Summary(_Row):
    """The three measures."""

    dsc: Estimate
    precision: Estimate
    recall: Estimate


class Scores(_Row):
    """The whole table; JSON by `model_dump_json` and back by `model_validate_json`.

    Attributes:
        cases: a row a case.
        patients: a row a patient, sorted.
        by_patient: every patient counts once, however many cases there are of him.
        by_case: every case counts once.
    """

    cases: tuple[CaseScore, ...]
    patients: tuple[PatientScore, ...]
    by_patient: Summary
    by_case: Summary

    @property
    def about_empty(self) -> str:
        """What to say of empty truths; "" if there are none."""
        return empty_words([row.case for row in self.cases if row.empty], len(self.cases))


def score_case(patient: str, case: str, draft: NDArray[Any], truth: NDArray[Any]) -> CaseScore:
    """The scores of one draft; both masks of one shape, what is not zero is inside."""
    found = overlap(draft, truth)
    return CaseScore(
        patient=patient,
        case=case,
        dsc=found.dsc,
        precision=found.precision,
        recall=found.recall,
        empty=not found.truth,
    )


def summarise(cases: Iterable[CaseScore], seed: int = 0) -> Scores:
    """The table over `cases`.

    Intervals resample patients, never cases, since cases of one patient resemble one another (cluster
    bootstrap, Davison and Hinkley 1997, sec. 3.8; percentiles 2.5 and 97.5 of 4000 draws).

    Raises:
        ValueError: there are no cases.
    """
    rows = tuple(cases)
    if not rows:
        raise ValueError("there are no cases to summarise")
    names = sorted({row.patient for row in rows})
    groups = [[row for row in rows if row.patient == name] for name in names]
    drawn = _drawn(len(names), seed)
    return Scores(
        cases=rows,
        patients=tuple(_patient(group) for group in groups),
        by_patient=_summary(groups, drawn, each=False),
        by_case=_summary(groups, drawn, each=True),
    )


def paired(these: Scores, others: Scores, seed: int = 0) -> Summary:
    """Patient by patient, how much higher `these` are than `others`; intervals as in `summarise`.

    Raises:
        ValueError: they are not scores of the same cases.
    """
    if {row.case for row in these.cases} != {row.case for row in others.cases}:
        raise ValueError("scores of different cases cannot be compared case by case")
    drawn = _drawn(len(these.patients), seed)
    differences = {
        name: [
            np.array([getattr(one, name) - getattr(other, name)])
            for one, other in zip(these.patients, others.patients, strict=True)
        ]
        for name in MEASURES
    }
    return Summary(**{name: _estimate(found, drawn, each=False) for name, found in differences.items()})


def estimate(values: Sequence[float], people: Sequence[str], seed: int = 0) -> Estimate:
    """The mean of `values` by person (of a person's values their mean counts); interval as in `summarise`.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there are no values to average")
    groups: dict[str, list[float]] = {}
    for person, value in sorted(zip(people, values, strict=True)):
        groups.setdefault(person, []).append(value)
    arrays = [np.array(group) for group in groups.values()]
    return _estimate(arrays, _drawn(len(arrays), seed), each=False)


def _drawn(patients: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).integers(patients, size=(_DRAWS, patients))


def _patient(group: Sequence[CaseScore]) -> PatientScore:
    means = {name: float(_values(group, name).mean()) for name in MEASURES}
    return PatientScore(patient=group[0].patient, cases=len(group), **means)


def _summary(groups: Sequence[Sequence[CaseScore]], drawn: NDArray[np.intp], *, each: bool) -> Summary:
    return Summary(
        **{name: _estimate([_values(g, name) for g in groups], drawn, each=each) for name in MEASURES}
    )


def _values(group: Sequence[CaseScore], name: str) -> NDArray[np.float64]:
    return np.array([getattr(row, name) for row in group])


def _estimate(groups: Sequence[NDArray[np.float64]], drawn: NDArray[np.intp], *, each: bool) -> Estimate:
    values = np.concatenate(groups) if each else np.array([group.mean() for group in groups])
    weights = np.array([len(group) if each else 1 for group in groups])
    totals = np.array([group.mean() for group in groups]) * weights
    interval = None
    if len(groups) > 1:
        means = totals[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
        low, high = np.percentile(means, (2.5, 97.5))
        interval = (float(low), float(high))
    return Estimate(mean=float(values.mean()), deviation=float(values.std()), interval=interval)

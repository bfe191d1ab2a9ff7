"""Scores of drafts against the truth, with means by patient and by case and bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from attunet_gui.core.metrics import voxel_overlap

_MOST_NAMED = 5


def empty_truths_sentence(empty: Sequence[str], total: int, what: str = "truths") -> str:
    """Return a warning about cases with empty masks; "" if there are none.

    Args:
        empty: names of the cases whose masks are empty.
        total: number of all cases.
        what: what the masks are called, in the plural.
    """
    if not empty:
        return ""
    named = ", ".join(empty[:_MOST_NAMED]) + (" and others" if len(empty) > _MOST_NAMED else "")
    are = "is" if len(empty) == 1 else "are"
    return (
        f"{len(empty)} of {total} {what} {are} empty ({named}): no pancreas is marked there. If that is not "
        "meant, look at their masks; on the command line --label VALUE names the value of the pancreas."
    )


SCORE_MEASURES = ("dsc", "precision", "recall")
_BOOTSTRAP_DRAWS = 4000


class _ScoreModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CaseScore(_ScoreModel):
    """The scores of one case, a slice or a volume; `empty` says whether its truth is empty."""

    patient: str
    case: str
    dsc: float = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)
    empty: bool = False


class PatientScore(_ScoreModel):
    """The means over the cases of one patient."""

    patient: str
    cases: int
    dsc: float
    precision: float
    recall: float


class MeanEstimate(_ScoreModel):
    """A mean with its interval.

    Attributes:
        mean: the mean.
        deviation: standard deviation of the values that are averaged.
        interval: 95 % bootstrap interval of the mean; None if there is one patient only.
    """

    mean: float
    deviation: float
    interval: tuple[float, float] | None


class ScoreSummary(_ScoreModel):
    """The means of the three measures."""

    dsc: MeanEstimate
    precision: MeanEstimate
    recall: MeanEstimate


class ScoreTable(_ScoreModel):
    """The scores of all cases. `model_dump_json` writes them and `model_validate_json` reads them back.

    Attributes:
        cases: one row for each case.
        patients: one row for each patient, sorted.
        by_patient: means in which every patient counts once, whatever the number of their cases.
        by_case: means in which every case counts once.
    """

    cases: tuple[CaseScore, ...]
    patients: tuple[PatientScore, ...]
    by_patient: ScoreSummary
    by_case: ScoreSummary

    @property
    def empty_truths_note(self) -> str:
        """A warning about empty truths; "" if there are none."""
        return empty_truths_sentence([row.case for row in self.cases if row.empty], len(self.cases))


def score_case(patient: str, case: str, draft: NDArray[Any], truth: NDArray[Any]) -> CaseScore:
    """Return the scores of one draft.

    Args:
        patient, case: identifiers of the patient and of the case.
        draft, truth: masks of one shape; any non-zero value counts as set.
    """
    found = voxel_overlap(draft, truth)
    return CaseScore(
        patient=patient,
        case=case,
        dsc=found.dsc,
        precision=found.precision,
        recall=found.recall,
        empty=not found.truth,
    )


def summarise_scores(cases: Iterable[CaseScore], seed: int = 0) -> ScoreTable:
    """Return the scores of all cases with means and intervals.

    Intervals resample patients and never cases, because the cases of one patient resemble one another
    (cluster bootstrap, Davison and Hinkley 1997, sec. 3.8). They are the percentiles 2.5 and 97.5 of 4000
    draws.

    Args:
        cases: at least one case.
        seed: seed of the bootstrap.

    Raises:
        ValueError: if there are no cases.
    """
    rows = tuple(cases)
    if not rows:
        raise ValueError("there are no cases to summarise")
    names = sorted({row.patient for row in rows})
    groups = [[row for row in rows if row.patient == name] for name in names]
    drawn = _bootstrap_draws(len(names), seed)
    return ScoreTable(
        cases=rows,
        patients=tuple(_patient_means(group) for group in groups),
        by_patient=_summarise_groups(groups, drawn, each=False),
        by_case=_summarise_groups(groups, drawn, each=True),
    )


def paired_difference(these: ScoreTable, others: ScoreTable, seed: int = 0) -> ScoreSummary:
    """Return how much higher `these` scores are than `others`, paired by patient; intervals as in
    `summarise_scores`.

    Raises:
        ValueError: if they are not scores of the same cases.
    """
    if {row.case for row in these.cases} != {row.case for row in others.cases}:
        raise ValueError("scores of different cases cannot be compared case by case")
    drawn = _bootstrap_draws(len(these.patients), seed)
    differences = {
        name: [
            np.array([getattr(one, name) - getattr(other, name)])
            for one, other in zip(these.patients, others.patients, strict=True)
        ]
        for name in SCORE_MEASURES
    }
    return ScoreSummary(
        **{name: _bootstrap_estimate(found, drawn, each=False) for name, found in differences.items()}
    )


def estimate_mean(values: Sequence[float], people: Sequence[str], seed: int = 0) -> MeanEstimate:
    """Return the mean of `values` by patient, with an interval as in `summarise_scores`.

    Args:
        values: at least one value.
        people: the patient of each value; the mean of a patient's values counts once.
        seed: seed of the bootstrap.

    Raises:
        ValueError: if there are no values.
    """
    if not values:
        raise ValueError("there are no values to average")
    groups: dict[str, list[float]] = {}
    # Sorted, so that the interval does not depend on the order in which the values come.
    for person, value in sorted(zip(people, values, strict=True)):
        groups.setdefault(person, []).append(value)
    arrays = [np.array(group) for group in groups.values()]
    return _bootstrap_estimate(arrays, _bootstrap_draws(len(arrays), seed), each=False)


def _bootstrap_draws(patients: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).integers(patients, size=(_BOOTSTRAP_DRAWS, patients))


def _patient_means(group: Sequence[CaseScore]) -> PatientScore:
    means = {name: float(_measure_values(group, name).mean()) for name in SCORE_MEASURES}
    return PatientScore(patient=group[0].patient, cases=len(group), **means)


def _summarise_groups(
    groups: Sequence[Sequence[CaseScore]], drawn: NDArray[np.intp], *, each: bool
) -> ScoreSummary:
    return ScoreSummary(
        **{
            name: _bootstrap_estimate([_measure_values(g, name) for g in groups], drawn, each=each)
            for name in SCORE_MEASURES
        }
    )


def _measure_values(group: Sequence[CaseScore], name: str) -> NDArray[np.float64]:
    return np.array([getattr(row, name) for row in group])


def _bootstrap_estimate(
    groups: Sequence[NDArray[np.float64]], drawn: NDArray[np.intp], *, each: bool
) -> MeanEstimate:
    values = np.concatenate(groups) if each else np.array([group.mean() for group in groups])
    weights = np.array([len(group) if each else 1 for group in groups])
    # With `each` this is the mean over all cases of the patients drawn, so patients count by their number of
    # cases.
    totals = np.array([group.mean() for group in groups]) * weights
    interval = None
    if len(groups) > 1:
        means = totals[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
        low, high = np.percentile(means, (2.5, 97.5))
        interval = (float(low), float(high))
    return MeanEstimate(mean=float(values.mean()), deviation=float(values.std()), interval=interval)

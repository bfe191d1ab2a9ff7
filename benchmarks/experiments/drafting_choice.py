"""Threshold and rule of the gland for each person, chosen by what serves the other people best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from attunet_gui.evaluation.case_scores import CaseScore, score_case
from attunet_gui.evaluation.model_drafts import DraftedCase
from attunet_gui.prediction.network_prediction import draft_mask
from attunet_gui.system.errors import AttunetError

_THRESHOLD_SHIFTS = (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
_REACHES_MM = (5.0, 20.0, 80.0)
_LOWEST_THRESHOLD = 0.05

Tried = tuple[CaseScore, ...]
"""The scores of one case, one a way of drafting."""


def score_every_way(drafted: DraftedCase) -> Tried:
    """Return the scores of the drafts of one prediction at several thresholds and reaches of the gland."""
    prediction = drafted.prediction
    found = []
    for shift, reach in product(_THRESHOLD_SHIFTS, _REACHES_MM):
        threshold = float(np.clip(prediction.threshold + shift, _LOWEST_THRESHOLD, 1 - _LOWEST_THRESHOLD))
        gland = prediction.gland.model_copy(update={"reach_mm": reach})
        mask = draft_mask(replace(prediction, threshold=threshold, gland=gland))
        found.append(score_case(drafted.case.patient_name, drafted.case.name, mask, drafted.truth))
    return tuple(found)


def choose_by_others(tried: Iterable[Tried]) -> tuple[CaseScore, ...]:
    """Return one score a case: that of the way with the highest mean DSC of all other people.

    Every person counts once. Of equal ways the first is taken.

    Args:
        tried: the ways of each case.

    Raises:
        AttunetError: there are not at least two people.
    """
    rows = list(tried)
    people = sorted({row[0].patient for row in rows})
    if len(people) < 2:
        raise AttunetError("What serves other people best needs at least two people; score more folds.")
    means = np.array([_mean_by_way([row for row in rows if row[0].patient == one]) for one in people])
    chosen = {
        one: int(np.delete(means, number, axis=0).mean(axis=0).argmax()) for number, one in enumerate(people)
    }
    return tuple(row[chosen[row[0].patient]] for row in rows)


def _mean_by_way(rows: Sequence[Tried]) -> list[float]:
    return [float(np.mean([score.dsc for score in way])) for way in zip(*rows, strict=True)]

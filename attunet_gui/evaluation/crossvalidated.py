"""Calibration and threshold from cross-validation, and what they are worth on people who did not choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from attunet_gui.core.calibration import Calibration
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.cases import Case
from attunet_gui.evaluation.measuring import Measured, Suggestion, measure, suggestion
from attunet_gui.evaluation.scores import Scores, summarise
from attunet_gui.evaluation.tally import Tally
from attunet_gui.evaluation.views import View

if TYPE_CHECKING:
    from attunet_gui.network.predict import Model

_WORST = 12


@dataclass(frozen=True, eq=False)
class Fold:
    """A model and the cases of the people it never saw."""

    model: Model
    cases: Sequence[Case]


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """Every person drafted by the model that never saw them.

    Attributes:
        plain: the table as the models are.
        mended: the table with each fold's calibration and threshold chosen on the other folds.
        before, after: counts of all cases, without and with that calibration.
        chosen: what each fold got.
        suggestion: what all folds together would choose, for a model trained on all of them.
        worst: slices of the cases with the lowest DSC, `mended`.
    """

    plain: Scores
    mended: Scores
    before: Tally
    after: Tally
    chosen: tuple[Suggestion, ...]
    suggestion: Suggestion
    worst: tuple[View, ...]


def crossvalidated(folds: Sequence[Fold], progress: Progress = silent) -> CrossValidated:
    """Measure each fold twice: as it is, then with what the other folds choose.

    The models' own calibration must be the identity; `progress` may raise `Cancelled`.

    Raises:
        ValueError: there are fewer than two folds, or one has no cases.
        AttunetError: the other folds of one have no organ, so that nothing can be chosen on them.
    """
    if len(folds) < 2:
        raise ValueError(f"each fold is calibrated on the others: two are needed, got {len(folds)}")
    plain = [_measured(fold, number, progress) for number, fold in enumerate(folds)]
    chosen = tuple(
        _suggestion(found for other, found in enumerate(plain) if other != number)
        for number in range(len(folds))
    )
    mended = [
        _measured(_with(fold, choice), number, progress)
        for number, (fold, choice) in enumerate(zip(folds, chosen, strict=True))
    ]
    worst = sorted((view for found in mended for view in found.worst), key=lambda view: view.dsc)
    return CrossValidated(
        plain=_pooled(plain),
        mended=_pooled(mended),
        before=reduce(add, (found.tally for found in plain)),
        after=reduce(add, (found.tally for found in mended)),
        chosen=chosen,
        suggestion=_suggestion(plain),
        worst=tuple(worst[:_WORST]),
    )


def _measured(fold: Fold, number: int, progress: Progress) -> Measured:
    return measure(
        fold.model, fold.cases, lambda done, total, stage: progress(done, total, f"fold {number}, {stage}")
    )


def _with(fold: Fold, choice: Suggestion) -> Fold:
    """`fold` with the choice in its model's card; weights are shared."""
    card = fold.model.card.model_copy(
        update={"calibration": choice.calibration, "threshold": choice.threshold}
    )
    bundle = replace(fold.model.bundle, card=card)
    return Fold(replace(fold.model, bundle=bundle), fold.cases)


def _suggestion(measured: Iterable[Measured]) -> Suggestion:
    tallies: Mapping[str, Sequence[Tally]] = reduce(
        lambda all_, found: {**all_, **found.tallies}, measured, {}
    )
    if not any(counted.organ.any() for found in tallies.values() for counted in found):
        raise AttunetError(
            "No pancreas is marked in the cases that are to choose calibration and threshold: look at the "
            "masks, which should be white on black."
        )
    return suggestion(tallies, Calibration())


def _pooled(measured: Iterable[Measured]) -> Scores:
    return summarise(case for found in measured for case in found.scores.cases)

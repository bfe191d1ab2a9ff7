"""Calibration and threshold from cross-validation, measured on patients that were not used to choose them."""

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
    """A model and the cases of the patients that it was not trained on."""

    model: Model
    cases: Sequence[Case]


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """The result of cross-validation: each patient is drafted by the model that was not trained on them.

    Attributes:
        plain: scores with the models as they are.
        mended: scores with the calibration and threshold of each fold chosen on the other folds.
        before, after: counts of all cases without and with that calibration.
        chosen: the calibration and threshold that each fold got.
        suggestion: the choice of all folds together, for a model that is trained on all patients.
        worst: slices of the cases with the lowest DSC in `mended`.
    """

    plain: Scores
    mended: Scores
    before: Tally
    after: Tally
    chosen: tuple[Suggestion, ...]
    suggestion: Suggestion
    worst: tuple[View, ...]


def crossvalidated(folds: Sequence[Fold], progress: Progress = silent) -> CrossValidated:
    """Measure each fold as it is, and then with the calibration and threshold that the other folds choose.

    Args:
        folds: at least two folds. The calibration in their model cards must be the identity.
        progress: is called after each case; it may raise `Cancelled`.

    Raises:
        ValueError: if there are fewer than two folds, or if a fold has no cases.
        AttunetError: if the other folds of one fold hold no organ, so that nothing can be chosen on them.
    """
    if len(folds) < 2:
        raise ValueError(f"each fold is calibrated on the others: two are needed, got {len(folds)}")
    plain = [_measured(fold, number, progress) for number, fold in enumerate(folds)]
    chosen = tuple(
        _suggestion(found for other, found in enumerate(plain) if other != number)
        for number in range(len(folds))
    )
    # A second pass is needed, since the pieces of the gland depend on the calibrated probability and the
    # threshold.
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
    """Return `fold` with the choice in the card of its model; the weights are not copied."""
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

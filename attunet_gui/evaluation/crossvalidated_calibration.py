"""Calibration and threshold from cross-validation, measured on patients that were not used to choose them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from attunet_gui.evaluation.case_scores import ScoreTable, summarise_scores
from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.evaluation.model_measurement import (
    CalibrationSuggestion,
    ModelMeasurement,
    measure_model,
    suggest_from_histograms,
)
from attunet_gui.evaluation.probability_histogram import ProbabilityHistogram
from attunet_gui.evaluation.slice_excerpts import SliceExcerpt
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from attunet_gui.network.inference import LoadedModel

_WORST_SHOWN = 12


@dataclass(frozen=True, eq=False)
class CalibrationFold:
    """A model and the cases of the patients that it was not trained on."""

    model: LoadedModel
    cases: Sequence[LabelledCase]


@dataclass(frozen=True, eq=False)
class CrossValidatedCalibration:
    """The result of cross-validation: each patient is drafted by the model that was not trained on them.

    Attributes:
        plain: scores with the models as they are.
        mended: scores with the calibration and threshold of each fold chosen on the other folds.
        before, after: counts of all cases without and with that calibration.
        chosen: the calibration and threshold that each fold got.
        suggestion: the choice of all folds together, for a model that is trained on all patients.
        worst: slices of the cases with the lowest DSC in `mended`.
    """

    plain: ScoreTable
    mended: ScoreTable
    before: ProbabilityHistogram
    after: ProbabilityHistogram
    chosen: tuple[CalibrationSuggestion, ...]
    suggestion: CalibrationSuggestion
    worst: tuple[SliceExcerpt, ...]


def crossvalidate_calibration(
    folds: Sequence[CalibrationFold], progress: ProgressCallback = no_progress
) -> CrossValidatedCalibration:
    """Measure each fold as it is, and then with the calibration and threshold that the other folds choose.

    Args:
        folds: at least two folds. The calibration in their model cards must be the identity.
        progress: is called after each case; it may raise `WorkCancelled`.

    Raises:
        ValueError: if there are fewer than two folds, or if a fold has no cases.
        AttunetError: if the other folds of one fold hold no organ, so that nothing can be chosen on them.
    """
    if len(folds) < 2:
        raise ValueError(f"each fold is calibrated on the others: two are needed, got {len(folds)}")
    plain = [_measure_fold(fold, number, progress) for number, fold in enumerate(folds)]
    chosen = tuple(
        _suggest_from_folds(found for other, found in enumerate(plain) if other != number)
        for number in range(len(folds))
    )
    # A second pass is needed, since the pieces of the gland depend on the calibrated probability and the
    # threshold.
    mended = [
        _measure_fold(_with_suggestion(fold, choice), number, progress)
        for number, (fold, choice) in enumerate(zip(folds, chosen, strict=True))
    ]
    worst = sorted((view for found in mended for view in found.worst), key=lambda view: view.dsc)
    return CrossValidatedCalibration(
        plain=_pool_scores(plain),
        mended=_pool_scores(mended),
        before=reduce(add, (found.pooled_histogram for found in plain)),
        after=reduce(add, (found.pooled_histogram for found in mended)),
        chosen=chosen,
        suggestion=_suggest_from_folds(plain),
        worst=tuple(worst[:_WORST_SHOWN]),
    )


def _measure_fold(fold: CalibrationFold, number: int, progress: ProgressCallback) -> ModelMeasurement:
    return measure_model(
        fold.model, fold.cases, lambda done, total, stage: progress(done, total, f"fold {number}, {stage}")
    )


def _with_suggestion(fold: CalibrationFold, choice: CalibrationSuggestion) -> CalibrationFold:
    """Return `fold` with the choice in the card of its model; the weights are not copied."""
    card = fold.model.card.model_copy(
        update={"calibration": choice.calibration, "threshold": choice.threshold}
    )
    bundle = replace(fold.model.bundle, card=card)
    return CalibrationFold(replace(fold.model, bundle=bundle), fold.cases)


def _suggest_from_folds(measured: Iterable[ModelMeasurement]) -> CalibrationSuggestion:
    tallies: Mapping[str, Sequence[ProbabilityHistogram]] = reduce(
        lambda all_, found: {**all_, **found.tallies}, measured, {}
    )
    if not any(counted.organ.any() for found in tallies.values() for counted in found):
        raise AttunetError(
            "No pancreas is marked in the cases that are to choose calibration and threshold: look at the "
            "masks, which should be white on black."
        )
    return suggest_from_histograms(tallies, ProbabilityCalibration())


def _pool_scores(measured: Iterable[ModelMeasurement]) -> ScoreTable:
    return summarise_scores(case for found in measured for case in found.scores.cases)

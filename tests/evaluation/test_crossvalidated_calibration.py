"""Folds of a model whose answer is known: who chooses, and for whom."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from attunet_gui.evaluation.calibration_fit import reliability_curve
from attunet_gui.evaluation.crossvalidated_calibration import CalibrationFold, crossvalidate_calibration
from attunet_gui.evaluation.labelled_cases import LabelledCase, LabelledVolume
from attunet_gui.evaluation.model_measurement import measure_model, suggest_calibration
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import AttunetError
from tests.support.evaluation_cases import bright_model, case


def _fold(name: str, *misses: int) -> CalibrationFold:
    return CalibrationFold(
        bright_model(), [case(f"{name}{miss}", f"{name}{miss}", miss=miss) for miss in misses]
    )


def test_a_fold_is_given_what_the_others_choose_and_nothing_of_its_own() -> None:
    first = crossvalidate_calibration([_fold("a", 0, 4), _fold("b", 2, 8), _fold("c", 6)])
    other = crossvalidate_calibration([_fold("a", 16, 20), _fold("b", 2, 8), _fold("c", 6)])
    assert first.chosen[0] == other.chosen[0]
    assert first.chosen[1] != other.chosen[1]
    assert first.suggestion != other.suggestion


def test_two_folds_swap_their_choices_and_both_make_the_suggestion() -> None:
    folds = [_fold("a", 0, 4), _fold("b", 2, 8)]
    found = crossvalidate_calibration(folds)
    assert found.chosen == tuple(
        suggest_calibration(measure_model(fold.model, fold.cases), ProbabilityCalibration())
        for fold in reversed(folds)
    )
    assert len(found.mended.cases) == len(found.plain.cases) == 4
    assert reliability_curve(found.after).error < reliability_curve(found.before).error
    assert [view.dsc for view in found.worst] == sorted(view.dsc for view in found.worst)


def test_one_fold_has_nobody_to_choose_for_it() -> None:
    with pytest.raises(ValueError, match="two"):
        crossvalidate_calibration([_fold("a", 0)])


def test_folds_without_any_organ_choose_nothing_and_say_so() -> None:
    empty = [replace(each, load=partial(_without_organ, each)) for each in _fold("a", 0, 4).cases]
    with pytest.raises(AttunetError, match="No pancreas is marked in the cases that are to choose"):
        crossvalidate_calibration(
            [CalibrationFold(bright_model(), empty), CalibrationFold(bright_model(), empty)]
        )


def _without_organ(each: LabelledCase) -> LabelledVolume:
    volume, truth = each.load()
    return volume, truth * 0

"""A calibration: rises, keeps its ends, and does nothing unless told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import expit, logit

from attunet_gui.prediction.model_card import ModelCard
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from tests.support.model_cards import card_fields

calibrations = st.builds(ProbabilityCalibration, slope=st.floats(0.05, 20), offset=st.floats(-20, 20))
_EVERY = np.linspace(0, 1, 2001)


@given(calibrations)
def test_it_never_falls_and_stays_between_0_and_1(calibration: ProbabilityCalibration) -> None:
    for dtype, slack in ((np.float32, 1e-6), (np.float64, 1e-14)):
        found = calibration.apply(_EVERY.astype(dtype))
        assert found.dtype == dtype
        assert np.diff(found).min() >= -slack
        assert 0 <= found.min() <= found.max() <= 1


@given(calibrations, st.floats(0.01, 0.99))
def test_it_is_a_line_on_the_logit(calibration: ProbabilityCalibration, probability: float) -> None:
    found = calibration.apply(np.array([probability]))[0]
    assert found == pytest.approx(
        expit(calibration.slope * logit(probability) + calibration.offset), abs=1e-9
    )


def test_what_float16_takes_for_1_is_no_surer_than_the_line_was_fitted_to() -> None:
    bend = ProbabilityCalibration(slope=0.55, offset=-2.6)
    sure = np.array([1 - 2.0**-12, 1 - 2.0**-16, 1.0])
    assert bend.apply(sure) == pytest.approx([0.8776] * 3, abs=1e-3)
    assert 0 < bend.apply(np.array([0.0]))[0] < 1e-5


def test_nothing_is_changed_by_default() -> None:
    probability = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    assert ProbabilityCalibration().apply(probability) is probability


gentle = st.builds(ProbabilityCalibration, slope=st.floats(0.3, 1.2), offset=st.floats(-1, 1))


@given(gentle, gentle)
def test_two_after_one_another_are_one(first: ProbabilityCalibration, second: ProbabilityCalibration) -> None:
    inner = np.linspace(0.01, 0.99, 99)
    assert first.followed_by(second).apply(inner) == pytest.approx(second.apply(first.apply(inner)), abs=1e-9)
    assert ProbabilityCalibration().followed_by(first) == first.followed_by(ProbabilityCalibration()) == first


def test_a_card_without_one_is_as_valid_as_before() -> None:
    weights = {"weights": {"sha256": "0" * 64, "bytes": 1}}
    assert ModelCard.model_validate(card_fields() | weights).calibration == ProbabilityCalibration()
    with_one = ModelCard.model_validate(card_fields(calibration={"slope": 2, "offset": -1}) | weights)
    assert ModelCard.model_validate_json(with_one.model_dump_json()) == with_one


@pytest.mark.parametrize("wrong", [{"slope": 0}, {"slope": -1}, {"offset": float("nan")}, {"shift": 1}])
def test_one_that_would_not_rise_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ProbabilityCalibration.model_validate(wrong)

"""A calibration: rises, keeps its ends, and does nothing unless told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import expit, logit

from attunet_gui.core.calibration import Calibration
from attunet_gui.core.card import Card
from tests.cards import card_fields

calibrations = st.builds(Calibration, slope=st.floats(0.05, 20), offset=st.floats(-20, 20))
_EVERY = np.linspace(0, 1, 2001)


@given(calibrations)
def test_it_never_falls_and_stays_in_0_to_1(calibration: Calibration) -> None:
    for dtype, slack in ((np.float32, 1e-6), (np.float64, 1e-14)):
        found = calibration.apply(_EVERY.astype(dtype))
        assert found.dtype == dtype
        assert (found[0], found[-1]) == (0, 1)
        assert np.diff(found).min() >= -slack
        assert found.max() <= 1


@given(calibrations, st.floats(0.01, 0.99))
def test_it_is_a_line_on_the_logit(calibration: Calibration, probability: float) -> None:
    found = calibration.apply(np.array([probability]))[0]
    assert found == pytest.approx(
        expit(calibration.slope * logit(probability) + calibration.offset), abs=1e-9
    )


def test_nothing_is_changed_by_default() -> None:
    probability = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    assert Calibration().apply(probability) is probability


@given(
    st.builds(Calibration, slope=st.floats(0.3, 3), offset=st.floats(-3, 3)),
    st.builds(Calibration, slope=st.floats(0.3, 3), offset=st.floats(-3, 3)),
)
def test_two_after_one_another_are_one(first: Calibration, second: Calibration) -> None:
    assert first.then(second).apply(_EVERY) == pytest.approx(second.apply(first.apply(_EVERY)), abs=1e-9)
    assert Calibration().then(first) == first.then(Calibration()) == first


def test_a_card_without_one_is_as_valid_as_before() -> None:
    weights = {"weights": {"sha256": "0" * 64, "bytes": 1}}
    assert Card.model_validate(card_fields() | weights).calibration == Calibration()
    with_one = Card.model_validate(card_fields(calibration={"slope": 2, "offset": -1}) | weights)
    assert Card.model_validate_json(with_one.model_dump_json()) == with_one


@pytest.mark.parametrize("wrong", [{"slope": 0}, {"slope": -1}, {"offset": float("nan")}, {"shift": 1}])
def test_one_that_would_not_rise_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate(wrong)

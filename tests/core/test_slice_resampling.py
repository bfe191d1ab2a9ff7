"""Slices of another distance cover a CT, keep a linear course, and lead back to the CT."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.core.slice_resampling import SliceResampling, filter_weights, mix_slices


def _ramp(slices: int) -> np.ndarray:
    """Planes whose value is the number of their slice."""
    return np.broadcast_to(np.arange(slices, dtype=np.float32)[:, None, None], (slices, 3, 2)).copy()


def test_the_same_distance_changes_nothing() -> None:
    planes = np.random.default_rng(1).random((7, 4, 5)).astype(np.float32)
    same = SliceResampling(7, 1.0)
    assert same.count == 7
    assert np.array_equal(same.take_slices(planes.__getitem__, np.arange(7)), planes)
    assert same.positions_of(np.arange(7)).tolist() == list(range(7))


@given(st.integers(1, 90), st.floats(0.2, 6.0))
def test_the_new_slices_cover_the_ct_and_no_more(slices: int, step: float) -> None:
    made = SliceResampling(slices, step)
    last = made.first + step * (made.count - 1)
    assert made.first <= 1e-5
    assert last >= slices - 1 - 1e-5
    assert made.first > -step
    where = made.positions_of(np.arange(slices))
    assert np.allclose(made.first + step * where, np.arange(slices))


@pytest.mark.parametrize("step", [0.4, 1.0, 2.0])
def test_a_linear_course_stays_one(step: float) -> None:
    made = SliceResampling(21, step)
    at = made.first + step * np.arange(made.count)
    inner = (at >= step) & (at <= 20 - step)
    taken = made.take_slices(_ramp(21).__getitem__, np.arange(made.count))[:, 0, 0]
    assert inner.sum() >= 5
    assert np.allclose(taken[inner], at[inner], atol=1e-4)


def test_beyond_an_end_the_last_slice_is_repeated() -> None:
    made = SliceResampling(5, 1.0)
    assert made.take_slices(_ramp(5).__getitem__, np.array([-3, 0, 4, 9]))[:, 1, 1].tolist() == [0, 0, 4, 4]


def test_thin_slices_are_averaged_over_the_distance_of_the_new_ones() -> None:
    weights = filter_weights(np.array([4.0]), 9, 2.0)[0]
    assert weights.tolist() == [0, 0, 0, 0.25, 0.5, 0.25, 0, 0, 0]
    assert np.allclose(filter_weights(np.array([-1.0, 0.0, 8.0, 99.0]), 9, 3.0).sum(axis=1), 1)


def test_only_the_slices_that_have_a_weight_are_read() -> None:
    made, planes = SliceResampling(40, 2.0), _ramp(40)
    for wanted, expected in (([0], [0, 1]), ([7, 8], [12, 13, 14, 15, 16, 17]), ([20], [38, 39])):
        asked: list[int] = []

        def read(slices: np.ndarray, asked: list[int] = asked) -> np.ndarray:
            asked += slices.tolist()
            return planes[slices]

        made.take_slices(read, np.array(wanted))
        assert asked == expected


def test_slices_are_mixed_as_the_weights_say() -> None:
    mixed = mix_slices(_ramp(4).__getitem__, np.array([[0, 0.5, 0, 0.5]], np.float32))
    assert mixed.shape == (1, 3, 2)
    assert mixed.dtype == np.float32
    assert np.all(mixed == 2)

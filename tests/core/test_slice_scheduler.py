"""Slices come outwards from where the person looks, each once, in unbroken runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.core.slice_scheduler import SliceScheduler


def _all(order: SliceScheduler, most: int) -> list[list[int]]:
    runs = []
    while len(run := order.next_slices(most)):
        runs.append(run.tolist())
    return runs


@given(st.integers(1, 60), st.integers(-5, 70), st.integers(1, 7), st.integers(0, 70))
def test_every_slice_comes_once_in_runs_without_gaps(count: int, start: int, most: int, then: int) -> None:
    order = SliceScheduler(count, start)
    runs = [order.next_slices(most).tolist()]
    order.move_to_slice(then)
    runs += _all(order, most)
    assert sorted(z for run in runs for z in run) == list(range(count))
    for run in runs:
        assert 1 <= len(run) <= most
        assert np.array_equal(np.diff(run), np.ones(len(run) - 1))


def test_the_slice_in_view_is_in_the_first_run_and_its_neighbours_follow() -> None:
    order = SliceScheduler(20, start=8)
    assert order.next_slices(3).tolist() == [7, 8, 9]
    assert order.next_slices(2).tolist() in ([10, 11], [5, 6])


def test_who_scrolls_away_is_followed() -> None:
    order = SliceScheduler(100, start=10)
    order.next_slices(4)
    order.move_to_slice(90)
    assert 90 in order.next_slices(4)


def test_nobody_looks_so_it_begins_in_the_middle() -> None:
    assert 10 in SliceScheduler(21).next_slices(1)


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_or_single_slice_ends(count: int) -> None:
    assert sum(map(len, _all(SliceScheduler(count), 4))) == count


def test_what_was_completed_along_is_not_handed_out_again() -> None:
    order = SliceScheduler(9, start=4)
    order.withdraw_slices(np.array([3, 4, 5]))
    assert sorted(z for run in _all(order, 2) for z in run) == [0, 1, 2, 6, 7, 8]

"""Batches made ahead by a thread."""

from __future__ import annotations

from threading import active_count
from time import sleep

import pytest

from attunet_gui.network.batch_prefetch import prefetch_items

pytestmark = pytest.mark.network


def test_everything_comes_in_order_and_the_thread_ends() -> None:
    before = active_count()
    with prefetch_items(lambda number: number * number, range(20)) as ahead:
        assert [ahead.take_next() for _ in range(20)] == [number * number for number in range(20)]
    with prefetch_items(lambda number: number, range(10**9)) as ahead:
        assert ahead.take_next() == 0
    assert active_count() == before


def test_an_error_in_the_thread_reaches_who_takes() -> None:
    def fail(number: int) -> int:
        if number == 2:
            raise ValueError("no such case")
        return number

    with prefetch_items(fail, range(5)) as ahead:
        assert [ahead.take_next(), ahead.take_next()] == [0, 1]
        with pytest.raises(ValueError, match="no such case"):
            ahead.take_next()


def test_waiting_is_counted() -> None:
    def slow(number: int) -> int:
        sleep(0.05)
        return number

    with prefetch_items(slow, range(3)) as ahead:
        for _ in range(3):
            ahead.take_next()
        assert ahead.waited > 0.1

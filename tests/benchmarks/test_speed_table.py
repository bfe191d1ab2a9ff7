"""Rows of the speed table: medians, ratios, marks and how they are told. No time is measured here."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed.speed_table import HEADINGS, Measure, Row, Runs, as_markdown, cells

SAMPLES = st.lists(st.floats(0.01, 1000), min_size=1, max_size=9)
ALONE = Measure(key="click", title="click to draft", limit=0.15, unit="s")
FASTER = Measure(key="article", title="against it", limit=10, unit="s", compared="times faster", least=True)
SLOWER = Measure(key="step", title="a step", limit=1.1, unit="ms", compared="times the peer")


def row(measure: Measure, ours: list[float], theirs: list[float] | None = None) -> Row:
    runs = Runs(ours=tuple(ours), theirs=tuple(theirs or ()), peer="the peer" if theirs else "")
    return Row(measure=measure, runs=runs, others=(0.0, 0.5))


@given(SAMPLES)
def test_a_row_without_a_peer_is_the_median_of_its_runs(ours: list[float]) -> None:
    found = row(ALONE, ours)
    assert found.value == median(ours)
    assert found.spread == (min(ours), max(ours))
    assert found.reached is (median(ours) <= 0.15)


@given(SAMPLES, SAMPLES)
def test_ratios_of_the_two_kinds_are_the_inverse_of_each_other(
    ours: list[float], theirs: list[float]
) -> None:
    faster, slower = row(FASTER, ours, theirs).value, row(SLOWER, ours, theirs).value
    assert faster is not None
    assert slower is not None
    assert faster * slower == pytest.approx(1)
    assert faster == pytest.approx(median(theirs) / median(ours))


def test_the_spread_of_a_ratio_is_over_the_rounds_in_which_both_were_measured() -> None:
    found = row(FASTER, [1.0, 2.0, 100.0], [20.0, 22.0])
    assert found.value == pytest.approx(21 / 2)
    assert found.spread == (11, 20)


@pytest.mark.parametrize(
    ("measure", "ours", "theirs", "reached"),
    [
        (ALONE, 0.15, None, True),
        (ALONE, 0.16, None, False),
        (FASTER, 1.0, 10.0, True),
        (FASTER, 1.0, 9.0, False),
        (SLOWER, 1.1, 1.0, True),
        (SLOWER, 1.2, 1.0, False),
    ],
)
def test_a_mark_is_reached_from_its_own_side(
    measure: Measure, ours: float, theirs: float | None, reached: bool
) -> None:
    assert row(measure, [ours], None if theirs is None else [theirs]).reached is reached


def test_a_row_that_could_not_be_measured_says_so_instead_of_failing() -> None:
    missing = Row(measure=FASTER, runs=Runs(ours=(1.0,), note="peer not installed"), others=(0, 0))
    assert (missing.value, missing.spread, missing.reached) == (None, None, None)
    assert "not measured" in cells(missing)
    assert "against it: peer not installed" in as_markdown([missing])


def test_the_table_has_a_line_a_row_and_as_many_cells_as_headings() -> None:
    table = as_markdown([row(ALONE, [0.1, 0.2, 0.12]), row(SLOWER, [30.0, 33.0], [28.0, 30.0])])
    lines = table.strip().splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(HEADINGS) + 1}
    assert "| at most 0.15 s | 0.12 s | 0.1 to 0.2 | yes |" in lines[2]
    assert (
        "| at most 1.1 times the peer | 1.09 x | 1.07 to 1.1 | yes | 31.5 ms | 29 ms the peer | 2 |"
        in lines[3]
    )
    assert lines[3].endswith("| 0%, 50% |")

"""The table of kinds: means, intervals, differences, and which kinds fail."""

from __future__ import annotations

import pytest

from attunet_gui.evaluation.case_scores import CaseScore, ScoreTable, summarise_scores
from attunet_gui.evaluation.ct_kind_scores import (
    KindScores,
    failing_kinds,
    kind_table_markdown,
    mean_dsc_of_kinds,
)


def _scores(*dsc: float) -> ScoreTable:
    return summarise_scores(
        CaseScore(patient=f"p{number % 2}", case=f"c{number}", dsc=value, precision=value, recall=value)
        for number, value in enumerate(dsc)
    )


@pytest.fixture
def rows() -> list[KindScores]:
    return [
        KindScores(
            name="prone",
            title="on the belly",
            scores={"old": _scores(0.6, 0.7, 0.8), "new": _scores(0.9, 0.8, 0.7)},
        ),
        KindScores(name="mass", title="a mass", scores={"old": _scores(0.9, 0.8), "new": _scores(0.5, 0.6)}),
    ]


def test_means_count_every_volume_and_every_kind_once(rows: list[KindScores]) -> None:
    assert rows[0].mean_dsc("old").mean == pytest.approx(0.7)
    assert mean_dsc_of_kinds(rows, "old").mean == pytest.approx((0.7 + 0.85) / 2)
    assert rows[0].dsc_gain("new", "old").mean == pytest.approx(0.1)  # two people: 0.8 - 0.7 and 0.8 - 0.7
    low, high = rows[1].mean_dsc("new").interval or (0, 0)
    assert (low, high) == (pytest.approx(0.5), pytest.approx(0.6))


def test_failing_kinds_are_named_worst_first(rows: list[KindScores]) -> None:
    assert failing_kinds(rows, "new") == ("mass",)
    assert failing_kinds(rows, "new", 0.9) == ("mass", "prone")
    assert failing_kinds(rows, "old", 0.69) == ()


def test_the_table_holds_both_models_their_difference_and_the_mean(rows: list[KindScores]) -> None:
    lines = kind_table_markdown(rows).splitlines()
    assert lines[0] == "| kind | volumes | old | new | new - old |"
    assert lines[2].startswith("| on the belly | 3 | 0.700 (")
    assert "| **0.550** (0.500 to 0.600) | -0.300 (-0.400 to -0.200) |" in lines[3]
    assert lines[4].startswith("| **mean of kinds** | 5 | 0.775 (")
    assert lines[4].endswith("| -0.100 |")
    one = kind_table_markdown([row.model_copy(update={"scores": {"old": row.scores["old"]}}) for row in rows])
    assert one.splitlines()[0] == "| kind | volumes | old |"

"""Scores: known values, what must hold for any masks, and honest intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attunet_gui.core.metrics import voxel_overlap
from attunet_gui.evaluation.case_scores import (
    SCORE_MEASURES,
    CaseScore,
    ScoreTable,
    score_case,
    summarise_scores,
)

masks = arrays(np.uint8, (2, 3, 4), elements=st.integers(0, 1))
unit = st.floats(0, 1)
rows = st.lists(
    st.builds(
        CaseScore, patient=st.sampled_from("abcdef"), case=st.just("s"), dsc=unit, precision=unit, recall=unit
    ),
    min_size=1,
    max_size=20,
)


def row(patient: str, dsc: float) -> CaseScore:
    return CaseScore(patient=patient, case="s", dsc=dsc, precision=dsc / 2, recall=0.5)


def test_scores_of_known_masks() -> None:
    draft, truth = np.zeros((1, 4, 4)), np.zeros((1, 4, 4))
    draft[0, 0], truth[0, :3, :2] = 1, 1
    found = score_case("p", "s", draft, truth)
    assert (found.dsc, found.precision, found.recall) == pytest.approx((2 * 2 / 10, 2 / 4, 2 / 6))


@pytest.mark.parametrize(("draft", "truth", "score"), [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0), (1, 1, 1.0)])
def test_empty_masks_have_scores_too(draft: int, truth: int, score: float) -> None:
    found = voxel_overlap(np.full((2, 2), draft), np.full((2, 2), truth))
    assert (found.dsc, found.precision, found.recall) == (score, score, score)


@given(masks, masks)
def test_dsc_is_the_harmonic_mean_and_exchange_swaps_precision_and_recall(
    a: np.ndarray, b: np.ndarray
) -> None:
    here, there = voxel_overlap(a, b), voxel_overlap(b, a)
    assert here.dsc == there.dsc
    assert (here.precision, here.recall) == (there.recall, there.precision)
    total = here.precision + here.recall
    assert here.dsc == pytest.approx(2 * here.precision * here.recall / total if total else 0.0)


def test_every_patient_counts_once_or_every_case_does() -> None:
    scores = summarise_scores([row("a", 1.0), row("b", 0.2), row("b", 0.4), row("b", 0.6)])
    assert scores.by_patient.dsc.mean == pytest.approx((1.0 + 0.4) / 2)
    assert scores.by_case.dsc.mean == pytest.approx(2.2 / 4)
    assert [(p.patient, p.cases, p.dsc) for p in scores.patients] == [
        ("a", 1, 1.0),
        ("b", 3, pytest.approx(0.4)),
    ]
    assert scores.by_patient.dsc.deviation == pytest.approx(0.3)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_cases_does_not_matter(cases: list[CaseScore], random: object) -> None:
    shuffled = list(cases)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    here, there = summarise_scores(cases), summarise_scores(shuffled)
    for name in SCORE_MEASURES:
        one, other = getattr(here.by_patient, name), getattr(there.by_patient, name)
        assert one.mean == pytest.approx(other.mean)
        if one.interval is not None:
            assert one.interval == pytest.approx(other.interval)


@given(rows)
def test_means_lie_within_what_was_seen_and_intervals_within_the_patients(cases: list[CaseScore]) -> None:
    scores = summarise_scores(cases)
    means = [patient.dsc for patient in scores.patients]
    for summary in (scores.by_patient, scores.by_case):
        interval = summary.dsc.interval
        assert (interval is None) == (len(means) == 1)
        if interval is not None:
            assert min(means) - 1e-9 <= interval[0] <= interval[1] <= max(means) + 1e-9


@given(rows)
def test_a_table_survives_json(cases: list[CaseScore]) -> None:
    scores = summarise_scores(cases)
    assert ScoreTable.model_validate_json(scores.model_dump_json()) == scores


def test_the_interval_is_that_of_the_mean_over_patients() -> None:
    values = np.random.default_rng(3).normal(0.7, 0.1, 40).clip(0, 1)
    found = summarise_scores([row(f"{n:02}", value) for n, value in enumerate(values)]).by_patient.dsc
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.006)


def test_more_slices_of_the_same_patients_do_not_make_it_surer() -> None:
    values = np.linspace(0.4, 0.9, 10)
    once = summarise_scores([row(f"{n}", v) for n, v in enumerate(values)])
    often = summarise_scores([row(f"{n}", v) for n, v in enumerate(values) for _ in range(7)])
    assert often.by_case.dsc.interval == pytest.approx(once.by_case.dsc.interval)
    assert often.by_patient.dsc.interval == pytest.approx(once.by_patient.dsc.interval)


def test_one_seed_gives_one_interval() -> None:
    cases = [row(f"{n}", n**0.5 / 4) for n in range(15)]
    here, again, other = (summarise_scores(cases, seed=seed) for seed in (4, 4, 5))
    assert here == again
    assert here.by_patient.dsc.interval != other.by_patient.dsc.interval


def test_no_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="no cases"):
        summarise_scores([])

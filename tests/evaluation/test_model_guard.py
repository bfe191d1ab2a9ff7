"""The guard decides from numbers: better models pass, and those no worse; the others are held back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.evaluation.model_guard import CaseScoreChange, GuardRule, judge_model

unit = st.floats(0, 1)
changes = st.lists(
    st.builds(
        CaseScoreChange,
        group=st.sampled_from(["validation", "phantoms"]),
        case=st.just("c"),
        person=st.sampled_from("abcdef"),
        dsc_before=unit,
        dsc_after=unit,
        nsd_before=unit,
        nsd_after=unit,
    ),
    min_size=1,
    max_size=12,
)


def _rows(differences: list[float], group: str = "validation", nsd: float = 0.0) -> list[CaseScoreChange]:
    return [
        CaseScoreChange(group, f"case {n}", f"person {n}", 0.6, 0.6 + difference, 0.5, 0.5 + nsd)
        for n, difference in enumerate(differences)
    ]


def test_a_better_model_passes() -> None:
    verdict = judge_model(_rows([0.1, 0.2, 0.15, 0.05]))
    assert verdict.passed
    assert "+0.125" in verdict.sentence


def test_a_model_that_is_worse_in_every_case_by_little_is_held_back() -> None:
    verdict = judge_model(_rows([-0.01, -0.012, -0.015, -0.009, -0.011]))
    assert not verdict.passed
    assert "DSC is 0.011 lower" in verdict.sentence


def test_a_small_loss_within_noise_passes() -> None:
    assert judge_model(_rows([-0.06, 0.05, -0.04, 0.03, -0.01])).passed


def test_a_large_mean_loss_is_not_laid_to_chance_though_the_interval_reaches_above_zero() -> None:
    verdict = judge_model(_rows([-0.5, 0.05]))
    assert verdict.groups[0].dsc.interval is not None
    assert verdict.groups[0].dsc.interval[1] > 0
    assert not verdict.passed


@pytest.mark.parametrize(("difference", "passes"), [(-0.02, True), (-0.05, False), (0.1, True)])
def test_of_a_single_case_only_the_tolerance_tells(difference: float, passes: bool) -> None:
    assert judge_model(_rows([difference])).passed == passes


def test_what_was_learnt_before_counts_by_itself() -> None:
    """Much better on the new kind does not buy the loss on the old one."""
    verdict = judge_model([*_rows([0.3] * 6), *_rows([-0.1] * 4, "phantoms")])
    assert not verdict.passed
    assert "phantoms" in verdict.sentence


def test_surfaces_count_beside_overlap() -> None:
    verdict = judge_model(_rows([0.0, 0.01, 0.0], nsd=-0.08))
    assert not verdict.passed
    assert "NSD" in verdict.sentence


def test_a_model_from_wrong_labels_is_held_back() -> None:
    """Drafts beside the gland: DSC near 0 wherever it was fair before."""
    before = np.random.default_rng(1).uniform(0.5, 0.9, 8)
    rows = [
        CaseScoreChange("validation", f"{n}", f"{n}", b, 0.05, b - 0.1, 0.02) for n, b in enumerate(before)
    ]
    assert not judge_model(rows).passed


def test_cases_of_one_person_do_not_make_it_surer() -> None:
    alike = [
        CaseScoreChange("validation", f"{n}", "one and the same", 0.6, 0.59, 0.5, 0.5) for n in range(20)
    ]
    assert judge_model(alike).passed
    assert not judge_model(_rows([-0.01] * 20)).passed


@given(changes)
def test_exchanging_the_models_turns_the_differences_round(rows: list[CaseScoreChange]) -> None:
    turned = [
        CaseScoreChange(r.group, r.case, r.person, r.dsc_after, r.dsc_before, r.nsd_after, r.nsd_before)
        for r in rows
    ]
    here, there = judge_model(rows), judge_model(turned)
    for one, other in zip(here.groups, there.groups, strict=True):
        assert one.dsc.mean == pytest.approx(-other.dsc.mean)
    if not here.passed and not there.passed:
        # Both ways only where measures or groups disagree.
        assert len(here.groups) > 1 or np.sign(here.groups[0].dsc.mean) != np.sign(here.groups[0].nsd.mean)


@given(changes)
def test_a_model_is_never_worse_than_itself_and_one_sentence_says_why(rows: list[CaseScoreChange]) -> None:
    same = [
        CaseScoreChange(r.group, r.case, r.person, r.dsc_before, r.dsc_before, r.nsd_before, r.nsd_before)
        for r in rows
    ]
    assert judge_model(same).passed
    sentence = judge_model(rows, GuardRule(0.01)).sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_nothing_cannot_judge() -> None:
    with pytest.raises(ValueError, match="without cases"):
        judge_model([])


def test_the_verdict_says_how_many_judged_and_how_many_were_left_out_and_why() -> None:
    rows = [*_rows([0.1, 0.2]), *_rows([0.1], group="phantoms")]
    verdict = judge_model(rows, left_out=("case 7", "case 8", "case 9"))
    assert verdict.passed
    assert verdict.left_out == ("case 7", "case 8", "case 9")
    assert verdict.sentence.endswith(
        " 2 corrected cases judge; 3 were left out: saved without a stroke or a verified slice, they prove "
        "nothing."
    )
    assert "left out" not in judge_model(rows).sentence


def test_where_nobody_can_judge_the_old_model_stays_and_it_is_said() -> None:
    verdict = judge_model([], left_out=("case 7",))
    assert not verdict.passed
    assert verdict.sentence == (
        "The old model stays: no case judged. 0 corrected cases judge; 1 was left out: saved without a "
        "stroke or a verified slice, it proves nothing."
    )

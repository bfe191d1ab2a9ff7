"""Arms beside one another: differences patient by patient, and what the tables say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.evaluation.case_scores import CaseScore, ScoreTable, paired_difference, summarise_scores
from benchmarks.ablation.arm_comparison import ARMS, Ablation, Arm, ArmResult, as_markdown, differences

_PEOPLE = ("a", "a", "b", "c", "d")
dscs = st.lists(st.floats(0, 1), min_size=len(_PEOPLE), max_size=len(_PEOPLE))


def _scores(dsc: list[float]) -> ScoreTable:
    return summarise_scores(
        CaseScore(patient=person, case=f"{person}{n}", dsc=value, precision=value, recall=1 - value)
        for n, (person, value) in enumerate(zip(_PEOPLE, dsc, strict=True))
    )


@given(dscs, dscs)
def test_a_difference_is_that_of_the_means_and_turns_round(one: list[float], other: list[float]) -> None:
    these, others = _scores(one), _scores(other)
    there, back = paired_difference(these, others), paired_difference(others, these)
    assert there.dsc.mean == pytest.approx(these.by_patient.dsc.mean - others.by_patient.dsc.mean)
    assert there.recall.mean == pytest.approx(-there.precision.mean)
    assert there.dsc.interval is not None
    assert back.dsc.interval is not None
    assert there.dsc.interval == pytest.approx([-end for end in reversed(back.dsc.interval)], abs=1e-9)


@given(dscs, st.floats(-0.2, 0.2))
def test_what_everyone_gains_alike_is_sure_however_different_they_are(dsc: list[float], gain: float) -> None:
    dsc = [0.25 + value / 2 for value in dsc]
    found = paired_difference(_scores([value + gain for value in dsc]), _scores(dsc)).dsc
    assert found.interval == pytest.approx((gain, gain), abs=1e-9)
    assert found.deviation == pytest.approx(0, abs=1e-9)


def test_other_cases_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different cases"):
        paired_difference(_scores([0.5] * 5), summarise_scores(_scores([0.5] * 5).cases[1:]))


def _ablation() -> Ablation:
    random = np.random.default_rng(1)
    results = tuple(ArmResult(arm=arm, scores=_scores([0.0, *random.random(4)])) for arm in ARMS)
    return Ablation(
        recipe="r", folds=(0, 2), of_folds=5, steps=7, batch=3, seed=1, results=results,
        differences=differences(results),
    )  # fmt: skip


def test_each_part_is_compared_with_the_same_without_it() -> None:
    found = _ablation()
    assert len({arm.key for arm in ARMS}) == 6
    compared = [(each.better.key, each.base.key) for each in found.differences]
    assert compared == [
        ("attention-real", "plain-real"),
        ("attention-synthetic", "plain-synthetic"),
        ("attention-both", "plain-both"),
        ("plain-both", "plain-real"),
        ("plain-both", "plain-synthetic"),
        ("attention-both", "attention-real"),
        ("attention-both", "attention-synthetic"),
    ]
    by_arm = {result.arm: result.scores.by_patient.dsc.mean for result in found.results}
    for each in found.differences:
        assert each.found.dsc.mean == pytest.approx(by_arm[each.better] - by_arm[each.base])


def test_the_tables_say_who_was_scored_and_how_often_the_organ_was_missed() -> None:
    found = _ablation()
    text = as_markdown(found)
    assert text.count("| 1 of 5 |") == len(ARMS)
    for said in (
        "5 cases of 4 people, folds 0, 2 of 5",
        "7 steps of 3",
        "gates, learnt from real",
        "both instead of synthetic, plain U-Net",
    ):
        assert said in text
    assert Ablation.model_validate_json(found.model_dump_json()) == found


def test_one_person_has_a_mean_and_no_interval() -> None:
    alone = summarise_scores([CaseScore(patient="a", case="a1", dsc=0.5, precision=0.5, recall=0.5)])
    results = tuple(ArmResult(arm=arm, scores=alone) for arm in ARMS)
    assert {each.found.dsc.interval for each in differences(results)} == {None}
    assert Arm(gates=True, taught="real").network == "Attention U-Net"

"""Who judges is chosen by person, stays chosen, and is never learnt from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.system.errors import AttunetError
from attunet_gui.training.finetuning.judge_choice import (
    HoldoutCandidate,
    ModelHistory,
    choose_judges,
    with_named_judges,
)

people = st.sampled_from([f"p{n}" for n in range(8)])
datasets = st.lists(st.tuples(people, st.none() | people), min_size=3, max_size=16).filter(
    lambda drawn: len({patient for patient, _ in drawn}) > 1
)


def _cases(*patients: str, first: int = 0) -> tuple[HoldoutCandidate, ...]:
    return tuple(
        HoldoutCandidate(f"case {n}", (patient,), f"{n:064x}")
        for n, patient in enumerate(patients, start=first)
    )


@given(datasets, st.floats(0, 0.6), st.integers(0, 5))
def test_nobody_is_on_both_sides(drawn: list[tuple[str, str | None]], share: float, seed: int) -> None:
    cases = [
        HoldoutCandidate(f"c{n}", (patient, donor) if donor else (patient,), f"{n:064x}")
        for n, (patient, donor) in enumerate(drawn)
    ]
    try:
        found = choose_judges(cases, ModelHistory(), share, seed)
    except AttunetError:
        return
    by_name = {case.name: case for case in cases}
    judges = {by_name[name].people[0] for name in found.held_out}
    assert judges.isdisjoint(person for name in found.training for person in by_name[name].people)
    assert sorted([*found.training, *found.held_out, *found.left_out]) == sorted(by_name)


def test_a_fifth_of_the_people_judge_with_all_their_cases() -> None:
    found = choose_judges(_cases(*"aabbccddee"), ModelHistory(), 0.2, seed=1)
    assert len(found.held_out) == 2
    assert len(found.training) == 8


def test_the_choice_does_not_go_by_names_or_order() -> None:
    cases = _cases(*"abcdefgh")
    renamed = [HoldoutCandidate(f"x{n}", (f"y{n}",), case.sha256) for n, case in enumerate(reversed(cases))]
    here, there = choose_judges(cases, ModelHistory(), 0.3, 2), choose_judges(renamed, ModelHistory(), 0.3, 2)
    hashes = {case.name: case.sha256 for case in (*cases, *renamed)}
    assert {hashes[name] for name in here.held_out} == {hashes[name] for name in there.held_out}


def test_who_judged_an_ancestor_judges_again_and_who_taught_one_never_does() -> None:
    cases = _cases(*"abcdefghij")
    first = choose_judges(cases[:5], ModelHistory(), 0.2, seed=1)
    hashes = {case.name: case.sha256 for case in cases}
    past = ModelHistory(
        frozenset(hashes[name] for name in first.training), frozenset(hashes[name] for name in first.held_out)
    )
    second = choose_judges(cases, past, 0.2, seed=9)
    assert set(first.held_out) <= set(second.held_out)
    assert set(first.training) <= set(second.training)
    assert len(second.held_out) == 2


def test_another_scan_of_a_judge_is_held_out_too() -> None:
    cases = _cases("a", "a", "b", "c")
    found = choose_judges(cases, ModelHistory(held_out=frozenset([cases[0].sha256])), 0.0, seed=1)
    assert found.held_out == ("case 0", "case 1")
    assert "case 2" in found.training


@pytest.mark.parametrize(
    ("patients", "past", "says"),
    [
        ("a", ModelHistory(), "to judge"),
        ("ab", ModelHistory(trained_on=frozenset([f"{0:064x}", f"{1:064x}"])), "to judge"),
        ("ab", ModelHistory(held_out=frozenset([f"{0:064x}", f"{1:064x}"])), "to learn from"),
    ],
)
def test_where_one_side_would_be_empty_it_is_said(patients: str, past: ModelHistory, says: str) -> None:
    with pytest.raises(AttunetError, match=says):
        choose_judges(_cases(*patients), past, 0.2, seed=1)


def test_named_judges_teach_nothing_under_whatever_name() -> None:
    cases, judges = _cases("a", "b", "b", "c"), (HoldoutCandidate("renamed", ("z",), f"{1:064x}"),)
    found = with_named_judges(cases, judges, ModelHistory())
    assert found.held_out == ("renamed",)
    assert found.training == ("case 0", "case 3")
    assert found.left_out == ("case 1", "case 2")


def test_a_judge_the_model_has_learnt_from_is_refused() -> None:
    judges = _cases("a")
    with pytest.raises(AttunetError, match="cannot judge"):
        with_named_judges(
            _cases("b", first=5), judges, ModelHistory(trained_on=frozenset([judges[0].sha256]))
        )


def test_a_draft_that_nobody_changed_judges_nothing() -> None:
    cases = [replace(case, is_draft=number < 8) for number, case in enumerate(_cases(*"abcdefghij"))]
    for seed in range(5):
        found = choose_judges(cases, ModelHistory(), 0.2, seed)
        assert set(found.held_out) == {"case 8", "case 9"}
        assert found.drafts == ()
    past = ModelHistory(held_out=frozenset(case.sha256 for case in cases[6:9]))
    found = choose_judges(cases, past, 0.2, seed=1)
    assert found.drafts == ("case 6", "case 7")
    assert found.held_out == ("case 8", "case 9") or found.held_out == ("case 8",)
    assert set(found.drafts) <= set(found.left_out)
    assert not set(found.drafts) & set(found.training)


def test_where_every_mask_is_a_draft_it_is_said_that_nobody_can_judge() -> None:
    cases = [replace(case, is_draft=True) for case in _cases(*"abc")]
    with pytest.raises(AttunetError, match="No case can judge the new model: 3 saved without a stroke"):
        choose_judges(cases, ModelHistory(), 0.2, 1)
    with pytest.raises(AttunetError, match="No case can judge the new model: 1 saved without a stroke"):
        with_named_judges(_cases(*"abc", first=5), cases[:1], ModelHistory())
    named = with_named_judges(_cases(*"abc", first=5), [cases[0], *_cases("z", first=9)], ModelHistory())
    assert (named.held_out, named.drafts) == (("case 9",), ("case 0",))

"""Folds of patients: disjoint, balanced, the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.evaluation.patient_splits import choose_test_patients, patient_folds, read_folds, write_folds
from attunet_gui.system.errors import AttunetError

_COMMITTED = Path(__file__).parents[2] / "resources" / "splits" / "nih-slices-5-folds.json"
_SEED = 2026

patients = st.sets(st.text("0123456789", min_size=1, max_size=4), min_size=2, max_size=60)


@given(patients, st.data())
def test_every_patient_is_in_one_fold_and_folds_are_of_one_size(names: set[str], data: st.DataObject) -> None:
    count = data.draw(st.integers(2, len(names)))
    folds = patient_folds(names, count, data.draw(st.integers(0, 99)))
    assert sorted(p for fold in folds for p in fold) == sorted(names)
    assert len(folds) == count
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


@given(patients)
def test_the_order_and_number_of_slices_do_not_matter(names: set[str]) -> None:
    slices = [*sorted(names), *sorted(names, reverse=True)]
    assert patient_folds(slices, 2, 5) == patient_folds(names, 2, 5)


def test_another_seed_deals_otherwise() -> None:
    names = [f"{n:04}" for n in range(41)]
    assert patient_folds(names, 5, 1) != patient_folds(names, 5, 2)


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_more_folds_than_patients_or_a_single_one_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="3 patients"):
        patient_folds(["1", "2", "3"], folds, 0)


def test_the_committed_folds_are_what_the_seed_gives() -> None:
    committed = read_folds(_COMMITTED)
    everyone = [patient for fold in committed for patient in fold]
    assert len(everyone) == 41
    assert patient_folds(everyone, 5, _SEED) == committed


def test_folds_survive_the_disk(tmp_path: Path) -> None:
    folds = patient_folds("abcdefg", 3, 0)
    write_folds(tmp_path / "new" / "folds.json", folds)
    assert read_folds(tmp_path / "new" / "folds.json") == folds


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"folds": 3}', '{"folds": [["a"], ["a"]]}'])
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "folds.json"
    path.write_text(text)
    with pytest.raises(AttunetError, match=r"folds\.json"):
        read_folds(path)


def test_a_test_set_is_drawn_by_the_seed() -> None:
    patients = [f"{number:04d}" for number in range(1, 83)]
    tested = choose_test_patients(patients, 21, seed=1)
    assert len(set(tested)) == 21
    assert set(tested) < set(patients)
    assert choose_test_patients(reversed(patients), 21, seed=1) == tested
    assert choose_test_patients(patients, 21, seed=2) != tested


@pytest.mark.parametrize("count", [0, 3, 4])
def test_somebody_is_tested_on_and_somebody_trained_on(count: int) -> None:
    with pytest.raises(ValueError, match="cannot be put aside"):
        choose_test_patients(["a", "b", "c"], count, seed=1)

"""Data sets in every layout, and those that only look like one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from attunet_gui.export import EXPORT_FORMATS, ExportCase, ExportOptions, Pseudonymizer, export_dataset
from attunet_gui.export.export_format import ExportFormat
from attunet_gui.io.datasets.dataset_layouts import (
    dataset_digest,
    find_dataset_cases,
    read_label_values,
    read_labelled_ct,
)
from attunet_gui.io.label_values import LabelValues
from attunet_gui.system.errors import AttunetError, UnreadableInput

AFFINE = np.diag([-1.5, -1.5, 3.0, 1.0])
CT = np.arange(120, dtype=np.int16).reshape(6, 5, 4)


def _write(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, AFFINE), path)
    return path


def _case(folder: Path, name: str, verified: frozenset[int] | None) -> ExportCase:
    hu = np.random.default_rng(len(name)).integers(-100, 200, (14, 12, 6)).astype(np.int16)
    mask = np.zeros(hu.shape, np.uint8)
    mask[4:9, 3:8, 1:5] = 1
    image = _write(folder / "in" / f"{name}.nii.gz", hu)
    return ExportCase(name, image, _write(folder / "in" / f"{name}_mask.nii.gz", mask), verified)


@pytest.mark.parametrize(
    "kind", [each for each in EXPORT_FORMATS if each.name != "dicomseg"], ids=lambda e: e.name
)
def test_our_own_exports_come_back_with_what_nobody_judged(kind: ExportFormat, tmp_path: Path) -> None:
    cases = (_case(tmp_path, "whole", None), _case(tmp_path, "half", frozenset({0, 1, 2})))
    export_dataset(cases, ExportOptions(tmp_path / "out", kind, Pseudonymizer(b"key")))
    half, whole = (read_labelled_ct(case) for case in find_dataset_cases(tmp_path / "out"))
    assert whole.judged is None
    assert whole.mask.sum() == 5 * 5 * 4
    assert half.judged is not None
    assert half.judged.all(axis=(1, 2)).tolist() == [True] * 3 + [False] * 3
    assert half.mask.sum() == 5 * 5 * 2


@pytest.mark.parametrize(
    "kind", [each for each in EXPORT_FORMATS if each.name != "dicomseg"], ids=lambda e: e.name
)
def test_our_own_exports_say_which_masks_are_drafts_as_they_were(kind: ExportFormat, tmp_path: Path) -> None:
    cases = [
        replace(_case(tmp_path, name, None), model="starter ab", corrected=corrected, edits=edits)
        for name, corrected, edits in (
            ("accepted", frozenset(), {"draft": 1}),
            ("corrected", frozenset({3}), {"brush": 2}),
            ("older", None, {"brush": 2}),
            ("older-draft", None, {}),
        )
    ]
    export_dataset(tuple(cases), ExportOptions(tmp_path / "out", kind, Pseudonymizer(b"key")))
    found = find_dataset_cases(tmp_path / "out")
    assert len(found) == 4
    assert [case.is_draft for case in found] == [not case.is_evidence for case in sorted(cases, key=_name)]
    assert sum(case.is_draft for case in found) == 2


def _name(case: ExportCase) -> str:
    return case.name


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"background": 0, "pancreas": 1, "ignore": 2}, LabelValues((1,), 2)),
        ({"0": "background", "1": "pancreas", "2": "cancer"}, LabelValues((1, 2), None)),
        ({"background": 0, "liver": 1, "Pancreas": 7}, LabelValues((7,), None)),
        ({"background": 0, "organ": 1}, LabelValues((1,), None)),
        ({"background": 0, "organ": 255}, LabelValues((255,), None)),
        ({"background": 0, "pancreas": [1, 2], "tumor": 2}, LabelValues((1, 2), None)),
        ({"0": "background", "4": "pancreas", "9": "tumor", "6": "liver"}, LabelValues((4,), None)),
        ({"background": 0, "liver": 1}, LabelValues((), None)),
        ({"background": 0, "first": 1, "second": 2}, LabelValues((), None)),
    ],
)
def test_label_names_are_read_either_way_round(labels: object, expected: LabelValues, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert read_label_values(tmp_path) == expected


def test_plain_pairs_need_no_description(tmp_path: Path) -> None:
    values = np.zeros((6, 5, 4), np.int16)
    _write(tmp_path / "images" / "a.nii.gz", CT)
    values[2, 2, 2] = 1
    values[3, 3, 3] = 2
    _write(tmp_path / "labels" / "a.nii.gz", values)
    (case,) = find_dataset_cases(tmp_path)
    with pytest.raises(UnreadableInput, match=r"several labels \(1, 2\)"):
        read_labelled_ct(case)
    for label in (1, 2):
        found = read_labelled_ct(find_dataset_cases(tmp_path, label)[0])
        assert (found.mask.sum(), found.judged) == (1, None)


@pytest.mark.parametrize("value", [1, 5, 255])
def test_one_value_beside_0_is_the_mask_of_plain_pairs(tmp_path: Path, value: int) -> None:
    _write(tmp_path / "images" / "a.nii.gz", CT)
    values = np.zeros((6, 5, 4), np.uint8)
    values[2, 2, 2] = value
    _write(tmp_path / "labels" / "a.nii.gz", values)
    assert read_labelled_ct(find_dataset_cases(tmp_path)[0]).mask.sum() == 1


@pytest.mark.parametrize(
    ("labels", "values", "says"),
    [
        ({"background": 0, "pancreas": 1}, (255,), r"holds 255, and .* names only 1: .* --label VALUE"),
        ({"background": 0, "pancreas": 1, "ignore": 2}, (1, 2, 7), r"holds 7, and .* names only 1, 2"),
        (
            {"background": 0, "liver": 1, "spleen": 2},
            (1,),
            r"holds labels \(1\), and .* none of them the pan",
        ),
        ({"pancreas": "one"}, (1,), "the value 'one': a whole number"),
    ],
)
def test_a_description_that_does_not_fit_the_labels_is_no_empty_mask(
    tmp_path: Path, labels: object, values: tuple[int, ...], says: str
) -> None:
    _write(tmp_path / "images" / "a.nii.gz", CT)
    stored = np.zeros((6, 5, 4), np.uint8)
    stored[2, : len(values), 2] = values
    _write(tmp_path / "labels" / "a.nii.gz", stored)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(AttunetError, match=says):
        read_labelled_ct(find_dataset_cases(tmp_path)[0])


def test_names_beside_the_files_say_what_an_organ_map_holds(tmp_path: Path) -> None:
    _write(tmp_path / "images" / "a.nii.gz", CT)
    values = np.zeros((6, 5, 4), np.uint8)
    values[2, 2, :3] = 5, 10, 11
    _write(tmp_path / "labels" / "a.nii.gz", values)
    (tmp_path / "labels.json").write_text(json.dumps({"5": "liver", "10": "pancreas", "11": "spleen"}))
    judged = read_labelled_ct(find_dataset_cases(tmp_path)[0])
    assert judged.mask.sum() == 1
    assert judged.volume.placement.to_source(judged.mask)[2, 2, 1] == 1


def test_a_digest_goes_by_content_and_not_by_place(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        _write(tmp_path / folder / "images" / "a.nii.gz", np.zeros((3, 3, 3), np.int16))
        _write(tmp_path / folder / "labels" / "a.nii.gz", np.ones((3, 3, 3), np.uint8))
    one, other = (dataset_digest(find_dataset_cases(tmp_path / folder)) for folder in ("one", "other"))
    assert one == other
    _write(tmp_path / "other" / "labels" / "a.nii.gz", np.zeros((3, 3, 3), np.uint8))
    assert dataset_digest(find_dataset_cases(tmp_path / "other")) != one


def _break(folder: Path, described: object) -> None:
    (folder / "imagesTr").mkdir()
    (folder / "dataset.json").write_text(described if isinstance(described, str) else json.dumps(described))


@pytest.mark.parametrize(
    ("described", "says"),
    [
        ("no json", "cannot be read"),
        ([1], "an object was expected"),
        ({"channel_names": {"0": "CT", "1": "PET"}, "labels": {}}, "CT alone"),
        ({"training": [{"image": "../../etc/passwd", "label": "x"}], "labels": {}}, "does not lie in"),
        ({"training": [{"image": "./imagesTr/a.nii.gz"}], "labels": {}}, "without image and label"),
        ({"training": [], "labels": {}}, "has no cases"),
        ({"training": [{"image": "a.nii.gz", "label": "b.nii.gz"}], "labels": {}}, "is not whole"),
        ({}, "There is no data set"),
    ],
)
def test_what_is_no_data_set_is_said_in_one_sentence(described: object, says: str, tmp_path: Path) -> None:
    _break(tmp_path, described)
    with pytest.raises(AttunetError, match=says) as told:
        find_dataset_cases(tmp_path)
    assert "\n" not in str(told.value)

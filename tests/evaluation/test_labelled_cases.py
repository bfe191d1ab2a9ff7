"""Labelled cases from folders: whose they are, and what is said when something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from attunet_gui.evaluation.labelled_cases import pair_cases, slice_cases
from attunet_gui.system.errors import AttunetError, UnreadableInput
from tests.support.evaluation_cases import write_slice


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two CT of one grid whose labels hold the pancreas (1) and something else (2)."""
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    labels = np.zeros((8, 7, 6), np.uint8)
    labels[2:4, 2:4, 2:4], labels[5:7, 5:7, 4:6] = 1, 2
    for name in ("a", "b"):
        nib.save(
            nib.Nifti1Image(np.arange(336, dtype=np.int16).reshape(8, 7, 6), np.eye(4)),
            tmp_path / "images" / f"{name}.nii.gz",
        )
        nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "labels" / f"{name}.nii.gz")
    return tmp_path


def test_a_pair_is_read_when_it_is_wanted_and_only_the_pancreas_counts(pairs: Path) -> None:
    first, second = pair_cases(pairs, 1)
    assert [(case.patient_name, case.name) for case in (first, second)] == [("a", "a"), ("b", "b")]
    volume, mask = first.load()
    assert volume.hu.shape == mask.shape == (6, 7, 8)
    assert mask.sum() == 8
    (pairs / "images" / "b.nii.gz").write_bytes(b"no image")
    with pytest.raises(UnreadableInput, match="b"):
        second.load()


def test_labels_of_a_pair_are_never_guessed(pairs: Path) -> None:
    first, second = pair_cases(pairs)
    with pytest.raises(UnreadableInput, match=r"a\.nii\.gz holds several labels \(1, 2\): .* --label VALUE"):
        first.load()
    path = pairs / "labels" / "b.nii.gz"
    label = nib.load(path)
    nib.save(nib.Nifti1Image((np.asarray(label.dataobj) == 2).astype(np.uint8) * 255, np.eye(4)), path)
    assert second.load()[1].sum() == 8
    (pairs / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "pancreas": 2, "liver": 1}}))
    assert pair_cases(pairs)[0].load()[1].sum() == 8


def test_the_manifest_says_whose_they_are(pairs: Path) -> None:
    manifest = {"cases": [{"name": "a", "subject": "s1", "donors": []}, {"name": "b", "subject": "s1"}]}
    (pairs / "manifest.json").write_text(json.dumps(manifest))
    assert [case.patient_name for case in pair_cases(pairs)] == ["s1", "s1"]
    (pairs / "manifest.json").write_text("[]")
    with pytest.raises(AttunetError, match="manifest"):
        pair_cases(pairs)


def test_what_is_missing_is_named(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (pairs / "labels" / "b.nii.gz").unlink()
    with pytest.raises(AttunetError, match=r"b\.nii\.gz has no label"):
        pair_cases(pairs)
    with pytest.raises(AttunetError, match="no CTs"):
        pair_cases(tmp_path_factory.mktemp("empty"))


def test_slices_are_cases_with_the_assumed_pixel(tmp_path: Path) -> None:
    write_slice(tmp_path, "PANCREAS_0007-1003")
    (case,) = slice_cases(tmp_path, 0.66)
    volume, mask = case.load()
    assert (case.patient_name, case.name) == ("0007", "PANCREAS_0007-1003")
    assert volume.grid.spacing_mm[1:] == pytest.approx((0.66, 0.66))
    assert mask.any()

"""Label maps: one file or a folder of masks, and what their codes mean."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from attunet_gui.io.label_maps import BTCV, read_label_map
from attunet_gui.system.errors import UnreadableInput

RAS = np.diag([1.5, 2.0, 3.0, 1.0])


def _save(path: Path, values: np.ndarray, affine: np.ndarray = RAS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(values, affine).to_filename(path)
    return path


def _codes(highest: int) -> np.ndarray:
    """uint8 (x, y, z) of a RAS image: 1 at the right, in front, at the feet; `highest` opposite."""
    values = np.zeros((4, 5, 6), np.uint8)
    values[-1, -1, 0], values[0, 0, -1] = 1, highest
    return values


def test_codes_are_turned_to_the_canonical_axes(tmp_path: Path) -> None:
    label_map = read_label_map(_save(tmp_path / "case.nii.gz", _codes(13)), coding="btcv")
    assert label_map.codes.shape == (6, 5, 4)
    assert label_map.codes[0, 0, 0] == 1
    assert label_map.codes[-1, -1, -1] == 13
    assert label_map.spacing_mm == pytest.approx((3.0, 2.0, 1.5))
    assert label_map.subject == "case"


def test_thirteen_codes_without_a_table_are_btcv_where_their_folder_says_so(tmp_path: Path) -> None:
    assert read_label_map(_save(tmp_path / "BTCV" / "case.nii.gz", _codes(13))).names == BTCV


def test_thirteen_codes_that_nobody_names_are_nothing(tmp_path: Path) -> None:
    # AMOS has 15 codes, and where bladder and prostate are missing 13 are left: there 10 is the pancreas.
    with pytest.raises(UnreadableInput, match="Nothing says"):
        read_label_map(_save(tmp_path / "amos_0001.nii.gz", _codes(13)))


def test_an_organ_larger_than_any_liver_is_not_of_btcv(tmp_path: Path) -> None:
    values = np.full((30, 30, 30), 1, np.uint8)
    values[0] = 13
    fits, too_large = np.diag([5.0, 5.0, 5.0, 1.0]), np.diag([6.0, 6.0, 6.0, 1.0])
    assert read_label_map(_save(tmp_path / "btcv_case.nii.gz", values, fits)).names == BTCV
    with pytest.raises(UnreadableInput, match="Nothing says"):
        read_label_map(_save(tmp_path / "btcv_body.nii.gz", values, too_large))


def test_the_table_beside_the_file_wins(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps({"1": "liver", "13": "pancreas"}))
    label_map = read_label_map(_save(tmp_path / "case.nii.gz", _codes(13)))
    assert label_map.names == {1: "liver", 13: "pancreas"}


def test_a_named_coding_wins_over_the_table(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("{}")
    label_map = read_label_map(_save(tmp_path / "case.nii.gz", _codes(13)), coding="hra")
    assert label_map.names[9] == "liver"


@pytest.mark.parametrize("inside", ["", "segmentations"])
def test_a_folder_of_masks_is_one_map(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / "s0001"
    for name, place in (("liver", 1), ("pancreas", 3)):
        mask = np.zeros((4, 5, 6), np.uint8)
        mask[place] = 1
        _save(folder / inside / f"{name}.nii.gz", mask)
    label_map = read_label_map(folder)
    found = {name: label_map.codes == code for code, name in label_map.names.items()}
    assert found["liver"][:, :, 2].all()
    assert found["pancreas"][:, :, 0].all()
    assert label_map.subject == "s0001"


@pytest.mark.parametrize(
    ("values", "says"), [((255, 0), ""), ((1, 2), "several labels"), ((0.5, 0), "whole num")]
)
def test_a_mask_of_a_folder_may_have_any_one_value(
    tmp_path: Path, values: tuple[float, float], says: str
) -> None:
    mask = np.zeros((4, 5, 6), np.float32)
    mask[1, 2, 3], mask[2, 2, 3] = values
    _save(tmp_path / "liver.nii.gz", mask)
    if says:
        with pytest.raises(UnreadableInput, match=says):
            read_label_map(tmp_path)
    else:
        assert read_label_map(tmp_path).codes.sum() == 1


def test_masks_on_two_grids_are_refused(tmp_path: Path) -> None:
    _save(tmp_path / "liver.nii.gz", _codes(1))
    _save(tmp_path / "spleen.nii.gz", _codes(1), np.diag([1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(UnreadableInput, match="another voxel grid"):
        read_label_map(tmp_path)


@pytest.mark.parametrize(
    ("values", "coding", "says"),
    [
        (_codes(40), None, "Nothing says"),
        (_codes(13), "other", "no known coding"),
        (_codes(13).astype(np.float32) + 0.5, None, "whole numbers"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    tmp_path: Path, values: np.ndarray, coding: str | None, says: str
) -> None:
    with pytest.raises(UnreadableInput, match=says):
        read_label_map(_save(tmp_path / "case.nii.gz", values), coding=coding)


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("[1, 2]")
    with pytest.raises(UnreadableInput, match=r"labels\.json"):
        read_label_map(_save(tmp_path / "case.nii.gz", _codes(13)))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no NIfTI"):
        read_label_map(tmp_path)

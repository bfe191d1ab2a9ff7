"""Labelled JPEG slices: the right way up, on a grid, or one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attunet_gui.core.body_outline import body_box
from attunet_gui.io import read_ct_volume
from attunet_gui.io.datasets.jpeg_slices import find_slice_files, read_labelled_slice, read_labelled_slices
from attunet_gui.system.errors import UnreadableInput
from tests.support.external_data import NIH_SLICES, TEST_DATA, TOTALSEGMENTATOR

_NAME = "PANCREAS_0003-1007"


def _write(folder: Path, part: str, gray: np.ndarray, name: str = _NAME) -> None:
    (folder / part).mkdir(exist_ok=True)
    Image.fromarray(gray).convert("RGB").save(folder / part / f"{name}.jpg", quality=95)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bright table in the first rows as stored, an organ in the last rows on the right."""
    image, mask = np.zeros((64, 96), np.uint8), np.zeros((64, 96), np.uint8)
    image[:8], image[48:56, 72:88], mask[48:56, 72:88] = 240, 90, 255
    _write(tmp_path, "images", image)
    _write(tmp_path, "masks", mask)
    return tmp_path


def test_a_slice_is_turned_so_that_the_table_is_below(folder: Path) -> None:
    (found,) = read_labelled_slices(folder)
    assert (found.patient, found.name) == ("0003", _NAME)
    assert found.volume.hu.shape == found.mask.shape == (1, 64, 96)
    assert found.volume.hu[0, 60:, :].min() > 200
    expected = np.zeros((64, 96), np.uint8)
    expected[8:16, 72:88] = 1
    assert np.array_equal(found.mask[0], expected)
    assert found.mask.dtype == np.uint8
    assert found.volume.hu.dtype == np.int16
    assert abs(int(found.volume.hu[0, 12, 80]) - 90) < 5


def test_the_grid_is_canonical_with_the_assumed_spacing(folder: Path) -> None:
    (found,) = read_labelled_slices(folder, spacing_mm=0.7)
    assert found.volume.grid.spacing_mm == pytest.approx((1.0, 0.7, 0.7))
    # z to the head, y to the back, x to the patient's left, in RAS+ millimetres.
    assert np.array_equal(np.sign(found.volume.grid.affine[:3, :3]), [[0, 0, -1], [0, -1, 0], [1, 0, 0]])


def test_a_missing_mask_is_named(folder: Path) -> None:
    (folder / "masks" / f"{_NAME}.jpg").unlink()
    with pytest.raises(UnreadableInput, match=f"{_NAME}.jpg has no mask"):
        read_labelled_slices(folder)


def test_a_mask_of_another_size_is_refused(folder: Path) -> None:
    _write(folder, "masks", np.zeros((64, 64), np.uint8))
    with pytest.raises(UnreadableInput, match=r"\(64, 96\) pixels, its mask \(64, 64\)"):
        read_labelled_slices(folder)


@pytest.mark.parametrize(("value", "beside"), [(1, 0), (90, 0), (255, 128)])
def test_a_mask_that_is_not_white_on_black_is_refused(folder: Path, value: int, beside: int) -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[48:56, 72:88], mask[20:40, 10:30] = value, beside
    _write(folder, "masks", mask)
    with pytest.raises(UnreadableInput, match=f"The mask {_NAME}.jpg has values .* neither black nor white"):
        read_labelled_slices(folder)


def test_an_empty_mask_is_one(folder: Path) -> None:
    _write(folder, "masks", np.zeros((64, 96), np.uint8))
    assert not read_labelled_slices(folder)[0].mask.any()


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff"])
def test_what_is_no_jpeg_is_refused(folder: Path, content: bytes) -> None:
    (folder / "images" / f"{_NAME}.jpg").write_bytes(content)
    with pytest.raises(UnreadableInput, match="not a JPEG"):
        read_labelled_slices(folder)


def test_a_png_named_jpg_is_refused(folder: Path) -> None:
    path = folder / "images" / f"{_NAME}.jpg"
    Image.new("L", (96, 64)).save(path, format="PNG")
    with pytest.raises(UnreadableInput, match="not a JPEG"):
        read_labelled_slices(folder)


def test_a_name_without_patient_is_refused(folder: Path) -> None:
    _write(folder, "images", np.zeros((8, 8), np.uint8), "slice7")
    with pytest.raises(UnreadableInput, match="whose slice"):
        read_labelled_slices(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no slices"):
        read_labelled_slices(tmp_path)


@pytest.mark.skipif(not NIH_SLICES.is_dir(), reason="the real slices are not on this machine")
def test_real_slices_lie_like_a_ct_with_a_header() -> None:
    slices = read_labelled_slices(NIH_SLICES)
    assert len({s.patient for s in slices}) == 50
    assert len(slices) == 223
    whole = read_ct_volume(TOTALSEGMENTATOR / "ct_3mm.nii.gz").hu
    assert _spine_is_below(whole[len(whole) // 2])
    assert np.mean([_spine_is_below(s.volume.hu[0]) for s in slices]) > 0.95
    # The liver is the large bright organ on the patient's right, where x is small.
    assert np.mean([_brighter_on_the_right(s.volume.hu[0]) for s in slices]) > 0.75
    assert all(0 < s.mask.sum() < 20_000 for s in slices)
    for labelled in slices:
        rows, columns = body_box(labelled.volume.hu, labelled.volume.grid.spacing_mm)
        assert labelled.mask[0, rows, columns].sum() == labelled.mask.sum(), labelled.name
        assert 0.5 < (rows.stop - rows.start) / (columns.stop - columns.start) < 1, labelled.name


def _spine_is_below(hu: np.ndarray) -> bool:
    columns = slice(hu.shape[1] * 4 // 10, hu.shape[1] * 6 // 10)
    bone, tissue = np.nonzero(hu[:, columns] > 200)[0], np.nonzero(hu > 30)[0]
    return bool(np.median(bone) > np.median(tissue))


def _brighter_on_the_right(hu: np.ndarray) -> bool:
    organ = (hu > 60) & (hu < 180)
    half = hu.shape[1] // 2
    return bool(organ[:, :half].sum() > organ[:, half:].sum())


def _indexed(folder: Path, margin: str, name: str = _NAME) -> None:
    (folder / "index.csv").write_text(f"file,patient,margin_unknown_px\n{name}.jpg,0003,{margin}\n")


def test_the_border_that_the_index_calls_unknown_is_not_known_and_has_no_organ(folder: Path) -> None:
    _write(folder, "masks", np.full((64, 96), 255, np.uint8))
    _indexed(folder, "10")
    (found,) = read_labelled_slices(folder)
    expected = np.zeros((64, 96), bool)
    expected[10:54, 10:86] = True
    assert np.array_equal(found.known[0], expected)
    assert np.array_equal(found.mask[0], expected)
    assert find_slice_files(folder)[0].margin_px == 10


def test_a_slice_that_no_index_names_is_known_as_a_whole(folder: Path) -> None:
    _indexed(folder, "10", "PANCREAS_0009-1001")
    assert read_labelled_slices(folder)[0].known.all()


def test_a_folder_of_such_folders_is_one_collection(folder: Path) -> None:
    whole = folder.parent / "both"
    whole.mkdir()
    folder.rename(whole / "a")
    for part in ("images", "masks"):
        (whole / "b").mkdir(exist_ok=True)
        _write(whole / "b", part, np.zeros((8, 8), np.uint8), "PANCREAS_0002-1010")
    (whole / "notes").mkdir()
    found = find_slice_files(whole)
    assert [(file.patient, file.number) for file in found] == [("0002", 1010), ("0003", 1007)]
    for part in ("images", "masks"):
        _write(whole / "b", part, np.zeros((8, 8), np.uint8))
    with pytest.raises(UnreadableInput, match=r"is in .* and in .*: take one of them away"):
        find_slice_files(whole)


@pytest.mark.parametrize("margin", ["wide", "", "1.5"])
def test_an_index_without_whole_numbers_is_refused(folder: Path, margin: str) -> None:
    _indexed(folder, margin)
    with pytest.raises(UnreadableInput, match=r"index.csv cannot be read: a column file"):
        find_slice_files(folder)


@pytest.mark.parametrize(
    ("margin", "says"), [("-1", "border of less than 0 pixels"), ("32", "nothing is left")]
)
def test_a_border_that_cannot_be_is_refused(folder: Path, margin: str, says: str) -> None:
    _indexed(folder, margin)
    with pytest.raises(UnreadableInput, match=says):
        read_labelled_slices(folder)


@pytest.mark.skipif(not NIH_SLICES.is_dir(), reason="the real slices are not on this machine")
def test_the_real_collections_are_one_with_their_cut_slices() -> None:
    found = find_slice_files(TEST_DATA)
    assert len(found) == 821
    assert len({file.patient for file in found}) == 50
    assert sum(file.margin_px > 0 for file in found) == 383
    cut = next(file for file in found if file.margin_px == 80)
    labelled = read_labelled_slice(cut)
    assert labelled.known.sum() == 352 * 352
    assert not labelled.volume.hu[~labelled.known].any()

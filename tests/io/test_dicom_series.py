"""Passes within one series are offered as series are; slices with a UID each open together where they fit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pydicom import dcmread

from attunet_gui.io import find_cases, read_ct_volume
from attunet_gui.io.formats.dicom_series import list_series
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.project_store import create_project
from attunet_gui.system.errors import SeriesChoiceNeeded, UnreadableInput
from tests.support.ct_files import OTHER_SERIES, ct_like, write_series, write_slice

HU = ct_like((6, 5, 4))
STORED = (HU + 1024).astype(np.uint16)
LATE = STORED[::-1].copy()
LATE_HU = HU[::-1]


def write_pass(folder: Path, stored: np.ndarray, start: float, **tags: object) -> None:
    """Slices 2 mm apart from the height `start` on, named after it."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, image in enumerate(stored):
        name = f"{start:g}_{tags.get('AcquisitionNumber', '')}_{k}"
        write_slice(folder / name, image, (-20, -30, start + 2 * k), **tags)


def offered(path: Path) -> dict[str, np.ndarray]:
    """Description -> HU of what is offered at `path`."""
    with pytest.raises(SeriesChoiceNeeded) as caught:
        read_ct_volume(path)
    return {words: read_ct_volume(path, series=key).hu for key, words in caught.value.choices}


@pytest.mark.parametrize(
    "start", [40.0, 41.0, 45.0, 50.0], ids=["same", "between", "overlapping", "touching"]
)
def test_two_acquisitions_over_the_same_part_are_offered(tmp_path: Path, start: float) -> None:
    write_pass(tmp_path, STORED, 40, AcquisitionNumber=1)
    write_pass(tmp_path, LATE, start, AcquisitionNumber=2)
    found = offered(tmp_path)
    assert list(found) == [f"3 abdomen, acquisition {n}: 6 images, 4 x 5" for n in (1, 2)]
    for hu, meant in zip(found.values(), (HU, LATE_HU), strict=True):
        assert_array_equal(hu, meant)
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == [f"{tmp_path.name}_series3_acquisition{n}" for n in (1, 2)]
    volume = read_ct_volume(cases[1].path, series=cases[1].series)
    assert_array_equal(volume.hu, LATE_HU)
    assert (volume.name, volume.origin.series) == (cases[1].name, cases[1].series)


@pytest.mark.parametrize("number", [0, 5])
def test_a_slice_that_is_no_ct_image_any_more_is_said(tmp_path: Path, number: int) -> None:
    paths = write_series(tmp_path / "ct", STORED)
    assert read_ct_volume(tmp_path / "ct").notes == ()
    data = dcmread(paths[number])
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.PixelData = data.PixelData * 3
    data.save_as(paths[number])
    for path in (tmp_path / "ct", paths[2]):
        volume = read_ct_volume(path)
        assert len(volume.hu) == 5
        (note,) = volume.notes
        assert note.startswith("1 image of this series is left out as no slice of a CT, beginning with ")
        assert paths[number].name in note


def test_a_scout_in_a_series_is_left_out_without_a_word(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "ct", STORED)
    data = dcmread(paths[0])
    data.ImageType, data.SOPInstanceUID = ["ORIGINAL", "PRIMARY", "LOCALIZER"], "1.2.3.4.5"
    data.save_as(tmp_path / "ct" / "scout.dcm")
    volume = read_ct_volume(tmp_path / "ct")
    assert (len(volume.hu), volume.notes) == (6, ())


def test_a_choice_of_series_can_be_sent_by_a_child_process() -> None:
    sent = pickle.loads(pickle.dumps(SeriesChoiceNeeded("Choose one.", (("key", "words"),))))
    assert (str(sent), sent.choices) == ("Choose one.", (("key", "words"),))


def test_one_slice_opens_its_own_acquisition(tmp_path: Path) -> None:
    write_pass(tmp_path, STORED, 40, AcquisitionNumber=1)
    write_pass(tmp_path, LATE, 40, AcquisitionNumber=2)
    assert_array_equal(read_ct_volume(tmp_path / "40_2_3").hu, LATE_HU)


def test_acquisitions_in_folders_are_found_again_one_by_one(tmp_path: Path) -> None:
    write_pass(tmp_path / "a", STORED, 40, AcquisitionNumber=1)
    write_pass(tmp_path / "b", LATE, 40, AcquisitionNumber=2)
    assert_array_equal(list(offered(tmp_path).values())[1], LATE_HU)
    cases = {case.name: case for case in find_cases(tmp_path)}
    assert [case.path.name for case in cases.values()] == ["a", "b"]
    for case, meant in zip(cases.values(), (HU, LATE_HU), strict=True):
        assert_array_equal(read_ct_volume(case.path, series=case.series).hu, meant)


def test_acquisitions_that_follow_each_other_are_one_scan(tmp_path: Path) -> None:
    for number in range(3):
        write_pass(tmp_path, STORED[2 * number :][:2], 40 + 4 * number, AcquisitionNumber=number)
    assert_array_equal(read_ct_volume(tmp_path).hu, HU)
    assert [case.name for case in find_cases(tmp_path)] == [tmp_path.name]


def test_acquisitions_with_a_gap_are_offered_but_are_no_cases(tmp_path: Path) -> None:
    write_pass(tmp_path, STORED, 40, AcquisitionNumber=1)
    write_pass(tmp_path, LATE, 80, AcquisitionNumber=2)
    assert [len(hu) for hu in offered(tmp_path).values()] == [6, 6]
    (case,) = find_cases(tmp_path)
    with pytest.raises(UnreadableInput, match="holds 2 CT series: choose one"):
        read_ct_volume(case.path, series=case.series)


def test_slices_that_are_missing_are_not_made_acquisitions(tmp_path: Path) -> None:
    for k in (0, 1, 2, 4, 5):
        write_slice(tmp_path / f"{k}", STORED[k], (-20, -30, 40 + 2 * k), AcquisitionNumber=k)
    with pytest.raises(UnreadableInput, match="1 slice is missing") as caught:
        read_ct_volume(tmp_path)
    assert not isinstance(caught.value, SeriesChoiceNeeded)


def test_a_pass_with_a_missing_slice_is_not_offered(tmp_path: Path) -> None:
    write_pass(tmp_path, STORED, 40, AcquisitionNumber=1)
    write_pass(tmp_path, LATE, 41, AcquisitionNumber=2)
    (tmp_path / "41_2_3").unlink()
    with pytest.raises(UnreadableInput, match="1 slice is missing") as caught:
        read_ct_volume(tmp_path)
    assert not isinstance(caught.value, SeriesChoiceNeeded)


@pytest.mark.parametrize("start", [40.0, 40.7, 47.0])
def test_passes_that_only_their_folders_tell_apart_are_offered_by_folder(
    tmp_path: Path, start: float
) -> None:
    write_pass(tmp_path / "venous", STORED, 40)
    write_pass(tmp_path / "late", LATE, start)
    found = offered(tmp_path)
    assert sorted(found) == [f"3 abdomen: 6 images, 4 x 5, in {name}" for name in ("late", "venous")]
    assert_array_equal(found["3 abdomen: 6 images, 4 x 5, in venous"], HU)
    assert_array_equal(found["3 abdomen: 6 images, 4 x 5, in late"], LATE_HU)


def test_what_is_saved_of_one_pass_is_not_named_like_that_of_another(tmp_path: Path) -> None:
    write_pass(tmp_path / "venous", STORED, 40)
    write_pass(tmp_path / "late", LATE, 40)
    with pytest.raises(SeriesChoiceNeeded) as caught:
        read_ct_volume(tmp_path)
    names = {read_ct_volume(tmp_path, series=key).name for key, _words in caught.value.choices}
    assert names == {f"{tmp_path.name}_series3_{part}" for part in ("venous", "late")}


def test_passes_in_folders_are_cases_of_their_own_and_keep_their_keys(tmp_path: Path) -> None:
    write_pass(tmp_path / "ct" / "a", STORED, 40)
    write_pass(tmp_path / "ct" / "b", LATE, 41.5)
    cases = find_cases(tmp_path / "ct")
    assert [case.name for case in cases] == ["a", "b"]
    for case, meant in zip(cases, (HU, LATE_HU), strict=True):
        assert_array_equal(read_ct_volume(case.path, series=case.series).hu, meant)
    project = create_project(tmp_path / "list")
    done = add_ct_folder(project, tmp_path / "ct", copy=True, actor="anna")
    assert [why for _name, why in done.failed] == [
        f"{name} shares its series with another folder: add it without copying." for name in ("a", "b")
    ]
    assert len(add_ct_folder(project, tmp_path / "ct", actor="anna").added) == 2


def test_an_acquisition_can_be_copied_into_a_project(tmp_path: Path) -> None:
    write_pass(tmp_path / "ct", STORED, 40, AcquisitionNumber=1)
    write_pass(tmp_path / "ct", LATE, 40, AcquisitionNumber=2)
    project = create_project(tmp_path / "list")
    assert len(add_ct_folder(project, tmp_path / "ct", copy=True, actor="anna").added) == 2
    shown = [read_ct_volume(case.path, series=case.series).hu for case in project.list_cases()]
    for hu, meant in zip(shown, (HU, LATE_HU), strict=True):
        assert_array_equal(hu, meant)


def test_a_copy_of_a_series_in_another_folder_is_a_copy(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pass(tmp_path / name, STORED, 40)
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, HU)
    assert "6 slices are in the folder twice" in volume.notes[0]


def test_series_with_equal_names_are_told_apart_by_folder_or_file(tmp_path: Path) -> None:
    write_series(tmp_path / "first", STORED)
    write_series(tmp_path / "second" / "deep", LATE, SeriesInstanceUID=OTHER_SERIES)
    assert {series.description.partition(", in ")[2] for series in list_series(tmp_path)} == {
        "first",
        "second/deep",
    }
    write_pass(tmp_path / "both", STORED, 40)
    write_pass(tmp_path / "both", LATE, 41, SeriesInstanceUID=OTHER_SERIES)
    assert {series.description.partition(", in ")[2] for series in list_series(tmp_path / "both")} == {
        "both, beginning with 40__0",
        "both, beginning with 41__0",
    }


@pytest.mark.parametrize("apart", [False, True], ids=["one folder", "a folder each"])
def test_slices_with_a_uid_each_open_together_with_a_note(tmp_path: Path, apart: bool) -> None:
    for k, image in enumerate(STORED):
        folder = tmp_path / "ct" / (f"s{k}" if apart else "")
        folder.mkdir(parents=True, exist_ok=True)
        write_slice(folder / f"im{k}", image, (-20, -30, 40 + 2 * k), SeriesInstanceUID=f"1.2.3.{k + 1}")
    volume = read_ct_volume(tmp_path / "ct")
    assert_array_equal(volume.hu, HU)
    assert "Each of the 6 slices has a series number of its own" in volume.notes[0]
    (case,) = find_cases(tmp_path)
    assert_array_equal(read_ct_volume(case.path, series=case.series).hu, HU)
    if not apart:
        assert_array_equal(read_ct_volume(tmp_path / "ct" / "im3").hu, HU)


@pytest.mark.parametrize("change", ["a slice missing", "a slice twice", "another spacing"])
def test_slices_with_a_uid_each_that_do_not_fit_stay_apart(tmp_path: Path, change: str) -> None:
    heights = {"a slice missing": [0, 2, 4, 8, 10, 12], "a slice twice": [0, 2, 4, 4, 6, 8]}
    for k, height in enumerate(heights.get(change, [0, 2, 4, 6, 8, 10])):
        tags = {"PixelSpacing": [0.9, 0.9]} if change == "another spacing" and k % 2 else {}
        if tags:
            height += 0.5
        write_slice(tmp_path / f"{k}", STORED[k], (0, 0, height), SeriesInstanceUID=f"1.2.3.{k + 1}", **tags)
    if change == "another spacing":
        assert sorted(len(series.files) for series in list_series(tmp_path)) == [3, 3]
    else:
        assert len(list_series(tmp_path)) == 6


def _with_sop_class(path: Path, uid: str, **tags: object) -> None:
    data = dcmread(path)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = uid
    for keyword, value in tags.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    data.save_as(path, enforce_file_format=False)


def _length_of_class_damaged(path: Path) -> None:
    raw = path.read_bytes()
    at = raw.index(b"\x08\x00\x16\x00UI", 132)
    path.write_bytes(raw[: at + 6] + b"\x01\x00" + raw[at + 8 :])


def _without_series(path: Path) -> None:
    _with_sop_class(path, "1.2.840.10008.5.1.4.1.1.2", SeriesInstanceUID=None, SamplesPerPixel=3)


def _without_kind(path: Path) -> None:
    _with_sop_class(path, "1.2.84", Modality=None, SeriesInstanceUID=None)


def _zeros_first(path: Path) -> None:
    path.write_bytes(bytes(512) + path.read_bytes()[512:])


@pytest.mark.parametrize("number", [0, 3, 5])
@pytest.mark.parametrize(
    "damage",
    [_length_of_class_damaged, _without_series, _without_kind, _zeros_first],
    ids=lambda f: f.__name__,
)
def test_a_slice_that_says_neither_kind_nor_series_makes_the_series_incomplete(
    tmp_path: Path, number: int, damage: Callable[[Path], None]
) -> None:
    for k, image in enumerate(STORED):
        write_slice(tmp_path / f"im{k}", image, (-20, -30, 40 + 2 * k))
    damage(tmp_path / f"im{number}")
    for path in (tmp_path, tmp_path / "im2"):
        with pytest.raises(UnreadableInput, match=f"im{number} is a damaged DICOM file"):
            read_ct_volume(path)


@pytest.mark.parametrize(
    ("uid", "tags"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.67", {"Modality": "SR", "Rows": None, "SeriesInstanceUID": "1.2.3.4"}),
        ("1.2.840.10008.5.1.4.1.1.481.3", {"Modality": "RTSTRUCT", "Rows": None, "SeriesInstanceUID": ""}),
        ("1.2.840.10008.5.1.4.1.1.11.1", {"Modality": "PR", "Rows": None, "SeriesInstanceUID": None}),
        ("1.2.840.10008.5.1.4.1.1.7", {"SeriesInstanceUID": None, "ImagePositionPatient": None}),
        ("1.3.12.2.1107.5.9.1", {"Modality": "CT", "Rows": None, "SeriesInstanceUID": "1.2.3.4"}),
        ("1.2.840.10008.5.1.4.1.1.2", {"ImageType": ["LOCALIZER"], "SeriesInstanceUID": None}),
        ("", {"Modality": "SR", "Rows": None, "SeriesInstanceUID": ""}),
    ],
)
def test_what_says_that_it_is_no_slice_lies_beside_a_ct_without_a_word(
    tmp_path: Path, uid: str, tags: dict[str, object]
) -> None:
    write_series(tmp_path / "ct", STORED)
    _with_sop_class(write_slice(tmp_path / "ct" / "beside", STORED[0], (0, 0, 0)), uid, **tags)
    volume = read_ct_volume(tmp_path / "ct")
    assert (len(volume.hu), volume.notes) == (6, ())


def test_files_that_are_not_named_like_slices_are_none(tmp_path: Path) -> None:
    for k, image in enumerate(STORED):
        write_slice(tmp_path / f"im{k}", image, (-20, -30, 40 + 2 * k))
    for name in ("README", "VERSION2", "im1.txt", "im1.json"):
        (tmp_path / name).write_bytes(b"words")
    volume = read_ct_volume(tmp_path)
    assert (len(volume.hu), volume.notes) == (6, ())


@pytest.mark.parametrize("first", [0x0018, 0x0020, 0x0060])
def test_a_data_set_without_its_first_elements_is_still_dicom(tmp_path: Path, first: int) -> None:
    paths = write_series(tmp_path / "ct", STORED)
    for path in paths:
        data = dcmread(path)
        data.StudyDate = "20200101"
        data.Modality = "CT"
        for element in [each for each in data.group_dataset(0x0008) if each.tag.element < first]:
            del data[element.tag]
        del data.file_meta
        data.preamble = None
        data.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[:2] == b"\x08\x00"
    assert_array_equal(read_ct_volume(tmp_path / "ct").hu, HU)


def test_a_slice_that_is_hidden_is_said(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "ct", STORED)
    (tmp_path / "ct" / f"._{paths[1].name}").write_bytes(b"\0\5\x16\7" + bytes(300))
    assert read_ct_volume(tmp_path / "ct").notes == ()
    paths[0].rename(tmp_path / "ct" / ".slice.dcm")
    for path in (tmp_path / "ct", paths[2]):
        volume = read_ct_volume(path)
        assert len(volume.hu) == 5
        assert volume.notes == (
            "1 hidden file beside this CT begins as DICOM and was left out, beginning with .slice.dcm: make "
            "sure that no slice is missing.",
        )


@pytest.mark.parametrize("number", [0, 5])
def test_a_slice_with_a_uid_of_its_own_that_is_left_apart_is_said(tmp_path: Path, number: int) -> None:
    for k, image in enumerate(STORED):
        write_slice(tmp_path / f"im{k}", image, (0, 0, 2 * k), SeriesInstanceUID=f"1.2.3.{k + 1}")
    data = dcmread(tmp_path / f"im{number}")
    data.Columns = 3
    data.PixelData = data.PixelData[: len(data.PixelData) * 3 // 4]
    data.save_as(tmp_path / f"im{number}")
    found = offered(tmp_path)
    assert sorted(len(hu) for hu in found.values()) == [1, 5]
    (key,) = [series.key for series in list_series(tmp_path) if len(series.files) == 5]
    notes = read_ct_volume(tmp_path, series=key).notes
    assert notes[1:] == (
        f"1 image beside this CT may belong to it and was left out, beginning with im{number}: make sure "
        "that no slice is missing.",
    )


def test_images_without_a_series_and_a_number_are_not_left_out_in_silence(tmp_path: Path) -> None:
    for k, image in enumerate(STORED):
        number = {} if k == 5 else {"SeriesNumber": ""}
        write_slice(tmp_path / f"im{k}", image, (0, 0, 2 * k), SeriesInstanceUID="", **number)
    (key,) = [series.key for series in list_series(tmp_path) if len(series.files) == 5]
    (note,) = read_ct_volume(tmp_path, series=key).notes
    assert note.startswith("1 image beside this CT may belong to it and was left out, beginning with im5: ")
    for k, image in enumerate(LATE):
        write_slice(tmp_path / f"im{k}", image, (0, 0, 2 * k), SeriesInstanceUID="", SeriesNumber=3 + k // 3)
    assert [read_ct_volume(tmp_path, series=each.key).notes for each in list_series(tmp_path)] == [(), ()]

"""Folders of CT become cases, once each, whatever is done to the folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.formats import nifti
from attunet_gui.project import case_import
from attunet_gui.project.case_commands import set_note
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_store import create_project
from attunet_gui.system.errors import UnreadableInput, WorkCancelled
from tests.support.ct_files import OTHER_SERIES, ct_like, write_series
from tests.support.project_cases import new_project, write_ct


def test_adding_again_adds_only_what_is_new(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    write_ct(tmp_path / "ct" / "a_new_one.nii.gz", 7)
    done = add_ct_folder(project, tmp_path / "ct", actor="anna")
    assert (done.added, done.known, done.failed) == (["case-0003"], 2, [])
    assert project.case_named("case-0003").file_name == "a_new_one.nii.gz"
    assert [case.status for case in project.list_cases()] == [CaseStatus.NEW] * 3


def test_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nifti, "load_nifti", None)
    assert new_project(tmp_path, 2).count_cases() == 2


def test_case_names_say_nothing_of_the_file(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct" / "Meier_Anna_1960.nii.gz", 1)
    project = create_project(tmp_path / "p")
    assert add_ct_folder(project, tmp_path / "ct", copy=True, actor="anna").added == ["case-0001"]
    case = project.list_cases()[0]
    assert case.file_name == "Meier_Anna_1960.nii.gz"
    assert "Meier" not in str(case.path)
    assert "Meier" not in " ".join(line.words for line in project.case_history(case))


def test_the_same_ct_under_two_names_is_one_case(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    shutil.copyfile(tmp_path / "ct" / "ct0.nii.gz", tmp_path / "ct" / "twin.nii.gz")
    done = add_ct_folder(project, tmp_path / "ct", actor="anna")
    assert (done.added, done.known) == ([], 2)


def test_two_twins_at_once_are_one_case(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct" / "one.nii.gz", 1)
    shutil.copyfile(tmp_path / "ct" / "one.nii.gz", tmp_path / "ct" / "two.nii.gz")
    done = add_ct_folder(create_project(tmp_path / "p"), tmp_path / "ct", actor="anna")
    assert (done.added, done.known) == (["case-0001"], 1)


def test_a_moved_folder_is_followed(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    set_note(project, project.list_cases()[0], "kept", actor="anna")
    (tmp_path / "ct").rename(tmp_path / "archive")
    done = add_ct_folder(project, tmp_path / "archive", actor="anna")
    assert (done.added, sorted(done.moved)) == ([], ["case-0001", "case-0002"])
    case = project.list_cases()[0]
    assert (case.path, case.note) == (tmp_path / "archive" / "ct0.nii.gz", "kept")
    assert project.case_history(case)[-1].words == "found in another folder"


def test_a_file_that_holds_another_image_now_is_left_and_named(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    write_ct(tmp_path / "ct" / "ct1.nii.gz", 99)
    done = add_ct_folder(project, tmp_path / "ct", actor="anna")
    assert (done.added, done.known, done.changed) == ([], 1, ["case-0002"])


def test_labels_results_and_the_project_itself_are_left_out(tmp_path: Path) -> None:
    for name in ("imagesTr/a", "labelsTr/a", "labels/b", "ct", "segmentations/liver", "c_pancreas"):
        write_ct(tmp_path / "data" / f"{name}.nii.gz", len(name))
    project = create_project(tmp_path / "data" / "project")
    write_ct(project.folder / "drafts" / "case-0001_abc.nii.gz", 30)
    done = add_ct_folder(project, tmp_path / "data", actor="anna")
    assert {case.file_name for case in project.list_cases()} == {"a.nii.gz", "ct.nii.gz"}
    assert done.left_out == 5


def test_a_single_file_is_added_whatever_it_is_called(tmp_path: Path) -> None:
    project = create_project(tmp_path / "p")
    assert add_ct_folder(project, write_ct(tmp_path / "labels" / "x.nii.gz", 1), actor="anna").added == [
        "case-0001"
    ]


def test_each_dicom_series_is_a_case_and_its_copy_opens_alone(tmp_path: Path) -> None:
    folder = tmp_path / "dicom"
    first = ct_like((4, 6, 8))
    write_series(folder / "one", first)
    write_series(folder / "two", first + 1, SeriesInstanceUID=OTHER_SERIES)
    by_reference, copied = create_project(tmp_path / "r"), create_project(tmp_path / "c")
    assert len(add_ct_folder(by_reference, folder, actor="anna").added) == 2
    assert len(add_ct_folder(copied, folder, copy=True, actor="anna").added) == 2
    expected = [read_ct_volume(case.path, series=case.series).hu for case in by_reference.list_cases()]
    shutil.rmtree(folder)
    for case, hu in zip(copied.list_cases(), expected, strict=True):
        assert case.path.is_relative_to(copied.folder)
        assert np.array_equal(read_ct_volume(case.path, series=case.series).hu, hu)
    assert (add_ct_folder(copied, copied.folder / "cases", actor="anna").added) == []


def test_a_copy_is_found_again_and_not_copied_twice(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct" / "a.nii.gz", 1)
    project = create_project(tmp_path / "p")
    add_ct_folder(project, tmp_path / "ct", copy=True, actor="anna")
    done = add_ct_folder(project, tmp_path / "ct", copy=True, actor="anna")
    assert (done.added, done.known, done.moved) == ([], 1, [])
    assert len(list(project.copies_folder().iterdir())) == 1


def test_what_cannot_be_copied_is_named_and_stops_nothing(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct" / "a.nii.gz", 1)
    image = SimpleITK.GetImageFromArray(ct_like((4, 5, 6)))
    SimpleITK.WriteImage(image, str(tmp_path / "ct" / "b.mhd"))
    project = create_project(tmp_path / "p")
    done = add_ct_folder(project, tmp_path / "ct", copy=True, actor="anna")
    assert done.added == ["case-0001"]
    assert [name for name, _ in done.failed] == ["b.mhd"]
    assert add_ct_folder(project, tmp_path / "ct", actor="anna").added == ["case-0002"]


def test_the_copy_of_one_file_of_a_series_is_the_series(tmp_path: Path) -> None:
    stored = (ct_like((3, 5, 4)) + 1024).astype(np.uint16)
    file = write_series(tmp_path / "ct", stored)[1]
    write_series(tmp_path / "other", stored[:2], SeriesInstanceUID=OTHER_SERIES, SeriesNumber=7)
    for number, other in enumerate((tmp_path / "other").iterdir()):
        other.rename(tmp_path / "ct" / f"other{number}")
    project = create_project(tmp_path / "p")
    assert add_ct_folder(project, file, copy=True, actor="anna").failed == []
    expected = read_ct_volume(file).hu
    shutil.rmtree(tmp_path / "ct")
    (case,) = project.list_cases()
    assert case.path.is_relative_to(project.folder)
    assert np.array_equal(read_ct_volume(case.path, series=case.series).hu, expected)
    assert expected.shape == stored.shape


@pytest.mark.parametrize(("written", "suffix"), [(".mhd", ".mha"), (".nhdr", ".nrrd")])
def test_voxels_in_another_file_are_noticed_whatever_the_suffix(
    tmp_path: Path, written: str, suffix: str
) -> None:
    for number, name in enumerate("ab"):
        (tmp_path / "ct" / name).mkdir(parents=True)
        path = tmp_path / "ct" / name / f"ct{written}"
        hu = ct_like((4, 5, 6))
        hu[-1, -1, -1] -= number
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(hu), str(path))
        path.rename(path.with_suffix(suffix))
    project = create_project(tmp_path / "p")
    assert [name for name, _ in add_ct_folder(project, tmp_path / "ct", actor="anna", copy=True).failed] == [
        f"ct{suffix}"
    ] * 2
    assert len(add_ct_folder(project, tmp_path / "ct", actor="anna").added) == 2, (
        "equal headers are not one CT"
    )


def test_cancelled_it_keeps_what_was_added_and_goes_on_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_import, "_BATCH", 2)
    project = new_project(tmp_path, 0)
    for number in range(7):
        write_ct(tmp_path / "ct" / f"{number}.nii.gz", number)

    def stop(done: int, _total: int, stage: str) -> None:
        if (done, stage) == (5, "cases"):
            raise WorkCancelled

    with pytest.raises(WorkCancelled):
        add_ct_folder(project, tmp_path / "ct", progress=stop, actor="anna")
    assert project.count_cases() == 5
    assert len(add_ct_folder(project, tmp_path / "ct", actor="anna").added) == 2
    assert [case.name for case in project.list_cases()] == [f"case-000{k}" for k in range(1, 8)]


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        add_ct_folder(new_project(tmp_path, 0), tmp_path / "nowhere", actor="anna")

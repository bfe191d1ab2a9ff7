"""What could not be entered or read is said, and a series that may go on there is refused on every way in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from attunet_gui.io import find_cases, read_ct_volume
from attunet_gui.io.formats.dicom import slices_in_order
from attunet_gui.io.formats.dicom_series import list_series
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.project_store import create_project
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import OTHER_SERIES, ct_like, write_nifti, write_series
from tests.support.unprivileged_process import as_nobody, open_folder

LOADED = slices_in_order  # its module is else imported late, by an account that may not read it
STORED = (ct_like((6, 5, 4)) + 1024).astype(np.uint16)
DENIED = "could not be read, Permission denied, so images may be missing"


def halves(folder: Path, first: str, second: str) -> Path:
    """A series of which half lies in another folder; the folder of that half."""
    paths = sorted(write_series(folder / first, STORED))
    (folder / second).mkdir(parents=True, exist_ok=True)
    for path in paths[3:]:
        path.rename(folder / second / path.name)
    return folder / second


@pytest.mark.parametrize(
    ("first", "second"),
    [("ct", "ct/more"), ("ct/a", "ct/b"), ("ct", "ct/more/deeper"), ("ct/a/b", "ct/c"), ("ct/a/b", "ct/c/d")],
)
@pytest.mark.parametrize("rights", [0o000, 0o400, 0o444], ids=["closed", "without search", "listed"])
def test_half_a_series_in_a_closed_folder(first: str, second: str, rights: int) -> None:
    with open_folder() as folder:
        closed = halves(folder, first, second)
        assert_array_equal(as_nobody(lambda: read_ct_volume(folder)).hu, STORED.astype(np.int16) - 1024)
        closed.chmod(rights)
        with pytest.raises(UnreadableInput, match=DENIED):
            as_nobody(lambda: read_ct_volume(folder))
        cases = as_nobody(lambda: find_cases(folder))
        assert len(cases) == 2
        assert all("Permission denied" in case.refused for case in cases)


def test_half_a_series_in_files_nobody_may_read() -> None:
    with open_folder() as folder:
        for path in halves(folder, "ct/a", "ct/b").iterdir():
            path.chmod(0o000)
        with pytest.raises(UnreadableInput, match=DENIED):
            as_nobody(lambda: read_ct_volume(folder))
        cases = as_nobody(lambda: find_cases(folder))
        assert [bool(case.refused) for case in cases] == [True, True]


def test_nobodys_ct_is_added_by_halves(tmp_path: Path) -> None:
    create_project(tmp_path / "another").close()  # what is imported late, the other account may not read
    with open_folder() as folder:
        halves(folder, "ct", "ct/more").chmod(0o000)
        project = folder / "project"
        project.mkdir()
        project.chmod(0o777)

        def add() -> tuple[list[str], list[tuple[str, str]]]:
            done = add_ct_folder(create_project(project / "list"), folder / "ct", actor="anna")
            return done.added, done.failed

        added, failed = as_nobody(add)
    assert added == []
    assert [name for name, _why in failed] == ["ct", "more"]
    assert all("more could not be read, Permission denied" in why for _name, why in failed)


def test_what_is_whole_by_itself_is_not_refused() -> None:
    with open_folder() as folder:
        (folder / "plain").mkdir()
        write_nifti(folder / "plain" / "ct.nii.gz", ct_like((4, 5, 6)), np.eye(4))
        write_series(folder / "hospital" / "patient" / "series", STORED)
        write_series(folder / "elsewhere" / "1", STORED, SeriesInstanceUID=OTHER_SERIES)
        (folder / "elsewhere" / "2").mkdir(mode=0)
        (folder / "elsewhere" / "2").chmod(0o000)
        cases = {case.name: case.refused for case in as_nobody(lambda: find_cases(folder))}
        assert [name for name, refused in cases.items() if refused] == ["elsewhere_1", "elsewhere_2"]
        assert {"plain_ct", "hospital_patient_series"} < cases.keys()
        assert len(as_nobody(lambda: read_ct_volume(folder / "elsewhere" / "1")).hu) == 6


CAUTION = "lies beside this CT and could not be read, Permission denied: make sure that no images of this CT"


@pytest.mark.parametrize("inside", [".", "study/series"])
@pytest.mark.parametrize("what", ["folder", "files"])
def test_a_closed_folder_does_not_stop_its_neighbours(inside: str, what: str) -> None:
    with open_folder() as folder:
        write_series(folder / "a" / inside, STORED)
        write_series(folder / "b" / inside, STORED[:4], SeriesInstanceUID=OTHER_SERIES)
        paths = write_series(folder / "c" / inside, STORED, SeriesInstanceUID="1.2.3.4")
        for path in [folder / "c"] if what == "folder" else paths:
            path.chmod(0o000)
        cases = as_nobody(lambda: find_cases(folder))
        near = what == "folder" or inside == "."
        for case, slices in zip(cases, (6, 4), strict=False):
            assert (case.refused, CAUTION in case.caution) == ("", near)
            assert (
                len(as_nobody(lambda case=case: read_ct_volume(case.path, series=case.series)).hu) == slices
            )
            volume = as_nobody(lambda case=case: read_ct_volume(folder, series=case.series))
            assert len(volume.hu) == slices
            assert volume.notes == ((case.caution,) if near else ())
        assert [case.path.relative_to(folder).parts[0] for case in cases] == ["a", "b", "c"]
        assert "Permission denied" in cases[2].refused


@pytest.mark.parametrize("third", ["b", "c/1", "."], ids=["in two folders", "deeper", "beside the folders"])
def test_neighbours_of_a_closed_folder_are_refused_where_series_are_in_two_folders(third: str) -> None:
    with open_folder() as folder:
        write_series(folder / "b", STORED, SeriesInstanceUID=OTHER_SERIES)
        (folder / "c").mkdir(exist_ok=True)
        halves(folder, "a", third)
        (folder / "closed").mkdir()
        (folder / "closed").chmod(0o000)
        cases = as_nobody(lambda: find_cases(folder))
        assert all("Permission denied" in case.refused for case in cases)
        with pytest.raises(UnreadableInput, match=DENIED):
            as_nobody(lambda: read_ct_volume(folder, series=cases[0].series))


def test_a_case_beside_a_closed_folder_is_in_no_list(tmp_path: Path) -> None:
    create_project(tmp_path / "another").close()
    with open_folder() as folder:
        write_series(folder / "ct" / "a", STORED)
        write_series(folder / "ct" / "b", STORED, SeriesInstanceUID=OTHER_SERIES)
        (folder / "ct" / "c").mkdir(mode=0)
        (folder / "project").mkdir()
        (folder / "project").chmod(0o777)

        def add() -> tuple[list[str], list[tuple[str, str]]]:
            done = add_ct_folder(create_project(folder / "project" / "list"), folder / "ct", actor="anna")
            return done.added, done.failed

        added, failed = as_nobody(add)
    assert added == []
    assert [name for name, _why in failed] == ["a", "b", "c"]


def test_a_file_among_images_of_other_series_is_one_of_those() -> None:
    with open_folder() as folder:
        write_series(folder / "a", STORED)
        write_series(folder / "b", STORED, SeriesInstanceUID=OTHER_SERIES)[0].chmod(0o000)
        doubts = {
            series.common_folder.name: series.doubt for series in as_nobody(lambda: list_series(folder))
        }
        assert doubts["a"] == ""
        assert "Permission denied" in doubts["b"]


def test_a_closed_folder_or_slice_is_not_called_damaged() -> None:
    with open_folder() as folder:
        path = write_series(folder / "ct", STORED)[2]
        path.chmod(0o000)
        for each in (folder, folder / "ct", path):
            with pytest.raises(UnreadableInput, match=rf"{path.name} could not be read, Permission denied"):
                as_nobody(lambda each=each: read_ct_volume(each))
        (folder / "ct").chmod(0o000)
        for each in (folder, folder / "ct"):
            with pytest.raises(UnreadableInput, match="ct could not be read, Permission denied"):
                as_nobody(lambda each=each: read_ct_volume(each))


def test_a_link_to_a_slice_that_is_gone_is_not_passed_over(tmp_path: Path) -> None:
    path = write_series(tmp_path, STORED)[5]
    path.unlink()
    path.symlink_to("gone")
    with pytest.raises(UnreadableInput, match=f"{path.name} could not be read, it leads nowhere"):
        read_ct_volume(tmp_path)


def test_a_text_that_nobody_may_read_is_no_slice() -> None:
    with open_folder() as folder:
        write_series(folder, STORED)
        (folder / "report.txt").write_text("hello")
        (folder / "report.txt").chmod(0o000)
        assert len(as_nobody(lambda: read_ct_volume(folder)).hu) == 6


def test_a_series_folder_that_is_a_link_opens(tmp_path: Path) -> None:
    write_series(tmp_path / "disk" / "series", STORED)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "case").symlink_to(tmp_path / "disk" / "series")
    for path in (tmp_path / "work", tmp_path / "work" / "case"):
        assert_array_equal(read_ct_volume(path).hu, STORED.astype(np.int16) - 1024)
    assert [(case.path.name, case.refused) for case in find_cases(tmp_path / "work")] == [("case", "")]
    (tmp_path / "disk" / "again").symlink_to("series")
    volume = read_ct_volume(tmp_path / "disk")
    assert (len(volume.hu), volume.notes) == (6, ())


@pytest.mark.parametrize(
    "name", ["._im000.dcm", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/._im000.dcm"]
)
def test_what_the_system_leaves_is_no_damaged_slice(tmp_path: Path, name: str) -> None:
    paths = write_series(tmp_path / "ct", STORED)
    left = tmp_path / "ct" / name
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"\0\5\x16\7" + bytes(200))
    for path in (tmp_path / "ct", tmp_path, paths[2]):
        assert_array_equal(read_ct_volume(path).hu, STORED.astype(np.int16) - 1024)
    assert [(case.name, case.refused) for case in find_cases(tmp_path)] == [("ct", "")]
    done = add_ct_folder(create_project(tmp_path / "list"), tmp_path / "ct", actor="anna")
    assert (len(done.added), done.failed, done.left_out) == (1, [], 0)

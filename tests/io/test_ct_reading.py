"""Any path opens with the right reader, finds every case below it, or says what it is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.io import IMAGE_FORMATS, CaseRef, find_cases, read_ct_volume
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import OTHER_SERIES, ct_like, write_series, write_source

GRID = VoxelGrid((4, 5, 6), np.diag([-1.0, -1.0, 2.0, 1.0]))
STORED = (ct_like((3, 5, 4)) + 1024).astype(np.uint16)


@pytest.mark.parametrize("kind", ["nii", "nii.gz", "nrrd", "mha"])
def test_files_open_by_their_ending(tmp_path: Path, kind: str) -> None:
    path = write_source(kind, tmp_path, GRID, ct_like(GRID.shape))
    volume = read_ct_volume(path)
    meant = next(each for each in IMAGE_FORMATS if path.name.endswith(each.suffixes))
    assert volume.origin.kind == meant.kind
    assert volume.hu.shape == (6, 5, 4)


@pytest.mark.parametrize("name", ["IM0001", "slice.dcm", "1.2.840.10008"])
def test_dicom_opens_whatever_its_name(tmp_path: Path, name: str) -> None:
    write_series(tmp_path, STORED)[0].rename(tmp_path / name)
    assert read_ct_volume(tmp_path / name).hu.shape == (3, 5, 4)


def test_a_dicom_file_without_preamble_opens(tmp_path: Path) -> None:
    for path in write_series(tmp_path, STORED):
        path.write_bytes(path.read_bytes()[132:])
    assert read_ct_volume(tmp_path).hu.shape == (3, 5, 4)


@pytest.mark.parametrize("name", ["notes.txt", "ct.png", "noending"])
def test_other_files_are_refused_with_what_can_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x" * 300)
    with pytest.raises(UnreadableInput, match=rf"{name} is not a CT image .*\.nii\.gz.*\.mhd or DICOM"):
        read_ct_volume(tmp_path / name)


def test_a_path_with_nothing_is_refused(tmp_path: Path) -> None:
    for look in (read_ct_volume, find_cases):
        with pytest.raises(UnreadableInput, match="no file or folder"):
            look(tmp_path / "gone.nii")


def test_a_file_is_one_case(tmp_path: Path) -> None:
    path = write_source("nii.gz", tmp_path, GRID, ct_like(GRID.shape))
    assert find_cases(path) == (CaseRef(path, None, "ct"),)


def test_a_folder_yields_every_file_and_series_in_one_order(tmp_path: Path) -> None:
    for folder in ("p2", "p1", "p1/.hidden"):
        (tmp_path / folder).mkdir(parents=True)
        write_source("nii.gz", tmp_path / folder, GRID, ct_like(GRID.shape))
    write_source("mha", tmp_path / "p2", GRID, ct_like(GRID.shape))
    write_series(tmp_path / "p3" / "arterial", STORED)
    write_series(tmp_path / "p3" / "both", STORED[:2], SeriesInstanceUID=OTHER_SERIES, SeriesNumber=7)
    third = OTHER_SERIES + ".1"
    for path in write_series(tmp_path / "spare", STORED, SeriesInstanceUID=third, SeriesNumber=8):
        path.rename(tmp_path / "p3" / "both" / f"x{path.name}")
    (tmp_path / "p3" / "report.pdf").write_bytes(b"%PDF")
    cases = find_cases(tmp_path)
    names = ["p1_ct", "p2_ct", "p2_ct_2", "p3_arterial", "p3_both_series7", "p3_both_series8"]
    assert [case.name for case in cases] == names
    assert [len(read_ct_volume(case.path, series=case.series).hu) for case in cases] == [6, 6, 6, 3, 2, 3]


def test_names_are_unique_and_safe_for_files(tmp_path: Path) -> None:
    for folder in ("Ä b", "ä/b", "ä_b", "--", "x" * 150):
        (tmp_path / folder).mkdir(parents=True)
        write_source("nii", tmp_path / folder, GRID, ct_like(GRID.shape)).rename(
            tmp_path / folder / "c:t.nii"
        )
    names = [case.name for case in find_cases(tmp_path)]
    assert len(names) == 5
    assert len({name.lower() for name in names}) == 5
    for name in names:
        (tmp_path / f"{name}_mask.nii.gz").touch()
        assert not set(name) & set('/\\:*?"<>| ')
        assert not name.startswith(".")


def test_a_damaged_series_does_not_hide_the_others(tmp_path: Path) -> None:
    write_series(tmp_path / "good", STORED)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    assert [case.name for case in find_cases(tmp_path)] == ["good"]
    assert read_ct_volume(tmp_path).hu.shape == (3, 5, 4)


def test_an_empty_folder_has_no_case(tmp_path: Path) -> None:
    assert find_cases(tmp_path) == ()


def test_importing_the_package_does_not_load_itk() -> None:
    code = "import sys, attunet_gui.io; sys.exit('SimpleITK' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

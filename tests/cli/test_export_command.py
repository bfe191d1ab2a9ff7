"""`attunet export`: from a real project to a data set that other software reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from attunet_gui.cli.export_command import export_project, parse_export_request
from attunet_gui.export import EXPORT_FORMATS, read_export_manifest
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.result_writing import write_mask
from attunet_gui.project.case_commands import (
    MaskReview,
    accept_case,
    record_saved_mask,
    reject_case,
    reopen_case,
)
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from tests.support.cli_process import run_attunet, run_in_process
from tests.support.ct_files import write_series
from tests.support.export_cases import SHAPE as DICOM_SHAPE
from tests.support.export_cases import STORED
from tests.support.project_cases import MODEL, ball, new_project

FORMATS = [form.name for form in EXPORT_FORMATS]


def attunet(*words: object) -> subprocess.CompletedProcess[str]:
    return run_in_process(*words, home=Path(os.environ["XDG_DATA_HOME"]))


def save(project: Project, name: str, mask: np.ndarray, verified: frozenset[int] | None = None) -> None:
    case = project.case_named(name)
    path = project.new_mask_path(case)
    write_mask(path, mask, read_ct_volume(case.path, series=case.series))
    record_saved_mask(
        project, case, path, MaskReview(verified, MODEL, 90.0, {"brush": 4}), actor="Anna Smith"
    )


def reviewed_project(folder: Path) -> Project:
    """case-0001 accepted, case-0002 accepted with half of its slices seen, case-0003 reviewed only."""
    project = new_project(folder, who="Anna Smith")
    halves = (None, frozenset(range(6)), None)
    for number, verified in enumerate(halves, start=1):
        save(project, f"case-000{number}", ball(), verified)
    for name in ("case-0001", "case-0002"):
        accept_case(project, project.case_named(name), actor="Anna Smith")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = reviewed_project(tmp_path)
    made.close()
    return made


def test_accepted_cases_become_a_data_set(tmp_path: Path, project: Project) -> None:
    out = tmp_path / "Dataset701_Pancreas"
    done = run_attunet("export", project.folder, "--format", "nnunet", "-o", out, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 cases in" in done.stdout
    assert "2 added, 0 replaced, 0 unchanged" in done.stdout
    assert json.loads((out / "dataset.json").read_text())["numTraining"] == 2
    half = np.asarray(nib.load(out / "labelsTr" / "case-0002.nii.gz").dataobj).T
    assert_array_equal(half[:6], ball()[:6])
    assert (half[6:] == 2).all()
    manifest = read_export_manifest(out)
    said = manifest.cases_by_name["case-0001"].annotation
    assert (said.model, said.edits, said.active_seconds) == (str(MODEL), {"brush": 4}, 90.0)
    content = b"".join(path.read_bytes() for path in out.rglob("*.json"))
    for secret in (b"Anna", b"Smith", b"ct0", str(tmp_path).encode()):
        assert secret not in content
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_again_it_adds_replaces_and_says_so(tmp_path: Path, project: Project) -> None:
    words = ("export", project.folder, "--format", "nifti", "-o", tmp_path / "out")
    attunet(*words)
    changed = Project(project.folder, project.database)
    reopen_case(changed, changed.case_named("case-0001"), actor="Anna Smith")
    save(changed, "case-0001", ball(radius_mm=9.0))
    accept_case(changed, changed.case_named("case-0001"), actor="Anna Smith")
    accept_case(changed, changed.case_named("case-0003"), actor="Anna Smith")
    done = attunet(*words)
    assert "1 added, 1 replaced, 1 unchanged" in done.stdout
    labels = np.asarray(nib.load(tmp_path / "out" / "labels" / "case-0001.nii.gz").dataobj).T
    assert_array_equal(labels, ball(radius_mm=9.0))
    reject_case(changed, changed.case_named("case-0003"), "cut off", actor="Anna Smith")
    assert "From earlier exports there is 1 other case: case-0003." in attunet(*words).stdout


@pytest.mark.parametrize("form", FORMATS)
def test_a_dicom_case_goes_into_every_format(tmp_path: Path, form: str) -> None:
    write_series(tmp_path / "ct" / "Jane Doe", STORED)
    project = new_project(tmp_path, cases=0)
    add_ct_folder(project, tmp_path / "ct", actor="Anna Smith")
    mask = np.zeros(DICOM_SHAPE, np.uint8)
    mask[2, 1:3] = 1
    save(project, "case-0001", mask)
    project.close()
    out = tmp_path / "out"
    done = attunet("export", project.folder, "--format", form, "-o", out, "--status", "reviewed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(read_export_manifest(out).cases_by_name) == ["case-0001"]
    assert not any(b"Jane" in path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_a_case_that_does_not_fit_is_named_and_stops_no_other(tmp_path: Path, project: Project) -> None:
    done = attunet("export", project.folder, "--format", "dicomseg", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "case-0001 was not exported: case-0001 came as NIfTI" in done.stdout
    assert "2 cases of 2 could not be exported" in done.stderr
    assert not (tmp_path / "out").exists()


def test_names_are_kept_where_that_is_asked_for(tmp_path: Path, project: Project) -> None:
    out = tmp_path / "out"
    attunet("export", project.folder, "--format", "msd", "-o", out, "--keep-identifiers")
    entry = read_export_manifest(out).cases_by_name["case-0001"]
    assert (entry.source, entry.annotation.annotator) == ("ct0.nii.gz", "Anna Smith")


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (
            ("word",),
            "There is no export format 'word': choose one of nnunet, msd, nifti, dicomseg.",
        ),
        (("msd", ("done",)), "There is no status 'done'; there is new, drafted"),
        (("msd", ("rejected",)), "No case of the project is rejected: accept some"),
    ],
)
def test_what_is_wrong_is_a_sentence(
    tmp_path: Path, project: Project, wanted: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(AttunetError, match=re.escape(sentence)):
        export_project(parse_export_request(project, tmp_path / "out", *wanted))
    assert not (tmp_path / "out").exists()


def test_a_case_without_a_mask_is_named(tmp_path: Path) -> None:
    project = new_project(tmp_path, cases=1)
    project.close()
    done = attunet("export", project.folder, "--format", "msd", "-o", tmp_path / "out", "--status", "new")
    assert "case-0001 was not exported: nobody has saved a mask of it." in done.stdout
    assert done.returncode == 1

"""`add_cases` as one function, and that the command line and the window say its sentences."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from typer.testing import CliRunner

from attunet_gui.app.case_adding import AddCasesRequest, add_cases
from attunet_gui.cli.command_line import app
from attunet_gui.project.project_store import create_project
from attunet_gui.system.errors import AttunetError
from tests.support.ct_files import ct_like
from tests.support.project_cases import SHAPE, ball, new_project, write_ct


def write_labels(path: Path) -> None:
    nib.save(nib.Nifti1Image(ball(SHAPE).T.copy(), np.diag([2.0, 2.0, 3.0, 1.0])), path)


def test_the_result_says_what_was_added_and_what_was_left_out(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    folder = tmp_path / "ct"
    write_ct(folder / "new.nii.gz", 9)
    write_labels(folder / "labels.nii.gz")
    (folder / "ct0.nii.gz").rename(tmp_path / "ct0.nii.gz")
    (tmp_path / "ct0.nii.gz").rename(folder / "elsewhere.nii.gz")
    write_ct(folder / "ct1.nii.gz", 20)

    result = add_cases(AddCasesRequest(project, folder, "bert"))

    assert result.sentences == (
        "1 case added, 0 were in the list already.",
        "1 file left out: labels, results or the project's own.",
        "1 label map was found and not opened: to go on with one, save the pancreas in it alone beside its "
        "CT as NAME_pancreas.nii.gz, then open that CT.",
        "Found in another place: case-0001.",
        "The file holds another image now, the case was left as it is: case-0002.",
    )
    assert (result.not_added, result.failed) == ((), 0)
    assert result.message == " ".join(result.sentences)
    assert [event.who for event in project.case_events(project.case_named("case-0003"))] == ["bert"]


def test_what_failed_is_named_and_the_message_names_the_first(tmp_path: Path) -> None:
    project = create_project(tmp_path / "p")
    for number, name in enumerate("abc"):
        hu = ct_like((4, 5, 6))
        hu[-1, -1, -1] -= number
        (tmp_path / "ct").mkdir(exist_ok=True)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(hu), str(tmp_path / "ct" / f"{name}.mhd"))

    result = add_cases(AddCasesRequest(project, tmp_path / "ct", "anna", copy=True))

    why = "keeps its voxels in another file: add it without copying."
    assert result.not_added == tuple(f"{name}.mhd was not added: {name}.mhd {why}" for name in "abc")
    assert result.failed == 3
    assert result.message == (
        f"0 cases added, 0 were in the list already. a.mhd was not added: a.mhd {why} And 2 files more."
    )


def test_the_command_line_prints_these_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attunet_gui.cli.console.console.width", 200)
    write_ct(tmp_path / "ct" / "a.nii.gz", 1)
    write_labels(tmp_path / "ct" / "labels.nii.gz")
    image = SimpleITK.GetImageFromArray(ct_like((4, 5, 6)))
    SimpleITK.WriteImage(image, str(tmp_path / "ct" / "b.mhd"))
    (first, second) = (create_project(tmp_path / name) for name in ("one", "two"))
    result = add_cases(AddCasesRequest(first, tmp_path / "ct", "anna", copy=True))

    typed = CliRunner().invoke(app, ["worklist", "add", str(second.folder), str(tmp_path / "ct"), "--copy"])

    lines = [line for line in typed.stdout.splitlines() if not line.startswith("adding: ")]
    assert lines == [*result.sentences, *result.not_added]
    assert isinstance(typed.exception, AttunetError)
    assert str(typed.exception) == "1 of the files were not added; the others are in the list."

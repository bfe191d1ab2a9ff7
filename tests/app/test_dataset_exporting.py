"""`export_cases` as one function, and that the command line says its sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from attunet_gui.app.dataset_exporting import ExportRequest, export_cases
from attunet_gui.cli.command_line import app
from attunet_gui.export import export_format_named, read_export_manifest
from attunet_gui.project.case_commands import accept_case
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from tests.support.project_cases import ball, drafted_project, save

NIFTI = export_format_named("nifti")
ANY = frozenset({CaseStatus.ACCEPTED, CaseStatus.REVIEWED, CaseStatus.DRAFTED})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """case-0001 accepted, case-0002 reviewed, case-0003 and case-0004 without a saved mask."""
    made = drafted_project(tmp_path, 4)
    for name in ("case-0001", "case-0002"):
        save(made, made.case_named(name), ball())
    accept_case(made, made.case_named("case-0001"), actor="anna")
    return made


def test_the_result_says_what_was_exported_and_what_has_no_mask(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = export_cases(ExportRequest(project, out, NIFTI, ANY))
    assert (result.report.added, result.unsaved) == (("case-0001", "case-0002"), ("case-0003", "case-0004"))
    assert result.sentences == (
        f"2 cases in {out} ({NIFTI.title}): 2 added, 0 replaced, 0 unchanged; every label was read back and "
        "compared.",
        "case-0003, case-0004 were not exported: nobody has saved a mask of them.",
    )
    assert result.message == " ".join(result.sentences)
    assert list(read_export_manifest(out).cases_by_name) == ["case-0001", "case-0002"]


def test_accepted_cases_are_exported_unless_others_are_asked_for(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_cases(ExportRequest(project, out, NIFTI, ANY))
    result = export_cases(ExportRequest(project, out, NIFTI))
    assert result.sentences == (
        f"1 case in {out} ({NIFTI.title}): 0 added, 0 replaced, 1 unchanged; every label was read back and "
        "compared.",
        "From earlier exports there is 1 other case: case-0002.",
    )


def test_what_is_refused_is_named_and_the_message_names_the_first(project: Project, tmp_path: Path) -> None:
    request = ExportRequest(
        project, tmp_path / "out", export_format_named("dicomseg"), ANY - {CaseStatus.DRAFTED}
    )
    result = export_cases(request)
    assert result.sentences == ()
    assert [sentence[:28] for sentence in result.refused] == [
        "case-0001 was not exported: ",
        "case-0002 was not exported: ",
    ]
    assert result.message == f"{result.refused[0]} And 1 case more."


def test_a_filter_without_a_case_is_said_in_words(project: Project, tmp_path: Path) -> None:
    status = frozenset({CaseStatus.REJECTED, CaseStatus.IN_PROGRESS})
    with pytest.raises(AttunetError) as told:
        export_cases(ExportRequest(project, tmp_path / "out", NIFTI, status))
    assert str(told.value) == (
        "No case of the project is in progress or rejected: accept some, or choose another status; there is "
        "nothing to export yet."
    )
    assert not (tmp_path / "out").exists()


def test_the_command_line_prints_these_sentences(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attunet_gui.cli.console.console.width", 300)
    out = tmp_path / "out"
    export_cases(ExportRequest(project, out, NIFTI, ANY))
    result = export_cases(ExportRequest(project, out, NIFTI, ANY))
    words = ["export", str(project.folder), "--format", "nifti", "-o", str(out)]
    for status in sorted(ANY):
        words += ["--status", status]
    typed = CliRunner().invoke(app, words)
    lines = [line for line in typed.stdout.splitlines() if not line.startswith("exporting: ")]
    assert lines == list(result.sentences)
    assert str(typed.exception) == "2 cases of 4 could not be exported; see above."

"""`attunet worklist` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from attunet_gui.cli.command_line import app
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.project.case_commands import MaskReview
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_store import open_project
from attunet_gui.project.shown_mask import begin_case
from attunet_gui.system.errors import AttunetError
from tests.support.cli_process import run_attunet, run_in_process
from tests.support.project_cases import SHAPE, ball, drafted_project, new_project, save, write_ct


def _typed(*words: object) -> Result:
    return CliRunner().invoke(app, ["worklist", *map(str, words)], catch_exceptions=False)


def _said(*words: object) -> str:
    result = _typed(*words)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attunet_gui.cli.console.console.width", 200)


def test_a_list_from_a_folder_to_drafts_by_the_real_child(tmp_path: Path, tiny_bundle: Path) -> None:
    for number in range(2):
        write_ct(tmp_path / "ct" / f"Meier_{number}.nii.gz", number)
    (tmp_path / "ct" / "Meier_9.nii.gz").write_bytes(b"\x1f\x8b nothing")
    where = tmp_path / "project"
    for words in (("new", where), ("add", where, tmp_path / "ct")):
        done = run_in_process("worklist", *words, home=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert "3 cases added" in done.stdout
    done = run_attunet("worklist", "draft", where, "-m", tiny_bundle, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == "attunet: 1 case could not be drafted; the others are."
    assert "case-0003 was not drafted: case-0003 is damaged" in done.stdout
    done = run_in_process("worklist", "list", where, home=tmp_path)
    assert "3 of 3 cases shown; in the project 1 new, 2 drafted." in done.stdout
    assert "Meier" not in done.stdout
    project = open_project(where)
    for case in project.list_cases()[:2]:
        path = project.draft_mask_path(case)
        assert path is not None
        assert read_mask(path, read_ct_volume(case.path)).shape == SHAPE
        assert case.model is not None
        assert (case.model.name, len(case.model.sha256)) == ("tiny", 64)


def test_failures_are_one_sentence(tmp_path: Path) -> None:
    for words in (
        ("list", tmp_path),
        ("list", "nosuch://x"),
        ("add", tmp_path / "none", tmp_path),
        ("history", new_project(tmp_path).folder, "case-0009"),
    ):
        with pytest.raises(AttunetError) as raised:
            _typed(*words)
        assert "\n" not in str(raised.value)
        assert str(raised.value).endswith(".")


def test_the_list_is_filtered_sorted_and_told_as_json(tmp_path: Path) -> None:
    folder = new_project(tmp_path).folder
    assert "assigned to bert" in _said("assign", folder, "case-0001", "case-0002", "--to", "bert")
    _said("note", folder, "case-0002", "thin slices")
    _said("reject", folder, "case-0003", "--reason", "moved during the scan")
    rows = json.loads(_said("list", folder, "--assigned", "bert", "--sort", "name", "--descending", "--json"))
    assert [(row["name"], row["note"]) for row in rows] == [("case-0002", "thin slices"), ("case-0001", "")]
    assert "file" not in rows[0]
    assert json.loads(_said("list", folder, "--files", "--json"))[0]["file"].endswith("ct0.nii.gz")
    assert "moved during the scan" in _said("list", folder, "--status", "rejected")
    assert "case-0002" not in _said("list", folder, "--limit", "1")
    for words in (("--status", "done"), ("--sort", "colour")):
        with pytest.raises(AttunetError, match=words[1]):
            _typed("list", folder, *words)


def test_next_says_why_and_history_keeps_it(tmp_path: Path) -> None:
    folder = drafted_project(tmp_path).folder
    said = _said("next", folder, "--by", "uncertainty", "-n", "2", "--as", "anna")
    first, then = said.splitlines()
    assert "the least certain draft" in first
    assert then.startswith("then case-000")
    history = _said("history", folder, first.split(":")[0])
    assert "named as the next case: the least certain draft" in history
    assert "anna" in history


def test_nothing_left_is_said(tmp_path: Path) -> None:
    assert "Nothing waits" in _said("next", new_project(tmp_path, 0).folder)


def test_accepting_what_was_not_looked_at_is_asked_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = drafted_project(tmp_path, 2)
    left = MaskReview(verified=frozenset({1}), finished=False, unseen=2, open_places=12)
    for case in project.list_cases():
        save(project, case, ball(), left)
    with pytest.raises(AttunetError, match="2 slices with mask not looked at, 12 places to check open"):
        _typed("accept", project.folder, "case-0001")
    assert "case-0001: accepted" in _said("accept", project.folder, "case-0001", "--yes")
    monkeypatch.setattr("attunet_gui.cli.worklist_commands.sys", SimpleNamespace(stdin=_Terminal()))
    answers = iter([False, True])
    monkeypatch.setattr(
        "attunet_gui.cli.worklist_commands.Confirm.ask", lambda *_args, **_named: next(answers)
    )
    said = _said("accept", project.folder, "case-0002")
    assert "case-0002 is not reviewed: 2 slices with mask not looked at, 12 places to check open." in said
    assert "was not accepted" in said
    assert project.case_named("case-0002").status == CaseStatus.IN_PROGRESS
    assert "case-0002: accepted" in _said("accept", project.folder, "case-0002")


class _Terminal:
    @staticmethod
    def isatty() -> bool:
        return True


def test_accept_second_read_and_agreement(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2)
    for case in project.list_cases():
        save(project, case, ball())
        assert "accepted" in _said("accept", project.folder, case.name)
    assert "No case was read twice yet" in _said("agreement", project.folder)
    said = _said("second-read", project.folder, "--share", "0.5", "--reader", "bert")
    name = said.strip().rstrip(".").split(": ")[1]
    assert "none was added" in _said("second-read", project.folder, "--share", "0.5", "--reader", "bert")
    save(project, project.case_named(name), ball(radius_mm=13), who="bert")
    out = tmp_path / "out"
    said = _said("agreement", project.folder, "-o", out)
    assert name in said
    assert "0.87-0.90" in said
    record = json.loads((out / "agreement.json").read_text("utf-8"))
    assert record["cases"][0]["case"] == name
    assert record["means"]["DSC"]["cases"] == 1
    assert (out / "agreement.png").read_bytes()[1:4] == b"PNG"
    assert "in progress" in _said("reopen", project.folder, name)


def test_checks_are_opted_into_explained_and_reported(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    assert "0% without draft, 0% with a seeded error" in _said("checks", project.folder)
    said = _said("checks", project.folder, "--seeded-errors", "1")
    assert "no such mask becomes accepted" in said
    case = project.list_cases()[0]
    opening = begin_case(project, case, actor="anna")
    assert opening.mask is not None
    save(project, case, read_mask(opening.mask, read_ct_volume(case.path)))
    (found,) = json.loads(_said("checks", project.folder, "--json"))
    assert (found["annotator"], found["accepted_share"]) == ("anna", 1.0)
    assert "1 (100%)" in _said("checks", project.folder)

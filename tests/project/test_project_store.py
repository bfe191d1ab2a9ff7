"""The database: private, append-only, shared by processes, whole after a kill; and what is done with it."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attunet_gui.core.case_activity import CaseActivity, ToolUse
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.project.case_commands import (
    MaskReview,
    accept_case,
    assign_cases,
    record_saved_mask,
    reject_case,
    remaining_review,
    set_note,
    set_settings,
)
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_rows import ORDERS, CaseQuery, OrderKey
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.database import sqlite_url
from attunet_gui.project.event_log import rebuild_columns
from attunet_gui.project.project_events import PAYLOAD_ADAPTER, MaskSaved, ProjectSettings
from attunet_gui.project.project_store import DATABASE_FILE, Project, create_project, open_project
from attunet_gui.project.shown_mask import begin_case
from attunet_gui.system.errors import ProjectError, UnreadableInput
from tests.support.project_cases import MODEL, ball, drafted_project, new_project, save, write_ct

_ROUNDS = 4
_ROOT = Path(__file__).parents[2]


def _rows(project: Project, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(project.folder / DATABASE_FILE) as connection:
        return connection.execute(statement).fetchall()


# Opening


def test_everything_is_its_owners_alone(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    set_settings(project, ProjectSettings(), actor="anna")
    assert stat.S_IMODE(project.folder.stat().st_mode) == 0o700
    for path in project.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_folder_that_was_there_keeps_its_rights(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o755)
    create_project(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / DATABASE_FILE).stat().st_mode) == 0o600


def test_the_database_is_in_write_ahead_mode_with_foreign_keys(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    assert _rows(project, "PRAGMA journal_mode") == [("wal",)]
    with project.database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() > 1000
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


@pytest.mark.parametrize("version", ["2", "99", "none"])
def test_a_newer_project_is_refused_and_left_as_it_is(tmp_path: Path, version: str) -> None:
    project = new_project(tmp_path, 1)
    project.close()
    path = project.folder / DATABASE_FILE
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE about SET value = ? WHERE key = 'schema'", (version,))
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ProjectError, match="newer"):
        open_project(project.folder)
    assert path.read_bytes() == before


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no project"):
        open_project(tmp_path)
    assert not list(tmp_path.iterdir())
    missing = tmp_path / "missing.db"
    with pytest.raises(ProjectError, match="no project"):
        open_project(sqlite_url(missing))
    assert not missing.exists()
    (tmp_path / DATABASE_FILE).write_bytes(b"this is not a database, though it is long enough for one" * 20)
    with pytest.raises(ProjectError, match="cannot be read"):
        open_project(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(other / DATABASE_FILE) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(ProjectError, match="not of a project"):
        open_project(other)


def test_a_project_is_not_made_over_another(tmp_path: Path) -> None:
    create_project(tmp_path / "p").close()
    with pytest.raises(ProjectError, match="already"):
        create_project(tmp_path / "p")


def test_making_that_was_cut_off_is_finished_by_opening(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).touch(0o600)
    assert open_project(tmp_path).count_cases() == 0


def test_another_database_is_named_by_its_url(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "elsewhere.db")
    made = create_project(tmp_path / "p", url)
    set_settings(made, ProjectSettings(seed=9), actor="anna")
    made.close()
    assert not (tmp_path / "p" / DATABASE_FILE).exists()
    assert open_project(tmp_path / "p").settings.seed == 9
    by_url = open_project(url)
    assert (by_url.settings.seed, by_url.folder) == (9, tmp_path / "p")
    with pytest.raises(ProjectError, match="driver"):
        create_project(tmp_path / "q", "nosuch://host/db")


def test_a_project_may_be_moved(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    path = save(project, project.list_cases()[0], ball())
    project.close()
    moved = project.folder.rename(tmp_path / "moved")
    again = open_project(moved)
    saved = again.saved_mask(again.list_cases()[0])
    assert saved is not None
    assert saved.mask == moved / path.relative_to(project.folder)
    assert saved.mask.is_file()


# What has happened stays


@pytest.mark.parametrize(
    "statement",
    ["UPDATE events SET who = 'nobody'", "DELETE FROM events", "DELETE FROM cases WHERE id = 1"],
)
def test_no_statement_changes_what_has_happened(tmp_path: Path, statement: str) -> None:
    project = new_project(tmp_path, 1)
    before = _rows(project, "SELECT * FROM events")
    with pytest.raises(ProjectError), project.database.write_session() as session:
        session.connection().exec_driver_sql(statement)
    assert _rows(project, "SELECT * FROM events") == before


def test_an_event_says_who_when_what_and_with_which_model(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    set_note(project, project.list_cases()[0], "thin slices", actor="anna")
    added, drafted, noted = project.case_events(project.list_cases()[0])
    assert (added.who, drafted.who, noted.who) == ("anna", "attunet", "anna")
    assert (added.model, drafted.model) == (None, MODEL)
    assert added.when.tzinfo == UTC
    assert abs((datetime.now(UTC) - noted.when).total_seconds()) < 3600
    words = [line.words for line in project.case_history(project.list_cases()[0])]
    assert words[0].startswith("added")
    assert words[1].startswith("drafted")
    assert words[2] == "note: thin slices"


# Two at once, and kills

_BUSY = """
import sys
from pathlib import Path
from attunet_gui.project.case_commands import assign_cases, set_note
from attunet_gui.project.project_store import open_project

project = open_project(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while number < int(sys.argv[3]):
    for case in project.list_cases():
        set_note(project, case, f"{sys.argv[2]} {number}", actor=sys.argv[2])
        assign_cases(project, [case], f"{sys.argv[2]} {number}", actor=sys.argv[2])
    number += 1
    print(number, flush=True)
"""


def _busy(project: Project, who: str, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BUSY, str(project.folder), who, str(rounds)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    children = [_busy(project, who, 15) for who in ("anna", "bert")]
    assert [child.wait(120) for child in children] == [0, 0]
    for child in children:
        assert child.stdout is not None
        child.stdout.close()
    assert len(_rows(project, "SELECT id FROM events WHERE kind = 'noted'")) == 2 * 2 * 15
    assert rebuild_columns(project.database) == 0


def test_killed_at_any_moment_it_opens_again_whole(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    seen = 0
    for kill in range(_ROUNDS):
        child = _busy(project, f"run{kill}", 10**6)
        assert child.stdout is not None
        for _ in range(2 + kill):
            said = child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        child.stdout.close()
        again = open_project(project.folder)
        assert _rows(again, "PRAGMA integrity_check") == [("ok",)]
        assert rebuild_columns(again.database) == 0
        # What the child had said was done is there; no event was lost or half written.
        notes = [case.note.split()[1] for case in again.list_cases()]
        assert all(int(note) >= int(said) - 1 for note in notes)
        count = len(_rows(again, "SELECT id FROM events"))
        assert count > seen
        seen = count
        again.close()


# What is asked


def test_the_list_is_sorted_filtered_searched_and_paged(tmp_path: Path) -> None:
    project = new_project(tmp_path, 5)
    cases = project.list_cases()
    assert [case.name for case in cases] == [f"case-000{k}" for k in range(1, 6)]
    assign_cases(project, cases[:2], "bert", actor="anna")
    reject_case(project, cases[4], "moved during the scan", actor="anna")
    set_note(project, cases[3], "100% sure_of it", actor="anna")

    def names(query: CaseQuery) -> list[str]:
        assert project.count_cases(query) == len(project.list_cases(query))
        return [case.name[-1] for case in project.list_cases(query)]

    assert names(CaseQuery(status=frozenset({CaseStatus.REJECTED}))) == ["5"]
    assert names(CaseQuery(assignee="bert", descending=True)) == ["2", "1"]
    assert names(CaseQuery(assignee="")) == ["3", "4", "5"]
    assert names(CaseQuery(text="DURING scan")) == ["5"]
    assert names(CaseQuery(text="100% sure_")) == ["4"]
    assert names(CaseQuery(text="%")) == ["4"]
    assert names(CaseQuery(text="ct2.nii")) == ["3"]
    page = CaseQuery(order="name", limit=2, offset=3)
    assert [case.name[-1] for case in project.list_cases(page)] == ["4", "5"]
    assert project.count_cases(page) == 5
    assert project.count_by_status()[CaseStatus.NEW] == 4


@pytest.mark.parametrize("order", ORDERS)
def test_cases_without_a_value_come_last_in_any_order(tmp_path: Path, order: OrderKey) -> None:
    project = drafted_project(tmp_path, 2)
    add_ct_folder(project, write_ct(tmp_path / "late" / "new.nii.gz", 50), actor="anna")
    for descending in (False, True):
        found = project.list_cases(CaseQuery(order=order, descending=descending))
        assert len(found) == 3
        if order in ("volume", "uncertainty", "effort"):
            assert found[-1].name == "case-0003"


def test_a_case_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="case-0009"):
        new_project(tmp_path, 1).case_named("case-0009")


# What is done


def test_a_saved_mask_is_kept_with_all_that_is_said_of_it(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    case = project.list_cases()[0]
    assert project.saved_mask(case) is None
    done = CaseActivity(seconds=95.0, tools={"brush": ToolUse(strokes=4), "grow": ToolUse(strokes=1)})
    first = save(
        project, case, ball(), MaskReview.from_activity(done, frozenset({3, 5}), MODEL, finished=False)
    )
    assert project.reload_case(case).status == CaseStatus.IN_PROGRESS
    second = save(
        project, case, ball(radius_mm=14), MaskReview.from_activity(done, None, MODEL, finished=True)
    )
    assert first != second
    assert first.is_file()
    saved = project.saved_mask(case)
    assert saved is not None
    assert (saved.mask, saved.verified, saved.annotator, saved.model) == (second, None, "anna", MODEL)
    assert (saved.active_seconds, saved.edits_by_tool) == (95.0, {"brush": 4, "grow": 1})
    assert (project.reload_case(case).status, project.reload_case(case).annotator) == (
        CaseStatus.REVIEWED,
        "anna",
    )
    assert accept_case(project, case, actor="anna").status == CaseStatus.ACCEPTED


def test_the_sha256_is_that_of_the_file(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    path = save(project, project.list_cases()[0], ball())
    told = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
    saved = project.saved_mask(project.list_cases()[0])
    assert saved is not None
    assert saved.sha256 == told.split()[0]


def test_a_mask_that_is_not_there_is_not_recorded(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    case = project.list_cases()[0]
    with pytest.raises(UnreadableInput):
        record_saved_mask(project, case, tmp_path / "nowhere.nii.gz", MaskReview(), actor="anna")
    assert project.saved_mask(case) is None


def test_only_what_is_reviewed_is_accepted_and_only_with_a_reason_rejected(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    case = project.list_cases()[0]
    for _ in range(2):
        with pytest.raises(ProjectError, match="reviewed"):
            accept_case(project, case, actor="anna")
        save(project, case, ball(), MaskReview(verified=frozenset({1}), finished=False))
    with pytest.raises(ProjectError, match="why"):
        reject_case(project, case, "  ", actor="anna")
    assert project.reload_case(case).status == CaseStatus.IN_PROGRESS


LEFT = MaskReview(verified=frozenset({1, 2}), finished=False, unseen=3, open_places=1)


def test_what_is_not_reviewed_is_accepted_only_if_the_person_says_so(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2)
    first, second = project.list_cases()
    with pytest.raises(ProjectError, match="only a case with a saved mask"):
        remaining_review(project, first)
    save(project, first, ball(), LEFT)
    save(project, second, ball(), replace(LEFT, unseen=None, open_places=None))
    assert remaining_review(project, first) == "3 slices with mask not looked at, 1 place to check open"
    assert remaining_review(project, second).startswith("2 slices looked at")
    for case in (first, second):
        with pytest.raises(ProjectError, match="not reviewed: "):
            accept_case(project, case, actor="anna")
        assert accept_case(project, case, anyway=True, actor="anna").status == CaseStatus.ACCEPTED
    with pytest.raises(ProjectError, match="is accepted: only a case"):
        accept_case(project, first, actor="anna")


@pytest.mark.parametrize("status", [CaseStatus.REVIEWED, CaseStatus.ACCEPTED, CaseStatus.REJECTED])
def test_saving_without_a_change_changes_no_status(tmp_path: Path, status: CaseStatus) -> None:
    project = drafted_project(tmp_path, 1)
    case = project.list_cases()[0]
    done = replace(
        LEFT, verified=frozenset({1}), finished=True, edits_by_tool={"brush": 2}, active_seconds=9.0
    )
    save(project, case, ball(), replace(done, unseen=0, open_places=0, declared=frozenset({1})))
    if status == CaseStatus.ACCEPTED:
        accept_case(project, case, actor="anna")
    elif status == CaseStatus.REJECTED:
        reject_case(project, case, "not the abdomen", actor="anna")
    again = Project(project.folder, project.database)

    save(again, case, ball(), replace(LEFT, places=frozenset({"hole+@1.2.3"})), who="bert")

    row, saved, state = again.reload_case(case), again.saved_mask(case), again.case_state(case)
    assert (row.status, row.annotator, row.active_seconds) == (status, "anna", 9.0)
    assert saved is not None
    assert (saved.verified, saved.edits_by_tool) == ({1, 2}, {"brush": 2})
    assert state.first is not None
    assert state.first.said.places == ("hole+@1.2.3",)
    assert "without a change" in again.case_history(case)[-1].words
    assert rebuild_columns(again.database) == 0
    save(again, case, ball(radius_mm=14), LEFT, who="bert")
    assert (again.reload_case(case).status, again.reload_case(case).annotator) == (
        CaseStatus.IN_PROGRESS,
        "bert",
    )


def test_an_unchanged_rejected_case_is_accepted_by_who_says_so(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    case = project.list_cases()[0]
    save(project, case, ball())
    reject_case(project, case, "not the abdomen", actor="anna")
    save(project, case, ball(), MaskReview(accepted=True))
    assert accept_case(project, case, actor="anna").status == CaseStatus.ACCEPTED


def test_what_older_programs_kept_of_a_saved_mask_is_read() -> None:
    old = {
        "kind": "saved", "mask": "masks/a.nii.gz", "sha256": "0" * 64, "verified": [3], "active_seconds": 1.0,
        "edits": {"brush": 1}, "finished": False, "read": 1,
    }  # fmt: skip
    said = PAYLOAD_ADAPTER.validate_python(old)
    assert isinstance(said, MaskSaved)
    assert (said.declared, said.places, said.unseen, said.open_places) == ((), (), None, None)
    assert not said.keeps_status


def test_a_known_error_is_settled_when_an_unfinished_case_is_accepted(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    set_settings(project, ProjectSettings(seeded_errors=1.0), actor="anna")
    case = project.list_cases()[0]
    opening = begin_case(project, case, actor="anna")
    assert opening.mask is not None
    save(project, case, read_mask(opening.mask, read_ct_volume(case.path)), LEFT)
    with pytest.raises(ProjectError, match="held a known error"):
        accept_case(project, case, anyway=True, actor="anna")
    assert (project.reload_case(case).status, project.saved_mask(case)) == (CaseStatus.IN_PROGRESS, None)


def test_shares_that_are_more_than_all_are_refused(tmp_path: Path) -> None:
    project = new_project(tmp_path, 0)
    with pytest.raises(ProjectError, match="more than all"):
        set_settings(project, ProjectSettings(without_draft=0.6, seeded_errors=0.6), actor="anna")
    assert project.settings == ProjectSettings()

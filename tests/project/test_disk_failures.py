"""A project on a full or read-only disk, on one that vanishes, opened twice, or newer: said, and lossless."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from attunet_gui.app.worklist_drafting import draft_waiting_cases
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.result_writing import write_mask
from attunet_gui.project.case_commands import MaskReview, record_saved_mask, reopen_case, set_note
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.event_log import rebuild_columns
from attunet_gui.project.project_store import DATABASE_FILE, Project, create_project, open_project
from attunet_gui.project.thumbnails import ensure_thumbnail
from attunet_gui.system.errors import AttunetError, ProjectError, UnwritableOutput
from tests.support.ct_files import ct_like, write_series
from tests.support.project_cases import Ball, ball, drafted_project, new_project, save, write_ct
from tests.support.small_disk import fill, on_a_small_disk


def _whole(project: Project) -> None:
    assert rebuild_columns(project.database) == 0
    with sqlite3.connect(project.folder / DATABASE_FILE) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# Rights


@pytest.fixture
def _open_to_all() -> object:
    before = os.umask(0)
    yield None
    os.umask(before)


@pytest.mark.usefixtures("_open_to_all")
def test_everything_in_a_project_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct" / "a.nii.gz", 1)
    write_series(tmp_path / "ct" / "series", ct_like((3, 8, 8)).astype("uint16"))
    project = create_project(tmp_path / "new" / "project")
    add_ct_folder(project, tmp_path / "ct", copy=True, actor="anna")
    draft_waiting_cases(project, Ball())
    case = project.list_cases()[0]
    ensure_thumbnail(project, case)
    save(project, case, ball())
    found = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    names = {path.name for path in found}
    assert {"masks", "drafts", "cases", "thumbnails", f"{DATABASE_FILE}-wal", "drafting.lock"} <= names
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# Vanished


def test_a_project_that_vanishes_is_missed_at_once_and_loses_nothing(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2)
    case = project.list_cases()[0]
    first = save(project, case, ball())
    away = project.folder.rename(tmp_path / "elsewhere")
    for attempt in (
        lambda: project.list_cases(),
        lambda: set_note(project, case, "lost?", actor="anna"),
        lambda: project.new_mask_path(case),
        lambda: draft_waiting_cases(project, Ball()),
        lambda: record_saved_mask(project, case, first, MaskReview(), actor="anna"),
    ):
        with pytest.raises(AttunetError) as told:
            attempt()
        assert "\n" not in str(told.value)
    assert not project.folder.exists(), "a ghost of the project would take masks that nobody finds again"
    away.rename(project.folder)
    assert project.saved_mask(case) is not None
    set_note(project, case, "back", actor="anna")
    assert [row.note for row in project.list_cases()] == ["back", ""]
    _whole(project)


def test_an_empty_place_where_a_disk_was_is_not_taken_for_the_project(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    case = project.list_cases()[0]
    project.folder.rename(tmp_path / "elsewhere")
    project.folder.mkdir()
    with pytest.raises(UnwritableOutput, match="any more"):
        project.new_mask_path(case)
    with pytest.raises(ProjectError, match="any more"):
        set_note(project, case, "into nothing", actor="anna")
    assert not list(project.folder.iterdir())


# Twice at once


def test_two_who_save_the_same_case_both_keep_their_masks(tmp_path: Path) -> None:
    anna = drafted_project(tmp_path, 1)
    bert = open_project(anna.folder)
    case = anna.list_cases()[0]
    hers, his = save(anna, case, ball()), save(bert, case, ball(radius_mm=6), who="bert")
    assert hers != his
    assert hers.is_file()
    assert his.is_file()
    said = [event.who for event in anna.case_events(case) if event.payload.kind == "saved"]
    assert said == ["anna", "bert"]
    saved = anna.saved_mask(case)
    assert saved is not None
    assert saved.mask == his
    _whole(anna)


# Newer


def test_an_entry_of_a_newer_version_is_refused_in_words_and_kept(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    case = project.list_cases()[0]
    with sqlite3.connect(project.folder / DATABASE_FILE) as connection:
        row = (
            case.id,
            "anna",
            "2030-01-01T00:00:00.000000Z",
            "segmented",
            "",
            json.dumps({"kind": "segmented"}),
        )
        connection.execute(
            "INSERT INTO events (case_id, who, at, kind, model, payload) VALUES (?, ?, ?, ?, ?, ?)", row
        )
    connection.close()
    for attempt in (
        project.case_history,
        partial(reopen_case, project, actor="anna"),
        project.case_state,
    ):
        with pytest.raises(ProjectError, match="update attunet-gui"):
            attempt(case)
    with sqlite3.connect(project.folder / DATABASE_FILE) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (2,)


# Full and read-only disks, on a small disk of our own


def test_on_a_full_disk_nothing_is_lost_and_there_is_a_sentence(tmp_path: Path) -> None:
    on_a_small_disk(__name__, "full", tmp_path / "disk")


def test_on_a_read_only_disk_a_project_is_refused_and_untouched(tmp_path: Path) -> None:
    on_a_small_disk(__name__, "read-only", tmp_path / "disk")


def _note_without_end(project: Project, case: CaseRow) -> None:
    for number in range(200):
        set_note(project, case, f"{number} " * 400, actor="anna")


def full(disk: Path) -> None:
    """What happens to a project whose disk fills up; raises if it is not as it should be."""
    project = drafted_project(disk, 2)
    case, other = project.list_cases()
    first = save(project, case, ball())
    filler = fill(disk)
    with pytest.raises(ProjectError, match="The disk of the project is full"):
        _note_without_end(project, other)
    note = project.reload_case(other).note
    volume = read_ct_volume(case.path)
    with pytest.raises(UnwritableOutput, match="the disk is full"):
        write_mask(project.new_mask_path(case), ball(radius_mm=6), volume)
    assert not list(disk.rglob("*.part"))
    saved = project.saved_mask(case)
    assert saved is not None
    assert saved.mask == first
    assert read_ct_volume(first).hu.any()
    filler.unlink()
    assert project.reload_case(other).note == note
    second = save(project, case, ball(radius_mm=6))
    assert second.is_file()
    _whole(project)
    project.close()
    _whole(open_project(project.folder))


def read_only(disk: Path) -> None:
    """What happens to a project on a disk that becomes read-only; raises if it is not as it should be."""
    project = drafted_project(disk, 1)
    case = project.list_cases()[0]
    project.close()
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ProjectError, match="can only be read here"):
        open_project(project.folder)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()} == before
    again = open_project(project.folder)
    set_note(again, case, "before", actor="anna")
    subprocess.run(["mount", "-o", "remount,ro,force", str(disk)], check=False)
    if not os.access(disk, os.W_OK):
        with pytest.raises(ProjectError, match="Nothing was changed"):
            set_note(again, case, "after", actor="anna")
        with pytest.raises(UnwritableOutput):
            save(again, case, ball())
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert again.reload_case(case).note == "before"
    save(again, case, ball())
    _whole(again)


if __name__ == "__main__":
    {"full": full, "read-only": read_only}[sys.argv[1]](Path(sys.argv[2]))

"""A project on a full or read-only disk, on one that vanishes, opened twice, or newer: said, and lossless."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from attunet_gui.core.errors import AttunetError, UnwritableOutput
from attunet_gui.io.reading import read
from attunet_gui.io.writing import write_mask
from attunet_gui.project.adding import add_folder
from attunet_gui.project.drafting import draft_cases
from attunet_gui.project.errors import ProjectError
from attunet_gui.project.project import DATABASE_FILE, Project, Review, create_project, open_project
from attunet_gui.project.rows import CaseRow
from attunet_gui.project.thumbnails import thumbnail
from tests.io.material import ct_like, write_series
from tests.project.material import Ball, ball, drafted_project, new_project, save, write_ct
from tests.small_disk import fill, on_a_small_disk


def _whole(project: Project) -> None:
    assert project.rebuild() == 0
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
    add_folder(project, tmp_path / "ct", copy=True)
    draft_cases(project, Ball())
    case = project.cases()[0]
    thumbnail(project, case)
    save(project, case, ball())
    found = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    names = {path.name for path in found}
    assert {"masks", "drafts", "cases", "thumbnails", f"{DATABASE_FILE}-wal", "drafting.lock"} <= names
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# Vanished


def test_a_project_that_vanishes_is_missed_at_once_and_loses_nothing(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2)
    case = project.cases()[0]
    first = save(project, case, ball())
    away = project.folder.rename(tmp_path / "elsewhere")
    for attempt in (
        lambda: project.cases(),
        lambda: project.note(case, "lost?"),
        lambda: project.mask_path(case),
        lambda: draft_cases(project, Ball()),
        lambda: project.save_reviewed(case, first, Review()),
    ):
        with pytest.raises(AttunetError) as told:
            attempt()
        assert "\n" not in str(told.value)
    assert not project.folder.exists(), "a ghost of the project would take masks that nobody finds again"
    away.rename(project.folder)
    assert project.saved(case) is not None
    project.note(case, "back")
    assert [row.note for row in project.cases()] == ["back", ""]
    _whole(project)


def test_an_empty_place_where_a_disk_was_is_not_taken_for_the_project(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    case = project.cases()[0]
    project.folder.rename(tmp_path / "elsewhere")
    project.folder.mkdir()
    with pytest.raises(UnwritableOutput, match="any more"):
        project.mask_path(case)
    with pytest.raises(ProjectError, match="any more"):
        project.note(case, "into nothing")
    assert not list(project.folder.iterdir())


# Twice at once


def test_two_who_save_the_same_case_both_keep_their_masks(tmp_path: Path) -> None:
    anna = drafted_project(tmp_path, 1)
    bert = open_project(anna.folder, "bert")
    case = anna.cases()[0]
    hers, his = save(anna, case, ball()), save(bert, case, ball(radius_mm=6))
    assert hers != his
    assert hers.is_file()
    assert his.is_file()
    said = [event.who for event in anna.events(case) if event.payload.kind == "saved"]
    assert said == ["anna", "bert"]
    saved = anna.saved(case)
    assert saved is not None
    assert saved.mask == his
    _whole(anna)


# Newer


def test_an_entry_of_a_newer_version_is_refused_in_words_and_kept(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    case = project.cases()[0]
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
    for attempt in (project.history, project.reopen, project.state):
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
        project.note(case, f"{number} " * 400)


def full(disk: Path) -> None:
    """What happens to a project whose disk fills up; raises if it is not as it should be."""
    project = drafted_project(disk, 2)
    case, other = project.cases()
    first = save(project, case, ball())
    filler = fill(disk)
    with pytest.raises(ProjectError, match="The disk of the project is full"):
        _note_without_end(project, other)
    note = project.again(other).note
    volume = read(case.path)
    with pytest.raises(UnwritableOutput, match="the disk is full"):
        write_mask(project.mask_path(case), ball(radius_mm=6), volume)
    assert not list(disk.rglob("*.part"))
    saved = project.saved(case)
    assert saved is not None
    assert saved.mask == first
    assert read(first).hu.any()
    filler.unlink()
    assert project.again(other).note == note
    second = save(project, case, ball(radius_mm=6))
    assert second.is_file()
    _whole(project)
    project.close()
    _whole(open_project(project.folder))


def read_only(disk: Path) -> None:
    """What happens to a project on a disk that becomes read-only; raises if it is not as it should be."""
    project = drafted_project(disk, 1)
    case = project.cases()[0]
    project.close()
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ProjectError, match="can only be read here"):
        open_project(project.folder)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()} == before
    again = open_project(project.folder)
    again.note(case, "before")
    subprocess.run(["mount", "-o", "remount,ro,force", str(disk)], check=False)
    if not os.access(disk, os.W_OK):
        with pytest.raises(ProjectError, match="Nothing was changed"):
            again.note(case, "after")
        with pytest.raises(UnwritableOutput):
            save(again, case, ball())
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert again.again(case).note == "before"
    save(again, case, ball())
    _whole(again)


if __name__ == "__main__":
    {"full": full, "read-only": read_only}[sys.argv[1]](Path(sys.argv[2]))

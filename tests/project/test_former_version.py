"""What the version of commit 571fc48 wrote opens as it was left: a project, journals, settings, a bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.core.case_activity import UnsavedChanges
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.journal_entries import (
    FindingsAccepted,
    MaskWritten,
    SessionClosed,
    SessionOpened,
    SlicesVerified,
    StrokeRedone,
    StrokeUndone,
)
from attunet_gui.core.provenance import ModelId
from attunet_gui.editing.edit_session import EditSession, pending_journals
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import identify_volume, read_journal
from attunet_gui.model_registry.model_adoption import check_adoptable
from attunet_gui.network.model_bundle import find_bundles
from attunet_gui.project.case_commands import reopen_case
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.event_log import rebuild_columns
from attunet_gui.project.mask_files import read_mask_without_ct
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import open_project
from attunet_gui.project.shown_mask import begin_case
from tests.support.project_cases import ball

_WRITTEN = Path(__file__).parents[1] / "data" / "written_by_571fc48"
_MODEL = ModelId("ball", "ab" * 32)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return shutil.copytree(_WRITTEN, tmp_path / "written")


def test_a_project_opens_with_its_cases_history_masks_and_settings(written: Path) -> None:
    project = open_project(written / "project")
    accepted, noted, rejected = project.list_cases()
    assert [case.status for case in (accepted, noted, rejected)] == [
        CaseStatus.ACCEPTED,
        CaseStatus.DRAFTED,
        CaseStatus.REJECTED,
    ]
    assert [(event.payload.kind, event.who, event.model) for event in project.case_events(accepted)] == [
        ("added", "anna", None),
        ("drafted", "attunet", _MODEL),
        ("opened", "anna", None),
        ("saved", "anna", _MODEL),
        ("accepted", "bert", None),
    ]
    assert (noted.note, noted.assignee, noted.model) == ("thin slices", "anna", _MODEL)
    assert rejected.reason == "not the abdomen"
    assert project.settings == ProjectSettings(seed=7)
    saved = project.saved_mask(accepted)
    assert saved is not None
    assert (saved.verified, saved.annotator, saved.edits_by_tool) == ({3, 4, 5}, "anna", {"brush": 4})
    np.testing.assert_array_equal(read_mask_without_ct(saved.mask).hu, ball(radius_mm=11))
    assert rebuild_columns(project.database) == 0


def test_its_cases_are_worked_on_further(written: Path) -> None:
    project = open_project(written / "project")
    accepted = project.list_cases()[0]
    reopen_case(project, accepted, actor="carla")
    opening = begin_case(project, accepted, actor="carla")
    assert (opening.model, opening.case.status) == (_MODEL, CaseStatus.IN_PROGRESS)
    assert [event.who for event in project.case_events(accepted)[-2:]] == ["carla", "carla"]


def test_a_journal_gives_its_strokes_back_and_they_can_be_undone(written: Path) -> None:
    (left,) = pending_journals(written / "journals")
    case = open_project(written / "project").list_cases()[1]
    identity = identify_volume(read_ct_volume(case.path))
    assert left.identity.digest == identity.digest
    work = EditSession.resume_journal(left.path, identity, "anna")
    expected = np.zeros(identity.shape, np.uint8)
    expected[5, 10:20, 10:20] = 1
    expected[6, 12:18, 12:18] = 1
    live = work.history.recorded_mask.copy()
    np.testing.assert_array_equal(live, expected)
    assert [stroke.user for stroke in work.history.undo_stack.undoable_strokes] == ["anna", "anna"]
    work.undo_stroke(live)
    expected[6] = 0
    np.testing.assert_array_equal(live, expected)
    work.close_journal()


def test_settings_are_those_that_were_stored(written: Path) -> None:
    preferences = WindowPreferences(written / "settings.ini")
    assert (preferences.annotator, preferences.next_case_strategy) == ("anna", "uncertainty")


def test_a_journal_with_an_entry_of_each_kind_is_read(written: Path) -> None:
    read = read_journal(written / "every-entry.journal")
    first, second, *others = [entry for entry in read.entries if not isinstance(entry, SessionOpened)]
    assert len(read.entries) == 2 + len(others) + 1
    assert isinstance(first, EditStroke)
    assert isinstance(second, EditStroke)
    assert [(stroke.user, stroke.tool, stroke.edit.added) for stroke in (first, second)] == [
        ("anna", "brush", 6),
        ("bert", "fill", 1),
    ]
    assert others == [
        StrokeUndone("bert", 21.0, "fill"),
        StrokeRedone("bert", 22.0, "fill"),
        StrokeUndone("bert", 23.0, "fill"),
        SlicesVerified("anna", 24.0, frozenset({0, 1})),
        FindingsAccepted("anna", 25.0, frozenset({"place a"})),
        MaskWritten("anna", 26.0, Path("/ct/mask.nii.gz"), 7, True),
        SessionClosed("anna", 27.0),
    ]
    expected = np.zeros((3, 4, 5), np.uint8)
    expected[1, 1:3, 1:4] = 1
    np.testing.assert_array_equal(read.current_mask(), expected)
    assert (read.damage, read.since_saved) == ("", UnsavedChanges())


def test_a_bundle_says_where_it_comes_from_and_what_it_was_measured_with(written: Path) -> None:
    (bundle,) = find_bundles((written / "models",))
    card = bundle.card
    assert (card.name, card.family, card.threshold) == ("small-tuned-0123abcd", "attention_unet_2d", 0.55)
    assert (card.calibration.slope, card.calibration.offset) == (1.5, -0.126)
    assert [(result.measure, result.value) for result in card.results] == [("DSC", 0.5)]
    lineage = card.lineage
    assert lineage is not None
    assert [(one.name, one.sha256) for one in lineage.ancestors] == [("small", "1" * 64), ("first", "2" * 64)]
    assert lineage.parent == lineage.ancestors[0]
    assert (lineage.trained_on, lineage.held_out) == (("4" * 64,), ("5" * 64,))
    check_adoptable(bundle)

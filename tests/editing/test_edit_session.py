from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.core.journal_replay import correction_since_draft, edit_since_draft, replay_entries
from attunet_gui.core.mask_edit import NO_EDIT, edit_between
from attunet_gui.core.undo_stack import UndoStack
from attunet_gui.editing.edit_session import CaseIdentity, EditSession, pending_journals
from attunet_gui.io.journal import journal as journal_module
from attunet_gui.io.journal.journal import journal_path, read_journal
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.file_lock import LockHeldElsewhere

SHAPE = (4, 6, 7)
IDENTITY = CaseIdentity("case", Path("/ct/case.nii.gz"), "NIfTI", None, SHAPE, (2.5, 0.8, 0.8), "c0ffee")
FILE = Path("/ct/case_pancreas.nii.gz")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def begin(folder: Path, mask: np.ndarray | None = None, clock: Any = None) -> tuple[EditSession, np.ndarray]:
    live = np.zeros(SHAPE, np.uint8) if mask is None else mask.copy()
    return EditSession.begin_session(IDENTITY, live, folder, "ana", clock or Clock()), live


def draw(work: EditSession, live: np.ndarray, z: int, y: int, value: int = 1, by_hand: bool = True) -> Any:
    live[z, y, 1:5] = value
    box = (slice(z, z + 1), slice(y, y + 1), slice(None))
    return work.record_change(live, box, "brush" if value else "erase", "brush", z, by_hand)


def killed(work: EditSession, folder: Path, aside: Path) -> Path:
    """The journal as the next start would find it, had the process been killed now."""
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(folder, aside)
    return aside / work.journal.path.name if work.journal.path else aside


def same_locks(work: EditSession, drawn: np.ndarray) -> None:
    for z in range(SHAPE[0]):
        np.testing.assert_array_equal(
            replace(work.decisions.mask_locks, verified=frozenset()).locked_plane(z, SHAPE[1:]), drawn[z]
        )


# Strokes


def test_a_stroke_is_what_has_changed_on_screen(tmp_path: Path) -> None:
    work, live = begin(tmp_path)

    stroke = draw(work, live, 2, 3)

    assert (stroke.edit.added, stroke.edit.removed, stroke.edit.start) == (4, 0, (2, 3, 1))
    assert (stroke.user, stroke.slice, stroke.by_hand, stroke.tool) == ("ana", 2, True, "brush")
    assert work.history.undo_stack.undo_text == "brush, +4 voxels"
    np.testing.assert_array_equal(work.history.recorded_mask, live)
    assert work.record_change(live, None, "brush", "brush", 2, True) is None
    with pytest.raises(ValueError, match="read-only"):
        work.history.recorded_mask[0, 0, 0] = 1


@pytest.mark.parametrize(
    "box", [None, (slice(0, 99),) * 3, (slice(2, None), slice(None, None), slice(0, 5))], ids=str
)
def test_a_box_may_be_unknown_or_reach_over_the_edge(tmp_path: Path, box: Any) -> None:
    work, live = begin(tmp_path)
    live[3, 5, 4] = 1

    stroke = work.record_change(live, box, "brush", "brush", 3, False)

    assert stroke is not None
    assert stroke.edit.start == (3, 5, 4)
    assert not work.decisions.mask_locks.locked_slices


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hand", "tool", "override", "undo", "undo", "redo", "verify", "restart", "compact"]),
        st.integers(0, 2**16),
    ),
    max_size=14,
)


class Person:
    """Does things to a `EditSession`, and beside it remembers whole masks and locks."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.work, self.live = begin(folder)
        self.work.history.undo_stack = UndoStack(limit)
        self.states, self.at = [(self.live.copy(), np.zeros(SHAPE, bool))], 0

    def check(self) -> None:
        mask, drawn = self.states[self.at]
        np.testing.assert_array_equal(self.live, mask)
        np.testing.assert_array_equal(self.work.history.recorded_mask, mask)
        same_locks(self.work, drawn)

    def went_on(self, drawn: np.ndarray) -> None:
        if (self.live != self.states[self.at][0]).any():
            self.states = [*self.states[: self.at + 1], (self.live.copy(), drawn)]
            self.at += 1

    def hand(self, seed: int) -> None:
        flips = np.random.default_rng(seed).random(SHAPE) < 0.2
        self.live ^= flips
        self.work.record_change(self.live, None, "brush", "brush", 0, True)
        self.went_on(self.states[self.at][1] | flips)

    def tool(self, seed: int, locked: Any = "respect") -> None:
        mask, drawn = self.states[self.at]
        flips = np.random.default_rng(seed).random(SHAPE) < 0.2
        held = np.stack([self.work.decisions.mask_locks.locked_plane(z, SHAPE[1:]) for z in range(SHAPE[0])])
        left = flips & held if locked == "respect" else np.zeros(SHAPE, bool)
        edit = edit_between(mask, mask ^ flips)
        _, refused = self.work.apply_edit(self.live, edit, "grow", "grow 2 mm", 0, locked=locked)
        np.testing.assert_array_equal(self.live, mask ^ (flips & ~left))
        refused.apply_to(mask_after := self.live.copy())
        np.testing.assert_array_equal(mask_after, mask ^ flips)
        self.went_on(drawn)

    def override(self, seed: int) -> None:
        self.tool(seed, "override")

    def undo(self, _: int) -> None:
        self.at -= self.work.undo_stroke(self.live) is not None

    def redo(self, _: int) -> None:
        self.at += self.work.redo_stroke(self.live) is not None

    def verify(self, seed: int) -> None:
        self.work.verify_slices({seed % SHAPE[0]})

    def compact(self, _: int) -> None:
        self.work.journal._journal.rewrite_file(self.work._journal_snapshot())

    def restart(self, _: int) -> None:
        """Killed: the journal is copied as it lies there, and the copy is gone on with."""
        before = self.work
        path = killed(before, self.folder, self.folder.with_name(self.folder.name + "'"))
        self.work, self.folder = EditSession.resume_journal(path, IDENTITY, "ana"), path.parent
        assert (self.work.decisions.verified_slices, self.work.history.undo_stack.redoable_strokes) == (
            before.decisions.verified_slices,
            before.history.undo_stack.redoable_strokes,
        )
        assert (self.work.has_unsaved_strokes, self.work.history.undo_stack.undo_text) == (
            before.has_unsaved_strokes,
            before.history.undo_stack.undo_text,
        )
        # What did not fit into the memory may still be in the file.
        kept = len(before.history.undo_stack.undoable_strokes)
        assert (
            self.work.history.undo_stack.undoable_strokes[
                len(self.work.history.undo_stack.undoable_strokes) - kept :
            ]
            == before.history.undo_stack.undoable_strokes
        )
        self.work.history.undo_stack._limit = self.limit
        before.close_journal()


@settings(max_examples=40)
@given(STEPS, st.sampled_from([2500, 1 << 20]))
def test_undo_redo_locks_and_restarts_are_exact(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], limit: int
) -> None:
    person = Person(tmp_path_factory.mktemp("work") / "j", limit)
    for kind, seed in steps:
        getattr(person, kind)(seed)
        person.check()
    person.work.close_journal()


def test_locked_voxels_are_refused_and_given_back(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draw(work, live, 1, 2)
    clear = edit_between(live, np.zeros_like(live))

    stroke, refused = work.apply_edit(live, clear, "clear", "clear", 1)

    assert (stroke, refused) == (None, clear)
    assert live.sum() == 4
    stroke, refused = work.apply_edit(live, refused, "clear", "clear", 1, locked="override")
    assert (stroke.edit.removed, refused) == (4, NO_EDIT)
    assert not live.any()


def test_a_new_stroke_forgets_what_could_be_redone(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draw(work, live, 1, 2)
    work.undo_stroke(live)
    assert (work.history.undo_stack.undo_text, work.history.undo_stack.redo_text) == ("", "brush, +4 voxels")
    draw(work, live, 2, 2)
    assert work.redo_stroke(live) is None


# What a person decides


def test_decisions_survive(tmp_path: Path) -> None:
    work, live = begin(tmp_path / "j")
    draw(work, live, 1, 2)
    work.verify_slices([1, 2])
    work.verify_slices([2])
    work.accept_finding("island 3")
    work.accept_finding("edge 1")
    work.reopen_finding("island 3")

    again = EditSession.resume_journal(killed(work, tmp_path / "j", tmp_path / "aside"), IDENTITY, "eva")

    assert (again.decisions.verified_slices, again.accepted_keys) == ({2}, {"edge 1"})
    assert again.decisions.mask_locks.locked_plane(2, SHAPE[1:]).all()
    assert again.case_activity.users == {"ana": 1}
    again.close_journal()


def test_a_verified_slice_is_verified_until_its_mask_changes(tmp_path: Path) -> None:
    work, live = begin(tmp_path / "j")
    draw(work, live, 1, 2)
    draw(work, live, 2, 2)
    work.verify_slices([0, 1, 2])
    seen = [(work.decisions.verified_slices, work.decisions.unverified_slices)]
    work.undo_stroke(live)
    seen.append((work.decisions.verified_slices, work.decisions.unverified_slices))
    draw(work, live, 3, 1)
    seen.append((work.decisions.verified_slices, work.decisions.unverified_slices))
    work.apply_edit(live, edit_between(live, live * 0), "clear", "clear", 1, locked="override")
    seen.append((work.decisions.verified_slices, work.decisions.unverified_slices))

    assert seen == [({0, 1, 2}, set()), ({0, 1}, {2}), ({0, 1}, set()), ({0}, {1})]
    assert work.decisions.mask_locks.verified == {0}
    again = EditSession.resume_journal(killed(work, tmp_path / "j", tmp_path / "aside"), IDENTITY, "eva")
    assert again.decisions.verified_slices == again.decisions.mask_locks.verified == {0}
    again.close_journal()


def test_unsaved_work_is_known_exactly(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    seen = [work.has_unsaved_strokes]
    draw(work, live, 1, 2)
    seen.append(work.has_unsaved_strokes)
    work.record_saved(FILE, live.copy())
    seen.append(work.has_unsaved_strokes)
    work.undo_stroke(live)
    seen.append(work.has_unsaved_strokes)
    work.redo_stroke(live)
    seen.append(work.has_unsaved_strokes)
    behind = live.copy()
    draw(work, live, 2, 2)
    work.record_saved(FILE, behind)
    seen.append(work.has_unsaved_strokes)

    assert seen == [False, True, False, True, False, True]


# Beginning


def test_the_same_mask_goes_on_with_its_undo(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draw(work, live, 1, 2)
    work.verify_slices([1])
    work.record_saved(FILE, live)
    work.close_journal()
    assert pending_journals(tmp_path) == ()

    work, live = begin(tmp_path, live)

    assert (work.history.undo_stack.undo_text, work.decisions.verified_slices, work.has_unsaved_strokes) == (
        "brush, +4 voxels",
        {1},
        False,
    )
    work.undo_stroke(live)
    assert not live.any()
    assert not work.decisions.mask_locks.hand


def test_another_mask_begins_anew_but_the_totals_go_on(tmp_path: Path) -> None:
    now = [0.0]
    work, live = begin(tmp_path, clock=lambda: now[0])
    now[0] = 20.0
    draw(work, live, 1, 2)
    work.record_saved(FILE, live)
    work.close_journal()
    live[0] = 1

    now[0] = 50.0
    work, live = begin(tmp_path, live, lambda: now[0])
    now[0] = 53.0
    draw(work, live, 2, 2)

    assert work.case_activity.tools["brush"].strokes == 2
    assert work.case_activity.seconds == 23.0
    assert [stroke.slice for stroke in work.history.undo_stack.undoable_strokes] == [2]
    assert len(list(tmp_path.glob("*.journal"))) == 1


def test_unsaved_work_that_was_not_taken_up_still_waits(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draw(work, live, 1, 2)
    work.close_journal()

    other, _ = begin(tmp_path, np.ones(SHAPE, np.uint8))

    (one,) = pending_journals(tmp_path)
    other.close_journal()
    again = EditSession.resume_journal(one.path, IDENTITY, "ana")
    np.testing.assert_array_equal(again.history.recorded_mask, live)
    again.close_journal()


def test_a_second_window_is_told(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draw(work, live, 1, 2)

    second, its_live = begin(tmp_path)

    assert "open in another window" in second.journal.problem
    assert draw(second, its_live, 1, 1) is not None
    with pytest.raises(LockHeldElsewhere, match="another window"):
        EditSession.resume_journal(work.journal.path, IDENTITY, "ana")
    second.close_journal()
    work.close_journal()
    assert read_journal(journal_path(tmp_path, IDENTITY)).total_activity.tools["brush"].strokes == 1


def test_a_journal_of_another_ct_is_refused(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draw(work, live, 1, 2)
    work.close_journal()
    path = journal_path(tmp_path, IDENTITY)

    with pytest.raises(UnreadableInput, match="belongs to another CT"):
        EditSession.resume_journal(path, replace(IDENTITY, digest="0ther"), "ana")
    EditSession.resume_journal(path, IDENTITY, "ana").close_journal()


def test_a_damaged_journal_is_taken_up_and_a_copy_kept(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draw(work, live, 1, 2)
    work.close_journal()
    path = journal_path(tmp_path, IDENTITY)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)

    again = EditSession.resume_journal(path, IDENTITY, "ana")

    assert "damaged behind stroke 1" in again.note_on_opening
    np.testing.assert_array_equal(again.history.recorded_mask, live)
    again.close_journal()
    assert path.with_suffix(".damaged").read_bytes() == content
    assert read_journal(path).damage == ""


def test_a_foreign_file_in_the_place_of_the_journal_is_kept(tmp_path: Path) -> None:
    path = journal_path(tmp_path, IDENTITY)
    path.write_bytes(b"a journal of a later version")

    work, live = begin(tmp_path)
    draw(work, live, 1, 2)

    assert work.journal.problem == ""
    assert path.with_suffix(".damaged").read_bytes() == b"a journal of a later version"
    work.close_journal()


# Without a disk


def test_work_goes_on_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    work, live = begin(tmp_path / "file" / "journals")
    draw(work, live, 1, 2)

    assert "save the mask now" in work.journal.problem
    work.undo_stroke(live)
    assert not live.any()
    work.close_journal()


def test_a_full_disk_is_said_and_made_good_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    work, live = begin(tmp_path / "j")
    draw(work, live, 0, 1)
    with monkeypatch.context() as failing:
        failing.setattr(os, "write", full)
        failing.setattr(os, "fsync", full)
        draw(work, live, 1, 1)
        assert "the disk is full" in work.journal.problem
        work.undo_stroke(live)
        work.redo_stroke(live)
        work.verify_slices([3])
        assert "the disk is full" in work.journal.problem
    work._clock.now += 10
    draw(work, live, 2, 1)

    assert work.journal.problem == ""
    again = EditSession.resume_journal(killed(work, tmp_path / "j", tmp_path / "aside"), IDENTITY, "ana")
    np.testing.assert_array_equal(again.history.recorded_mask, live)
    assert (len(again.history.undo_stack.undoable_strokes), again.decisions.verified_slices) == (3, {3})
    again.close_journal()


def test_a_stroke_the_disk_refuses_later_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    work, live = begin(tmp_path)
    with monkeypatch.context() as failing:
        failing.setattr(journal_module, "_sync", refuses)
        draw(work, live, 0, 1)
        work.journal._journal._disk.submit(int).result()
        assert "did not reach the disk" in work.journal.problem
    draw(work, live, 1, 1)
    assert work.journal.problem == ""
    assert len(read_journal(work.journal.path).undo_and_redo[0]) == 2


# What can be told


def test_the_human_share_and_the_replay(tmp_path: Path) -> None:
    work, live = begin(tmp_path)
    draft = live.copy()
    draft[1:3, 2:4, 2:5] = 1
    work.apply_edit(live, edit_between(live, draft), "draft", "draft of starter-1", 1)
    draw(work, live, 1, 2)
    draw(work, live, 2, 3, value=0)

    again = draft.copy()
    mask, strokes = work.history.recorded_mask, work.history.undo_stack.undoable_strokes
    edit_since_draft(mask, strokes).apply_to(again)
    np.testing.assert_array_equal(again, live)
    correction = correction_since_draft(mask, strokes)
    assert (correction.added, correction.removed) == (1, 3)
    assert work.journal.path is not None
    journal = read_journal(work.journal.path)
    steps = replay_entries(journal.base_mask(), journal.entries, journal.kept, journal.ahead)
    shown = [mask.copy() for _, _, mask in steps]
    assert len(shown) == 3
    np.testing.assert_array_equal(shown[0], draft)
    np.testing.assert_array_equal(shown[-1], live)

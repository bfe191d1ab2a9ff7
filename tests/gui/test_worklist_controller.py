"""The worklist on the real controller, a real project and a network that answers by script; no window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QDockWidget

from attunet_gui.app.dataset_exporting import ExportRequest
from attunet_gui.core.edit_stroke import DRAFT_TOOL
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.provenance import ModelId
from attunet_gui.export import export_format_named
from attunet_gui.gui.dialogs import case_dialogs, worklist_dialogs
from attunet_gui.gui.worklist.worklist_controller import WorklistController
from attunet_gui.gui.worklist.worklist_panel import WorklistPanel
from attunet_gui.gui.worklist.worklist_presenter import WorklistPresenter
from attunet_gui.gui.worklist.worklist_view_state import CaseCommand, ProjectCommand, case_commands_for
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.project import case_commands
from attunet_gui.project.case_commands import set_note, set_settings
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.mask_files import read_mask_without_ct
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import open_project
from tests.support.headless_window import headless_window_in
from tests.support.headless_worklist import HeadlessWorklist, headless_worklist_in
from tests.support.project_cases import Ball, ball, drafted_project, new_project, write_ct


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was asked before a case was accepted; the answer is yes."""
    found: list[tuple[str, str]] = []

    def answer(_parent: object, _name: str, left: str, unseen: str) -> bool:
        found.append((left, unseen))
        return True

    monkeypatch.setattr(worklist_dialogs, "ask_accept", answer)
    return found


@pytest.fixture
def room(qt: QApplication, tmp_path: Path) -> Iterator[HeadlessWorklist]:
    made = headless_worklist_in(tmp_path, drafted_project(tmp_path))
    yield made
    made.world.controller.end_background_work()
    made.world.controller.session.close_session()
    made.outside.close()


def test_a_case_opens_with_its_draft_under_its_pseudonym(room: HeadlessWorklist) -> None:
    room.open("case-0002")
    np.testing.assert_array_equal(room.world.mask, ball())
    controller = room.world.controller
    assert not controller.session.mask.edited
    assert controller.session.mask.saved_to is None
    assert controller.session.inference.placed_model is not None
    assert controller.session.inference.placed_model.name == "ball"
    assert room.status("case-0002") == CaseStatus.IN_PROGRESS
    assert controller.preferences.recent_paths == [], "a file name may be the patient's"


def test_the_network_looks_at_a_drafted_case_and_leaves_its_mask_alone(room: HeadlessWorklist) -> None:
    room.open("case-0002")
    controller, network = room.world.controller, room.world.network
    room.world.until(lambda: controller.review.is_searched and 6 in controller.review.review_state.seen)
    assert controller.session.inference.is_mapping_evidence
    assert controller.view_state.step.command != "cancel", "nobody need wait for it"
    room.world.paint(6, 5, 5)
    before = room.world.mask.copy()
    network.answer(len(network.requests), np.zeros_like(before))
    room.world.until(
        lambda: controller.session.inference.draft is not None and controller.session.inference.overlays
    )
    np.testing.assert_array_equal(room.world.mask, before)
    assert controller.session.inference.draft is not None
    np.testing.assert_array_equal(controller.session.inference.draft.mask, ball())
    assert not controller.session.inference.is_mapping_evidence
    assert 6 in controller.review.review_state.seen
    assert controller.session.inference.placed_model is not None
    assert controller.session.inference.placed_model.name == "ball", (
        "the mask came from the draft of the project"
    )
    room.world.until(lambda: controller.review.is_searched)


def test_saving_writes_into_the_project_and_says_how_far_it_is(room: HeadlessWorklist) -> None:
    room.open("case-0001")
    room.world.controller.layers.slice_view.go_to_slice(5)
    room.world.until(
        lambda: (
            room.world.controller.review.is_searched and 5 in room.world.controller.review.review_state.seen
        )
    )
    room.world.paint(5, 5, 5)
    painted = room.world.mask.copy()
    room.world.controller.saving.save()
    room.world.until(lambda: "in progress" in room.world.said)
    saved = room.outside.saved_mask(room.row("case-0001"))
    assert saved is not None
    np.testing.assert_array_equal(read_mask_without_ct(saved.mask).hu, painted)
    assert saved.annotator == "anna"
    assert saved.model == ModelId("ball", "ab" * 32)
    assert saved.edits_by_tool == {"brush": 1}
    assert saved.verified is not None
    assert 5 in saved.verified
    assert 0 not in saved.verified
    assert not list((room.outside.folder.parent / "ct").glob("*pancreas*"))
    assert not room.world.controller.edits.work.has_unsaved_strokes  # type: ignore[union-attr]


def test_accepting_saves_records_and_opens_the_next_that_was_read_ahead(room: HeadlessWorklist) -> None:
    room.worklist.cases.set_next_case_strategy("file")
    room.open("case-0001")
    room.world.until(lambda: room.worklist.cases._prefetcher.prefetched_name == "case-0002")
    room.worklist.accept_case()
    room.world.until(lambda: room.on_screen == "case-0002")
    assert room.status("case-0001") == CaseStatus.ACCEPTED
    assert room.worklist.current_facts.choice == "case-0002: the next in the list"
    told = [line.words for line in room.outside.case_history(room.row("case-0001"))]
    assert told[-1] == "accepted"
    assert "named as the next case" in " ".join(
        line.words for line in room.outside.case_history(room.row("case-0002"))
    )
    room.worklist.accept_case()
    room.world.until(lambda: room.on_screen == "case-0003")
    room.worklist.accept_case()
    room.world.until(lambda: "Nothing waits" in room.world.said)
    assert room.status("case-0003") == CaseStatus.ACCEPTED
    assert room.world.controller.view_state.step.command == "next_case"


def test_what_nobody_looked_at_stays_unverified_even_if_accepted(room: HeadlessWorklist) -> None:
    room.open("case-0001")
    room.world.until(lambda: room.world.controller.review.review_state.seen)
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)
    saved = room.outside.saved_mask(room.row("case-0001"))
    assert saved is not None
    assert saved.verified == frozenset({6})


def looked_through(room: HeadlessWorklist) -> None:
    """Close every place and go to every slice with mask."""
    guide = room.world.controller.review
    room.world.until(lambda: guide.is_searched)
    while guide.open_places:
        guide.next_place()
        guide.accept_place()
    while guide.unseen_slices:
        left = guide.unseen_slices
        guide.next_unseen()
        room.world.until(lambda left=left: guide.unseen_slices != left)


def test_accepting_what_was_not_looked_at_asks_once_with_the_numbers(
    room: HeadlessWorklist, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    room.open("case-0001")
    guide = room.world.controller.review
    room.world.until(lambda: guide.is_searched and guide.review_state.seen)
    slices, with_mask = ball().shape[0], int(ball().any(axis=(1, 2)).sum())
    assert len(guide.unseen_slices) == with_mask - 1
    assert len(guide.open_places) == 1
    monkeypatch.setattr(worklist_dialogs, "ask_accept", lambda *_: False)
    room.worklist.accept_case()
    room.settle()
    assert room.status("case-0001") == CaseStatus.IN_PROGRESS
    assert room.world.said == "case-0001 was not accepted."
    assert room.outside.saved_mask(room.row("case-0001")) is None
    monkeypatch.undo()
    monkeypatch.setattr(
        worklist_dialogs, "ask_accept", lambda _p, _n, left, unseen: asked.append((left, unseen)) or True
    )
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)
    assert asked == [
        (
            f"{with_mask - 1} slices with mask not looked at, 1 place to check open.",
            f"{slices - 1} of {slices} slices were not on screen.",
        )
    ]


def test_a_case_that_was_looked_through_is_accepted_without_a_question(
    room: HeadlessWorklist, asked: list[tuple[str, str]]
) -> None:
    room.open("case-0001")
    looked_through(room)
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)
    assert asked == []
    saved = room.outside.saved_mask(room.row("case-0001"))
    assert saved is not None
    with_mask = frozenset(np.flatnonzero(ball().any(axis=(1, 2))).tolist())
    assert saved.verified is not None, "slices without mask were not on screen"
    assert with_mask <= saved.verified
    assert len(saved.verified) < len(ball())


def test_an_empty_mask_is_not_accepted_unseen(room: HeadlessWorklist, asked: list[tuple[str, str]]) -> None:
    room.open("case-0001")
    room.world.until(lambda: room.world.controller.review.is_searched)
    empty = edit_between(room.world.mask, np.zeros_like(room.world.mask))
    room.world.controller.edits.apply_edit(empty, "clear", "clear")
    room.world.until(lambda: not room.world.controller.review.has_mask)
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)
    assert asked[0][0] == "There is no mask in it."


def test_another_account_sees_what_was_verified_and_closed_and_changes_no_status(
    room: HeadlessWorklist, tmp_path: Path
) -> None:
    room.open("case-0001")
    room.world.paint(5, 5, 5)
    for z in (4, 6):
        room.world.controller.layers.slice_view.go_to_slice(z)
        room.world.verify()
    looked_through(room)
    assert room.world.controller.edits.work is not None
    room.world.controller.edits.work.accept_finding("island-@1.2.3")
    closed = room.world.controller.edits.work.accepted_keys
    seen = room.world.controller.review.review_state.seen
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)

    other = headless_worklist_in(tmp_path / "other", room.outside, who="bert")
    other.open("case-0001")
    work, guide = other.world.controller.edits.work, other.world.controller.review
    assert work is not None
    assert work.decisions.verified_slices == guide.review_state.verified == {4, 6}
    assert work.accepted_keys == closed
    assert set(guide.review_state.closed) == closed
    assert not other.world.controller.session.mask.edited
    other.world.controller.saving.save()
    other.world.until(lambda: "read back" in other.world.said and not other.worklist.current_facts.busy)
    assert other.status("case-0001") == CaseStatus.ACCEPTED
    row = other.row("case-0001")
    saved = other.outside.saved_mask(row)
    assert saved is not None
    assert (row.annotator, saved.annotator, saved.edits_by_tool) == ("anna", "anna", {"brush": 1})
    assert saved.declared == {4, 6}
    assert saved.verified is not None
    assert saved.verified >= seen | {4, 6}
    # What she verifies more, the first finds there when she comes back, and what was taken back as well.
    verify = other.world.verify
    for z in (4, 7):
        other.world.controller.layers.slice_view.go_to_slice(z)
        verify()
    other.world.controller.saving.save()
    other.world.until(lambda: other.outside.saved_mask(row).declared == {6, 7})  # type: ignore[union-attr]
    other.settle()
    room.open("case-0002")
    room.open("case-0001")
    assert room.world.controller.edits.work is not None
    assert room.world.controller.edits.work.decisions.verified_slices == {6, 7}
    assert room.world.controller.edits.work.history.undo_stack.undo_text.startswith("brush"), (
        "with her own undo"
    )
    # But a change of the mask is one of the status as well.
    other.world.controller.layers.slice_view.go_to_slice(4)
    verify()
    other.world.paint(4, 5, 5)
    other.world.controller.saving.save()
    other.world.until(lambda: other.status("case-0001") == CaseStatus.IN_PROGRESS)
    saved = other.outside.saved_mask(other.row("case-0001"))
    assert saved is not None
    assert (saved.annotator, saved.declared) == ("bert", {6, 7})
    other.world.controller.end_background_work()
    other.world.controller.session.close_session()


def test_another_account_is_not_told_the_opposite_of_what_was_corrected(
    room: HeadlessWorklist, tmp_path: Path
) -> None:
    room.open("case-0001")
    room.world.paint(6, 20, 24, 0)
    erased = ball()[6] != room.world.mask[6]
    assert erased.any()
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)
    other = headless_worklist_in(tmp_path / "other", room.outside, who="bert")
    other.open("case-0001")
    guide, network = other.world.controller.review, other.world.network
    other.world.until(lambda: guide.is_searched)
    network.answer(len(network.requests), ball())
    other.world.until(lambda: guide.search.result is not None and guide.search.result.resampled.erased.any())
    assert guide.search.result is not None
    assert set(np.flatnonzero(guide.search.result.resampled.erased.any(axis=(1, 2)))) == {6}
    np.testing.assert_array_equal(guide.search.decisions_in((5, 6)).strokes[6], erased)
    assert 5 not in guide.search.decisions_in((5, 6)).strokes
    other.world.controller.end_background_work()
    other.world.controller.session.close_session()


def test_unsaved_strokes_come_back_without_a_question(
    room: HeadlessWorklist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_dialogs, "ask_unsaved", lambda *_: "keep")
    room.open("case-0001")
    room.world.paint(5, 5, 5)
    painted = room.world.mask.copy()
    room.worklist.open_case(room.row("case-0002"))
    room.settle()
    assert room.on_screen == "case-0001", "she kept on editing"
    # The window is killed, and started again.
    room.world.controller.edits.end_session()
    again = headless_window_in(tmp_path)
    again.controller.dialogs.set_annotator("anna")
    asked: list[str] = []
    monkeypatch.setattr(
        case_dialogs, "ask_recovery", lambda _p, left: asked.append(left.identity.name) or "bring back"
    )
    again.controller.recovery.offer_recovery()
    assert asked == [], "a case of a project is not opened outside of it"
    again.controller.worklist.projects.open_last_project()
    again.until(lambda: again.controller.session.case is not None)
    assert asked == ["case-0001"]
    assert again.controller.worklist.project_case is not None
    np.testing.assert_array_equal(again.mask, painted)
    again.controller.end_background_work()
    again.controller.session.close_session()


def test_a_second_reader_meets_nothing_of_the_first(room: HeadlessWorklist, tmp_path: Path) -> None:
    room.open("case-0001")
    room.world.paint(5, 5, 5)
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)
    room.worklist.decisions.ask_second_reads(1.0, "")
    room.world.until(lambda: "To be drawn again" in room.world.said)
    second = headless_worklist_in(tmp_path, room.outside, who="bert")
    second.worklist.next_case()
    second.world.until(lambda: second.on_screen == "case-0001")
    assert not second.world.mask.any()
    second.world.controller.drafting.run_or_cancel()
    assert second.world.network.requests == []
    assert "without a draft" in second.world.said
    assert not second.world.controller.view_state.mode.may_run
    second.world.paint(6, 20, 24)
    second.worklist.accept_case()
    second.world.until(lambda: second.status("case-0001") == CaseStatus.ACCEPTED)
    read = second.outside.second_saved_mask(second.row("case-0001"))
    assert read is not None
    assert (read.annotator, read.edits_by_tool) == ("bert", {"brush": 1})
    second.world.controller.end_background_work()
    second.world.controller.session.close_session()


def test_who_leaves_a_seeded_error_in_is_told_and_does_the_case_again(room: HeadlessWorklist) -> None:
    set_settings(room.outside, ProjectSettings(seeded_errors=1.0), actor="anna")
    room.open("case-0001")
    assert not np.array_equal(room.world.mask, ball())
    assert "error" not in room.world.said
    room.worklist.accept_case()
    room.world.until(lambda: "known error" in room.world.said or np.array_equal(room.world.mask, ball()))
    room.world.until(lambda: np.array_equal(room.world.mask, ball()))
    assert room.on_screen == "case-0001"
    assert room.status("case-0001") == CaseStatus.IN_PROGRESS


def test_a_mask_that_cannot_be_recorded_is_no_lost_mask(
    room: HeadlessWorklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.open("case-0001")
    room.world.paint(5, 5, 5)

    def refuse(*_: object, **_named: object) -> None:
        raise asking_error()

    monkeypatch.setattr(case_commands, "record_saved_mask", refuse)
    room.worklist.accept_case()
    room.world.until(lambda: "not recorded" in room.world.said)
    assert room.world.controller.session.mask.edited
    assert room.on_screen == "case-0001"
    assert room.world.controller.edits.work.has_unsaved_strokes  # type: ignore[union-attr]


def asking_error() -> Exception:
    from attunet_gui.system.errors import ProjectError

    return ProjectError("The database is locked.")


def test_notes_rejections_and_assignments_are_in_the_list_and_in_the_history(room: HeadlessWorklist) -> None:
    rows = [room.row(name) for name in ("case-0001", "case-0002", "case-0003")]
    room.worklist.decisions.assign_cases(rows[:2], "bert")
    room.worklist.decisions.set_note(rows[0], "thin slices")
    room.worklist.decisions.reject_case(rows[2], "not the abdomen")
    room.world.until(lambda: room.status("case-0003") == CaseStatus.REJECTED)
    assert (room.row("case-0001").assignee, room.row("case-0001").note) == ("bert", "thin slices")
    told: list[str] = []
    room.worklist.decisions.request_history(
        rows[2], lambda _row, lines: told.extend(line.words for line in lines)
    )
    room.world.until(lambda: told)
    assert told[-1] == "rejected: not the abdomen"
    room.worklist.decisions.reopen_case(rows[2])
    room.world.until(lambda: room.status("case-0003") == CaseStatus.DRAFTED)
    room.worklist.decisions.reject_case(rows[0], " ")
    room.world.until(lambda: "Say why" in room.world.said)
    assert room.world.controller.session.message.problem


def test_a_command_is_recorded_for_who_gave_it_although_another_name_is_set_before_it_runs(
    room: HeadlessWorklist,
) -> None:
    hold = Event()
    row, other = room.row("case-0001"), room.row("case-0002")
    room.worklist._background.submit(lambda: hold.wait(30), lambda _done: None)
    room.worklist.decisions.set_note(row, "by anna")
    room.worklist.decisions.reject_case(other, "by anna")
    room.world.controller.dialogs.set_annotator("bert")
    room.worklist.decisions.assign_cases([row], "by bert")
    hold.set()
    room.world.until(lambda: room.row("case-0001").assignee == "by bert")
    events = room.outside.case_events(row)
    assert [(event.payload.kind, event.who) for event in events[-2:]] == [
        ("noted", "anna"),
        ("assigned", "bert"),
    ]
    assert room.outside.case_events(other)[-1].who == "anna"


def test_the_list_is_filtered_searched_and_ordered_by_the_database(room: HeadlessWorklist) -> None:
    set_note(room.outside, room.row("case-0002"), "fatty", actor="anna")
    cases = room.worklist.case_list
    for query, names in (
        (CaseQuery(text="fatty"), ["case-0002"]),
        (CaseQuery(status=frozenset({CaseStatus.ACCEPTED})), []),
        (CaseQuery(order="file", descending=True), ["case-0003", "case-0002", "case-0001"]),
    ):
        room.worklist.projects.show_query(query)
        room.world.until(
            lambda query=query: room.worklist.current_facts.found == room.outside.count_cases(query)
        )
        room.world.until(
            lambda names=names: cases.rowCount() == len(names) and (not names or cases.row_at(0))
        )
        shown = [cases.row_at(line) for line in range(cases.rowCount())]
        assert [row.name for row in shown if row] == names


class _BallToTheEnd(Ball):
    def close(self) -> None:
        """Nothing to let go of."""


class _Named:
    name, title, sha256 = "ball", "Ball", "ab" * 32


def test_the_list_is_imported_and_drafted_beside_the_window(qt: QApplication, tmp_path: Path) -> None:
    project = new_project(tmp_path, cases=0)
    for number in range(4):
        write_ct(tmp_path / "more" / f"ct{number}.nii.gz", 10 + number)
    world = headless_window_in(tmp_path)
    worklist = world.controller.worklist
    worklist.jobs.make_drafter = lambda _bundle: _BallToTheEnd()
    world.controller.session.models.chosen = ModelBundle(Path("somewhere"), _Named())  # type: ignore[arg-type]
    worklist.projects.show_project(project.folder)
    world.until(lambda: worklist.project is not None)
    worklist.jobs.import_folder(tmp_path / "more", copy=False)
    assert worklist.current_facts.jobs
    world.until(lambda: worklist.case_list.rowCount() == 4)
    assert "4 cases added" in world.said
    worklist.jobs.draft_list()
    world.until(lambda: "4 cases drafted" in world.said)
    world.until(lambda: worklist.current_facts.counts[CaseStatus.DRAFTED] == 4)
    world.controller.end_background_work()
    world.controller.session.close_session()
    project.close()


def test_drafting_stops_when_asked_and_never_touches_the_open_case(qt: QApplication, tmp_path: Path) -> None:
    project = new_project(tmp_path, cases=3)
    room = headless_worklist_in(tmp_path, project)
    room.worklist.jobs.make_drafter = lambda _bundle: _Stopping(room.worklist)
    room.open("case-0001")
    room.world.paint(5, 5, 5)
    before = room.world.mask.copy()
    room.worklist.jobs.draft_list()
    room.world.until(lambda: not room.worklist.current_facts.jobs)
    assert "was stopped" in room.world.said
    np.testing.assert_array_equal(room.world.mask, before)
    assert room.status("case-0001") == CaseStatus.IN_PROGRESS
    assert room.outside.draft_mask_path(room.row("case-0001")) is None
    assert [room.status(name) for name in ("case-0002", "case-0003")] == [CaseStatus.DRAFTED, CaseStatus.NEW]
    work = room.world.controller.edits.work
    assert work is not None
    assert all(stroke.tool != DRAFT_TOOL for stroke in work.history.undo_stack.undoable_strokes)
    room.world.controller.end_background_work()
    room.world.controller.session.close_session()
    project.close()


class _Stopping(_BallToTheEnd):
    """Is told to stop while it drafts the first case."""

    def __init__(self, worklist: WorklistController) -> None:
        super().__init__(lambda _number: self._stop(worklist.background_jobs._running))

    def _stop(self, running: dict[str, Any]) -> None:
        # The thread may be here before the window has noted that the job runs.
        while "draft" not in running:
            sleep(0.001)
        running["draft"].stop.set()


def test_accepted_cases_are_exported_without_names(room: HeadlessWorklist, tmp_path: Path) -> None:
    room.open("case-0001")
    room.world.until(lambda: room.world.controller.review.review_state.seen)
    room.worklist.accept_case()
    room.world.until(lambda: room.status("case-0001") == CaseStatus.ACCEPTED)
    project = room.worklist.project
    assert project is not None
    form = export_format_named("nnunet")
    room.worklist.jobs.export_list(ExportRequest(project, tmp_path / "out", form))
    room.world.until(
        lambda: (tmp_path / "out" / "dataset.json").exists() and not room.worklist.current_facts.jobs
    )
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["numTraining"] == 1
    assert "ct0" not in "".join(str(path) for path in (tmp_path / "out").rglob("*"))
    room.worklist.jobs.export_list(
        ExportRequest(project, tmp_path / "none", form, frozenset({CaseStatus.REJECTED}))
    )
    room.world.until(lambda: "nothing to export" in room.world.said)


def test_closing_the_project_leaves_the_case_on_screen(room: HeadlessWorklist) -> None:
    room.open("case-0001")
    room.worklist.close_project()
    room.world.until(lambda: "closed" in room.world.said)
    assert room.on_screen == "case-0001"
    assert room.worklist.project_case is None
    assert room.world.controller.preferences.last_project is None
    assert room.worklist.case_list.rowCount() == 0


@pytest.mark.parametrize("made", [True, False])
def test_a_project_is_made_only_if_the_person_says_so(
    qt: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    world = headless_window_in(tmp_path)
    (tmp_path / "new").mkdir()
    monkeypatch.setattr(worklist_dialogs, "choose_project", lambda *_: tmp_path / "new")
    monkeypatch.setattr(worklist_dialogs, "ask_make", lambda *_: made)
    world.controller.worklist.open_project()
    for _ in range(50):
        world.live()
    if made:
        world.until(lambda: world.controller.worklist.project is not None)
        assert world.controller.view_state.step.command == "next_case"
    assert (world.controller.worklist.project is not None) is made
    world.controller.end_background_work()
    world.controller.session.close_session()
    if made:
        open_project(tmp_path / "new").close()


def worklist_panel(room: HeadlessWorklist) -> tuple[WorklistPanel, QDockWidget]:
    worklist = room.world.controller.worklist
    panel, dock = WorklistPanel(worklist.case_list), QDockWidget()
    WorklistPresenter(worklist, panel, dock, panel)
    return panel, dock


def test_commands_of_a_case_ask_for_a_text_and_record_it(
    room: HeadlessWorklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, _dock = worklist_panel(room)
    titles: list[str] = []
    monkeypatch.setattr(
        worklist_dialogs, "ask_text", lambda _p, title, *_: titles.append(title) or f"text {len(titles)}"
    )
    shown: list[str] = []
    monkeypatch.setattr(worklist_dialogs, "show_history", lambda _p, name, _lines: shown.append(name))
    for command in (CaseCommand.ASSIGN, CaseCommand.NOTE, CaseCommand.REJECT):
        panel.case_command_asked.emit(command, room.row("case-0002"))
    room.world.until(lambda: room.status("case-0002") == CaseStatus.REJECTED)
    row = room.row("case-0002")
    assert titles == ["Assign case-0002", "Note of case-0002", "Reject case-0002"]
    assert (row.assignee, row.note, row.reason) == ("text 1", "text 2", "text 3")
    panel.case_command_asked.emit(CaseCommand.REOPEN, row)
    room.world.until(lambda: room.status("case-0002") != CaseStatus.REJECTED)
    panel.case_command_asked.emit(CaseCommand.SHOW_HISTORY, row)
    room.world.until(lambda: shown)
    assert shown == ["case-0002"]


def test_every_command_of_the_project_menu_does_its_own(
    room: HeadlessWorklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = room.world.controller
    done: list[str] = []
    monkeypatch.setattr(controller.worklist, "open_project", lambda: done.append("open"))
    monkeypatch.setattr(controller.worklist, "close_project", lambda: done.append("close"))
    monkeypatch.setattr(controller.worklist.jobs, "draft_list", lambda: done.append("draft"))
    monkeypatch.setattr(
        controller.worklist.jobs, "import_folder", lambda _folder, copy: done.append(f"import, {copy=}")
    )
    monkeypatch.setattr(case_dialogs, "choose_folder", lambda *_: Path("there"))
    monkeypatch.setattr(worklist_dialogs, "ask_export", lambda *_: done.append("export"))
    monkeypatch.setattr(worklist_dialogs, "ask_second_reads", lambda *_: done.append("second reads"))
    monkeypatch.setattr(worklist_dialogs, "ask_checks", lambda *_: done.append("checks"))
    panel, _dock = worklist_panel(room)
    for number, command in enumerate(ProjectCommand, 1):
        panel.project_command_asked.emit(command)
        room.world.until(lambda number=number: len(done) == number)
    assert done == [
        "import, copy=False",
        "import, copy=True",
        "draft",
        "export",
        "second reads",
        "checks",
        "open",
        "close",
    ]


def test_only_commands_that_fit_the_marked_case_are_enabled(room: HeadlessWorklist) -> None:
    row = room.row("case-0002")
    everything = frozenset(CaseCommand)
    assert case_commands_for(None, busy=False) == frozenset()
    assert case_commands_for(row, busy=False) == everything - {CaseCommand.REOPEN}
    assert case_commands_for(row, busy=True) == everything - {CaseCommand.REOPEN, CaseCommand.OPEN}
    rejected = replace(row, status=CaseStatus.REJECTED)
    assert case_commands_for(rejected, busy=False) == everything - {CaseCommand.REJECT}
    for status in (CaseStatus.ACCEPTED, CaseStatus.REVIEWED):
        assert case_commands_for(replace(row, status=status), busy=False) == everything

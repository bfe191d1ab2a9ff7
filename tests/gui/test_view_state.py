"""Every state of the window, without a window."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attunet_gui.app.status_message import FileTask, StatusMessage
from attunet_gui.gui.draft_consent import (
    KEEP_MASK,
    NOT_ASKED,
    REPLACE_DECISIONS,
    REPLACE_MASK,
    draft_placement,
)
from attunet_gui.gui.view_state import (
    ReviewStatus,
    WindowFacts,
    WindowMode,
    WorklistStatus,
    decide_view,
    time_left_text,
)
from attunet_gui.workers.inference_messages import JobStatus

EMPTY = WindowFacts(model="A model")
OPEN = replace(EMPTY, case="c1", volume_ml=0.0)
RUNNING = replace(OPEN, job=JobStatus("running", 1, 12, 96, "slices", 33.0))
DRAFTED = replace(OPEN, drafted=True, volume_ml=71.3)
EDITED = replace(DRAFTED, review=ReviewStatus(checked=True), edited=True)
LISTED = replace(DRAFTED, listing=WorklistStatus(True, "in progress"))
SAVED = replace(DRAFTED, review=ReviewStatus(checked=True), saved_to="c1_pancreas.nii.gz")


@pytest.mark.parametrize(
    ("facts", "button", "command"),
    [
        (EMPTY, "Open a CT…", "open"),
        (replace(EMPTY, file_job=FileTask("reading", "x.nii")), "Stop opening", "stop_reading"),
        (OPEN, "Draft the pancreas", "run"),
        (replace(OPEN, model=""), "Choose a model folder…", "choose_model"),
        (replace(OPEN, job=JobStatus("loading", 1)), "Cancel the run", "cancel"),
        (RUNNING, "Cancel the run", "cancel"),
        (DRAFTED, "Check the draft", "check"),
        (replace(DRAFTED, volume_ml=0.0), "Draw it by hand", "check"),
        (replace(DRAFTED, review=ReviewStatus(checked=True)), "Save the mask", "save"),
        (EDITED, "Save the mask", "save"),
        (replace(EDITED, file_job=FileTask("saving", "m.nii.gz")), "Saving…", "nothing"),
        (SAVED, "Open the next CT…", "open"),
        (replace(SAVED, edited=True), "Save the mask", "save"),
        (
            replace(OPEN, message=StatusMessage("The process ended.", problem=True)),
            "Draft the pancreas",
            "run",
        ),
        (replace(EMPTY, listing=WorklistStatus(is_open=True)), "Open the next case", "next_case"),
        (LISTED, "Check the mask", "check"),
        (replace(LISTED, review=ReviewStatus(places=2)), "Go to the next place", "next_place"),
        (replace(LISTED, review=ReviewStatus(places=0, unseen=3)), "Look at what is unseen", "next_unseen"),
        (replace(LISTED, review=ReviewStatus(places=0)), "Accept, open the next", "accept"),
        (
            replace(LISTED, saved_to="m.nii.gz", review=ReviewStatus(places=0)),
            "Accept, open the next",
            "accept",
        ),
        (
            replace(LISTED, looking=True, job=RUNNING.job, review=ReviewStatus(checked=True)),
            "Accept, open the next",
            "accept",
        ),
        (replace(LISTED, listing=WorklistStatus(True, "accepted")), "Open the next case", "next_case"),
        (replace(LISTED, listing=WorklistStatus(True, "accepted"), edited=True), "Check the mask", "check"),
        (replace(OPEN, listing=WorklistStatus(True, "in progress", True)), "Draw it by hand", "check"),
        (replace(OPEN, listing=WorklistStatus(True, "in progress")), "Draft the pancreas", "run"),
    ],
)
def test_every_state_says_what_to_do_next(facts: WindowFacts, button: str, command: str) -> None:
    step = decide_view(facts).step
    assert (step.button, step.command) == (button, command)
    assert step.hint.endswith(".")


def test_only_an_empty_draft_is_said_to_have_found_nothing() -> None:
    empty = replace(DRAFTED, volume_ml=0.0)
    assert decide_view(replace(empty, nothing_found=True)).step.hint.startswith(
        "The network found no pancreas here."
    )
    for told in (
        empty,
        replace(DRAFTED, volume_ml=None),
        replace(DRAFTED, volume_ml=None, nothing_found=True),
    ):
        assert "found no pancreas" not in decide_view(told).step.hint


def test_a_running_job_shows_how_far_it_is_and_can_be_cancelled() -> None:
    view = decide_view(RUNNING)
    assert view.mode.may_cancel
    assert view.mode.may_run
    assert view.run_button == "Cancel the run"
    assert view.bar is not None
    assert (view.bar.done, view.bar.total) == (12, 96)
    assert view.bar.text == "Slice 12 of 96, about 35 s left"


def test_learning_is_told_from_drafting() -> None:
    view = decide_view(replace(OPEN, job=JobStatus("running", 1, 12, 24, "learning", 5.0)))
    assert view.bar is not None
    assert view.bar.text.startswith("Step 12 of 24")
    assert "learns from your corrections" in view.step.hint


@pytest.mark.parametrize(
    ("review", "command"),
    [
        (ReviewStatus(places=3, unseen=9), "next_place"),
        (ReviewStatus(places=0, unseen=9), "next_unseen"),
        (ReviewStatus(places=0, unseen=0), "save"),
        (ReviewStatus(places=None), "check"),
    ],
)
def test_a_draft_is_reviewed_place_by_place_then_slice_by_slice(review: ReviewStatus, command: str) -> None:
    assert decide_view(replace(DRAFTED, review=review)).step.command == command


def test_edits_do_not_end_the_review() -> None:
    assert decide_view(replace(EDITED, review=ReviewStatus(places=2))).step.command == "next_place"
    assert decide_view(replace(SAVED, review=ReviewStatus(places=2))).step.command == "open"


def test_painting_and_saving_are_possible_while_the_network_runs() -> None:
    view = decide_view(RUNNING)
    assert view.mode.may_edit
    assert view.mode.may_save


def test_nothing_can_be_run_or_saved_without_a_case() -> None:
    view = decide_view(EMPTY)
    assert not view.mode.may_run
    assert not view.mode.may_save
    assert not view.mode.may_edit
    assert view.canvas_hint


def test_without_a_model_the_tools_still_work() -> None:
    view = decide_view(replace(OPEN, model=""))
    assert not view.mode.may_run
    assert view.mode.may_edit


def test_unsaved_corrections_are_marked() -> None:
    assert decide_view(EDITED).unsaved
    assert not decide_view(SAVED).unsaved
    assert "c1_pancreas" in decide_view(SAVED).save_hint


@pytest.mark.parametrize(
    ("ml", "words"), [(None, "counting…"), (0.0, "No mask yet"), (71.26, "Pancreas 71.3 ml")]
)
def test_the_volume_is_said_in_ml(ml: float | None, words: str) -> None:
    assert decide_view(replace(OPEN, volume_ml=ml)).volume == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "a few seconds left"),
        (33, "about 35 s left"),
        (89, "about 90 s left"),
        (200, "about 3 min left"),
    ],
)
def test_time_left_is_rounded_as_people_say_it(seconds: float, words: str) -> None:
    assert time_left_text(seconds) == words


@pytest.mark.parametrize(
    ("edited", "agreed", "painted", "place"),
    [
        (False, True, False, "replace"),
        (True, True, False, "replace"),
        (True, False, False, "beside"),
        (False, True, True, "beside"),
        (True, True, True, "beside"),
    ],
)
def test_a_draft_never_replaces_strokes_nobody_gave_up(
    edited: bool, agreed: bool, painted: bool, place: str
) -> None:
    assert draft_placement(edited, agreed, painted) == place


def test_notes_on_the_ct_are_shown_whatever_the_message_is() -> None:
    noted = replace(OPEN, notes="The qform was used.")
    assert decide_view(noted).notes == "The qform was used."
    assert (
        decide_view(replace(noted, message=StatusMessage("The draft is ready."))).notes
        == "The qform was used."
    )


@pytest.mark.parametrize(
    ("facts", "mode"),
    [
        (EMPTY, WindowMode("no case")),
        (OPEN, WindowMode("editing", may_edit=True, may_draft=True, may_save=True)),
        (replace(OPEN, model=""), WindowMode("editing", may_edit=True, may_save=True)),
        (RUNNING, WindowMode("drafting", may_edit=True, may_draft=True, may_cancel=True, may_save=True)),
        (
            replace(OPEN, listing=WorklistStatus(True, "new", blind=True)),
            WindowMode("blind second read", may_edit=True, may_save=True),
        ),
        (
            replace(OPEN, file_job=FileTask("saving", "ct.nii.gz")),
            WindowMode("saving", may_edit=True, may_draft=True),
        ),
        (replace(EMPTY, file_job=FileTask("reading", "ct.nii.gz")), WindowMode("opening")),
    ],
)
def test_a_mode_has_a_name_and_says_what_may_be_done(facts: WindowFacts, mode: WindowMode) -> None:
    assert decide_view(facts).mode == mode


def test_a_stroke_takes_back_what_was_agreed_to_for_a_draft() -> None:
    assert [NOT_ASKED.placement(edited) for edited in (False, True)] == ["replace", "beside"]
    assert KEEP_MASK.placement(True) == "beside"
    for consent in (REPLACE_MASK, REPLACE_DECISIONS):
        assert consent.placement(True) == "replace"
        assert consent.after_stroke().placement(True) == "beside"
        assert consent.after_stroke().name == consent.name

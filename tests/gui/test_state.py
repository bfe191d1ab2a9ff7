"""Every state of the window, without a window."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attunet_gui.gui.state import Facts, Listing, Review, decide, on_arrival, time_left
from attunet_gui.jobs.messages import JobStatus
from attunet_gui.session import FileJob, Message

EMPTY = Facts(model="A model")
OPEN = replace(EMPTY, case="c1", volume_ml=0.0)
RUNNING = replace(OPEN, job=JobStatus("running", 1, 12, 96, "slices", 33.0))
DRAFTED = replace(OPEN, drafted=True, volume_ml=71.3)
EDITED = replace(DRAFTED, review=Review(checked=True), edited=True)
LISTED = replace(DRAFTED, listing=Listing(True, "in progress"))
SAVED = replace(DRAFTED, review=Review(checked=True), saved_to="c1_pancreas.nii.gz")


@pytest.mark.parametrize(
    ("facts", "button", "command"),
    [
        (EMPTY, "Open a CT…", "open"),
        (replace(EMPTY, file_job=FileJob("reading", "x.nii")), "Stop opening", "stop_reading"),
        (OPEN, "Draft the pancreas", "run"),
        (replace(OPEN, model=""), "Choose a model folder…", "choose_model"),
        (replace(OPEN, job=JobStatus("loading", 1)), "Cancel the run", "cancel"),
        (RUNNING, "Cancel the run", "cancel"),
        (DRAFTED, "Check the draft", "check"),
        (replace(DRAFTED, volume_ml=0.0), "Draw it by hand", "check"),
        (replace(DRAFTED, review=Review(checked=True)), "Save the mask", "save"),
        (EDITED, "Save the mask", "save"),
        (replace(EDITED, file_job=FileJob("saving", "m.nii.gz")), "Saving…", "nothing"),
        (SAVED, "Open the next CT…", "open"),
        (replace(SAVED, edited=True), "Save the mask", "save"),
        (replace(OPEN, message=Message("The process ended.", problem=True)), "Draft the pancreas", "run"),
        (replace(EMPTY, listing=Listing(is_open=True)), "Open the next case", "next_case"),
        (LISTED, "Check the mask", "check"),
        (replace(LISTED, review=Review(places=2)), "Go to the next place", "next_place"),
        (replace(LISTED, review=Review(places=0, unseen=3)), "Look at what is unseen", "next_unseen"),
        (replace(LISTED, review=Review(places=0)), "Accept, open the next", "accept"),
        (replace(LISTED, saved_to="m.nii.gz", review=Review(places=0)), "Accept, open the next", "accept"),
        (
            replace(LISTED, looking=True, job=RUNNING.job, review=Review(checked=True)),
            "Accept, open the next",
            "accept",
        ),
        (replace(LISTED, listing=Listing(True, "accepted")), "Open the next case", "next_case"),
        (replace(LISTED, listing=Listing(True, "accepted"), edited=True), "Check the mask", "check"),
        (replace(OPEN, listing=Listing(True, "in progress", True)), "Draw it by hand", "check"),
        (replace(OPEN, listing=Listing(True, "in progress")), "Draft the pancreas", "run"),
    ],
)
def test_every_state_says_what_to_do_next(facts: Facts, button: str, command: str) -> None:
    step = decide(facts).step
    assert (step.button, step.command) == (button, command)
    assert step.hint.endswith(".")


def test_only_an_empty_draft_is_said_to_have_found_nothing() -> None:
    empty = replace(DRAFTED, volume_ml=0.0)
    assert decide(replace(empty, nothing_found=True)).step.hint.startswith(
        "The network found no pancreas here."
    )
    for told in (
        empty,
        replace(DRAFTED, volume_ml=None),
        replace(DRAFTED, volume_ml=None, nothing_found=True),
    ):
        assert "found no pancreas" not in decide(told).step.hint


def test_a_running_job_shows_how_far_it_is_and_can_be_cancelled() -> None:
    view = decide(RUNNING)
    assert view.running
    assert view.run_enabled
    assert view.run_button == "Cancel the run"
    assert view.bar is not None
    assert (view.bar.done, view.bar.total) == (12, 96)
    assert view.bar.text == "Slice 12 of 96, about 35 s left"


def test_learning_is_told_from_drafting() -> None:
    view = decide(replace(OPEN, job=JobStatus("running", 1, 12, 24, "learning", 5.0)))
    assert view.bar is not None
    assert view.bar.text.startswith("Step 12 of 24")
    assert "learns from your corrections" in view.step.hint


@pytest.mark.parametrize(
    ("review", "command"),
    [
        (Review(places=3, unseen=9), "next_place"),
        (Review(places=0, unseen=9), "next_unseen"),
        (Review(places=0, unseen=0), "save"),
        (Review(places=None), "check"),
    ],
)
def test_a_draft_is_reviewed_place_by_place_then_slice_by_slice(review: Review, command: str) -> None:
    assert decide(replace(DRAFTED, review=review)).step.command == command


def test_edits_do_not_end_the_review() -> None:
    assert decide(replace(EDITED, review=Review(places=2))).step.command == "next_place"
    assert decide(replace(SAVED, review=Review(places=2))).step.command == "open"


def test_painting_and_saving_are_possible_while_the_network_runs() -> None:
    view = decide(RUNNING)
    assert view.tools_enabled
    assert view.save_enabled


def test_nothing_can_be_run_or_saved_without_a_case() -> None:
    view = decide(EMPTY)
    assert not view.run_enabled
    assert not view.save_enabled
    assert not view.tools_enabled
    assert view.canvas_hint


def test_without_a_model_the_tools_still_work() -> None:
    view = decide(replace(OPEN, model=""))
    assert not view.run_enabled
    assert view.tools_enabled


def test_unsaved_corrections_are_marked() -> None:
    assert decide(EDITED).unsaved
    assert not decide(SAVED).unsaved
    assert "c1_pancreas" in decide(SAVED).save_hint


@pytest.mark.parametrize(
    ("ml", "words"), [(None, "counting…"), (0.0, "No mask yet"), (71.26, "Pancreas 71.3 ml")]
)
def test_the_volume_is_said_in_ml(ml: float | None, words: str) -> None:
    assert decide(replace(OPEN, volume_ml=ml)).volume == words


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
    assert time_left(seconds) == words


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
    assert on_arrival(edited, agreed, painted) == place


def test_notes_on_the_ct_are_shown_whatever_the_message_is() -> None:
    noted = replace(OPEN, notes="The qform was used.")
    assert decide(noted).notes == "The qform was used."
    assert decide(replace(noted, message=Message("The draft is ready."))).notes == "The qform was used."

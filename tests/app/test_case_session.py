"""The session with a scripted network in place of the child process; files are real."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import psygnal
import pytest

from attunet_gui.app.case_opening import CtFiles, PhantomCt
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.mask_edit import NO_EDIT
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.provenance import mask_record_path
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.io.result_writing import write_mask
from attunet_gui.workers.inference_messages import PropagateRequest
from tests.support.scripted_network import NamedCard, ScriptedNetwork, bundle_of, prediction_of
from tests.support.session_events import wait_until as until


@pytest.fixture
def network() -> ScriptedNetwork:
    return ScriptedNetwork()


@pytest.fixture
def session(network: ScriptedNetwork) -> Iterator[CaseSession]:
    made = CaseSession(network, (bundle_of(NamedCard()),))
    yield made
    made.close_session()


def opened(session: CaseSession, ct: Path) -> np.ndarray:
    session.open_path(ct)
    until(lambda: session.case is not None)
    assert session.case is not None
    return np.zeros(session.case.volume.grid.shape, np.uint8)


def test_of_a_ct_and_its_label_given_together_the_ct_opens(session: CaseSession, ct: Path) -> None:
    mask = opened(session, ct)
    case = session.case
    assert case is not None
    mask[4, 4:9, 4:9] = 1
    label = ct.with_name("a_label.nii")
    write_mask(label, mask, case.volume)
    session.open_case(CtFiles((label, ct)))
    until(lambda: session.case is not case)
    assert session.case is not None
    assert session.case.volume.origin.path == ct
    session.open_case(CtFiles((label, label)))
    until(lambda: session.message.problem)
    assert "a_label.nii holds the values 0 and 1 and is no CT" in session.message.text
    assert session.case.volume.origin.path == ct


def place_draft(session: CaseSession) -> None:
    """What the window does with a draft that takes the place of the mask."""
    until(lambda: session.inference.draft is not None)
    assert session.inference.draft is not None
    session.draft_placed(session.inference.draft)


def test_a_session_opens_drafts_and_saves_with_its_record(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    draft = mask.copy()
    draft[5, 10:14, 10:14] = 1
    session.annotator = "Ada"
    session.inference.request_draft()
    network.answer(1, draft)
    until(lambda: session.inference.overlays)
    assert session.inference.draft is not None
    session.draft_placed(session.inference.draft)
    assert [o.key for o in session.inference.overlays] == ["probability", "gates", "gate 1", "gate 2"]

    edited = draft.copy()
    edited[5, 14, 10] = 1
    edited[5, 10, 10:12] = 0
    target = session.default_mask_path()
    assert target == ct.with_name("case_pancreas.nii.gz")
    session.save_mask(edited, target)
    until(lambda: session.mask.saved_to is not None)
    assert session.case is not None
    np.testing.assert_array_equal(read_mask(target, session.case.volume), edited)
    record = json.loads(mask_record_path(target).read_text("utf-8"))
    assert record["correction"]["added_voxels"] == 1
    assert record["correction"]["removed_voxels"] == 2
    assert record["correction"]["dsc_draft_and_mask"] == pytest.approx(2 * 14 / (16 + 15), abs=1e-6)
    assert record["annotator"] == "Ada"
    assert record["model"] == {"name": "m", "sha256": "0" * 64, "engine": "keras"}
    assert record["mask"]["voxels"] == 15
    assert record["saved_at"][-6] in "+-"
    assert record["source"]["shape"] == list(session.case.volume.placement.source.shape)


def test_a_saved_mask_is_opened_again_with_its_case(session: CaseSession, ct: Path) -> None:
    mask = opened(session, ct)
    mask[3, 3, 3] = 1
    session.save_mask(mask, ct.with_name("case_pancreas.nii.gz"))
    until(lambda: session.mask.saved_to is not None)
    session.open_path(ct)
    until(lambda: session.file_job is None and session.case is not None and session.case.found is not None)
    assert session.case is not None
    assert session.case.found is not None
    np.testing.assert_array_equal(session.case.found.mask, mask)
    assert session.mask.saved_to == ct.with_name("case_pancreas.nii.gz")


def unusable(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.zeros(shape, np.float32 if kind == "soft values" else np.uint8)
    values[2:4, 2:4, 2:4] = 0.4 if kind == "soft values" else 5
    if kind == "several labels":
        values[5, 5, 5] = 10
    return values[:-1] if kind == "another grid" else values


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (
            "several labels",
            "case_pancreas.nii.gz holds several labels (5, 10): save the pancreas alone under this name, "
            "then open the CT again.",
        ),
        ("another grid", "case_pancreas.nii.gz does not belong to case: it has"),
        ("soft values", "case_pancreas.nii.gz holds values that are not whole numbers, such as 0.4"),
        ("cut", "case_pancreas.nii.gz is damaged or incomplete"),
        ("link to nothing", "case_pancreas.nii.gz"),
    ],
)
def test_a_mask_beside_the_ct_that_cannot_be_used_is_told_and_left(
    session: CaseSession, network: ScriptedNetwork, ct: Path, kind: str, says: str
) -> None:
    path, source = ct.with_name("case_pancreas.nii.gz"), nib.load(ct)
    if kind == "link to nothing":
        path.symlink_to(ct.with_name("gone.nii.gz"))
    else:
        nib.save(nib.Nifti1Image(unusable(kind, source.shape), source.affine), path)
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes() if path.exists() else b""
    mask = opened(session, ct)
    assert session.case is not None
    assert session.case.found is None
    assert session.message.problem
    assert session.message.text.startswith("case is open, without the mask beside it. ")
    assert says in session.message.text
    assert "--" not in session.message.text, "the window has no command line"
    session.inference.request_draft()
    network.answer(1, mask)
    until(lambda: session.inference.draft is not None)
    assert says in session.message.text
    assert (path.read_bytes() if path.exists() else b"") == before


def _write_labels(path: Path, ct: Path) -> None:
    source = nib.load(ct)
    values = np.zeros(source.shape, np.uint8)
    values[1:7, 1:7, 1:7], values[3:6, 3:6, 3:6] = 5, 10
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(values, source.affine), path)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("truth.nii.gz",), "1 label map was found"),
        (("label/label0001.nii.gz", "case_seg.nii"), "2 label maps were found"),
        (("a.nii", "b.nii", "c.nii", "case_pancreas.nii.gz"), "3 label maps were found"),
    ],
)
@pytest.mark.parametrize("dropped", ["folder", "files"])
def test_label_maps_that_are_given_with_the_ct_are_counted_and_what_to_do_is_said(
    session: CaseSession, ct: Path, labels: tuple[str, ...], found: str, dropped: str
) -> None:
    for label in labels:
        _write_labels(ct.parent / label, ct)
    paths = (*(ct.parent / label for label in labels), ct)
    session.open_case(CtFiles((ct.parent,) if dropped == "folder" else paths))
    until(lambda: session.case is not None)
    assert session.case is not None
    says = (
        f"{found} and not opened: to go on with one, save the pancreas in it alone beside its CT as "
        "case_pancreas.nii.gz, then open that CT."
    )
    assert says in session.message.text
    assert session.case.label_maps == says
    # What the sentence asks for works, and then there is nothing to say.
    source = nib.load(ct)
    values = np.zeros(source.shape, np.uint8)
    values[2:4, 2:4, 2:4] = 1
    nib.save(nib.Nifti1Image(values, source.affine), ct.with_name("case_pancreas.nii.gz"))
    before = session.case
    session.open_path(ct)
    until(lambda: session.case is not before)
    assert session.case.found is not None
    assert session.case.found.mask.sum() == 8
    assert "label map" not in session.message.text


def test_a_mask_beside_the_ct_of_any_number_is_the_mask(session: CaseSession, ct: Path) -> None:
    source = nib.load(ct)
    values = np.zeros(source.shape, np.uint8)
    values[2:4, 2:4, 2:4] = 255
    nib.save(nib.Nifti1Image(values, source.affine), ct.with_name("case_pancreas.nii.gz"))
    opened(session, ct)
    assert session.case is not None
    assert session.case.found is not None
    assert session.case.found.mask.sum() == 8
    assert not session.message.problem


def test_a_mask_opened_again_keeps_the_model_in_its_record(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    session.inference.request_draft()
    network.answer(1, mask)
    place_draft(session)
    target = ct.with_name("case_pancreas.nii.gz")
    session.save_mask(mask, target)
    until(lambda: session.mask.saved_to is not None)
    session.open_path(ct)
    until(lambda: session.case is not None and session.case.found is not None)
    session.mask.saved_to = None
    session.save_mask(mask, target)
    until(lambda: session.mask.saved_to is not None)
    record = json.loads(mask_record_path(target).read_text("utf-8"))
    assert record["model"]["name"] == "m"
    assert record["correction"] is None, "the draft itself is no longer known"


def test_a_draft_shown_beside_is_not_named_as_the_masks_model(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    session.inference.request_draft()
    network.answer(1, mask)
    until(lambda: session.inference.draft is not None)
    session.save_mask(mask, ct.with_name("case_pancreas.nii.gz"))
    until(lambda: session.mask.saved_to is not None)
    record = json.loads((ct.with_name("case_pancreas.json")).read_text("utf-8"))
    assert record["model"] is None


def test_a_fresh_draft_over_a_saved_mask_is_not_on_disk(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    session.save_mask(mask, ct.with_name("case_pancreas.nii.gz"))
    until(lambda: session.mask.saved_to is not None)
    session.mask.count_mask(mask)
    until(lambda: session.mask.tally is not None)
    assert session.mask.is_saved_to_disk
    session.inference.request_draft()
    draft = mask.copy()
    draft[4, 4:9, 4:9] = 1
    network.answer(1, draft)
    place_draft(session)
    until(lambda: session.mask.tally is not None and session.mask.tally.voxels == 25)
    assert not session.mask.edited
    assert not session.mask.is_saved_to_disk


def test_choosing_a_series_is_no_leave_to_drop_strokes_made_meanwhile(session: CaseSession, ct: Path) -> None:
    opened(session, ct)
    case = session.case
    session.open_path(ct)
    session.mask_touched()
    session.open_path(ct, series="chosen in the dialog")
    until(lambda: session.file_job is None)
    assert session.case is case
    assert "went on correcting" in session.message.text


def test_edits_that_came_by_undo_alone_are_not_dropped_by_a_case_that_arrives(
    session: CaseSession, ct: Path
) -> None:
    mask = opened(session, ct)
    case = session.case
    session.open_path(ct)
    session.mask.edited = True
    until(lambda: session.file_job is None)
    assert session.case is case
    assert mask is not None


def test_a_stroke_during_a_count_stays_unsaved(session: CaseSession, ct: Path) -> None:
    mask = opened(session, ct)
    session.mask.count_mask(mask)
    session.mask_touched()
    until(lambda: session.mask.tally is not None)
    psygnal.emit_queued()
    assert session.mask.edited


def test_a_file_that_cannot_be_read_leaves_the_open_case(session: CaseSession, ct: Path) -> None:
    opened(session, ct)
    case = session.case
    bad = ct.with_name("bad.nii.gz")
    bad.write_bytes(b"not an image")
    session.open_path(bad)
    until(lambda: session.message.problem)
    assert session.case is case
    assert session.file_job is None
    assert "bad.nii.gz" in session.message.text


def test_only_the_last_of_two_openings_counts(session: CaseSession, ct: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.nii.gz"
    other.write_bytes(ct.read_bytes())
    seen = []
    session.case_opened.connect(lambda case: seen.append(case.volume.name))
    session.open_path(ct)
    session.open_path(other)
    until(lambda: session.case is not None)
    until(lambda: session.file_job is None)
    assert seen == ["other"]


def test_opening_can_be_stopped(session: CaseSession) -> None:
    session.open_case(PhantomCt(1))
    session.reader.stop_reading()
    time.sleep(0.1)
    psygnal.emit_queued()
    assert session.case is None
    assert session.file_job is None
    assert session.message.text == "Opening was stopped."


def test_a_case_is_not_replaced_under_fresh_strokes(session: CaseSession, ct: Path) -> None:
    opened(session, ct)
    case = session.case
    session.open_path(ct)
    session.mask_touched()
    until(lambda: session.message.problem)
    assert session.case is case
    assert session.mask.edited


def test_a_cancelled_draft_never_arrives(session: CaseSession, network: ScriptedNetwork, ct: Path) -> None:
    mask = opened(session, ct)
    session.inference.request_draft()
    session.inference.cancel_request()
    network.answer(1, mask)
    psygnal.emit_queued()
    assert network.cancelled == 1
    assert session.inference.draft is None
    assert session.inference.job.state == "idle"


def test_a_draft_of_an_older_run_is_dropped(session: CaseSession, network: ScriptedNetwork, ct: Path) -> None:
    mask = opened(session, ct)
    session.inference.request_draft()
    session.inference.request_draft()
    network.answer(1, mask + 1)
    psygnal.emit_queued()
    assert session.inference.draft is None
    network.answer(2, mask)
    until(lambda: session.inference.draft is not None)


def test_a_lost_child_gives_one_sentence_and_keeps_the_case(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    opened(session, ct)
    session.inference.request_draft()
    network.job_failed.emit(1, "The network's process ended.")
    psygnal.emit_queued()
    assert session.message.problem
    assert session.message.text == "The network's process ended."
    assert session.case is not None
    assert session.inference.job.state == "idle"


def test_edited_is_a_matter_of_voxels(session: CaseSession, ct: Path) -> None:
    mask = opened(session, ct)
    session.mask_touched()
    assert session.mask.edited
    session.mask.count_mask(mask)
    until(lambda: session.mask.tally is not None)
    assert not session.mask.edited
    mask[4, 4, 4] = 1
    session.mask.count_mask(mask)
    until(lambda: session.mask.tally is not None and session.mask.tally.voxels == 1)
    assert session.mask.edited
    assert session.mask.tally is not None
    assert session.mask.tally.busiest == 4


def test_a_stroke_during_saving_stays_unsaved(session: CaseSession, ct: Path) -> None:
    mask = opened(session, ct)
    mask[4, 4, 4] = 1
    session.mask_touched()
    session.save_mask(mask, ct.with_name("m.nii.gz"))
    session.mask_touched()
    until(lambda: session.mask.saved_to is not None)
    assert session.mask.edited


def test_a_disk_that_cannot_be_written_loses_nothing(session: CaseSession, ct: Path) -> None:
    mask = opened(session, ct)
    session.mask_touched()
    failures = []
    session.save_failed.connect(failures.append)
    session.save_mask(mask, ct.parent / "missing" / "m.nii.gz")
    until(lambda: failures)
    assert session.mask.edited
    assert session.mask.saved_to is None
    assert session.message.problem


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            MemoryError(),
            "There was not enough memory while saving the mask; close other programs and try again.",
        ),
        (ValueError("Meier"), "An unexpected ValueError came up while saving the mask; try again."),
    ],
)
def test_why_a_mask_was_not_saved_is_no_guess(
    session: CaseSession, ct: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    mask = opened(session, ct)
    monkeypatch.setattr("attunet_gui.app.case_saving.write_mask", fail)
    session.mask_touched()
    session.save_mask(mask, ct.with_name("m.nii.gz"))
    until(lambda: session.message.problem)
    assert session.message.text == says
    assert session.mask.edited


def test_a_phantom_has_no_place_of_its_own(session: CaseSession) -> None:
    assert session.default_mask_path() is None


def test_a_model_can_be_chosen_and_is_loaded_in_advance(
    session: CaseSession, network: ScriptedNetwork
) -> None:
    session.models.choose_model("m")
    assert network.warmed == [Path("somewhere")]
    session.models.choose_model("unknown")
    assert session.models.chosen is not None
    assert session.models.chosen.card.name == "m"


def test_corrections_are_sent_with_what_they_began_with(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    draft = mask.copy()
    draft[5, 10:14, 10:14] = 1
    session.inference.request_draft()
    network.answer(1, draft)
    place_draft(session)
    mask[4:6, 8:12, 8:12] = 3
    arrived: list[PropagationResult] = []
    session.inference.propagation_arrived.connect(arrived.append)
    session.inference.request_propagation(mask, (5, 4, 5))
    mask[:] = 0
    asked = network.requests[-1]
    assert isinstance(asked, PropagateRequest)
    assert asked.slices == (4, 5)
    assert asked.mask.sum() == 32, "what is drawn meanwhile is not part of the request"
    assert asked.before is not None
    np.testing.assert_array_equal(asked.before, draft)
    proposal = network.propose(2)
    until(lambda: arrived)
    assert arrived == [proposal]
    assert session.message.text == "It helps."
    assert session.inference.job.state == "idle"


def test_a_network_that_would_not_help_says_why_and_proposes_nothing(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    arrived: list[PropagationResult] = []
    session.inference.propagation_arrived.connect(arrived.append)
    session.inference.request_propagation(mask, (3,))
    asked = network.requests[-1]
    assert isinstance(asked, PropagateRequest)
    assert asked.before is None
    network.propose(1, kept=False, reason="One is too little.")
    until(lambda: session.message.text == "One is too little.")
    assert not arrived
    assert session.inference.job.state == "idle"


def test_a_proposal_that_was_cancelled_or_overtaken_is_dropped(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    arrived: list[PropagationResult] = []
    session.inference.propagation_arrived.connect(arrived.append)
    session.inference.request_propagation(mask, (3, 5))
    session.inference.request_propagation(mask, (3, 5, 7))
    network.propose(1)
    psygnal.emit_queued()
    assert not arrived
    session.inference.cancel_request()
    network.propose(2)
    psygnal.emit_queued()
    assert not arrived


def test_without_a_case_nothing_is_asked(session: CaseSession, network: ScriptedNetwork) -> None:
    session.inference.request_propagation(np.zeros((2, 3, 4), np.uint8), (0, 1))
    assert not network.requests


def test_after_closing_nothing_comes_home(network: ScriptedNetwork, ct: Path) -> None:
    session = CaseSession(network, (bundle_of(NamedCard()),))
    mask = opened(session, ct)
    session.inference.request_draft()
    session.close_session()
    network.answer(1, mask)
    network.job_failed.emit(1, "too late")
    psygnal.emit_queued()
    assert session.inference.draft is None
    assert not session.message.problem


def test_slices_arrive_before_the_draft_and_the_network_follows_the_eye(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    assert network.shown == [session.case.volume]  # type: ignore[union-attr]
    said: list[str] = []
    session.inference.draft_begun.connect(lambda _prediction: said.append("begun"))
    session.inference.slices_arrived.connect(
        lambda slices, _drafted: said.append(f"slices {slices.tolist()}")
    )
    session.inference.draft_arrived.connect(lambda _draft: said.append("draft"))
    session.inference.prioritise_slice(3)
    assert network.looked == [], "nothing is being drafted"
    session.inference.request_draft(first=4)
    assert network.requests[0].first == 4
    session.inference.prioritise_slice(9)
    assert network.looked == [9]
    network.draft_begun.emit(1, prediction_of(session.case.volume))  # type: ignore[union-attr]
    network.slices_drafted.emit(1, np.array([4, 5]), NO_EDIT)
    until(lambda: said == ["begun", "slices [4, 5]"])
    assert session.inference.draft is None
    assert [overlay.inside for overlay in session.inference.overlays] == [None] * 4
    network.answer(1, mask)
    until(lambda: said[-1] == "draft" and session.inference.overlays[0].inside is not None)


def test_a_draft_that_is_dropped_half_way_takes_its_maps_along(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    opened(session, ct)
    dropped: list[bool] = []
    session.inference.draft_dropped.connect(lambda: dropped.append(True))
    session.inference.request_draft()
    network.draft_begun.emit(1, prediction_of(session.case.volume))  # type: ignore[union-attr]
    until(lambda: session.inference.overlays)
    session.inference.cancel_request()
    assert dropped == [True]
    assert session.inference.overlays == ()
    network.slices_drafted.emit(1, np.array([0]), NO_EDIT)
    psygnal.emit_queued()
    assert session.inference.draft is None


def test_a_first_correction_makes_the_network_ready_to_learn(
    session: CaseSession, network: ScriptedNetwork, ct: Path
) -> None:
    mask = opened(session, ct)
    session.mask_touched()
    assert network.prepared == [], "without a draft there is nothing to carry on"
    session.inference.request_draft()
    network.answer(1, mask)
    place_draft(session)
    session.mask_touched()
    assert network.prepared == [Path("somewhere")]

"""The list is drafted in the background: every case, once, whatever happens to one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psygnal
import pytest
import SimpleITK

from attunet_gui.app.case_drafting import ChildProcessDrafter
from attunet_gui.app.worklist_drafting import draft_waiting_cases, waiting_for_draft
from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.provenance import ModelId
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.project.case_commands import MaskReview
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.mask_files import mask_file_sha256
from attunet_gui.project.project_events import CaseDrafted
from attunet_gui.project.thumbnails import THUMBNAIL_SIZE, ensure_thumbnail
from attunet_gui.project.triage_metrics import triage_metrics_of
from attunet_gui.system.errors import AttunetError, ProjectError, WorkCancelled
from attunet_gui.system.file_lock import acquire_file_lock
from attunet_gui.system.progress import no_progress
from attunet_gui.workers.inference_messages import JobStatus, NetworkRequest
from tests.support.project_cases import (
    MODEL,
    Ball,
    Refuses,
    ball,
    drafted_project,
    new_project,
    save,
    write_ct,
)


def test_a_draft_lies_on_the_source_grid_and_is_recorded(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    done = draft_waiting_cases(project, Ball())
    assert (done.done, done.failed) == (["case-0001", "case-0002"], [])
    case = project.list_cases()[0]
    path = project.draft_mask_path(case)
    assert path is not None
    volume = read_ct_volume(case.path)
    assert np.array_equal(read_mask(path, volume), ball())
    said = project.case_state(case).draft
    assert isinstance(said, CaseDrafted)
    assert (said.sha256, said.slices) == (mask_file_sha256(path), 12)
    assert (case.status, case.model) == (CaseStatus.DRAFTED, MODEL)
    assert case.volume_ml == pytest.approx(ball().sum() * 12 / 1000)


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2)
    assert draft_waiting_cases(project, Ball()).done == []
    assert len(project.case_history(project.list_cases()[0])) == 2


@pytest.mark.parametrize(
    "error",
    [AttunetError("The network failed."), ValueError("odd"), MemoryError()],
    ids=lambda e: type(e).__name__,
)
def test_a_case_that_fails_is_recorded_and_stops_nothing(tmp_path: Path, error: Exception) -> None:
    project = new_project(tmp_path, 3)
    done = draft_waiting_cases(project, Refuses(1, error))
    assert (done.done, [name for name, _ in done.failed]) == (["case-0001", "case-0003"], ["case-0002"])
    failed = project.case_named("case-0002")
    assert (failed.status, failed.failure) == (CaseStatus.NEW, done.failed[0][1])
    assert draft_waiting_cases(project, Ball()).done == ["case-0002"]
    assert project.case_named("case-0002").failure == ""


def test_a_file_that_is_gone_damaged_or_another_is_a_failure_without_its_name(tmp_path: Path) -> None:
    project = new_project(tmp_path, 4)
    folder = tmp_path / "ct"
    (folder / "ct0.nii.gz").unlink()
    whole = (folder / "ct1.nii.gz").read_bytes()
    (folder / "ct1.nii.gz").write_bytes(whole[: len(whole) // 2])
    write_ct(folder / "ct2.nii.gz", 77)
    done = draft_waiting_cases(project, Ball())
    assert done.done == ["case-0004"]
    reasons = dict(done.failed)
    assert "not where it was" in reasons["case-0001"]
    assert "another image" in reasons["case-0002"]
    assert "another image" in reasons["case-0003"]
    assert not any("ct" in reason and ".nii" in reason for reason in reasons.values())


def test_a_damaged_file_is_called_by_the_name_of_its_case(tmp_path: Path) -> None:
    project = new_project(tmp_path, 0)
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "Meier.nii.gz").write_bytes(b"\x1f\x8b no gzip follows")
    add_ct_folder(project, tmp_path / "ct", actor="anna")
    assert draft_waiting_cases(project, Ball()).failed[0][1].startswith("case-0001 is damaged")


def test_stopped_between_cases_it_goes_on_where_it_was(tmp_path: Path) -> None:
    project = new_project(tmp_path, 3)
    with pytest.raises(WorkCancelled):
        draft_waiting_cases(project, Refuses(1, WorkCancelled()))  # type: ignore[arg-type]
    assert [case.status for case in project.list_cases()] == [
        CaseStatus.DRAFTED,
        CaseStatus.NEW,
        CaseStatus.NEW,
    ]
    assert project.case_named("case-0002").failure == ""
    assert draft_waiting_cases(project, Ball()).done == ["case-0002", "case-0003"]


def test_another_model_drafts_again_only_if_asked_and_never_what_somebody_began(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2)
    first = project.draft_mask_path(project.list_cases()[1])
    save(project, project.list_cases()[0], ball(), MaskReview(finished=False))
    other = Ball(model=ModelId("better", "cd" * 32))
    assert waiting_for_draft(project, other.draft_model) == ()
    assert draft_waiting_cases(project, other, again=True).done == ["case-0002"]
    assert project.draft_mask_path(project.list_cases()[1]) != first
    assert first is not None
    assert first.is_file()
    assert project.list_cases()[1].model == other.draft_model


def test_two_programs_do_not_draft_one_project(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    held = acquire_file_lock(project.folder / "drafting.lock")
    with pytest.raises(ProjectError, match="Another program"):
        draft_waiting_cases(project, Ball())
    held.release()
    assert draft_waiting_cases(project, Ball()).done == ["case-0001"]


def test_progress_names_the_case(tmp_path: Path) -> None:
    stages: list[str] = []
    draft_waiting_cases(new_project(tmp_path, 2), Ball(), lambda _d, _t, stage: stages.append(stage))
    assert "slices of case-0002" in stages
    assert stages[-1] == "cases"


# Numbers to order by


def test_a_sure_draft_is_certain_and_a_doubtful_one_is_not(tmp_path: Path) -> None:
    volume = read_ct_volume(write_ct(tmp_path / "a.nii.gz", 1))
    made = Ball().draft(volume, no_progress)
    prediction, mask = made.prediction, made.mask
    sure = triage_metrics_of(volume, _with(prediction, mask * 1.0), mask)
    doubtful = triage_metrics_of(volume, _with(prediction, mask * 0.6), mask)
    assert sure.uncertainty == pytest.approx(0, abs=1e-3)
    assert doubtful.uncertainty == pytest.approx(1 - 2 * 0.6 / 1.6, abs=1e-3)
    assert sure.effort == 0
    assert doubtful.effort == np.count_nonzero(mask.any(axis=(1, 2)))
    ml = mask.sum() * 12 / 1000
    assert doubtful.visible == pytest.approx(min(1.0, 0.6 * ml / 20), rel=1e-3)


def test_only_the_doubtful_slices_are_to_be_corrected(tmp_path: Path) -> None:
    volume = read_ct_volume(write_ct(tmp_path / "a.nii.gz", 1))
    made = Ball().draft(volume, no_progress)
    prediction, mask = made.prediction, made.mask
    probability = mask * 1.0
    probability[5:7] *= 0.5
    assert triage_metrics_of(volume, _with(prediction, probability), mask).effort == 2


def test_an_empty_draft_where_nothing_is_seen_is_no_effort(tmp_path: Path) -> None:
    volume = read_ct_volume(write_ct(tmp_path / "a.nii.gz", 1))
    made = Ball().draft(volume, no_progress)
    prediction, mask = made.prediction, made.mask
    empty = triage_metrics_of(volume, _with(prediction, mask * 0.0), mask * 0)
    assert (empty.volume_ml, empty.uncertainty, empty.effort, empty.visible) == (0, 0, 0, 0)
    missed = triage_metrics_of(volume, _with(prediction, mask * 0.3), mask * 0)
    assert missed.uncertainty == 1
    assert missed.effort > 0


def _with(prediction: NetworkPrediction, probability: np.ndarray) -> NetworkPrediction:
    return replace(prediction, probability=probability.astype(np.float16))


# Small pictures


def test_a_thumbnail_is_made_when_it_is_wanted_and_kept(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    case = project.list_cases()[0]
    assert not project.thumbnail_path(case).exists()
    path = ensure_thumbnail(project, case)
    picture = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    assert picture.shape == (80, THUMBNAIL_SIZE)
    assert picture.std() > 5
    (tmp_path / "ct" / "ct0.nii.gz").unlink()
    assert ensure_thumbnail(project, case) == path


# The child process


class _Deaf:
    """A runner that answers as it is told, on the spot."""

    status_changed = psygnal.Signal(JobStatus)
    draft_begun = psygnal.Signal(int, NetworkPrediction)
    slices_drafted = psygnal.Signal(int, np.ndarray, MaskEdit)
    draft_finished = psygnal.Signal(int, NetworkPrediction, np.ndarray)
    propagation_finished = psygnal.Signal(int, PropagationResult)
    job_failed = psygnal.Signal(int, str)

    def __init__(self, answer: Callable[[_Deaf, int], None]) -> None:
        self._answer, self._job, self.cancelled = answer, 0, 0
        self.status = JobStatus("running", 1, 3, 9, "slices")

    def submit(self, request: NetworkRequest) -> int:
        self._job += 1
        self._answer(self, self._job)
        return self._job

    def cancel_request(self) -> None:
        self.cancelled += 1

    def close(self) -> None:
        self.submit = None  # type: ignore[method-assign,assignment]


def test_the_child_drafts_and_what_it_says_of_older_jobs_is_dropped(tmp_path: Path) -> None:
    volume = read_ct_volume(write_ct(tmp_path / "a.nii.gz", 1))
    made = Ball().draft(volume, no_progress)
    prediction, mask = made.prediction, made.mask

    def answer(runner: _Deaf, job: int) -> None:
        runner.job_failed.emit(job - 1, "Too late.")
        runner.draft_finished.emit(job, prediction, mask)

    drafter = ChildProcessDrafter(_Deaf(answer), tmp_path, ModelId("ball", "ab" * 32))  # type: ignore[arg-type]
    seen: list[tuple[int, int, str]] = []
    assert drafter.draft_model == MODEL
    assert drafter.draft(volume, lambda *said: seen.append(said)).mask is mask
    assert (3, 9, "slices") in seen


def test_a_child_that_fails_raises_its_sentence(tmp_path: Path) -> None:
    runner = _Deaf(lambda runner, job: runner.job_failed.emit(job, "It was too large."))
    drafter = ChildProcessDrafter(runner, tmp_path, ModelId("ball", "ab" * 32))  # type: ignore[arg-type]
    with pytest.raises(AttunetError, match="too large"):
        drafter.draft(read_ct_volume(write_ct(tmp_path / "a.nii.gz", 1)), no_progress)


def test_cancelling_cancels_the_child(tmp_path: Path) -> None:
    def stop(_done: int, _total: int, _stage: str) -> None:
        raise WorkCancelled

    runner = _Deaf(lambda _runner, _job: None)
    drafter = ChildProcessDrafter(runner, tmp_path, ModelId("ball", "ab" * 32))  # type: ignore[arg-type]
    with pytest.raises(WorkCancelled):
        drafter.draft(read_ct_volume(write_ct(tmp_path / "a.nii.gz", 1)), stop)
    assert runner.cancelled == 1

"""`save_case` and `accept_case` as functions: one call writes, reads back, records and accepts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.app.case_accepting import AcceptRequest, accept_case
from attunet_gui.app.case_saving import MaskNotRecorded, ProjectRecord, SaveRequest, save_case
from attunet_gui.core.draft_correction import tally_mask
from attunet_gui.core.provenance import mask_record_path
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.project import case_commands
from attunet_gui.project.case_commands import MaskReview
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.mask_files import read_mask_without_ct
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import ProjectError, UnwritableOutput
from attunet_gui.system.progress import no_progress
from tests.support.project_cases import ball, drafted_project, save


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return drafted_project(tmp_path, cases=1)


def request_of(project: Project, review: MaskReview, accept: bool = False) -> SaveRequest:
    case = project.case_named("case-0001")
    volume = read_ct_volume(case.path, series=case.series)
    return SaveRequest(
        volume=volume,
        mask=ball(off_mm=4.0),
        path=None,
        annotator="berta",
        record=ProjectRecord(project, case, review, accept),
    )


def test_one_call_writes_the_mask_and_its_record_and_enters_both_in_the_project(project: Project) -> None:
    review = MaskReview(verified=frozenset({3, 4}), active_seconds=7.0, finished=False)
    result = save_case(request_of(project, review), no_progress)
    saved = project.saved_mask(project.case_named("case-0001"))
    assert saved is not None
    assert (saved.mask, saved.annotator, saved.verified) == (result.path, "berta", frozenset({3, 4}))
    np.testing.assert_array_equal(read_mask_without_ct(saved.mask).hu, ball(off_mm=4.0))
    assert json.loads(mask_record_path(saved.mask).read_text("utf-8"))["annotator"] == "berta"
    assert result.crc == tally_mask(ball(off_mm=4.0)).crc
    assert result.message == "case-0001 is in progress; the mask was read back and is identical."
    assert not result.accepted


def test_the_same_call_accepts_the_case_with_whatever_is_left_to_look_at(project: Project) -> None:
    review = MaskReview(verified=frozenset({3}), unseen=4, accepted=True)
    result = save_case(request_of(project, review, accept=True), no_progress)
    assert result.recorded is not None
    assert (result.recorded.case.status, result.accepted) == (CaseStatus.ACCEPTED, True)
    assert result.message == (
        "case-0001 is accepted; the mask was read back and is identical. 11 slices that you did not look at "
        "stay unverified."
    )


@pytest.mark.parametrize("error", [ProjectError("The database is locked."), RuntimeError("disk")])
def test_a_mask_that_the_project_does_not_record_is_on_the_disk_and_said_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_args: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(case_commands, "record_saved_mask", refuse)
    with pytest.raises(MaskNotRecorded) as told:
        save_case(request_of(project, MaskReview()), no_progress)
    assert str(told.value).count("The mask was not recorded; save it again.") == 1
    assert told.value.__cause__ is error
    (written,) = (project.folder / "masks" / "case-0001").glob("*.nii.gz")
    np.testing.assert_array_equal(read_mask_without_ct(written).hu, ball(off_mm=4.0))


def test_a_project_whose_disk_is_away_is_said_by_the_job_and_receives_nothing(project: Project) -> None:
    request = request_of(project, MaskReview())
    project.folder.rename(project.folder.with_name("away"))
    with pytest.raises(UnwritableOutput, match="bring its disk"):
        save_case(request, no_progress)
    assert not project.folder.exists()


def test_a_mask_of_no_project_is_written_where_it_was_asked_to_be(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "mask.nii.gz"
    result = save_case(
        replace(request_of(project, MaskReview()), record=None, path=target, draft=ball()), no_progress
    )
    assert (result.path, result.recorded, result.problem) == (target, None, False)
    assert result.message == f"Saved mask.nii.gz in {tmp_path}; it was read back and is identical."
    correction = json.loads(mask_record_path(target).read_text("utf-8"))["correction"]
    assert correction["added_voxels"] == int(np.count_nonzero((ball(off_mm=4.0) == 1) & (ball() == 0)))


def test_accepting_names_the_annotator_who_asked(project: Project) -> None:
    case = project.case_named("case-0001")
    save(project, case, ball(off_mm=4.0), MaskReview(unseen=2))
    with pytest.raises(ProjectError, match="accept it all the same"):
        accept_case(AcceptRequest(project, case, "berta"))
    assert accept_case(AcceptRequest(project, case, "berta", anyway=True)).case.status == CaseStatus.ACCEPTED
    assert project.case_history(case)[-1].who == "berta"

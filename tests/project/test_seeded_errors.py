"""Seeded errors: each is what it is called, the same for one seed, and found again by its voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.project.case_commands import (
    MaskReview,
    accept_case,
    record_saved_mask,
    set_settings,
)
from attunet_gui.project.case_ordering import choose_next_case
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.deterministic_sampling import draw_uniform
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import Project
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.project.seeded_errors import SEEDED_ERRORS, kept_error_share
from attunet_gui.project.shown_mask import begin_case
from attunet_gui.system.errors import ProjectError
from tests.support.project_cases import (
    SPACING_MM,
    ball,
    drafted_project,
    new_project,
    save,
)


@pytest.mark.parametrize("name", SEEDED_ERRORS)
@given(
    seed=st.integers(0, 2**32),
    radius_mm=st.floats(6.0, 18.0),
    off_mm=st.floats(-20, 20),
)
def test_an_error_is_wrong_and_the_same_for_one_seed(
    name: str, seed: int, radius_mm: float, off_mm: float
) -> None:
    draft = ball(radius_mm=radius_mm, off_mm=off_mm)
    wrong = SEEDED_ERRORS[name](draft, SPACING_MM, seed)
    assert np.array_equal(wrong, SEEDED_ERRORS[name](draft, SPACING_MM, seed))
    assert (wrong.shape, wrong.dtype) == (draft.shape, np.uint8)
    assert set(np.unique(wrong)) <= {0, 1}
    assert np.count_nonzero(wrong != draft) >= 0.02 * draft.sum()
    assert kept_error_share(draft, wrong, wrong) == 1.0
    assert kept_error_share(draft, wrong, draft) == 0.0


def test_the_errors_are_what_they_are_called() -> None:
    draft = ball()
    tail = SEEDED_ERRORS["removed tail"](draft, SPACING_MM, 1)
    assert tail.sum() == pytest.approx(0.75 * draft.sum(), rel=0.1)
    assert np.argwhere(tail)[:, 2].max() < np.argwhere(draft)[:, 2].max()
    assert np.argwhere(tail)[:, 2].min() == np.argwhere(draft)[:, 2].min()
    moved = SEEDED_ERRORS["shifted by 5 mm"](draft, SPACING_MM, 1)
    way = (np.argwhere(moved).mean(axis=0) - np.argwhere(draft).mean(axis=0)) * SPACING_MM
    assert way[0] == 0
    assert np.linalg.norm(way) == pytest.approx(5, abs=1.5)
    blob = SEEDED_ERRORS["added blob"](draft, SPACING_MM, 1)
    assert (blob >= draft).all()
    assert 0.3 < (blob.sum() - draft.sum()) * 12 / 1000 < 3.2


@pytest.mark.parametrize("seed", range(40))
def test_a_blob_is_seen_on_a_gland_that_the_ct_cuts_off(seed: int) -> None:
    draft = np.zeros((12, 40, 48), np.uint8)
    draft[:8, :30, 10:40] = 1
    blob = SEEDED_ERRORS["added blob"](draft, SPACING_MM, seed)
    assert (blob.sum() - draft.sum()) * 12 / 1000 > 0.3


def test_half_of_an_error_left_is_a_half() -> None:
    draft, wrong = np.zeros((1, 1, 8), np.uint8), np.zeros((1, 1, 8), np.uint8)
    wrong[..., :4] = 1
    saved = wrong.copy()
    saved[..., 2:] = 0
    assert kept_error_share(draft, wrong, saved) == 0.5
    assert kept_error_share(draft, draft, saved) == 0.0


@given(st.integers(), st.text(max_size=5))
def test_a_draw_lies_in_the_unit_interval(seed: int, name: str) -> None:
    assert 0 <= draw_uniform(seed, name, "x") < 1


def test_draws_are_uniform_and_one_says_nothing_of_another() -> None:
    names = [f"case-{k:04}" for k in range(4000)]
    one, other = (
        np.array([draw_uniform(1, name, purpose) for name in names]) for purpose in ("next", "shown")
    )
    assert np.histogram(one, 10, (0, 1))[0].min() > 320
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.06


# Second reads


def _accepted(folder: Path, cases: int) -> Project:
    project = drafted_project(folder, cases)
    for case in project.list_cases():
        save(project, case, ball())
        accept_case(project, case, actor="anna")
    return project


def test_a_share_is_drawn_by_the_seed_and_topped_up(tmp_path: Path) -> None:
    project = _accepted(tmp_path, 6)
    first = ask_second_reads(project, 0.34, actor="anna")
    assert len(first) == 2
    assert ask_second_reads(project, 0.34, actor="anna") == ()
    assert len(ask_second_reads(project, 0.5, actor="anna")) == 1
    assert project.count_by_status()[CaseStatus.SECOND_READ] == 3
    assert project.count_by_status()[CaseStatus.ACCEPTED] == 3


def test_there_must_be_something_to_read_again(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="accepted yet"):
        ask_second_reads(new_project(tmp_path, 1), 0.5, actor="anna")
    with pytest.raises(ProjectError, match="annotated by anna"):
        ask_second_reads(_accepted(tmp_path / "b", 1), 0.5, "anna", actor="anna")


def test_the_second_reader_is_another_and_is_shown_nothing(tmp_path: Path) -> None:
    project = _accepted(tmp_path, 1)
    (name,) = ask_second_reads(project, 1.0, actor="anna")
    case = project.case_named(name)
    assert choose_next_case(project, actor="anna") is None
    with pytest.raises(ProjectError, match="yourself"):
        begin_case(project, case, actor="anna")
    path = project.new_mask_path(case)
    path.write_bytes(b"x")
    with pytest.raises(ProjectError, match="yourself"):
        record_saved_mask(project, case, path, MaskReview(), actor="anna")
    choice = choose_next_case(project, actor="bert")
    assert choice is not None
    assert choice.case.name == name
    opening = begin_case(project, case, actor="bert")
    assert (opening.mask, opening.blind) == (None, True)
    first = project.saved_mask(case)
    save(project, case, ball(radius_mm=10), MaskReview(finished=False), who="bert")
    assert project.reload_case(case).status == CaseStatus.SECOND_READ
    resumed = project.second_saved_mask(case)
    assert resumed is not None
    assert begin_case(project, case, actor="bert").mask == resumed.mask
    save(project, case, ball(radius_mm=10), who="bert")
    second = project.second_saved_mask(case)
    assert second is not None
    assert second.annotator == "bert"
    assert (project.saved_mask(case), project.reload_case(case).status) == (first, CaseStatus.ACCEPTED)
    assert project.reload_case(case).annotator == "anna"


def test_a_second_read_may_be_given_to_one_person_and_shown_the_draft(tmp_path: Path) -> None:
    project = _accepted(tmp_path, 1)
    set_settings(project, ProjectSettings(second_reader_sees_draft=True), actor="anna")
    (name,) = ask_second_reads(project, 1.0, "bert", actor="anna")
    assert choose_next_case(project, actor="carla") is None
    with pytest.raises(ProjectError, match="given to bert"):
        begin_case(project, project.case_named(name), actor="carla")
    opening = begin_case(project, project.case_named(name), actor="bert")
    assert opening.mask == project.draft_mask_path(project.case_named(name))

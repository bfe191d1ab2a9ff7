"""Which case is next, what she is shown, second reads, and seeded errors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from attunet_gui.app.worklist_drafting import draft_waiting_cases
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.project.case_commands import (
    MaskReview,
    accept_case,
    assign_cases,
    reject_case,
    set_settings,
)
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_ordering import STRATEGIES, OrderingStrategy, choose_next_case, rank_cases
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_events import CaseDrafted, CaseOpened, ProjectSettings
from attunet_gui.project.project_store import Project
from attunet_gui.project.quality_checks import quality_by_annotator
from attunet_gui.project.shown_mask import begin_case
from attunet_gui.system.errors import ProjectError
from tests.support.project_cases import (
    MODEL,
    Ball,
    ball,
    drafted_project,
    new_project,
    save,
    write_ct,
)


def _with_numbers(folder: Path, numbers: list[tuple[float, float, float]]) -> Project:
    """Cases whose drafts say (uncertainty, effort, visible)."""
    project = new_project(folder, len(numbers))
    for case, (uncertainty, effort, visible) in zip(project.list_cases(), numbers, strict=True):
        said = CaseDrafted(
            mask="none",
            sha256="0" * 64,
            slices=9,
            volume_ml=70,
            uncertainty=uncertainty,
            effort=effort,
            places=3,
            visible=visible,
        )
        project.apply_rule(case, lambda _state, said=said: (said,), actor="anna")  # type: ignore[misc]
    return project


# Which case next


@pytest.mark.parametrize(
    ("key", "order"),
    [("effort", "231"), ("least-effort", "132"), ("uncertainty", "312"), ("file", "123")],
)
def test_cases_come_in_the_order_of_the_strategy(tmp_path: Path, key: str, order: str) -> None:
    project = _with_numbers(tmp_path, [(0.2, 5, 1), (0.1, 50, 1), (0.3, 20, 1)])
    assert "".join(choice.case.name[-1] for choice in rank_cases(project, key, annotator="anna")) == order


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.key)
def test_every_strategy_chooses_says_why_and_logs_its_score(
    tmp_path: Path, strategy: OrderingStrategy
) -> None:
    project = _with_numbers(tmp_path, [(0.2, 5, 1), (0.1, 50, 1)])
    choice = choose_next_case(project, strategy.key, actor="anna")
    assert choice is not None
    assert choice.reason
    line = project.case_history(choice.case)[-1]
    assert choice.reason in line.words
    said = project.case_events(choice.case)[-1].payload
    assert (said.kind, said.strategy, said.score) == ("suggested", strategy.key, choice.score)
    assert choice.case.status == CaseStatus.DRAFTED


def test_what_is_not_drafted_comes_after_what_is(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    draft_waiting_cases(project, Ball())
    write_ct(tmp_path / "ct" / "a_first.nii.gz", 90)
    add_ct_folder(project, tmp_path / "ct", actor="anna")
    for key in ("effort", "least-effort", "uncertainty"):
        assert rank_cases(project, key, annotator="anna")[-1].case.name == "case-0003"


def test_the_draw_is_the_same_each_time_and_another_with_another_seed(tmp_path: Path) -> None:
    project = _with_numbers(tmp_path, [(0.1, 1, 1.0)] * 8)
    first = [choice.case.name for choice in rank_cases(project, "random", annotator="anna")]
    assert first == [choice.case.name for choice in rank_cases(project, "random", annotator="anna")]
    set_settings(project, ProjectSettings(seed=5), actor="anna")
    assert first != [choice.case.name for choice in rank_cases(project, "random", annotator="anna")]


def test_the_draw_goes_where_the_pancreas_is_seen(tmp_path: Path) -> None:
    visible = [1.0, 1.0, 0.1, 0.1]
    project = _with_numbers(tmp_path, [(0.1, 1, each) for each in visible])
    first: Counter[str] = Counter()
    for seed in range(60):
        set_settings(project, ProjectSettings(seed=seed), actor="anna")
        first[rank_cases(project, "random", 1, annotator="anna")[0].case.name] += 1
    seen = first["case-0001"] + first["case-0002"]
    assert seen > 45
    assert seen < 60


def test_nobody_is_sent_to_what_is_done_or_anothers(tmp_path: Path) -> None:
    project = _with_numbers(tmp_path, [(0.1, effort, 1) for effort in (9, 8, 7, 6)])
    cases = project.list_cases()
    reject_case(project, cases[0], "blurred", actor="anna")
    assign_cases(project, [cases[1]], "bert", actor="anna")
    assign_cases(project, [cases[3]], "anna", actor="anna")
    assert [choice.case.name for choice in rank_cases(project, annotator="anna")] == [
        "case-0004",
        "case-0003",
    ]
    choice = choose_next_case(project, without=frozenset({"case-0004"}), actor="anna")
    assert choice is not None
    assert choice.case.name == "case-0003"
    for case in cases[1:]:
        reject_case(project, case, "all of it", actor="anna")
    assert choose_next_case(project, actor="anna") is None


def test_an_order_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="least-effort"):
        choose_next_case(new_project(tmp_path, 1), "alphabet", actor="anna")


# What she is shown


def test_a_case_opens_with_its_draft_then_with_what_was_saved(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    case = project.list_cases()[0]
    opening = begin_case(project, case, actor="anna")
    assert (opening.mask, opening.model, opening.blind) == (project.draft_mask_path(case), MODEL, False)
    assert opening.case.status == CaseStatus.IN_PROGRESS
    path = save(project, case, ball(radius_mm=9), MaskReview(finished=False))
    assert begin_case(project, case, actor="anna").mask == path


def test_a_case_without_draft_opens_empty_and_may_be_drafted_then(tmp_path: Path) -> None:
    project = new_project(tmp_path, 1)
    opening = begin_case(project, project.list_cases()[0], actor="anna")
    assert (opening.mask, opening.blind, opening.case.status) == (None, False, CaseStatus.IN_PROGRESS)


def test_by_default_nothing_is_hidden_or_made_wrong(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 6)
    for case in project.list_cases():
        assert begin_case(project, case, actor="anna").mask == project.draft_mask_path(case)
    assert all(check.open_errors == check.without_draft == 0 for check in quality_by_annotator(project))


def test_shares_are_kept_and_the_same_case_is_shown_the_same_way_again(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 12)
    set_settings(project, ProjectSettings(without_draft=0.4, seeded_errors=0.4, seed=3), actor="anna")
    openings = [begin_case(project, case, actor="anna") for case in project.list_cases()]
    shown = Counter(_shown(project, name) for name in [opening.case.name for opening in openings])
    assert set(shown) == {"draft", "nothing", "seeded error"}
    again = [begin_case(project, case, actor="anna") for case in project.list_cases()]
    assert [opening.mask for opening in again] == [opening.mask for opening in openings]
    assert all(opening.blind == (opening.mask is None) for opening in openings)


def _shown(project: Project, name: str) -> str:
    payload = project.case_events(project.case_named(name))[-1].payload
    assert isinstance(payload, CaseOpened)
    return payload.shown


# Seeded errors


def _seeded(folder: Path, cases: int = 1) -> Project:
    project = drafted_project(folder, cases)
    set_settings(project, ProjectSettings(seeded_errors=1.0), actor="anna")
    return project


def test_who_leaves_a_seeded_error_is_told_and_the_mask_is_not_accepted(tmp_path: Path) -> None:
    project = _seeded(tmp_path)
    case = project.list_cases()[0]
    opening = begin_case(project, case, actor="anna")
    assert opening.mask is not None
    assert opening.mask != project.draft_mask_path(case)
    assert opening.mask.name.replace(opening.mask.name[10:18], "") == f"{case.name}_.nii.gz"
    shown = read_mask(opening.mask, read_ct_volume(case.path))
    save(project, case, shown)
    state = project.case_state(case)
    assert state.check is not None
    assert (state.check.kept, state.check.accepted) == (1.0, True)
    assert (state.status, project.saved_mask(case)) == (CaseStatus.IN_PROGRESS, None)
    with pytest.raises(ProjectError):
        accept_case(project, case, actor="anna")
    assert "seeded error" in project.case_history(case)[-1].words
    assert begin_case(project, case, actor="anna").mask == project.draft_mask_path(case)
    save(project, case, ball())
    assert accept_case(project, case, actor="anna").status == CaseStatus.ACCEPTED
    (anna,) = quality_by_annotator(project)
    assert (anna.who, anna.accepted_share, anna.open_errors) == ("anna", 1.0, 0)
    assert [(check.case, check.error) for check in anna.errors] == [(case.name, _error(project, case.name))]


def _error(project: Project, name: str) -> str:
    opened = [event.payload for event in project.case_events(project.case_named(name))]
    return next(payload.error for payload in opened if isinstance(payload, CaseOpened))


def test_who_corrects_a_seeded_error_is_not_stopped(tmp_path: Path) -> None:
    project = _seeded(tmp_path)
    case = project.list_cases()[0]
    begin_case(project, case, actor="anna")
    save(project, case, ball(), MaskReview(finished=False))
    assert project.case_state(case).check is None
    save(project, case, ball())
    assert project.reload_case(case).status == CaseStatus.REVIEWED
    (anna,) = quality_by_annotator(project)
    assert anna.accepted_share == 0.0


def test_checks_are_told_by_annotator(tmp_path: Path) -> None:
    project = _seeded(tmp_path, 3)
    for who, case, leaves in zip(
        ("anna", "anna", "bert"), project.list_cases(), (True, False, True), strict=True
    ):
        opening = begin_case(project, case, actor=who)
        assert opening.mask is not None
        save(project, case, read_mask(opening.mask, read_ct_volume(case.path)) if leaves else ball(), who=who)
    anna, bert = quality_by_annotator(project)
    assert (anna.accepted_share, bert.accepted_share) == (0.5, 1.0)


def test_the_time_with_and_without_draft_is_told(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2)
    for case, share, seconds in zip(project.list_cases(), (0.0, 1.0), (60.0, 300.0), strict=True):
        set_settings(project, ProjectSettings(without_draft=share), actor="anna")
        begin_case(project, case, actor="anna")
        save(project, case, ball(), MaskReview(active_seconds=seconds))
    (anna,) = quality_by_annotator(project)
    assert (anna.seconds_with, anna.seconds_without, anna.without_draft) == (60.0, 300.0, 1)

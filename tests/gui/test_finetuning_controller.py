"""A lesson: what the dialog shows, what is asked of the child, and what becomes of the model; no window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication

from attunet_gui.app.model_finetuning import (
    DefaultModel,
    FinetuneRequest,
    FinetuningOptions,
    make_model_comparison,
    prepare_finetuning,
    request_finetuning,
)
from attunet_gui.gui.finetuning.finetuning_controller import FinetuningController
from attunet_gui.gui.finetuning.finetuning_view_state import (
    FinetuningFacts,
    comparison_text,
    decide_finetuning_view,
    rows_by_group,
    rows_worst_first,
)
from attunet_gui.gui.finetuning.learning_curve import LearningCurve, curve_from_log
from attunet_gui.gui.worklist.background_jobs import BackgroundJobStatus
from attunet_gui.io.datasets.dataset_layouts import find_dataset_cases
from attunet_gui.model_registry.model_adoption import offered_bundles
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.project.case_commands import MaskReview, accept_case, reopen_case
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import no_progress
from attunet_gui.training.finetuning.finetune_config import FinetuneBudget
from attunet_gui.training.finetuning.judge_choice import CaseDivision
from tests.support.finetuning_doubles import Pupil, accept, change, learnt_of, verdict_of
from tests.support.headless_worklist import HeadlessWorklist, headless_worklist_in
from tests.support.project_cases import ball, drafted_project, save

READY = FinetuningFacts(model="Starter", project="study", place="study/learning", accepted=10)
BETTER = verdict_of(change("validation", "b", 0.5, 0.7), change("phantoms", "p", 0.8, 0.8))
WORSE = verdict_of(change("validation", "b", 0.7, 0.5))


# What the dialog shows


def test_it_says_beforehand_what_will_happen() -> None:
    view = decide_finetuning_view(READY)
    assert view.learn_enabled
    assert "about 8 of 10 accepted cases" in view.intro
    assert "About 2 judge and never teach" in view.intro
    assert "about 8 min" in view.intro
    assert "study/learning" in view.intro
    assert not view.adopt_shown
    assert not view.stop_shown
    assert not view.judges
    assert not view.back


def test_named_judges_leave_every_case_to_teach(tmp_path: Path) -> None:
    options = FinetuningOptions(tmp_path / "mine", tmp_path / "theirs")
    view = decide_finetuning_view(replace(READY, options=options, found=3, accepted=0))
    assert "about 3 of 3 cases in mine. The cases in theirs judge" in view.intro
    assert view.learn_enabled


@pytest.mark.parametrize(
    ("change_of_facts", "why"),
    [
        ({"able": False}, "made without TensorFlow"),
        ({"model": ""}, "no model to improve"),
        ({"project": ""}, "Open a project with accepted cases"),
        ({"accepted": 1}, "1 case: learning needs two at least"),
        ({"fault": "There is no data set in x."}, "There is no data set in x."),
    ],
)
def test_what_hinders_is_said_instead(change_of_facts: dict[str, object], why: str) -> None:
    view = decide_finetuning_view(replace(READY, **change_of_facts))  # type: ignore[arg-type]
    assert why in view.intro
    assert not view.learn_enabled


def test_while_it_learns_the_step_the_loss_and_the_time_left_are_told() -> None:
    curve = LearningCurve(losses=((1, 0.9), (50, 0.25)), seconds=100.0)
    chore = BackgroundJobStatus("learn", 50, 200, "training, loss 0.3, 7 min left, 0 % waiting")
    view = decide_finetuning_view(replace(READY, job=chore, curve=curve))
    assert view.bar is not None
    assert view.bar.text == "Step 50 of 200, loss 0.250, about 5 min left"
    assert (view.bar.done, view.bar.total) == (50, 200)
    assert view.stop_enabled
    assert not view.learn_enabled
    assert not view.form_shown
    stopping = decide_finetuning_view(replace(READY, job=replace(chore, stopping=True)))
    assert not stopping.stop_enabled


def test_a_lesson_that_was_stopped_can_go_on() -> None:
    assert (
        decide_finetuning_view(replace(READY, curve=LearningCurve(losses=((3, 0.5),)))).learn_text
        == "Go on learning"
    )


def test_a_better_model_can_be_adopted_once_the_accepted_cases_were_looked_at() -> None:
    facts = replace(READY, learnt=learnt_of(BETTER))
    before = decide_finetuning_view(facts)
    assert before.adopt_shown
    assert not before.adopt_enabled
    assert before.compare_shown
    after = decide_finetuning_view(replace(facts, differences=(change("taught", "a", 0.9, 0.8),)))
    assert after.adopt_enabled
    assert not after.compare_shown
    assert "worse on 1" in after.differences_words
    assert decide_finetuning_view(replace(facts, accepted=0)).adopt_enabled, "nothing to look at"
    adopted = replace(facts, differences=(), default=DefaultModel("better", "starter-2"))
    assert not decide_finetuning_view(adopted).adopt_shown
    assert decide_finetuning_view(adopted).back == "Go back to starter-2"


def test_what_the_judges_cannot_tell_is_said_beside_the_verdict() -> None:
    few = decide_finetuning_view(replace(READY, learnt=learnt_of(BETTER)))
    assert "Only 1 case of yours judged, which is little." in few.verdict
    seen = replace(READY, differences=(change("taught", "a", 0.9, 0.8), change("taught", "b", 0.7, 0.8)))
    enough = verdict_of(*(change("validation", f"{number}", 0.5, 0.7, f"{number}") for number in range(5)))
    worse = decide_finetuning_view(replace(seen, learnt=learnt_of(enough)))
    assert "judged, which is little" not in worse.verdict
    assert "It drafts 1 of 2 accepted cases worse than the old one: look at them first." in worse.verdict
    assert "It drafts" not in decide_finetuning_view(replace(seen, learnt=learnt_of(WORSE))).verdict


def test_truths_without_any_pancreas_are_said_with_the_verdict() -> None:
    judges = verdict_of(
        change("validation", "b", 0.5, 0.7),
        change("validation", "c", 1.0, 1.0, empty=True),
        change("phantoms", "p", 0.8, 0.8),
    )
    view = decide_finetuning_view(replace(READY, learnt=learnt_of(judges)))
    assert "1 of 3 truths is empty (c): no pancreas is marked there." in view.verdict
    taught = "1 of 2 cases to learn from is empty (a): no pancreas is marked there."
    learnt = replace(learnt_of(BETTER), about_empty=taught)
    assert taught in decide_finetuning_view(replace(READY, learnt=learnt)).verdict
    assert "empty" not in decide_finetuning_view(replace(READY, learnt=learnt_of(BETTER))).verdict


def test_the_verdict_says_how_it_was_trained_and_who_did_neither() -> None:
    learnt = learnt_of(BETTER)
    learnt = replace(learnt, division=replace(learnt.division, left_out=("case-0004",)))
    told = decide_finetuning_view(replace(READY, learnt=learnt)).verdict
    assert told.startswith(BETTER.sentence)
    assert "4 steps in 1.5 min, in float32; 2 cases taught, 1 judged." in told
    assert "case-0004: did neither, there is somebody in them who judges or once did." in told


def test_accepted_masks_without_any_pancreas_are_said_where_the_models_are_compared() -> None:
    found = (change("taught", "a", 0.9, 0.8), change("taught", "e", 1.0, 1.0, empty=True))
    view = decide_finetuning_view(replace(READY, learnt=learnt_of(BETTER), differences=found))
    assert "1 of 2 accepted masks is empty (e): no pancreas is marked there." in view.differences_words
    view = decide_finetuning_view(replace(READY, learnt=learnt_of(BETTER), differences=found[:1]))
    assert "empty" not in view.differences_words


def test_a_model_that_is_held_back_cannot_be_adopted_and_it_is_said_why() -> None:
    view = decide_finetuning_view(replace(READY, learnt=learnt_of(WORSE)))
    assert "The old model stays: on validation (1 case) the new one's DSC is 0.200 lower." in view.verdict
    assert not view.adopt_shown
    assert not view.compare_shown


def test_the_largest_loss_comes_first() -> None:
    rows = rows_worst_first(
        [change("g", "up", 0.1, 0.9), change("g", "down", 0.9, 0.1), change("g", "as", 1, 1)]
    )
    assert [row.name for row in rows] == ["down", "as", "up"]


def test_a_group_is_the_mean_of_its_people() -> None:
    verdict = verdict_of(
        change("validation", "a1", 0.2, 0.4, "a"),
        change("validation", "a2", 0.4, 0.6, "a"),
        change("validation", "b", 0.9, 0.9, "b"),
    )
    group, *cases = rows_by_group(verdict)
    assert group.group
    assert group.name == "Validation: 3 cases"
    assert group.dsc[0] == pytest.approx(0.6)
    assert group.dsc[1] == pytest.approx(0.7)
    assert group.dsc_change == pytest.approx(verdict.groups[0].dsc.mean)
    assert {row.name for row in cases} == {"a1", "a2", "b"}


def test_a_log_becomes_a_curve() -> None:
    rows: list[dict[str, Any]] = [
        {"step": 1, "loss": 0.9, "seconds": 3.0},
        {"step": 2, "loss": 0.8, "seconds": 5.0, "validation": {"slices": 0.4, "volumes": 0.5}},
    ]
    curve = curve_from_log(rows)
    assert curve == LearningCurve(((1, 0.9), (2, 0.8)), ((2, 0.4),), 5.0)
    assert curve.seconds_left(6) == 10.0
    assert curve_from_log([]).seconds_left(6) is None


# What is asked of the child


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = drafted_project(tmp_path, 4)
    for name in ("case-0001", "case-0002", "case-0003"):
        accept(made, name)
    yield made
    made.close()


@pytest.fixture
def lesson(project: Project, tiny_bundle: Path) -> FinetuneRequest:
    return request_finetuning(read_bundle(tiny_bundle), FinetuningOptions(), project)


def test_only_what_is_accepted_now_teaches(lesson: FinetuneRequest, project: Project) -> None:
    folder = prepare_finetuning(lesson, no_progress).dataset
    assert [case.name for case in find_dataset_cases(folder)] == ["case-0001", "case-0002", "case-0003"]
    before = {case.name: case.image.read_bytes() for case in find_dataset_cases(folder)}
    reopen_case(project, project.case_named("case-0002"), actor="anna")
    left = find_dataset_cases(prepare_finetuning(lesson, no_progress).dataset)
    assert [case.name for case in left] == ["case-0001", "case-0003"]
    assert all(case.image.read_bytes() == before[case.name] for case in left), "who judged is known by it"


def test_the_same_lesson_goes_on_in_the_same_run_and_another_does_not(lesson: FinetuneRequest) -> None:
    first = prepare_finetuning(lesson, no_progress)
    assert prepare_finetuning(lesson, no_progress) == first
    assert first.output.is_relative_to(lesson.config.output)
    assert first.name.startswith("tiny-tuned-")
    longer = replace(lesson, config=replace(lesson.config, effort=FinetuneBudget(minutes=20)))
    assert prepare_finetuning(longer, no_progress).output != first.output
    assert lesson.project is not None
    accept(lesson.project, "case-0004")
    assert prepare_finetuning(lesson, no_progress).output != first.output


def test_without_accepted_cases_nothing_is_learnt(tmp_path: Path, tiny_bundle: Path) -> None:
    project = drafted_project(tmp_path, 1)
    with pytest.raises(AttunetError, match="No case is accepted yet"):
        prepare_finetuning(
            request_finetuning(read_bundle(tiny_bundle), FinetuningOptions(), project), no_progress
        )
    project.close()
    with pytest.raises(AttunetError, match="No project is open"):
        request_finetuning(read_bundle(tiny_bundle), FinetuningOptions(), None)


def test_who_did_not_teach_is_compared_first(project: Project, tmp_path: Path) -> None:
    learnt = learnt_of(BETTER)
    order = make_model_comparison(
        project, tmp_path, learnt, CaseDivision(("case-0001", "case-0003"), ("case-0002",))
    )
    assert [(each.case.name, each.role) for each in order.cases] == [
        ("case-0002", "judged"),
        ("case-0003", "taught"),
        ("case-0001", "taught"),
    ]
    assert {each.role for each in make_model_comparison(project, tmp_path, learnt, None).cases} == {
        "not known"
    }


def test_masks_that_nobody_changed_are_not_compared(project: Project, tmp_path: Path) -> None:
    unedited = MaskReview(model="old ab", corrected=frozenset(), edits_by_tool={"draft": 1})
    for name, review in (
        ("case-0001", unedited),
        ("case-0002", replace(unedited, corrected=frozenset({3}))),
        ("case-0003", replace(unedited, corrected=None, edits_by_tool={"brush": 1})),
    ):
        reopen_case(project, project.case_named(name), actor="anna")
        save(project, project.case_named(name), ball(radius_mm=13), review)
        accept_case(project, project.case_named(name), actor="anna")
    order = make_model_comparison(project, tmp_path, learnt_of(BETTER), None)
    assert {each.case.name for each in order.cases} == {"case-0002", "case-0003"}
    assert order.left_out == 1


def test_the_comparison_says_how_many_were_left_out_and_why() -> None:
    why = "saved without a stroke or a verified slice, they prove nothing."
    passed = replace(
        READY, learnt=learnt_of(BETTER), differences=(change("taught", "a", 0.9, 0.8),), left_out=2
    )
    told = decide_finetuning_view(passed).differences_words
    assert told.startswith("Drafts of 1 case against")
    assert told.endswith(f"1 corrected case judges; 2 were left out: {why}")
    nobody = decide_finetuning_view(replace(passed, differences=())).differences_words
    assert nobody == f"0 corrected cases judge; 2 were left out: {why}"
    assert comparison_text((), 2) == nobody
    assert comparison_text(passed.differences or (), 0) == (
        "Of 1 accepted case the new model drafts 1 worse than the old one."
    )


# On the controller


@pytest.fixture
def room(qt: QApplication, tmp_path: Path, project: Project, tiny_bundle: Path) -> Iterator[HeadlessWorklist]:
    made = headless_worklist_in(tmp_path, project)
    made.world.controller.session.models.add_model(read_bundle(tiny_bundle))
    made.world.until(lambda: made.world.controller.finetuning.current_facts.accepted == 3)
    yield made
    made.world.controller.end_background_work()
    made.world.controller.session.close_session()


def learning_of(room: HeadlessWorklist, pupil: Pupil) -> FinetuningController:
    learning = room.world.controller.finetuning
    learning.run_in_child, learning.can_finetune = pupil, True
    return learning


def test_a_lesson_is_learnt_compared_adopted_and_taken_back(
    room: HeadlessWorklist, tiny_bundle: Path
) -> None:
    pupil = Pupil(tiny_bundle)
    learning, session = learning_of(room, pupil), room.world.controller.session
    shipped = offered_bundles()[0].card.name
    learning.begin_finetuning()
    room.world.until(lambda: learning.current_facts.differences is not None)
    facts = learning.current_facts
    assert facts.learnt is not None
    assert facts.curve.last_step == 4
    assert [case.role for case in pupil.orders[1].cases] == ["judged", "taught", "taught"]
    name = facts.learnt.name
    room.world.until(lambda: decide_finetuning_view(learning.current_facts).adopt_enabled)
    learning.adopt_model()
    room.world.until(lambda: learning.models.default.name == name)
    assert session.models.chosen is not None
    assert session.models.chosen.card.name == name, "the next draft is by it"
    assert offered_bundles()[0].card.name == name, "also in the next session"
    assert learning.models.default.before == shipped
    learning.models.return_to_previous_model()
    room.world.until(lambda: learning.models.default.name == shipped)
    assert session.models.chosen.card.name == shipped
    assert learning.models.default.before == ""


def test_a_model_that_is_worse_is_held_back(room: HeadlessWorklist, tiny_bundle: Path) -> None:
    pupil = Pupil(tiny_bundle, gain=-0.3)
    learning = learning_of(room, pupil)
    learning.begin_finetuning()
    room.world.until(lambda: "The old model stays" in room.world.said)
    room.settle()
    assert len(pupil.orders) == 1, "nothing to compare"
    before = offered_bundles()[0].card.name
    learning.adopt_model()
    room.settle()
    assert offered_bundles()[0].card.name == before


def test_what_went_wrong_is_said_in_the_dialogue_and_can_be_tried_again(
    room: HeadlessWorklist, tiny_bundle: Path
) -> None:
    pupil = Pupil(tiny_bundle)
    pupil.refuses = "The disk is full: make room."
    learning = learning_of(room, pupil)
    learning.begin_finetuning()
    room.world.until(lambda: learning.current_facts.problem)
    view = decide_finetuning_view(learning.current_facts)
    assert view.verdict == "The disk is full: make room."
    assert view.learn_enabled
    pupil.refuses = ""
    learning.begin_finetuning()
    room.world.until(lambda: learning.current_facts.learnt is not None)
    assert learning.current_facts.problem == ""


def test_a_lesson_stops_when_asked_and_goes_on_in_its_run(room: HeadlessWorklist, tiny_bundle: Path) -> None:
    pupil = Pupil(tiny_bundle)
    pupil.goes_on.clear()
    learning = learning_of(room, pupil)
    learning.begin_finetuning()
    room.world.until(lambda: learning.current_facts.curve.last_step == 2)
    learning.stop_running_job()
    room.world.until(lambda: learning.current_facts.job is None)
    assert "was stopped; what is done stays" in room.world.said
    assert learning.current_facts.learnt is None
    assert decide_finetuning_view(learning.current_facts).learn_text == "Go on learning"
    pupil.goes_on.set()
    learning.begin_finetuning()
    room.world.until(lambda: learning.current_facts.learnt is not None)
    assert pupil.orders[0] == pupil.orders[1]


def test_a_folder_that_is_no_data_set_is_said_at_once(
    room: HeadlessWorklist, tiny_bundle: Path, tmp_path: Path
) -> None:
    learning = learning_of(room, Pupil(tiny_bundle))
    learning.set_options(FinetuningOptions(dataset=tmp_path / "nowhere"))
    view = decide_finetuning_view(learning.current_facts)
    assert "There is no data set in" in view.intro
    assert not view.learn_enabled


def test_closing_the_project_forgets_its_lesson(room: HeadlessWorklist, tiny_bundle: Path) -> None:
    learning = learning_of(room, Pupil(tiny_bundle))
    learning.begin_finetuning()
    room.world.until(lambda: learning.current_facts.differences is not None)
    room.worklist.close_project()
    room.world.until(lambda: room.worklist.project is None)
    assert learning.current_facts.learnt is None

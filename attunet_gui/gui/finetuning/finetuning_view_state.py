"""What the dialog for fine-tuning shows, as a pure function from facts to a view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import mean

from attunet_gui.app.model_finetuning import DefaultModel, FinetuningOptions
from attunet_gui.app.project_messages import count_cases_text as cases_words
from attunet_gui.core.draft_correction import left_out_sentence
from attunet_gui.evaluation.case_scores import empty_truths_sentence
from attunet_gui.evaluation.model_guard import CaseScoreChange, GroupScoreChange, GuardVerdict
from attunet_gui.gui.finetuning.learning_curve import LearningCurve
from attunet_gui.gui.view_state import ProgressBarState, time_left_text
from attunet_gui.gui.worklist.background_jobs import BackgroundJobStatus
from attunet_gui.system.plurals import counted
from attunet_gui.training.finetuning.finetune_data import VALIDATION_GROUP
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel

_SHARE = 0.2
"""Share of the patients that judge and are not trained on, as the division takes it."""
_FEWEST = 2
"""Fewest cases to begin with: one to train on and one to judge."""
_ENOUGH_JUDGES = 5
"""With fewer held-out patients the confidence interval of the mean says little; with one there is none."""
_NO_LEARNING = (
    "This package was made without TensorFlow and cannot learn; install the whole one. It can still draft "
    "with a model that learnt elsewhere."
)


@dataclass(frozen=True)
class FinetuningFacts:
    """What is known, as plain values.

    Attributes:
        able: whether TensorFlow, which training needs, is installed.
        model: title of the model that would be fine-tuned; "" for none.
        project: name of the open project; "" for none.
        place: folder of data and runs, as text.
        accepted: number of accepted cases of the project.
        options: the chosen options.
        found: number of cases in the chosen folder; None if none is chosen.
        fault: what is wrong with a chosen folder, as a sentence.
        job: the background job that trains or compares; None if there is none.
        curve: learning curve of the last run.
        learnt: result of the last run; None while there is none.
        differences: both models on accepted cases; None before the comparison.
        left_out: number of accepted cases that were not compared, since their masks prove nothing.
        default: the model that is used, and the one before.
        problem: what went wrong last, as a sentence.
    """

    able: bool = True
    model: str = ""
    project: str = ""
    place: str = ""
    accepted: int = 0
    options: FinetuningOptions = field(default_factory=FinetuningOptions)
    found: int | None = None
    fault: str = ""
    job: BackgroundJobStatus | None = None
    curve: LearningCurve = field(default_factory=LearningCurve)
    learnt: FinetunedModel | None = None
    differences: tuple[CaseScoreChange, ...] | None = None
    left_out: int = 0
    default: DefaultModel = field(default_factory=DefaultModel)
    problem: str = ""


@dataclass(frozen=True)
class ModelComparisonRow:
    """A row of a table, old model against new.

    Attributes:
        name: of a case or a group.
        role: of the case in the training of the new model; "" for a group.
        dsc: DSC of the old and the new model.
        nsd: normalised surface distance of the old and the new model.
        group: whether the row stands for several cases.
    """

    name: str
    role: str
    dsc: tuple[float, float]
    nsd: tuple[float, float]
    group: bool = False

    @property
    def dsc_change(self) -> float:
        """Change of the DSC from the old to the new model; negative is worse."""
        return self.dsc[1] - self.dsc[0]


@dataclass(frozen=True)
class FinetuningView:
    """Everything that the dialog shows. It applies it and decides nothing itself."""

    intro: str
    form_shown: bool
    form_enabled: bool
    learn_text: str
    learn_enabled: bool
    stop_shown: bool
    stop_enabled: bool
    bar: ProgressBarState | None
    curve_shown: bool
    verdict: str
    judges: tuple[ModelComparisonRow, ...]
    differences: tuple[ModelComparisonRow, ...]
    differences_words: str
    compare_shown: bool
    adopt_shown: bool
    adopt_enabled: bool
    adopt_tip: str
    back: str


def decide_finetuning_view(facts: FinetuningFacts) -> FinetuningView:
    """Return what the dialog shows for `facts`."""
    idle, learnt = facts.job is None, facts.learnt
    hindrance = why_not_possible(facts)
    passed = learnt is not None and learnt.verdict.passed
    adopted = learnt is not None and learnt.name == facts.default.name
    # Adoption waits until the annotator could see what changes on the cases that are accepted.
    compared = facts.differences is not None or not facts.accepted
    return FinetuningView(
        intro=_intro_text(facts, hindrance),
        form_shown=idle and learnt is None,
        form_enabled=facts.able,
        learn_text="Learn again…" if learnt else "Go on learning" if facts.curve.last_step else "Learn",
        learn_enabled=idle and (learnt is not None or not hindrance),
        stop_shown=not idle,
        stop_enabled=facts.job is not None and not facts.job.stopping,
        bar=_progress_bar(facts),
        curve_shown=bool(facts.curve.losses),
        verdict=" ".join(
            part for part in (_verdict_text(learnt), _caveats_text(facts), facts.problem) if part
        ),
        judges=() if learnt is None else rows_by_group(learnt.verdict),
        differences=rows_worst_first(facts.differences or ()),
        differences_words=_differences_text(facts),
        compare_shown=idle and passed and not compared,
        adopt_shown=passed and not adopted,
        adopt_enabled=idle and compared,
        adopt_tip=(
            "Draft with it from the next case on; one click goes back"
            if compared
            else "First see what changes on the cases that are accepted"
        ),
        back=f"Go back to {facts.default.before}" if facts.default.before else "",
    )


def _intro_text(facts: FinetuningFacts, hindrance: str) -> str:
    if facts.job is not None:
        return f"Go on working: {facts.model} drafts meanwhile, and this window may be closed."
    return "" if facts.learnt else hindrance or _plan_text(facts)


def why_not_possible(facts: FinetuningFacts) -> str:
    """Return why no run can begin now, as a sentence; "" if one can."""
    if not facts.able:
        return _NO_LEARNING
    if not facts.model:
        return "There is no model to improve: choose one first."
    if facts.fault:
        return facts.fault
    if facts.options.dataset is None and not facts.project:
        return "Open a project with accepted cases (F3), or choose the folder of a data set."
    fewest = 1 if facts.options.validation else _FEWEST
    if _available_cases(facts) < fewest:
        return (
            f"{_capitalise_first(cases_words(_available_cases(facts)))}: learning needs two at least, of "
            "different "
            "people, one to teach and one to judge. Accept more cases with Shift+A."
        )
    return ""


def _available_cases(facts: FinetuningFacts) -> int:
    return facts.accepted if facts.options.dataset is None else facts.found or 0


def _plan_text(facts: FinetuningFacts) -> str:
    """Return what a run would do, as text: cases, who judges, how long, and where the data stays."""
    total, options = _available_cases(facts), facts.options
    # As many as the division holds out: a fifth of the patients, but at least one.
    judges = 0 if options.validation else max(1, round(_SHARE * total))
    of = "accepted cases" if options.dataset is None else f"cases in {options.dataset.name}"
    minutes = (
        f"about {options.effort.minutes:.0f} min"
        if options.effort.minutes
        else counted(options.effort.steps, "step")
    )
    who = (
        f"The cases in {options.validation.name} judge"
        if options.validation
        else f"About {judges} {'judges' if judges == 1 else 'judge'} and never {_teach_verb(judges)}"
    )
    return (
        f"{facts.model} learns from about {total - judges} of {total} {of}. {who}: the old and the new model "
        f"draft them, and phantoms, and are compared. Learning takes {minutes}, reading and comparing "
        "take some more; go on working meanwhile. Stop when you like, the next run goes on. The new model "
        "takes over only if it is nowhere worse and you adopt it. Everything stays on this machine, in "
        f"{facts.place}."
    )


def _teach_verb(count: int) -> str:
    return "teaches" if count == 1 else "teach"


def _progress_bar(facts: FinetuningFacts) -> ProgressBarState | None:
    chore = facts.job
    if chore is None:
        return None
    if chore.stopping:
        return ProgressBarState(0, 0, "Stopping; what is learnt is kept")
    return ProgressBarState(chore.done, chore.total, _progress_text(facts, chore))


def _progress_text(facts: FinetuningFacts, chore: BackgroundJobStatus) -> str:
    """Return the text of the progress bar: step, loss and time left while training."""
    if chore.kind == "compare":
        return f"Comparing drafts of accepted cases: {chore.done} of {chore.total}"
    if not chore.stage.startswith("training"):
        counted = f", {chore.done} of {chore.total}" if chore.total > 1 else ""
        return f"{_capitalise_first(chore.stage or 'starting')}{counted}"
    told = [f"Step {chore.done} of {chore.total}"]
    if facts.curve.losses:
        told.append(f"loss {facts.curve.losses[-1][1]:.3f}")
    left = facts.curve.seconds_left(chore.total)
    if left is not None:
        told.append(time_left_text(left))
    return ", ".join(told)


def _capitalise_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verdict_text(learnt: FinetunedModel | None) -> str:
    """Return the result of the last run as text; "" without one."""
    if learnt is None:
        return ""
    told = (
        learnt.verdict.sentence,
        learnt.training_sentence,
        learnt.left_out_sentence,
        learnt.about_empty,
        learnt.verdict.empty_truths_note,
    )
    return " ".join(part for part in told if part)


def _caveats_text(facts: FinetuningFacts) -> str:
    """Return what the verdict cannot tell but matters before adoption; "" if there is nothing."""
    if facts.learnt is None or not facts.learnt.verdict.passed:
        return ""
    told, own = [], sum(case.group == VALIDATION_GROUP for case in facts.learnt.verdict.cases)
    if own < _ENOUGH_JUDGES:
        told.append(f"Only {cases_words(own)} of yours judged, which is little.")
    worse = _count_worse(facts.differences or ())
    if worse:
        of = len(facts.differences or ())
        told.append(
            f"It drafts {worse} of {counted(of, 'accepted case')} worse than the old one: look at them first."
        )
    return " ".join(told)


def _count_worse(changes: Iterable[CaseScoreChange]) -> int:
    return sum(case.dsc_after < case.dsc_before for case in changes)


def rows_by_group(verdict: GuardVerdict) -> tuple[ModelComparisonRow, ...]:
    """Return a row for each group of the verdict, followed by the rows of its cases, worst first."""
    rows: list[ModelComparisonRow] = []
    for group in verdict.groups:
        cases = [case for case in verdict.cases if case.group == group.group]
        rows += [_group_row(group, cases), *rows_worst_first(cases, role="")]
    return tuple(rows)


def _group_row(group: GroupScoreChange, cases: Sequence[CaseScoreChange]) -> ModelComparisonRow:
    """Return the row of a group, with means over patients, as the verdict takes them."""

    def old_and_new(before: str, after: str) -> tuple[float, float]:
        return _mean_over_patients(cases, before), _mean_over_patients(cases, after)

    name = f"{_capitalise_first(group.group)}: {cases_words(group.cases)}"
    return ModelComparisonRow(
        name, "", old_and_new("dsc_before", "dsc_after"), old_and_new("nsd_before", "nsd_after"), True
    )


def _mean_over_patients(cases: Sequence[CaseScoreChange], part: str) -> float:
    """Return the mean over patients of the means over each patient's cases of the field `part`."""
    ordered = sorted(cases, key=lambda case: case.person)
    # A patient with many CT must not count more than one with a single CT.
    people = groupby(ordered, key=lambda case: case.person)
    return mean(mean(float(getattr(case, part)) for case in own) for _person, own in people)


def rows_worst_first(
    changes: Iterable[CaseScoreChange], role: str | None = None
) -> tuple[ModelComparisonRow, ...]:
    """Return a row for each case, the largest loss of DSC first.

    Args:
        changes: the cases.
        role: text for all of them; None takes the group of each.
    """
    rows = (
        ModelComparisonRow(
            case.case,
            case.group if role is None else role,
            (case.dsc_before, case.dsc_after),
            (case.nsd_before, case.nsd_after),
        )
        for case in changes
    )
    return tuple(sorted(rows, key=lambda row: row.dsc_change))


def _differences_text(facts: FinetuningFacts) -> str:
    """Return the result of the comparison on accepted cases, or why there is none."""
    if facts.learnt is None or not facts.learnt.verdict.passed:
        return ""
    found = facts.differences
    if found is None:
        comparing = facts.job is not None and facts.job.kind == "compare"
        if not facts.accepted:
            return "There are no accepted cases to look at."
        return (
            "Both models draft accepted cases." if comparing else "Nobody looked at the accepted cases yet."
        )
    told = left_out_sentence(len(found), facts.left_out)
    if not found:
        return told or "There are no accepted cases to look at."
    words = (
        f"Drafts of {cases_words(len(found))} against the accepted mask: worse on {_count_worse(found)}. "
        "Double "
        "click opens a case. One that taught proves nothing: the new model knows its mask."
    )
    empty = empty_truths_sentence([case.case for case in found if case.empty], len(found), "accepted masks")
    return " ".join(part for part in (words, told, empty) if part)


def comparison_text(found: Sequence[CaseScoreChange], left_out: int) -> str:
    """Return the result of a comparison on accepted cases as one or two sentences."""
    of = counted(len(found), "accepted case")
    worse = f"Of {of} the new model drafts {_count_worse(found)} worse than the old one."
    told = left_out_sentence(len(found), left_out)
    return f"{worse} {told}".strip() if found or not told else told

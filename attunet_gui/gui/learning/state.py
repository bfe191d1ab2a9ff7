"""What the dialog for fine-tuning shows, as a pure function from facts to a view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import mean

from attunet_gui.core.counting import counted
from attunet_gui.core.evidence import left_out_words
from attunet_gui.evaluation.empty import empty_words
from attunet_gui.evaluation.guard import CaseChange, GroupChange, Verdict
from attunet_gui.gui.learning.curve import Curve
from attunet_gui.gui.learning.tasks import Default, LearningWish
from attunet_gui.gui.state import Bar, time_left
from attunet_gui.gui.worklist.chores import ChoreStatus
from attunet_gui.gui.worklist.words import cases as cases_words
from attunet_gui.recipes.finetuning.answer import Learnt
from attunet_gui.recipes.finetuning.material import VALIDATION

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
class LearningFacts:
    """What is known, as plain values.

    Attributes:
        able: whether TensorFlow, which training needs, is installed.
        model: title of the model that would be fine-tuned; "" for none.
        project: name of the open project; "" for none.
        place: folder of data and runs, as text.
        accepted: number of accepted cases of the project.
        wish: the chosen options.
        found: number of cases in the chosen folder; None if none is chosen.
        fault: what is wrong with a chosen folder, as a sentence.
        chore: the background job that trains or compares; None if there is none.
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
    wish: LearningWish = field(default_factory=LearningWish)
    found: int | None = None
    fault: str = ""
    chore: ChoreStatus | None = None
    curve: Curve = field(default_factory=Curve)
    learnt: Learnt | None = None
    differences: tuple[CaseChange, ...] | None = None
    left_out: int = 0
    default: Default = field(default_factory=Default)
    problem: str = ""


@dataclass(frozen=True)
class ResultRow:
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
    def change(self) -> float:
        """Change of the DSC from the old to the new model; negative is worse."""
        return self.dsc[1] - self.dsc[0]


@dataclass(frozen=True)
class LearningView:
    """Everything that the dialog shows. It applies it and decides nothing itself."""

    intro: str
    form_shown: bool
    form_enabled: bool
    learn_text: str
    learn_enabled: bool
    stop_shown: bool
    stop_enabled: bool
    bar: Bar | None
    curve_shown: bool
    verdict: str
    judges: tuple[ResultRow, ...]
    differences: tuple[ResultRow, ...]
    differences_words: str
    compare_shown: bool
    adopt_shown: bool
    adopt_enabled: bool
    adopt_tip: str
    back: str


def decide_learning(facts: LearningFacts) -> LearningView:
    """Return what the dialog shows for `facts`."""
    idle, learnt = facts.chore is None, facts.learnt
    hindrance = hindrance_of(facts)
    passed = learnt is not None and learnt.verdict.passed
    adopted = learnt is not None and learnt.name == facts.default.name
    # Adoption waits until the annotator could see what changes on the cases that are accepted.
    compared = facts.differences is not None or not facts.accepted
    return LearningView(
        intro=_intro(facts, hindrance),
        form_shown=idle and learnt is None,
        form_enabled=facts.able,
        learn_text="Learn again…" if learnt else "Go on learning" if facts.curve.step else "Learn",
        learn_enabled=idle and (learnt is not None or not hindrance),
        stop_shown=not idle,
        stop_enabled=facts.chore is not None and not facts.chore.stopping,
        bar=_bar(facts),
        curve_shown=bool(facts.curve.losses),
        verdict=" ".join(part for part in (_verdict(learnt), _doubts(facts), facts.problem) if part),
        judges=() if learnt is None else judges_of(learnt.verdict),
        differences=worst_first(facts.differences or ()),
        differences_words=_differences_words(facts),
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


def _intro(facts: LearningFacts, hindrance: str) -> str:
    if facts.chore is not None:
        return f"Go on working: {facts.model} drafts meanwhile, and this window may be closed."
    return "" if facts.learnt else hindrance or _plan(facts)


def hindrance_of(facts: LearningFacts) -> str:
    """Return why no run can begin now, as a sentence; "" if one can."""
    if not facts.able:
        return _NO_LEARNING
    if not facts.model:
        return "There is no model to improve: choose one first."
    if facts.fault:
        return facts.fault
    if facts.wish.dataset is None and not facts.project:
        return "Open a project with accepted cases (F3), or choose the folder of a data set."
    fewest = 1 if facts.wish.validation else _FEWEST
    if _taught_and_judges(facts) < fewest:
        return (
            f"{_capital(cases_words(_taught_and_judges(facts)))}: learning needs two at least, of different "
            "people, one to teach and one to judge. Accept more cases with Shift+A."
        )
    return ""


def _taught_and_judges(facts: LearningFacts) -> int:
    return facts.accepted if facts.wish.dataset is None else facts.found or 0


def _plan(facts: LearningFacts) -> str:
    """Return what a run would do, as text: cases, who judges, how long, and where the data stays."""
    total, wish = _taught_and_judges(facts), facts.wish
    # As many as the division holds out: a fifth of the patients, but at least one.
    judges = 0 if wish.validation else max(1, round(_SHARE * total))
    of = "accepted cases" if wish.dataset is None else f"cases in {wish.dataset.name}"
    minutes = (
        f"about {wish.effort.minutes:.0f} min" if wish.effort.minutes else counted(wish.effort.steps, "step")
    )
    who = (
        f"The cases in {wish.validation.name} judge"
        if wish.validation
        else f"About {judges} {'judges' if judges == 1 else 'judge'} and never {_teach(judges)}"
    )
    return (
        f"{facts.model} learns from about {total - judges} of {total} {of}. {who}: the old and the new model "
        f"draft them, and phantoms, and are compared. Learning takes {minutes}, reading and comparing "
        "take some more; go on working meanwhile. Stop when you like, the next run goes on. The new model "
        "takes over only if it is nowhere worse and you adopt it. Everything stays on this machine, in "
        f"{facts.place}."
    )


def _teach(count: int) -> str:
    return "teaches" if count == 1 else "teach"


def _bar(facts: LearningFacts) -> Bar | None:
    chore = facts.chore
    if chore is None:
        return None
    if chore.stopping:
        return Bar(0, 0, "Stopping; what is learnt is kept")
    return Bar(chore.done, chore.total, _doing(facts, chore))


def _doing(facts: LearningFacts, chore: ChoreStatus) -> str:
    """Return the text of the progress bar: step, loss and time left while training."""
    if chore.kind == "compare":
        return f"Comparing drafts of accepted cases: {chore.done} of {chore.total}"
    if not chore.stage.startswith("training"):
        counted = f", {chore.done} of {chore.total}" if chore.total > 1 else ""
        return f"{_capital(chore.stage or 'starting')}{counted}"
    told = [f"Step {chore.done} of {chore.total}"]
    if facts.curve.losses:
        told.append(f"loss {facts.curve.losses[-1][1]:.3f}")
    left = facts.curve.seconds_left(chore.total)
    if left is not None:
        told.append(time_left(left))
    return ", ".join(told)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verdict(learnt: Learnt | None) -> str:
    """Return the result of the last run as text; "" without one."""
    if learnt is None:
        return ""
    taught = len(learnt.division.training)
    told = (
        learnt.verdict.sentence,
        f"{_capital(cases_words(taught))} taught, {counted(learnt.steps, 'step')} in "
        f"{learnt.seconds / 60:.1f} min.",
        learnt.about_empty,
        learnt.verdict.about_empty,
    )
    return " ".join(part for part in told if part)


def _doubts(facts: LearningFacts) -> str:
    """Return what the verdict cannot tell but matters before adoption; "" if there is nothing."""
    if facts.learnt is None or not facts.learnt.verdict.passed:
        return ""
    told, own = [], sum(case.group == VALIDATION for case in facts.learnt.verdict.cases)
    if own < _ENOUGH_JUDGES:
        told.append(f"Only {cases_words(own)} of yours judged, which is little.")
    worse = _worse(facts.differences or ())
    if worse:
        of = len(facts.differences or ())
        told.append(
            f"It drafts {worse} of {counted(of, 'accepted case')} worse than the old one: look at them first."
        )
    return " ".join(told)


def _worse(changes: Iterable[CaseChange]) -> int:
    return sum(case.dsc_after < case.dsc_before for case in changes)


def judges_of(verdict: Verdict) -> tuple[ResultRow, ...]:
    """Return a row for each group of the verdict, followed by the rows of its cases, worst first."""
    rows: list[ResultRow] = []
    for group in verdict.groups:
        cases = [case for case in verdict.cases if case.group == group.group]
        rows += [_group(group, cases), *worst_first(cases, role="")]
    return tuple(rows)


def _group(group: GroupChange, cases: Sequence[CaseChange]) -> ResultRow:
    """Return the row of a group, with means over patients, as the verdict takes them."""

    def old_and_new(before: str, after: str) -> tuple[float, float]:
        return _by_person(cases, before), _by_person(cases, after)

    name = f"{_capital(group.group)}: {cases_words(group.cases)}"
    return ResultRow(
        name, "", old_and_new("dsc_before", "dsc_after"), old_and_new("nsd_before", "nsd_after"), True
    )


def _by_person(cases: Sequence[CaseChange], part: str) -> float:
    """Return the mean over patients of the means over each patient's cases of the field `part`."""
    ordered = sorted(cases, key=lambda case: case.person)
    # A patient with many CT must not count more than one with a single CT.
    people = groupby(ordered, key=lambda case: case.person)
    return mean(mean(float(getattr(case, part)) for case in own) for _person, own in people)


def worst_first(changes: Iterable[CaseChange], role: str | None = None) -> tuple[ResultRow, ...]:
    """Return a row for each case, the largest loss of DSC first.

    Args:
        changes: the cases.
        role: text for all of them; None takes the group of each.
    """
    rows = (
        ResultRow(
            case.case,
            case.group if role is None else role,
            (case.dsc_before, case.dsc_after),
            (case.nsd_before, case.nsd_after),
        )
        for case in changes
    )
    return tuple(sorted(rows, key=lambda row: row.change))


def _differences_words(facts: LearningFacts) -> str:
    """Return the result of the comparison on accepted cases, or why there is none."""
    if facts.learnt is None or not facts.learnt.verdict.passed:
        return ""
    found = facts.differences
    if found is None:
        comparing = facts.chore is not None and facts.chore.kind == "compare"
        if not facts.accepted:
            return "There are no accepted cases to look at."
        return (
            "Both models draft accepted cases." if comparing else "Nobody looked at the accepted cases yet."
        )
    told = left_out_words(len(found), facts.left_out)
    if not found:
        return told or "There are no accepted cases to look at."
    words = (
        f"Drafts of {cases_words(len(found))} against the accepted mask: worse on {_worse(found)}. Double "
        "click opens a case. One that taught proves nothing: the new model knows its mask."
    )
    empty = empty_words([case.case for case in found if case.empty], len(found), "accepted masks")
    return " ".join(part for part in (words, told, empty) if part)


def compared_words(found: Sequence[CaseChange], left_out: int) -> str:
    """Return the result of a comparison on accepted cases as one or two sentences."""
    of = counted(len(found), "accepted case")
    worse = f"Of {of} the new model drafts {_worse(found)} worse than the old one."
    told = left_out_words(len(found), left_out)
    return f"{worse} {told}".strip() if found or not told else told

"""Choosing the next case: a table of strategies that score the cases; the highest score comes first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from heapq import nsmallest

from sqlalchemy import or_, select

from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.case_state import WAITING_STATUSES, CaseStatus
from attunet_gui.project.database_tables import CaseRecord
from attunet_gui.project.deterministic_sampling import draw_uniform
from attunet_gui.project.project_events import CaseSuggested
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import ProjectError

# A case without a draft is drawn like one of which the network sees half.
_UNKNOWN_VISIBLE = 0.5
# A case in which the network sees nothing is still drawn now and then: the network may be wrong.
_LEAST_VISIBLE = 0.02


@dataclass(frozen=True)
class CaseCandidate:
    """The facts about a case that a strategy may use.

    Attributes:
        id, name, status: of the case.
        uncertainty, effort, visible: as in `attunet_gui.project.triage_metrics`; None if there is no draft.
    """

    id: int
    name: str
    status: str
    uncertainty: float | None
    effort: float | None
    visible: float | None


@dataclass(frozen=True)
class OrderingStrategy:
    """One way to order the cases.

    Attributes:
        key: its name in the command line and in the log.
        title: its name in a list on the screen.
        words: why a case comes next, with {score} as a placeholder.
        score: (candidate, seed) -> score, of which the highest is next; None if the case cannot be scored.
    """

    key: str
    title: str
    words: str
    score: Callable[[CaseCandidate, int], float | None]


def _in_file_order(_case: CaseCandidate, _seed: int) -> float | None:
    return None


def _by_uncertainty(case: CaseCandidate, _seed: int) -> float | None:
    return case.uncertainty


def _by_effort(case: CaseCandidate, _seed: int) -> float | None:
    return case.effort


def _by_least_effort(case: CaseCandidate, _seed: int) -> float | None:
    return None if case.effort is None else -case.effort


def _by_chance(case: CaseCandidate, seed: int) -> float | None:
    """Score by u ** (1 / weight): ordering by it is a weighted draw without replacement.

    Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006. The weight is how much
    of a pancreas the network sees in the case.
    """
    visible = _UNKNOWN_VISIBLE if case.visible is None else case.visible
    chance = draw_uniform(seed, case.name, "next")
    return math.exp(math.log(chance) / max(visible, _LEAST_VISIBLE)) if chance else 0.0


STRATEGIES: tuple[OrderingStrategy, ...] = (
    OrderingStrategy(
        "effort", "most to correct first", "the most to correct, {score:.0f} slices", _by_effort
    ),
    OrderingStrategy(
        "least-effort", "least to correct first", "the least to correct, {score:.0f} slices", _by_least_effort
    ),
    OrderingStrategy(
        "uncertainty", "least certain first", "the least certain draft, {score:.2f}", _by_uncertainty
    ),
    OrderingStrategy(
        "random", "random, where pancreas is seen", "drawn where the pancreas is seen", _by_chance
    ),
    OrderingStrategy("file", "in file order", "the next in the list", _in_file_order),
)
"""Every strategy; a new one is a function and a line here. Cases that a strategy cannot score come last."""


@dataclass(frozen=True)
class CaseChoice:
    """A case that was chosen.

    Attributes:
        case: the row of the case.
        strategy: key of the strategy.
        score: its score; None in file order, or if the case could not be scored.
        reason: why it was chosen, for a person to read.
    """

    case: CaseRow
    strategy: str
    score: float | None
    reason: str


def strategy_named(key: str) -> OrderingStrategy:
    """Return the strategy with that `key`; `ProjectError` if there is none."""
    for strategy in STRATEGIES:
        if strategy.key == key:
            return strategy
    known = ", ".join(strategy.key for strategy in STRATEGIES)
    raise ProjectError(f"There is no order called {key}; there is {known}.")


def choose_next_case(
    project: Project, key: str = "effort", without: frozenset[str] = frozenset(), *, actor: str
) -> CaseChoice | None:
    """Return the first of `rank_cases` and record it in its history with its score; None if nothing waits."""
    found = rank_cases(project, key, 1, without, annotator=actor)
    if not found:
        return None
    choice = found[0]
    suggested = CaseSuggested(strategy=key, score=choice.score, reason=choice.reason)
    return replace(choice, case=project.apply_rule(choice.case, lambda _state: (suggested,), actor=actor))


def rank_cases(
    project: Project,
    key: str = "effort",
    most: int = 10,
    without: frozenset[str] = frozenset(),
    *,
    annotator: str,
) -> tuple[CaseChoice, ...]:
    """Return the cases that the annotator should do next, the first one first. Nothing is recorded.

    Cases that are new, drafted or in progress wait, and so do second reads; those assigned to another person
    and second reads that the annotator may not do are left out. Second reads given to the annotator come
    first, then their own cases, then those of nobody.

    Args:
        project: the project.
        key: key of the strategy.
        most: the largest number of cases to return.
        without: names of cases to pass over, such as the one on screen.
        annotator: name of the annotator whose next cases these are.

    Raises:
        ProjectError: if there is no such strategy.
    """
    strategy, seed = strategy_named(key), project.settings.seed
    scored = [
        (owner, strategy.score(candidate, seed), candidate)
        for candidate, owner in _waiting_candidates(project, annotator)
        if candidate.name not in without
    ]
    best = nsmallest(most, scored, key=lambda each: (*_sort_key(each[0], each[1]), each[2].id))
    return tuple(_case_choice(project, strategy, candidate.name, score) for _, score, candidate in best)


def _case_choice(project: Project, strategy: OrderingStrategy, name: str, score: float | None) -> CaseChoice:
    # A strategy that puts the least first scores by the negative, and the sentence names the number itself.
    words = "the next in the list" if score is None else strategy.words.format(score=abs(score))
    return CaseChoice(project.case_named(name), strategy.key, score, words)


def _sort_key(owner: int, score: float | None) -> tuple[int, bool, float]:
    return owner, score is None, -(score or 0.0)


def _waiting_candidates(project: Project, annotator: str) -> list[tuple[CaseCandidate, int]]:
    """Return the waiting cases with the rank of their owner.

    The rank is 0 for a second read that was given to the annotator, 1 for their own cases and 2 for cases of
    nobody.
    """
    record = CaseRecord
    waiting = record.status.in_([status.value for status in WAITING_STATUSES])
    mine = waiting & record.assignee.in_((annotator, ""))
    second = (
        (record.status == CaseStatus.SECOND_READ.value)
        & (record.annotator != annotator)
        & or_(record.reader == annotator, record.reader == "")
    )
    columns = (
        *(record.id, record.name, record.status, record.uncertainty, record.effort, record.visible),
        *(record.assignee, record.reader),
    )
    with project.database.read_session() as session:
        found = session.execute(select(*columns).where(or_(mine, second))).all()
    return [(CaseCandidate(*row[:6]), _ownership_rank(row[2], row[6], row[7], annotator)) for row in found]


def _ownership_rank(status: str, assignee: str, reader: str, annotator: str) -> int:
    if status == CaseStatus.SECOND_READ.value:
        return 0 if reader == annotator else 2
    return 1 if assignee == annotator else 2

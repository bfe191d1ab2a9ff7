"""Which case next: a table of strategies, each a score; the highest comes first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from heapq import nsmallest

from sqlalchemy import or_, select

from attunet_gui.project.chance import draw
from attunet_gui.project.errors import ProjectError
from attunet_gui.project.events import Suggested
from attunet_gui.project.project import Project
from attunet_gui.project.rows import CaseRow
from attunet_gui.project.schema import CaseRecord
from attunet_gui.project.status import WAITING, Status

_UNKNOWN_VISIBLE = 0.5
_LEAST_VISIBLE = 0.02
"""A case in which the network sees nothing is drawn as well, now and then: it may be wrong."""


@dataclass(frozen=True)
class Candidate:
    """What a strategy may go by; numbers are None without a draft."""

    id: int
    name: str
    status: str
    uncertainty: float | None
    effort: float | None
    visible: float | None


@dataclass(frozen=True)
class Strategy:
    """One way to choose.

    Attributes:
        key: for the command line and the log.
        title: for a list.
        words: why a case comes next; {score} is filled in.
        score: (candidate, seed) -> the highest is next; None if nothing can be said.
    """

    key: str
    title: str
    words: str
    score: Callable[[Candidate, int], float | None]


def _in_file_order(_case: Candidate, _seed: int) -> float | None:
    return None


def _by_uncertainty(case: Candidate, _seed: int) -> float | None:
    return case.uncertainty


def _by_effort(case: Candidate, _seed: int) -> float | None:
    return case.effort


def _by_least_effort(case: Candidate, _seed: int) -> float | None:
    return None if case.effort is None else -case.effort


def _by_chance(case: Candidate, seed: int) -> float | None:
    """u ** (1 / weight): drawn without replacement, by weight (Efraimidis and Spirakis 2006)."""
    visible = _UNKNOWN_VISIBLE if case.visible is None else case.visible
    chance = draw(seed, case.name, "next")
    return math.exp(math.log(chance) / max(visible, _LEAST_VISIBLE)) if chance else 0.0


STRATEGIES: tuple[Strategy, ...] = (
    Strategy("effort", "most to correct first", "the most to correct, {score:.0f} slices", _by_effort),
    Strategy(
        "least-effort", "least to correct first", "the least to correct, {score:.0f} slices", _by_least_effort
    ),
    Strategy("uncertainty", "least certain first", "the least certain draft, {score:.2f}", _by_uncertainty),
    Strategy("random", "random, where pancreas is seen", "drawn where the pancreas is seen", _by_chance),
    Strategy("file", "in file order", "the next in the list", _in_file_order),
)
"""Every strategy; a new one is a function and a line here. What a strategy cannot score comes last."""


@dataclass(frozen=True)
class Choice:
    """The next case.

    Attributes:
        case: which.
        strategy: key of the strategy.
        score: by which it came first; None in file order, or if no case could be scored.
        reason: for a person.
    """

    case: CaseRow
    strategy: str
    score: float | None
    reason: str


def strategy_named(key: str) -> Strategy:
    """The strategy `key`; `ProjectError` if there is none."""
    for strategy in STRATEGIES:
        if strategy.key == key:
            return strategy
    known = ", ".join(strategy.key for strategy in STRATEGIES)
    raise ProjectError(f"There is no order called {key}; there is {known}.")


def choose_next(
    project: Project, key: str = "effort", without: frozenset[str] = frozenset()
) -> Choice | None:
    """The first of `ranked`, kept in its history with its score; None if nothing waits."""
    found = ranked(project, key, 1, without)
    if not found:
        return None
    choice = found[0]
    suggested = Suggested(strategy=key, score=choice.score, reason=choice.reason)
    return replace(choice, case=project.decide(choice.case, lambda _state: (suggested,)))


def ranked(
    project: Project, key: str = "effort", most: int = 10, without: frozenset[str] = frozenset()
) -> tuple[Choice, ...]:
    """What the person at the screen should do next, first to last; nothing is kept of it.

    Waiting are cases that are new, drafted or in progress, and second reads; those of another person are
    left out, and those she may not read. A second read that was given to her comes first, and what she was
    assigned before what is nobody's.

    Args:
        project: whose; its `who` is the person.
        key: of a strategy.
        most: how many.
        without: names of cases to pass over, such as the one on screen.

    Raises:
        ProjectError: if there is no such strategy.
    """
    strategy, seed = strategy_named(key), project.settings.seed
    scored = [
        (owner, strategy.score(candidate, seed), candidate)
        for candidate, owner in _candidates(project)
        if candidate.name not in without
    ]
    best = nsmallest(most, scored, key=lambda each: (*_rank(each[0], each[1]), each[2].id))
    return tuple(_choice(project, strategy, candidate.name, score) for _, score, candidate in best)


def _choice(project: Project, strategy: Strategy, name: str, score: float | None) -> Choice:
    words = "the next in the list" if score is None else strategy.words.format(score=abs(score))
    return Choice(project.case(name), strategy.key, score, words)


def _rank(owner: int, score: float | None) -> tuple[int, bool, float]:
    return owner, score is None, -(score or 0.0)


def _candidates(project: Project) -> list[tuple[Candidate, int]]:
    """With 0 for a second read given to the person, 1 for her own cases, 2 for what is nobody's."""
    record, who = CaseRecord, project.who
    waiting = record.status.in_([status.value for status in WAITING])
    mine = waiting & record.assignee.in_((who, ""))
    second = (
        (record.status == Status.SECOND_READ.value)
        & (record.annotator != who)
        & or_(record.reader == who, record.reader == "")
    )
    columns = (
        *(record.id, record.name, record.status, record.uncertainty, record.effort, record.visible),
        *(record.assignee, record.reader),
    )
    with project.database.reading() as session:
        found = session.execute(select(*columns).where(or_(mine, second))).all()
    return [(Candidate(*row[:6]), _owner(row[2], row[6], row[7], who)) for row in found]


def _owner(status: str, assignee: str, reader: str, who: str) -> int:
    if status == Status.SECOND_READ.value:
        return 0 if reader == who else 2
    return 1 if assignee == who else 2

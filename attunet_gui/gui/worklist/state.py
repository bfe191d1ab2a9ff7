"""What the worklist panel shows, as a pure function from facts to a view; no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from attunet_gui.gui.state import Bar
from attunet_gui.gui.worklist.chores import DOING, ChoreKind, ChoreStatus
from attunet_gui.gui.worklist.words import counts_words
from attunet_gui.project.rows import CaseRow
from attunet_gui.project.status import Status


@dataclass(frozen=True)
class ListFacts:
    """What is known, as plain values.

    Attributes:
        project: name of its folder; "" if none is open.
        counts: number of cases by status.
        found: number of cases that the filter finds.
        open_case: row of the case on screen; None if it does not belong to the project.
        busy: whether a file is read or written, or a case is being recorded.
        choice: why the last next case was chosen, as a sentence; "" before the first.
        chores: background jobs that are running.
        model: whether there is a model to draft with.
    """

    project: str = ""
    counts: Mapping[Status, int] = field(default_factory=dict)
    found: int = 0
    open_case: CaseRow | None = None
    busy: bool = False
    choice: str = ""
    chores: tuple[ChoreStatus, ...] = ()
    model: bool = True


@dataclass(frozen=True)
class ChoreView:
    """What the panel shows of a background job."""

    kind: ChoreKind
    bar: Bar
    stopping: bool


@dataclass(frozen=True)
class ListView:
    """Everything that the panel shows. It applies it and decides nothing itself."""

    is_open: bool
    title: str
    summary: str
    found: str
    choice: str
    next_enabled: bool
    accept_enabled: bool
    import_enabled: bool
    draft_enabled: bool
    export_enabled: bool
    chores: tuple[ChoreView, ...]
    empty_hint: str


def decide_list(facts: ListFacts) -> ListView:
    """Return what the panel shows for `facts`."""
    is_open = bool(facts.project)
    total = sum(facts.counts.values())
    kinds = {chore.kind for chore in facts.chores}
    return ListView(
        is_open=is_open,
        title=facts.project,
        summary=counts_words(facts.counts) if is_open else "No project is open.",
        found="" if facts.found == total else f"{facts.found} of {total} shown",
        choice=facts.choice,
        next_enabled=is_open and not facts.busy and total > 0,
        accept_enabled=facts.open_case is not None and not facts.busy,
        import_enabled=is_open and "import" not in kinds,
        draft_enabled=is_open and facts.model and total > 0 and "draft" not in kinds,
        export_enabled=is_open and total > 0 and "export" not in kinds,
        chores=tuple(_chore(chore) for chore in facts.chores),
        empty_hint=_empty_hint(is_open, total, facts.found),
    )


def _empty_hint(is_open: bool, total: int, found: int) -> str:
    if not is_open or found:
        return ""
    return "No case fits the search and the filter." if total else "Import a folder of CT to begin."


def _chore(chore: ChoreStatus) -> ChoreView:
    done, total = chore.cases if chore.cases[1] else (chore.done, chore.total)
    return ChoreView(chore.kind, Bar(done, total, _chore_words(chore)), chore.stopping)


def _chore_words(chore: ChoreStatus) -> str:
    """Return the text of a job's progress bar: its cases if it has any, else its stage."""
    doing = DOING[chore.kind]
    if chore.stopping:
        return f"{doing}: stopping"
    if chore.kind == "compare" or chore.stage.startswith("training"):
        return f"{doing}: {chore.done} of {chore.total}"
    done, total = chore.cases
    if total:
        # The case that is being worked on, counted from one; after the last one there is none.
        return f"{doing}: {min(done + 1, total)} of {total}"
    return f"{doing}: {chore.stage or 'starting'}"


@dataclass(frozen=True)
class CaseActions:
    """Which commands are enabled for the case that is selected in the list."""

    open: bool = False
    reject: bool = False
    reopen: bool = False
    other: bool = False


def actions_for(row: CaseRow | None, busy: bool) -> CaseActions:
    """Return the enabled commands for `row`; none if nothing is selected."""
    if row is None:
        return CaseActions()
    closed = row.status in (Status.REJECTED, Status.ACCEPTED, Status.REVIEWED)
    return CaseActions(open=not busy, reject=row.status != Status.REJECTED, reopen=closed, other=True)

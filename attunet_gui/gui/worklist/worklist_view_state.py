"""What the worklist panel shows, as a pure function from facts to a view; no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from attunet_gui.gui.view_state import ProgressBarState
from attunet_gui.gui.worklist.background_jobs import JOB_TITLES, BackgroundJobStatus, JobKind
from attunet_gui.gui.worklist.case_formatting import status_counts_text
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.case_state import CaseStatus


class ProjectCommand(Enum):
    """The commands of the project menu, in its order, with their titles there."""

    IMPORT = "Import a folder of CT…"
    IMPORT_COPIES = "Import a folder, copying the CT…"
    DRAFT_LIST = "Draft the whole list"
    EXPORT = "Export…"
    ASK_SECOND_READS = "Ask for second reads…"
    SET_CHECKS = "Measure wrong drafts…"
    OPEN = "Open another project…"
    CLOSE = "Close the project"


class CaseCommand(Enum):
    """The commands of the menu of a case in the list, in its order, with their titles there."""

    OPEN = "Open  (Enter)"
    ASSIGN = "Assign…"
    NOTE = "Note…"
    REJECT = "Reject…"
    REOPEN = "Work on it again"
    SHOW_HISTORY = "History…"


@dataclass(frozen=True)
class WorklistFacts:
    """What is known, as plain values.

    Attributes:
        project: name of its folder; "" if none is open.
        counts: number of cases by status.
        found: number of cases that the filter finds.
        open_case: row of the case on screen; None if it does not belong to the project.
        busy: whether a file is read or written, or a case is being recorded.
        choice: why the last next case was chosen, as a sentence; "" before the first.
        jobs: background jobs that are running.
        model: whether there is a model to draft with.
    """

    project: str = ""
    counts: Mapping[CaseStatus, int] = field(default_factory=dict)
    found: int = 0
    open_case: CaseRow | None = None
    busy: bool = False
    choice: str = ""
    jobs: tuple[BackgroundJobStatus, ...] = ()
    model: bool = True


@dataclass(frozen=True)
class JobView:
    """What the panel shows of a background job."""

    kind: JobKind
    bar: ProgressBarState
    stopping: bool


@dataclass(frozen=True)
class WorklistView:
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
    jobs: tuple[JobView, ...]
    empty_hint: str


def decide_worklist_view(facts: WorklistFacts) -> WorklistView:
    """Return what the panel shows for `facts`."""
    is_open = bool(facts.project)
    total = sum(facts.counts.values())
    kinds = {chore.kind for chore in facts.jobs}
    return WorklistView(
        is_open=is_open,
        title=facts.project,
        summary=status_counts_text(facts.counts) if is_open else "No project is open.",
        found="" if facts.found == total else f"{facts.found} of {total} shown",
        choice=facts.choice,
        next_enabled=is_open and not facts.busy and total > 0,
        accept_enabled=facts.open_case is not None and not facts.busy,
        import_enabled=is_open and "import" not in kinds,
        draft_enabled=is_open and facts.model and total > 0 and "draft" not in kinds,
        export_enabled=is_open and total > 0 and "export" not in kinds,
        jobs=tuple(_job_view(chore) for chore in facts.jobs),
        empty_hint=_empty_hint(is_open, total, facts.found),
    )


def _empty_hint(is_open: bool, total: int, found: int) -> str:
    if not is_open or found:
        return ""
    return "No case fits the search and the filter." if total else "Import a folder of CT to begin."


def _job_view(chore: BackgroundJobStatus) -> JobView:
    done, total = chore.cases if chore.cases[1] else (chore.done, chore.total)
    return JobView(chore.kind, ProgressBarState(done, total, _job_text(chore)), chore.stopping)


def _job_text(chore: BackgroundJobStatus) -> str:
    """Return the text of a job's progress bar: its cases if it has any, else its stage."""
    doing = JOB_TITLES[chore.kind]
    if chore.stopping:
        return f"{doing}: stopping"
    if chore.kind == "compare" or chore.stage.startswith("training"):
        return f"{doing}: {chore.done} of {chore.total}"
    done, total = chore.cases
    if total:
        # The case that is being worked on, counted from one; after the last one there is none.
        return f"{doing}: {min(done + 1, total)} of {total}"
    return f"{doing}: {chore.stage or 'starting'}"


def case_commands_for(row: CaseRow | None, busy: bool) -> frozenset[CaseCommand]:
    """Return the commands that are enabled for `row`; none if nothing is selected."""
    if row is None:
        return frozenset()
    closed = row.status in (CaseStatus.REJECTED, CaseStatus.ACCEPTED, CaseStatus.REVIEWED)
    disabled = {
        CaseCommand.OPEN: busy,
        CaseCommand.REJECT: row.status == CaseStatus.REJECTED,
        CaseCommand.REOPEN: not closed,
    }
    return frozenset(command for command in CaseCommand if not disabled.get(command, False))

"""Quality checks by annotator: seeded errors that were accepted, and the time of cases without a draft."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import select

from attunet_gui.project.database_tables import CaseRecord, EventRecord
from attunet_gui.project.event_log import event_from_record
from attunet_gui.project.project_events import (
    CaseDrafted,
    CaseOpened,
    MaskSaved,
    ProjectEvent,
    SeededErrorChecked,
)
from attunet_gui.project.project_store import Project


@dataclass(frozen=True)
class SeededErrorResult:
    """The outcome of one draft with a seeded error.

    Attributes:
        case: name of the case.
        error: kind of the error, a key of `seeded_errors.SEEDED_ERRORS`.
        kept: share of the wrong voxels that are still wrong in the saved mask, 0 to 1.
        accepted: whether the error counts as accepted.
    """

    case: str
    error: str
    kept: float
    accepted: bool


@dataclass(frozen=True)
class AnnotatorQuality:
    """The checks of one annotator.

    Attributes:
        who: name of the annotator.
        errors: the outcomes of the seeded errors that are settled.
        open_errors: number of seeded errors that the annotator was shown and that are not settled yet.
        without_draft: number of cases in which the annotator was not shown the draft although there was one.
        seconds_with, seconds_without: median active time of finished cases that were begun with and without a
            mask; None if there is no such case.
    """

    who: str
    errors: tuple[SeededErrorResult, ...]
    open_errors: int
    without_draft: int
    seconds_with: float | None
    seconds_without: float | None

    @property
    def accepted_share(self) -> float | None:
        """Share of the settled errors that were accepted, 0 to 1; None if no error is settled."""
        if not self.errors:
            return None
        return sum(check.accepted for check in self.errors) / len(self.errors)


@dataclass
class _AnnotatorTally:
    errors: list[SeededErrorResult]
    shown: int
    without: int
    seconds: dict[bool, list[float]]


def quality_by_annotator(project: Project) -> tuple[AnnotatorQuality, ...]:
    """Return the checks of everybody who opened or finished a case, sorted by name. The log is read once."""
    tallies: dict[str, _AnnotatorTally] = defaultdict(
        lambda: _AnnotatorTally([], 0, 0, {True: [], False: []})
    )
    for case, events in _events_by_case(project):
        _count_case(case, events, tallies)
    return tuple(_summarize_annotator(who, tallies[who]) for who in sorted(tallies))


def _events_by_case(project: Project) -> list[tuple[str, list[ProjectEvent]]]:
    """Return the events that matter here by the name of their case, oldest first."""
    kinds = ("drafted", "opened", "saved", "checked")
    statement = (
        select(CaseRecord.name, EventRecord)
        .join(EventRecord, EventRecord.case_id == CaseRecord.id)
        .where(EventRecord.kind.in_(kinds))
        .order_by(EventRecord.case_id, EventRecord.id)
    )
    found: dict[str, list[ProjectEvent]] = defaultdict(list)
    with project.database.read_session() as session:
        for name, record in session.execute(statement):
            found[name].append(event_from_record(record))
    return list(found.items())


def _count_case(case: str, events: list[ProjectEvent], tallies: dict[str, _AnnotatorTally]) -> None:
    """Add the events of one case to the tallies of the annotators."""
    drafted, opened, counted = False, None, False
    for event in events:
        match event.payload:
            case CaseDrafted():
                drafted = True
            case CaseOpened(shown=shown) as now:
                # Opened a second time: the same cases are not counted twice.
                first_time = opened is None or opened.shown != shown
                opened = now
                tally = tallies[event.who]
                tally.shown += first_time and shown == "seeded error"
                tally.without += first_time and shown == "nothing" and drafted
            # A case that is finished again, after it was reopened, counts once.
            case MaskSaved(finished=True, read=1, active_seconds=seconds) if (
                not counted and opened is not None
            ):
                counted = True
                tallies[event.who].seconds[opened.shown != "nothing"].append(seconds)
            case SeededErrorChecked(kept=kept, accepted=accepted):
                error = "" if opened is None else opened.error
                tallies[event.who].errors.append(SeededErrorResult(case, error, kept, accepted))


def _summarize_annotator(who: str, tally: _AnnotatorTally) -> AnnotatorQuality:
    return AnnotatorQuality(
        who=who,
        errors=tuple(tally.errors),
        open_errors=tally.shown - len(tally.errors),
        without_draft=tally.without,
        seconds_with=_upper_median(tally.seconds[True]),
        seconds_without=_upper_median(tally.seconds[False]),
    )


def _upper_median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None

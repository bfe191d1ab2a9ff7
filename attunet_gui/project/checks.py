"""Quality checks by annotator: seeded errors that were accepted, and the time of cases without a draft."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import select

from attunet_gui.project.events import Checked, Drafted, Event, Opened, Saved
from attunet_gui.project.project import Project, event_of
from attunet_gui.project.schema import CaseRecord, EventRecord


@dataclass(frozen=True)
class ErrorCheck:
    """The outcome of one draft with a seeded error.

    Attributes:
        case: name of the case.
        error: kind of the error, a key of `seeded_errors.ERRORS`.
        kept: share of the wrong voxels that are still wrong in the saved mask, 0 to 1.
        accepted: whether the error counts as accepted.
    """

    case: str
    error: str
    kept: float
    accepted: bool


@dataclass(frozen=True)
class AnnotatorChecks:
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
    errors: tuple[ErrorCheck, ...]
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
class _Tally:
    errors: list[ErrorCheck]
    shown: int
    without: int
    seconds: dict[bool, list[float]]


def checks_by_annotator(project: Project) -> tuple[AnnotatorChecks, ...]:
    """Return the checks of everybody who opened or finished a case, sorted by name. The log is read once."""
    tallies: dict[str, _Tally] = defaultdict(lambda: _Tally([], 0, 0, {True: [], False: []}))
    for case, events in _histories(project):
        _count(case, events, tallies)
    return tuple(_summary(who, tallies[who]) for who in sorted(tallies))


def _histories(project: Project) -> list[tuple[str, list[Event]]]:
    """Return the events that matter here by the name of their case, oldest first."""
    kinds = ("drafted", "opened", "saved", "checked")
    statement = (
        select(CaseRecord.name, EventRecord)
        .join(EventRecord, EventRecord.case_id == CaseRecord.id)
        .where(EventRecord.kind.in_(kinds))
        .order_by(EventRecord.case_id, EventRecord.id)
    )
    found: dict[str, list[Event]] = defaultdict(list)
    with project.database.reading() as session:
        for name, record in session.execute(statement):
            found[name].append(event_of(record))
    return list(found.items())


def _count(case: str, events: list[Event], tallies: dict[str, _Tally]) -> None:
    """Add the events of one case to the tallies of the annotators."""
    drafted, opened, counted = False, None, False
    for event in events:
        match event.payload:
            case Drafted():
                drafted = True
            case Opened(shown=shown) as now:
                # Opened a second time: the same cases are not counted twice.
                first_time = opened is None or opened.shown != shown
                opened = now
                tally = tallies[event.who]
                tally.shown += first_time and shown == "seeded error"
                tally.without += first_time and shown == "nothing" and drafted
            # A case that is finished again, after it was reopened, counts once.
            case Saved(finished=True, read=1, active_seconds=seconds) if not counted and opened is not None:
                counted = True
                tallies[event.who].seconds[opened.shown != "nothing"].append(seconds)
            case Checked(kept=kept, accepted=accepted):
                error = "" if opened is None else opened.error
                tallies[event.who].errors.append(ErrorCheck(case, error, kept, accepted))


def _summary(who: str, tally: _Tally) -> AnnotatorChecks:
    return AnnotatorChecks(
        who=who,
        errors=tuple(tally.errors),
        open_errors=tally.shown - len(tally.errors),
        without_draft=tally.without,
        seconds_with=_median(tally.seconds[True]),
        seconds_without=_median(tally.seconds[False]),
    )


def _median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None

"""How often wrong drafts are accepted, and how masks come out that were drawn without one; by annotator."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import select

from attunet_gui.project.events import Checked, Drafted, Event, Opened, Saved
from attunet_gui.project.project import Project, event_of
from attunet_gui.project.schema import CaseRecord, EventRecord


@dataclass(frozen=True)
class ErrorCheck:
    """One draft with a seeded error that came back."""

    case: str
    error: str
    kept: float
    accepted: bool


@dataclass(frozen=True)
class AnnotatorChecks:
    """What is known of one annotator.

    Attributes:
        who: the annotator.
        errors: her seeded errors that are settled.
        open_errors: how many she was shown and has not finished.
        without_draft: in how many cases she was not shown a draft that there was.
        seconds_with, seconds_without: median active time of finished cases; None for none.
    """

    who: str
    errors: tuple[ErrorCheck, ...]
    open_errors: int
    without_draft: int
    seconds_with: float | None
    seconds_without: float | None

    @property
    def accepted_share(self) -> float | None:
        """Share of the settled errors that were accepted; None for none."""
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
    """All annotators that finished or began a case, by name; reads the log once."""
    tallies: dict[str, _Tally] = defaultdict(lambda: _Tally([], 0, 0, {True: [], False: []}))
    for case, events in _histories(project):
        _count(case, events, tallies)
    return tuple(_summary(who, tallies[who]) for who in sorted(tallies))


def _histories(project: Project) -> list[tuple[str, list[Event]]]:
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

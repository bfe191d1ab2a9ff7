"""The event log in the database: reading and writing events, and the columns that are folded from them."""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from attunet_gui.core.provenance import ModelId
from attunet_gui.project.case_rows import folded_columns
from attunet_gui.project.case_state import CaseState
from attunet_gui.project.database import ProjectDatabase
from attunet_gui.project.database_tables import CaseRecord, EventRecord
from attunet_gui.project.project_events import PAYLOAD_ADAPTER, ProjectEvent
from attunet_gui.system.errors import ProjectError


def rebuild_columns(database: ProjectDatabase) -> int:
    """Fold the events of every case again, correct the columns of the list, and count what was wrong.

    Returns:
        The number of cases whose columns differed from their events.
    """
    with database.write_session() as session:
        states = _fold_all_cases(session)
        names = list(folded_columns(CaseState()))
        found = session.execute(select(CaseRecord.id, *(getattr(CaseRecord, name) for name in names)))
        wrong = [
            number
            for number, *values in found
            if dict(zip(names, values, strict=True)) != folded_columns(states[number])
        ]
        for number in wrong:
            update_columns(session, number, states[number])
    return len(wrong)


def _fold_all_cases(session: Session) -> dict[int, CaseState]:
    """Return the state of every case by its id, folded in one pass over the log."""
    states = dict.fromkeys(session.scalars(select(CaseRecord.id)), CaseState())
    log = select(EventRecord).where(EventRecord.case_id.is_not(None)).order_by(EventRecord.id)
    for record in session.scalars(log.execution_options(yield_per=1000)):
        if record.case_id is not None:
            states[record.case_id] = states[record.case_id].after_event(event_from_record(record))
    return states


def update_columns(session: Session, case_id: int, state: CaseState) -> None:
    """Write the state of a case to the columns by which the list is filtered and sorted."""
    # Without synchronising: that would look through every record the session knows.
    statement = update(CaseRecord).where(CaseRecord.id == case_id).values(**folded_columns(state))
    session.execute(statement, execution_options={"synchronize_session": False})


def event_record(case_id: int | None, event: ProjectEvent) -> EventRecord:
    """Return `event` as a row of the database; `case_id` is None for an event of the whole project."""
    return EventRecord(
        case_id=case_id,
        who=event.who,
        when=event.when,
        kind=event.payload.kind,
        model=str(event.model or ""),
        payload=event.payload.model_dump(mode="json"),
    )


def read_events(session: Session, case_id: int) -> tuple[ProjectEvent, ...]:
    """Read the events of a case, oldest first."""
    found = select(EventRecord).where(EventRecord.case_id == case_id).order_by(EventRecord.id)
    return tuple(event_from_record(record) for record in session.scalars(found))


def event_from_record(record: EventRecord) -> ProjectEvent:
    """Return the event in a row of the database; `ProjectError` if this version does not know its kind."""
    try:
        payload = PAYLOAD_ADAPTER.validate_python(record.payload)
    except ValidationError as error:
        raise ProjectError(
            f"The project holds an entry ({record.kind}) that this version does not know: update attunet-gui "
            "to work on it."
        ) from error
    return ProjectEvent(record.who, record.when, ModelId.parse(record.model), payload)

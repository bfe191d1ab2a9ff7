"""What a project shows of its cases: frozen views, and how to ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from attunet_gui.project.schema import CaseRecord
from attunet_gui.project.status import CaseState, Status

OrderKey = Literal[
    "added", "name", "file", "status", "assignee", "annotator", "volume", "uncertainty", "effort", "changed"
]
_COLUMNS: dict[OrderKey, InstrumentedAttribute[Any]] = {
    "added": CaseRecord.id,
    "name": CaseRecord.id,
    "file": CaseRecord.file_name,
    "status": CaseRecord.status,
    "assignee": CaseRecord.assignee,
    "annotator": CaseRecord.annotator,
    "volume": CaseRecord.volume_ml,
    "uncertainty": CaseRecord.uncertainty,
    "effort": CaseRecord.effort,
    "changed": CaseRecord.changed,
}
ORDERS: tuple[OrderKey, ...] = tuple(_COLUMNS)


@dataclass(frozen=True)
class CaseRow:
    """A line of the list, as it was when it was asked for.

    Attributes:
        id: for the database.
        name: a pseudonym, such as case-0012; all that may leave the project.
        file_name: of the CT; may be a patient's name, so for the window alone.
        path, series: what `io.reading.read` opens.
        status, assignee, note, reason, failure: as in `status.CaseState`.
        model: name and sha256 of the last draft's model; "" without a draft.
        annotator: the first reader, whose mask was saved; "" for nobody.
        reader: who is asked for a second read.
        volume_ml, uncertainty, effort, places, visible: of the draft, as in `attunet_gui.project.outlook`;
            None without one.
        active_seconds: of her last saved mask.
        changed: time of the last event, UTC.
    """

    id: int
    name: str
    file_name: str
    path: Path
    series: str | None
    status: Status
    assignee: str
    note: str
    reason: str
    failure: str
    model: str
    annotator: str
    reader: str
    volume_ml: float | None
    uncertainty: float | None
    effort: float | None
    places: int | None
    visible: float | None
    active_seconds: float
    changed: datetime


@dataclass(frozen=True)
class CaseQuery:
    """Which cases, in which order, and which part of that.

    Attributes:
        status: any of these; empty for all.
        assignee: exactly; None for all, "" for cases of nobody.
        text: somewhere in case name, file name, note, reason, assignee or annotator.
        order: by what; what has no value comes last.
        descending: the largest first.
        limit, offset: the page; `limit` None for all of them.
    """

    status: frozenset[Status] = frozenset()
    assignee: str | None = None
    text: str = ""
    order: OrderKey = "added"
    descending: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class Saved:
    """The last mask that a person saved for a case.

    Attributes:
        mask: the file, on the source grid.
        verified: slices of the canonical grid that a person has seen; None means every slice.
        annotator: who.
        model: name and sha256 of the draft's model; "" if all was drawn by hand.
        active_seconds: time at work, pauses left out.
        edits_by_tool: strokes by tool.
        time: when it was saved, UTC.
        sha256: of the file.
        declared: slices that she said are right; part of `verified`.
        corrected: slices in which she changed the mask, or that she declared right; None if not known.
    """

    mask: Path
    verified: frozenset[int] | None
    annotator: str
    model: str
    active_seconds: float
    edits_by_tool: Mapping[str, int] = field(hash=False)
    time: datetime
    sha256: str
    declared: frozenset[int] = frozenset()
    corrected: frozenset[int] | None = None


@dataclass(frozen=True)
class HistoryLine:
    """An event for a person to read."""

    when: datetime
    who: str
    words: str
    model: str


def listed(query: CaseQuery) -> Select[Any]:
    """The statement whose rows `row_of` reads."""
    column = _COLUMNS[query.order]
    order = column.desc() if query.descending else column.asc()
    statement = _filtered(select(*_SHOWN), query).order_by(column.is_(None), order, CaseRecord.id)
    return statement.limit(query.limit).offset(query.offset)


def counted(query: CaseQuery) -> Select[int]:
    """How many cases there are, on all pages."""
    return _filtered(select(func.count(CaseRecord.id)), query)


def _filtered(statement: Select[Any], query: CaseQuery) -> Select[Any]:
    if query.status:
        statement = statement.where(CaseRecord.status.in_(sorted(query.status)))
    if query.assignee is not None:
        statement = statement.where(CaseRecord.assignee == query.assignee)
    for word in query.text.split():
        statement = statement.where(or_(*(c.icontains(word, autoescape=True) for c in _SEARCHED)))
    return statement


_SEARCHED = (
    *(CaseRecord.name, CaseRecord.file_name, CaseRecord.note, CaseRecord.reason),
    *(CaseRecord.assignee, CaseRecord.annotator),
)
_SHOWN = tuple(getattr(CaseRecord, name) for name in CaseRow.__dataclass_fields__)


def row_of(found: Any, folder: Path) -> CaseRow:
    """A row of `listed`; paths of copies are relative to the project's `folder`."""
    values = dict(found._mapping)
    values["path"], values["status"] = folder / values["path"], Status(values["status"])
    return CaseRow(**values)


def cached(state: CaseState) -> dict[str, Any]:
    """The columns of `CaseRecord` that say what its events fold to."""
    draft, first = state.draft, state.first
    return {
        "status": state.status.value,
        "assignee": state.assignee,
        "note": state.note,
        "reason": state.reason,
        "failure": state.failure,
        "model": state.model,
        "annotator": "" if first is None else first.who,
        "reader": state.reader,
        "volume_ml": None if draft is None else draft.volume_ml,
        "uncertainty": None if draft is None else draft.uncertainty,
        "effort": None if draft is None else draft.effort,
        "places": None if draft is None else draft.places,
        "visible": None if draft is None else draft.visible,
        "active_seconds": 0.0 if first is None else first.said.active_seconds,
        "changed": state.changed,
    }

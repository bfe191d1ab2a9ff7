"""The rows of the list of cases, as frozen dataclasses, and the statements that select them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from attunet_gui.core.provenance import ModelId
from attunet_gui.project.case_state import CaseState, CaseStatus
from attunet_gui.project.database_tables import CaseRecord

OrderKey = Literal[
    "added", "name", "file", "status", "assignee", "annotator", "volume", "uncertainty", "effort", "changed"
]
_COLUMNS: dict[OrderKey, InstrumentedAttribute[Any]] = {
    "added": CaseRecord.id,
    # Names are numbered like ids, but as text case-10000 would come before case-9999.
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
    """One row of the list, as it was when it was read. Its fields are named like the columns of `CaseRecord`.

    Attributes:
        id: key of the case in the database.
        name: pseudonym of the case, such as case-0012; no other name of it may leave the project.
        file_name: name of the CT's file, for the window alone, because it may hold the patient's name.
        path, series: arguments with which `io.ct_reading.read_ct_volume` opens the CT.
        status, assignee, note, reason, failure: as in `status.CaseState`.
        model: the model of the last draft; None without a draft.
        annotator: the first reader who saved a mask; "" for nobody.
        reader: who was asked for a second read.
        volume_ml, uncertainty, effort, places, visible: of the draft, as in
        `attunet_gui.project.triage_metrics`;
            None without a draft.
        active_seconds: time at work that was recorded with the first reader's last mask.
        changed: time of the last event in UTC.
    """

    id: int
    name: str
    file_name: str
    path: Path
    series: str | None
    status: CaseStatus
    assignee: str
    note: str
    reason: str
    failure: str
    model: ModelId | None
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
    """A selection of cases, their order, and the page that is wanted.

    Attributes:
        status: cases with any of these statuses; empty for all cases.
        assignee: cases assigned to exactly this person; None for all cases, "" for those of nobody.
        text: words, each of which has to occur in the case name, file name, note, reason, assignee or
            annotator; upper and lower case count as one.
        order: column to sort by; cases without a value come last.
        descending: whether the largest value comes first.
        limit, offset: size and start of the page; a `limit` of None is no limit.
    """

    status: frozenset[CaseStatus] = frozenset()
    assignee: str | None = None
    text: str = ""
    order: OrderKey = "added"
    descending: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class SavedMask:
    """The last mask that an annotator saved for a case.

    Attributes:
        mask: path of the file, on the source grid.
        verified: slices (z of the canonical grid) that a person has seen; None means every slice.
        annotator: name of the annotator.
        model: the model of the draft; None if all was drawn by hand.
        active_seconds: time at work, without pauses.
        edits_by_tool: number of strokes by tool.
        time: when it was saved, in UTC.
        sha256: of the file.
        declared: slices that the annotator declared right; part of `verified`.
        corrected: slices in which the annotator changed the mask, or that they declared right; None if that
            is not known.
    """

    mask: Path
    verified: frozenset[int] | None
    annotator: str
    model: ModelId | None
    active_seconds: float
    edits_by_tool: Mapping[str, int] = field(hash=False)
    time: datetime
    sha256: str
    declared: frozenset[int] = frozenset()
    corrected: frozenset[int] | None = None


@dataclass(frozen=True)
class HistoryLine:
    """One event in words, for a person to read; `when` is in UTC."""

    when: datetime
    who: str
    words: str
    model: ModelId | None


def list_statement(query: CaseQuery) -> Select[Any]:
    """Return the statement that selects the page of `query`; `case_row` reads its rows."""
    column = _COLUMNS[query.order]
    order = column.desc() if query.descending else column.asc()
    # Databases differ in where they sort NULL, so that is said; the id makes the order of equal values fixed.
    statement = _with_filters(select(*_SHOWN), query).order_by(column.is_(None), order, CaseRecord.id)
    return statement.limit(query.limit).offset(query.offset)


def count_statement(query: CaseQuery) -> Select[int]:
    """Return the statement that counts the cases of `query` on all its pages."""
    return _with_filters(select(func.count(CaseRecord.id)), query)


def _with_filters(statement: Select[Any], query: CaseQuery) -> Select[Any]:
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


def case_row(found: Any, folder: Path) -> CaseRow:
    """Turn a row of `list_statement` into a `CaseRow`; relative paths start at the project's `folder`."""
    values = dict(found._mapping)
    values["path"], values["status"] = folder / values["path"], CaseStatus(values["status"])
    values["model"] = ModelId.parse(values["model"])
    return CaseRow(**values)


def folded_columns(state: CaseState) -> dict[str, Any]:
    """Return the columns of `CaseRecord` that are derived from the events of a case, by their names."""
    draft, first = state.draft, state.first
    return {
        "status": state.status.value,
        "assignee": state.assignee,
        "note": state.note,
        "reason": state.reason,
        "failure": state.failure,
        "model": str(state.draft_model or ""),
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

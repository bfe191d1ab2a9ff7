"""The tables of a project's database. Their names and columns are stored: a change needs a new version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DDL, JSON, ForeignKey, Index, String, Text, event
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

SCHEMA_VERSION = 1


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC stored as text that sorts by time; databases differ in how they keep a time zone."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Turn a time into text; `ValueError` if it has no time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone says nothing")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn text into a time in UTC."""
        return None if value is None else datetime.fromisoformat(value)


class TableBase(DeclarativeBase):
    """Base class of all tables."""


class AboutRecord(TableBase):
    """Facts about the database: key `schema` is the version of its tables, `folder` where its files are."""

    __tablename__ = "about"

    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class CaseRecord(TableBase):
    """A CT, the place of its file, and the columns derived from its events, which are kept for sorting."""

    __tablename__ = "cases"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    path: Mapped[str] = mapped_column(Text)
    series: Mapped[str | None] = mapped_column(String(128))
    file_name: Mapped[str] = mapped_column(Text)

    status: Mapped[str] = mapped_column(String(20), index=True, default="new")
    assignee: Mapped[str] = mapped_column(String(100), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    failure: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str] = mapped_column(String(200), default="")
    annotator: Mapped[str] = mapped_column(String(100), default="")
    reader: Mapped[str] = mapped_column(String(100), default="")
    volume_ml: Mapped[float | None]
    uncertainty: Mapped[float | None]
    effort: Mapped[float | None]
    places: Mapped[int | None]
    visible: Mapped[float | None]
    active_seconds: Mapped[float] = mapped_column(default=0.0)
    changed: Mapped[datetime] = mapped_column(UtcTime, index=True)


class EventRecord(TableBase):
    """An event; it is never changed and never deleted."""

    __tablename__ = "events"
    __table_args__ = (Index("events_of_case", "case_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"))
    who: Mapped[str] = mapped_column(String(100))
    when: Mapped[datetime] = mapped_column("at", UtcTime)
    kind: Mapped[str] = mapped_column(String(40), index=True)
    model: Mapped[str] = mapped_column(String(200), default="")
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)


def _forbid_event_change(change: str) -> None:
    # A trigger, so that no other program that opens the file can change the log either.
    trigger = DDL(  # type: ignore[no-untyped-call]
        f"CREATE TRIGGER events_no_{change.lower()} BEFORE {change} ON events "
        "BEGIN SELECT RAISE(ABORT, 'what has happened is never changed'); END"
    )
    event.listen(EventRecord.__table__, "after_create", trigger.execute_if(dialect="sqlite"))


for _change in ("UPDATE", "DELETE"):
    _forbid_event_change(_change)

"""A database of the right version: SQLite in a file of its owner's by default, any SQLAlchemy URL else.

SQLite runs in write-ahead mode, so readers never wait for a writer and a killed process leaves a whole file;
every commit reaches the disk. Who writes says so at the beginning of a transaction (BEGIN IMMEDIATE): two
processes take turns, and neither acts on what the other is just changing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from attunet_gui.core.errors import UnwritableOutput
from attunet_gui.project.errors import ProjectError
from attunet_gui.project.schema import SCHEMA_VERSION, AboutRecord, Base

_BUSY_MS = 20_000
_SCHEMA, _FOLDER = "schema", "folder"


@dataclass(frozen=True)
class Database:
    """Two ways into one database: `engine` to read, `writer` to change. Safe to share between threads."""

    engine: Engine
    writer: Engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database; `ProjectError` if the database refuses."""
        self._check_there()
        with _told(), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits at its end, all or nothing; others who write wait meanwhile."""
        self._check_there()
        with _told(), Session(self.writer) as session, session.begin():
            yield session

    def _check_there(self) -> None:
        # An open file can still be written to after its folder was moved away: nobody would find that again.
        if is_missing_file(self):
            folder = Path(self.engine.url.database or "").parent
            raise ProjectError(
                f"The project is not in {folder} any more: bring its disk or its folder back, then do it "
                "again; what you draw is kept meanwhile."
            )

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise _refusal(error) from error


_TROUBLE = (
    (("disk is full",), "The disk of the project is full: free some space, then do it again."),
    (("readonly",), "The project can only be read here: copy its folder to where you may write."),
    (("disk i/o", "unable to open"), "The project's disk does not answer: look whether it is connected."),
    (("locked", "busy"), "Another program keeps the project's database busy: try again in a minute."),
)


def _refusal(error: SQLAlchemyError) -> ProjectError:
    cause = str(getattr(error, "orig", None) or error)
    for signs, sentence in _TROUBLE:
        if any(sign in cause.lower() for sign in signs):
            return ProjectError(f"Nothing was changed. {sentence}")
    return ProjectError(f"The project's database refused ({cause}); nothing was changed, try again.")


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite file `path`."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def connect(url: str) -> Database:
    """The database at `url`; its tables are not looked at.

    Raises:
        ProjectError: if the URL is none, or its driver is not installed.
    """
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ProjectError(
            f"{url.split('@')[-1]} is no database this installation can open: give a SQLAlchemy URL whose "
            "driver is installed."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return Database(engine, engine.execution_options(attunet_writes=True))


def _prepare(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by its own rules; `_begin` does.
    connection.isolation_level = None
    settings = ("foreign_keys = ON", "synchronous = FULL", "temp_store = MEMORY")
    for setting in (f"busy_timeout = {_BUSY_MS}", *settings):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("attunet_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def make_tables(database: Database, folder: Path) -> None:
    """Make the tables where there are none yet; all of them or, if the process is killed, none.

    Args:
        database: from `connect`.
        folder: of the project, kept for whoever opens it by its URL.

    Raises:
        ProjectError: if the database refuses.
    """
    with _told(), database.writer.begin() as connection:
        if not inspect(connection).has_table(AboutRecord.__tablename__):
            Base.metadata.create_all(connection)
            rows = ((_SCHEMA, str(SCHEMA_VERSION)), (_FOLDER, str(folder.absolute())))
            for key, value in rows:
                connection.execute(insert(AboutRecord).values(key=key, value=value))


def check_version(database: Database, name: str) -> bool:
    """Whether there are tables; nothing is written.

    Raises:
        ProjectError: if they are of a newer program, or it is no database of ours.
    """
    try:
        with database.engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            if not tables:
                return False
            if AboutRecord.__tablename__ not in tables:
                raise ProjectError(f"{name} is a database, but not of a project: open another folder.")
            found = connection.execute(
                select(AboutRecord.value).where(AboutRecord.key == _SCHEMA)
            ).scalar_one_or_none()
    except DatabaseError as error:
        raise ProjectError(
            f"{name} has a database that cannot be read ({error.orig}): look whether its disk is connected, "
            "else restore it from a copy."
        ) from error
    if found is None or not found.isdecimal() or int(found) > SCHEMA_VERSION:
        raise ProjectError(
            f"{name} was made by a newer attunet-gui (project version {found}, this one knows "
            f"{SCHEMA_VERSION}): update attunet-gui to open it."
        )
    return True


def folder_of(database: Database) -> Path:
    """Where the files of the project are, as was said when it was made."""
    with database.reading() as session:
        return Path(session.execute(select(AboutRecord.value).where(AboutRecord.key == _FOLDER)).scalar_one())


def keep_private(path: Path) -> None:
    """Make the file `path` if it is not there, for its owner alone; SQLite's other files follow it.

    Raises:
        UnwritableOutput: if it cannot be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise UnwritableOutput(f"{path} cannot be made ({error.strerror}); name another folder.") from error


def use_write_ahead(database: Database) -> None:
    """Switch a SQLite file to write-ahead mode, which it then keeps; nothing for other databases."""
    if database.engine.dialect.name != "sqlite":
        return
    raw = database.engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        raw.close()


def is_missing_file(database: Database) -> bool:
    """Whether it is a SQLite file that is not there: looking into it would make it."""
    url = database.engine.url
    return database.engine.dialect.name == "sqlite" and not Path(url.database or "").is_file()

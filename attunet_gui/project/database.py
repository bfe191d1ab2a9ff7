"""Opening the database of a project and checking its version.

By default it is a SQLite file that only its owner can read; any other SQLAlchemy URL works as well. SQLite
runs in write-ahead mode, so readers never wait for a writer and a killed process leaves a whole file, and
every commit reaches the disk. A transaction that writes takes the lock at its beginning (BEGIN IMMEDIATE):
two processes take turns, and neither acts on what the other is changing.
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

from attunet_gui.project.database_tables import SCHEMA_VERSION, AboutRecord, TableBase
from attunet_gui.system.errors import ProjectError, UnwritableOutput

# How long SQLite waits for the lock of another process before it refuses.
_BUSY_MS = 20_000
_SCHEMA, _FOLDER = "schema", "folder"


@dataclass(frozen=True)
class ProjectDatabase:
    """One database with two engines over the same connections. It may be shared between threads.

    Attributes:
        engine: for transactions that only read.
        writer: for transactions that write; they begin with BEGIN IMMEDIATE in SQLite.
    """

    engine: Engine
    writer: Engine

    @contextmanager
    def read_session(self) -> Iterator[Session]:
        """Open a session that sees one state of the database; `ProjectError` if the database refuses."""
        self._check_file_exists()
        with _database_errors(), Session(self.engine) as session:
            yield session

    @contextmanager
    def write_session(self) -> Iterator[Session]:
        """Open a session that commits everything or nothing at its end; other writers wait meanwhile."""
        self._check_file_exists()
        with _database_errors(), Session(self.writer) as session, session.begin():
            yield session

    def _check_file_exists(self) -> None:
        # An open file can still be written to after its folder was moved away: nobody would find that again.
        if is_missing_sqlite_file(self):
            folder = Path(self.engine.url.database or "").parent
            raise ProjectError(
                f"The project is not in {folder} any more: bring its disk or its folder back, then do it "
                "again; what you draw is kept meanwhile."
            )

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _database_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise _database_refusal(error) from error


# Words in the database's own message -> a sentence for the user. SQLite reports all of these as one exception
# class, OperationalError, so that only the message tells them apart.
_TROUBLE = (
    (("disk is full",), "The disk of the project is full: free some space, then do it again."),
    (("readonly",), "The project can only be read here: copy its folder to where you may write."),
    (("disk i/o", "unable to open"), "The project's disk does not answer: look whether it is connected."),
    (("locked", "busy"), "Another program keeps the project's database busy: try again in a minute."),
)


def _database_refusal(error: SQLAlchemyError) -> ProjectError:
    """Return the error for the user, with advice if the cause is known."""
    cause = str(getattr(error, "orig", None) or error)
    for signs, sentence in _TROUBLE:
        if any(sign in cause.lower() for sign in signs):
            return ProjectError(f"Nothing was changed. {sentence}")
    return ProjectError(f"The project's database refused ({cause}); nothing was changed, try again.")


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite file `path`."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def connect_database(url: str) -> ProjectDatabase:
    """Connect to the database at `url`. Its tables are not looked at.

    Raises:
        ProjectError: if it is not a database URL, or its driver is not installed.
    """
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        # What stands before the @ may be a password.
        raise ProjectError(
            f"{url.split('@')[-1]} is no database this installation can open: give a SQLAlchemy URL whose "
            "driver is installed."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_sqlite_pragmas)
        event.listen(engine, "begin", _begin_transaction)
    return ProjectDatabase(engine, engine.execution_options(attunet_writes=True))


def _set_sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by its own rules; `_begin_transaction` does.
    connection.isolation_level = None
    settings = ("foreign_keys = ON", "synchronous = FULL", "temp_store = MEMORY")
    for setting in (f"busy_timeout = {_BUSY_MS}", *settings):
        connection.execute(f"PRAGMA {setting}")


def _begin_transaction(connection: Connection) -> None:
    writes = connection.get_execution_options().get("attunet_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def create_tables(database: ProjectDatabase, folder: Path) -> None:
    """Create the tables if there are none yet: all of them, or none if the process is killed meanwhile.

    Args:
        database: from `connect_database`.
        folder: of the project; it is stored for those who open the project by the URL of its database.

    Raises:
        ProjectError: if the database refuses.
    """
    with _database_errors(), database.writer.begin() as connection:
        if not inspect(connection).has_table(AboutRecord.__tablename__):
            TableBase.metadata.create_all(connection)
            rows = ((_SCHEMA, str(SCHEMA_VERSION)), (_FOLDER, str(folder.absolute())))
            for key, value in rows:
                connection.execute(insert(AboutRecord).values(key=key, value=value))


def check_schema_version(database: ProjectDatabase, name: str) -> bool:
    """Check that this program can work with the database. Nothing is written.

    Args:
        database: from `connect_database`.
        name: of the project, for the message.

    Returns:
        Whether there are tables; False for an empty database.

    Raises:
        ProjectError: if the tables are of a newer program or not of a project, or cannot be read.
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


def stored_project_folder(database: ProjectDatabase) -> Path:
    """Return the folder of the project's files, as it was stored when the project was made."""
    with database.read_session() as session:
        return Path(session.execute(select(AboutRecord.value).where(AboutRecord.key == _FOLDER)).scalar_one())


def make_private_file(path: Path) -> None:
    """Create the file `path` if it does not exist, and let only its owner read and write it.

    SQLite gives its write-ahead log and its index the same permissions as the database file.

    Raises:
        UnwritableOutput: if the file cannot be created.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # The file may have been there already, with other permissions.
        path.chmod(0o600)
    except OSError as error:
        raise UnwritableOutput(f"{path} cannot be made ({error.strerror}); name another folder.") from error


def use_write_ahead_log(database: ProjectDatabase) -> None:
    """Switch a SQLite file to write-ahead mode, which it then keeps. Other databases are not changed."""
    if database.engine.dialect.name != "sqlite":
        return
    # A raw connection: SQLite cannot change the journal mode in a transaction, and the engine begins one.
    raw = database.engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        raw.close()


def is_missing_sqlite_file(database: ProjectDatabase) -> bool:
    """Whether the database is a SQLite file that does not exist; connecting to it would create the file."""
    url = database.engine.url
    return database.engine.dialect.name == "sqlite" and not Path(url.database or "").is_file()

"""A project: a folder with a database, drafts and saved masks.

Nearly everything here takes milliseconds. Adding a folder, drafting, opening a case and comparing readers
take longer; they are in the other modules of this package.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from attunet_gui.core.provenance import ModelId
from attunet_gui.io.result_writing import make_private_folder
from attunet_gui.project.case_rows import (
    CaseQuery,
    CaseRow,
    HistoryLine,
    SavedMask,
    case_row,
    count_statement,
    list_statement,
)
from attunet_gui.project.case_state import (
    CaseState,
    CaseStatus,
    SavedMaskState,
    fold_events,
)
from attunet_gui.project.database import (
    ProjectDatabase,
    check_schema_version,
    connect_database,
    create_tables,
    is_missing_sqlite_file,
    make_private_file,
    sqlite_url,
    stored_project_folder,
    use_write_ahead_log,
)
from attunet_gui.project.database_tables import CaseRecord, EventRecord
from attunet_gui.project.event_log import event_from_record, event_record, read_events, update_columns
from attunet_gui.project.project_events import (
    EventPayload,
    ProjectEvent,
    ProjectSettings,
)
from attunet_gui.system.errors import ProjectError, UnwritableOutput

PROGRAM_ACTOR = "attunet"
"""The name in the log for what the program did by itself."""

DATABASE_FILE, URL_FILE = "project.db", "database.url"
_DRAFTS, _MASKS, _THUMBNAILS, _COPIES = "drafts", "masks", "thumbnails", "cases"

CaseRule = Callable[[CaseState], Sequence[EventPayload]]
"""Maps the state of a case to the events to append; raises `ProjectError` if the state does not allow it."""


class Project:
    """An open project, made by `open_project` or `create_project`. It may be used from several threads.

    Attributes:
        folder: absolute path of the folder with the project's files.
        database: used by the modules of this package.
    """

    def __init__(
        self, folder: Path, database: ProjectDatabase, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.database = database
        self._clock = clock or (lambda: datetime.now(UTC))

    def close(self) -> None:
        """Close the connections to the database."""
        self.database.close()

    # What there is

    def list_cases(self, query: CaseQuery | None = None) -> tuple[CaseRow, ...]:
        """Return the cases that match `query`; without one, all cases as they were added."""
        with self.database.read_session() as session:
            return tuple(
                case_row(row, self.folder) for row in session.execute(list_statement(query or CaseQuery()))
            )

    def count_cases(self, query: CaseQuery | None = None) -> int:
        """Return how many cases match `query` on all its pages together."""
        with self.database.read_session() as session:
            return session.execute(count_statement(query or CaseQuery())).scalar_one()

    def count_by_status(self) -> dict[CaseStatus, int]:
        """Return the number of cases of each status; a status without cases has 0."""
        with self.database.read_session() as session:
            grouped = select(CaseRecord.status, func.count()).group_by(CaseRecord.status)
            found = {row[0]: int(row[1]) for row in session.execute(grouped)}
        return {status: found.get(status.value, 0) for status in CaseStatus}

    def case_named(self, name: str) -> CaseRow:
        """Return the case called `name`; `ProjectError` if there is none."""
        wanted = list_statement(CaseQuery()).where(CaseRecord.name == name)
        with self.database.read_session() as session:
            found = session.execute(wanted).one_or_none()
            if found is None:
                raise ProjectError(f"There is no case called {name}: see attunet worklist list.")
            return case_row(found, self.folder)

    def reload_case(self, case: CaseRow) -> CaseRow:
        """Read the row of `case_named` from the database again."""
        return self.case_named(case.name)

    def case_state(self, case: CaseRow) -> CaseState:
        """Return the state of a case, folded from its events."""
        return fold_events(self.case_events(case))

    def case_events(self, case: CaseRow) -> tuple[ProjectEvent, ...]:
        """Return the events of a case, oldest first."""
        with self.database.read_session() as session:
            return read_events(session, case.id)

    def case_history(self, case: CaseRow) -> tuple[HistoryLine, ...]:
        """Return the events of a case in words; they do not disclose a seeded error that is not settled."""
        return tuple(
            HistoryLine(event.when, event.who, event.payload.history_text, event.model)
            for event in self.case_events(case)
        )

    def stored_fingerprint(self, case: CaseRow) -> str:
        """Return the fingerprint of the CT of `case` as it was when the case was added."""
        with self.database.read_session() as session:
            return session.execute(
                select(CaseRecord.fingerprint).where(CaseRecord.id == case.id)
            ).scalar_one()

    def draft_mask_path(self, case: CaseRow) -> Path | None:
        """Return the file of the last draft, on the source grid; None if there is none."""
        draft = self.case_state(case).draft
        return None if draft is None else self.folder / draft.mask

    def saved_mask(self, case: CaseRow) -> SavedMask | None:
        """Return the last mask of the first reader; None if nothing is saved."""
        first = self.case_state(case).first
        return None if first is None else saved_mask_of(first, self.folder)

    def second_saved_mask(self, case: CaseRow) -> SavedMask | None:
        """Return the last mask of the second, blind reader; None if there is none."""
        second = self.case_state(case).second
        return None if second is None else saved_mask_of(second, self.folder)

    @property
    def settings(self) -> ProjectSettings:
        """The settings as they were set last; the defaults if they never were."""
        last = select(EventRecord).where(EventRecord.kind == "settings").order_by(EventRecord.id.desc())
        with self.database.read_session() as session:
            found = session.scalars(last.limit(1)).one_or_none()
            payload = ProjectSettings() if found is None else event_from_record(found).payload
        return payload if isinstance(payload, ProjectSettings) else ProjectSettings()

    # Where files go

    def new_draft_path(self, case: CaseRow, mark: str) -> Path:
        """Return the path for a draft of `case_named`; `mark` distinguishes several drafts. Its folder is
        made.
        """
        return self._output_path(_DRAFTS, f"{case.name}_{mark}.nii.gz")

    def new_mask_path(self, case: CaseRow) -> Path:
        """Return a new path for a mask to be saved, so that no mask that was saved before is overwritten."""
        stamp = self.now().strftime("%Y%m%d-%H%M%S")
        return self._output_path(f"{_MASKS}/{case.name}", f"{stamp}-{secrets.token_hex(2)}.nii.gz")

    def thumbnail_path(self, case: CaseRow) -> Path:
        """Return the path of the thumbnail of a case, whether the file exists or not."""
        return self._output_path(_THUMBNAILS, f"{case.name}.png")

    def copies_folder(self) -> Path:
        """Return the folder for copies of CT."""
        return self._output_path(_COPIES, "")

    def _output_path(self, folder: str, name: str) -> Path:
        path = self.folder / folder
        if not holds_project(self.folder):
            # Otherwise a new folder would be made in the place of one whose disk is away, and would receive a
            # mask that the project knows nothing of once its disk is back.
            raise UnwritableOutput(
                f"The project is not in {self.folder} any more: bring its disk or its folder back, then save "
                "again; what you draw is kept meanwhile."
            )
        if not path.is_dir():
            make_private_folder(path)
        return path / name

    def relative_path(self, path: Path) -> str:
        """Return `path` as events name it: relative if it lies in the project, because that may be moved."""
        path = path.absolute()
        return (path.relative_to(self.folder) if path.is_relative_to(self.folder) else path).as_posix()

    # How it is kept

    def apply_rule(
        self, case: CaseRow, rule: CaseRule, *, actor: str, model: ModelId | None = None
    ) -> CaseRow:
        """Append the events that `rule` returns for the state of `case`.

        The state is read and the events are appended in one transaction, so no other process can change the
        case in between.

        Args:
            case: the case.
            rule: returns the payloads; it raises `ProjectError` to refuse, and then nothing is appended.
            actor: name of the person for the log; `PROGRAM_ACTOR` for what the program does by itself.
            model: the model that was involved; None for none.

        Returns:
            The row of the case after the events.
        """
        self.apply_rule_to_all((case,), rule, actor=actor, model=model)
        return self.reload_case(case)

    def apply_rule_to_all(
        self, cases: Iterable[CaseRow], rule: CaseRule, *, actor: str, model: ModelId | None = None
    ) -> None:
        """Append what `rule` returns for each of `cases`, all in one transaction; see `apply_rule`."""
        with self.database.write_session() as session:
            for case in cases:
                before = read_events(session, case.id)
                payloads = rule(fold_events(before))
                if payloads:
                    new = [ProjectEvent(actor, self.now(), model, payload) for payload in payloads]
                    session.add_all([event_record(case.id, event) for event in new])
                    update_columns(session, case.id, fold_events((*before, *new)))

    def append_project_event(self, payload: EventPayload, *, actor: str) -> None:
        """Append an event that belongs to the whole project."""
        with self.database.write_session() as session:
            session.add(event_record(None, ProjectEvent(actor, self.now(), None, payload)))

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self._clock()


def saved_mask_of(state: SavedMaskState, folder: Path) -> SavedMask:
    """Return a saved mask with the absolute path of its file; a relative one starts at `folder`."""
    said = state.said
    return SavedMask(
        mask=folder / said.mask,
        verified=None if said.verified is None else frozenset(said.verified),
        annotator=state.who,
        model=state.model,
        active_seconds=said.active_seconds,
        edits_by_tool=said.edits,
        time=state.when,
        sha256=said.sha256,
        declared=frozenset(said.declared),
        corrected=None if said.corrected is None else frozenset(said.corrected),
    )


def create_project(folder: Path, url: str | None = None) -> Project:
    """Create a project in `folder`, which only its owner can read if it has to be made.

    Args:
        folder: a folder without a project; it is made if it does not exist.
        url: SQLAlchemy URL of the database; None for a SQLite file in the folder.

    Raises:
        ProjectError: if there is a project already, or the database cannot be opened.
        UnwritableOutput: if the folder cannot be made.
    """
    if holds_project(folder):
        raise ProjectError(f"{folder} holds a project already: open it, or name another folder.")
    if not folder.is_dir():
        make_private_folder(folder)
    if url is None:
        make_private_file(folder / DATABASE_FILE)
    else:
        # Refuses a URL that cannot be opened before a file is written that names it.
        connect_database(url).close()
        make_private_file(folder / URL_FILE)
        (folder / URL_FILE).write_text(url + "\n", "utf-8")
    return open_project(folder)


def open_project(where: Path | str) -> Project:
    """Open the project at `where`.

    Args:
        where: its folder, or the SQLAlchemy URL of its database.

    Raises:
        ProjectError: if there is none, it was made by a newer program, or its database cannot be read.
    """
    folder = Path(where) if isinstance(where, Path) or "://" not in where else None
    url = str(where) if folder is None else _database_url(folder)
    name = "The project" if folder is None else folder.name
    _check_folder_writable(folder)
    database = connect_database(url)
    if folder is None and is_missing_sqlite_file(database):
        raise ProjectError("There is no project at this address: make one with attunet worklist new.")
    if not check_schema_version(database, name):
        if folder is None:
            raise ProjectError("There is no project in this database: make one with attunet worklist new.")
        # A folder without tables is a new project, or one whose making was cut off.
        use_write_ahead_log(database)
        create_tables(database, folder)
    return Project(stored_project_folder(database) if folder is None else folder, database)


def _check_folder_writable(folder: Path | None) -> None:
    # SQLite would say only that it cannot open the file; other databases would go on until the first mask is
    # to be saved.
    if folder is not None and not os.access(folder, os.W_OK):
        raise ProjectError(
            f"{folder.name} can only be read here: ask for the right to write, or copy the folder to where "
            "you have it."
        )


def holds_project(folder: Path) -> bool:
    """Whether there is a project in `folder`."""
    return (folder / DATABASE_FILE).exists() or (folder / URL_FILE).exists()


def _database_url(folder: Path) -> str:
    if (folder / URL_FILE).is_file():
        try:
            return (folder / URL_FILE).read_text("utf-8").strip()
        except OSError as error:
            raise UnwritableOutput(f"{folder / URL_FILE} cannot be read ({error.strerror}).") from error
    if (folder / DATABASE_FILE).is_file():
        return sqlite_url(folder / DATABASE_FILE)
    raise ProjectError(f"There is no project in {folder}: make one with attunet worklist new.")

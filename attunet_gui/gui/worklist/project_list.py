"""The open project of the window and its list of cases: opening, closing, filter and counts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QObject, QTimer

from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.case_list_model import CaseListModel
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_store import Project, create_project, open_project
from attunet_gui.system.background_executor import SerialExecutor
from attunet_gui.system.errors import AttunetError

_REFRESH_MS = 700
"""Pace in ms at which the list follows a background job."""


@dataclass(frozen=True)
class CaseCounts:
    """Number of cases by status, and of those that the filter finds."""

    by_status: dict[CaseStatus, int]
    found: int


class ProjectList(QObject):
    """Holds the open project and shows its cases.

    Args:
        session: names the annotator and shows messages.
        preferences: remember the project for the next start.
        background: reads the database.
        parent: owner of this object.

    Attributes:
        project: the open project; None if there is none.
        query: the filter of the list.
        case_list: the rows that the panel shows.
        counts: what was counted last.

    Signals:
        changed: something that the panel shows.
        project_opened(project): a project is open now.
        project_released: the project is about to be closed; it is not in `project` any more.
    """

    changed = Signal()
    project_opened = Signal(object)
    project_released = Signal()

    def __init__(
        self,
        session: CaseSession,
        preferences: WindowPreferences,
        background: SerialExecutor,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._preferences, self._background = session, preferences, background
        self.project: Project | None = None
        self.query = CaseQuery()
        self.case_list = CaseListModel()
        self.counts = CaseCounts({}, 0)
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(_REFRESH_MS)
        self._refresh_timer.timeout.connect(self.refresh_list)
        self.case_list.page_loaded.connect(self.changed)

    @property
    def actor(self) -> str:
        """Name of the annotator at this moment; read in the window's thread when a command is given."""
        return self._session.annotator

    # The project

    def open_last_project(self) -> None:
        """Open the project that was open when the last window closed, if it is still there."""
        folder = self._preferences.last_project
        if folder is not None:
            self.show_project(folder)

    def show_project(self, folder: Path, make: bool = False) -> None:
        """Open the project in `folder`, or make one there if `make` is set."""
        opener = create_project if make else open_project
        self._background.submit(lambda: opener(folder), self._project_ready)

    def _project_ready(self, project: Project) -> None:
        self.release_project()
        self.project = project
        self._preferences.last_project = project.folder
        self.query = CaseQuery()
        self.case_list.show_query(project, self.query)
        self._request_counts()
        self._session.show_message(f'The worklist of "{project.folder.name}" is open.')
        self.project_opened.emit(project)

    def close_project(self) -> None:
        """Close the project. The open case stays on screen, but belongs to no list any more."""
        self.release_project()
        self._preferences.last_project = None
        self._session.show_message("The project is closed.")

    def release_project(self) -> None:
        """Drop the project and empty the list."""
        project, self.project = self.project, None
        if project is not None:
            self.project_released.emit()
        self.counts = CaseCounts({}, 0)
        self.case_list.show_query(None, CaseQuery())
        self.case_list.mark_open("")
        if project is not None:
            self._background.submit(project.close, lambda _done: None)
        self.changed.emit()

    # The list

    def show_query(self, query: CaseQuery) -> None:
        """Show the cases that `query` finds."""
        if query != self.query:
            self.query = query
            self.case_list.show_query(self.project, query)
            self._request_counts()

    def refresh_list(self) -> None:
        """Fetch list and counts again."""
        self._refresh_timer.stop()
        if self.project is not None:
            self.case_list.refresh_rows()
            self._request_counts()

    def schedule_refresh(self) -> None:
        """Fetch list and counts again soon, as while a background job changes cases."""
        if not self._refresh_timer.isActive():
            self._refresh_timer.start()

    def _request_counts(self) -> None:
        project, query = self.project, self.query
        if project is not None:
            self._background.submit(
                lambda: (project, CaseCounts(project.count_by_status(), project.count_cases(query))),
                lambda got: self._counts_ready(*got),
            )

    def _counts_ready(self, project: Project, known: CaseCounts) -> None:
        # Another project may have been opened while the database was read.
        if project is self.project:
            self.counts = known
            self.changed.emit()

    def stop_refreshing(self) -> None:
        """Refresh no more by itself."""
        self._refresh_timer.stop()

    def end_list(self) -> None:
        """End loading and close the project. The window is closed already."""
        self.case_list.end_loading()
        if self.project is not None:
            with suppress(AttunetError):
                self.project.close()

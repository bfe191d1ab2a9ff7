"""The worklist in the window: the open project, its list, its open case and its background jobs.

Belongs to the window's thread. Database, project files and CT are read in background threads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_opening import OpenProjectCase
from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.controllers.mask_review_controller import MaskReviewController
from attunet_gui.gui.dialogs import worklist_dialogs
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.view_state import WorklistStatus
from attunet_gui.gui.worklist.background_jobs import BackgroundJobs
from attunet_gui.gui.worklist.case_acceptance import CaseAcceptance
from attunet_gui.gui.worklist.case_decisions import CaseDecisions
from attunet_gui.gui.worklist.case_list_model import CaseListModel
from attunet_gui.gui.worklist.project_case_controller import ProjectCaseController
from attunet_gui.gui.worklist.project_jobs import ProjectJobs
from attunet_gui.gui.worklist.project_list import ProjectList
from attunet_gui.gui.worklist.worklist_view_state import WorklistFacts
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.project_store import Project, holds_project
from attunet_gui.system.background_executor import SerialExecutor
from attunet_gui.system.errors import failure_sentence


class WorklistController(QObject):
    """Owns the parts of the worklist, and is what the window and the panel know of it.

    Args:
        session: opens and saves cases, and shows messages.
        preferences: what the window remembers between sessions.
        correcting: holds the work on the mask.
        review: how far the review has come.
        journal: folder in which the work on each case is kept.
        window: returns the widget above which dialogs stand.

    Attributes:
        projects: the open project and its list.
        cases: the open case of the project.
        acceptance: the question before a case is accepted, and what is recorded of it.
        decisions: what is decided of cases in the list.
        jobs: importing, drafting, exporting.

    Signals:
        changed: something that the panel shows.
        unsaved_check_asked(doing, act): `act` is to be called once no unsaved correction can be lost by it.
        save_accepted_asked: the open case is to be saved and accepted.
    """

    changed = Signal()
    unsaved_check_asked = Signal(str, object)
    save_accepted_asked = Signal()

    def __init__(
        self,
        session: CaseSession,
        preferences: WindowPreferences,
        correcting: EditController,
        review: MaskReviewController,
        journal: Path,
        window: Callable[[], QWidget],
    ) -> None:
        super().__init__()
        self._session, self._preferences, self._window = session, preferences, window
        self._background = SerialExecutor("attunet-project", QtDelivery(), self._report_failure)
        self.projects = ProjectList(session, preferences, self._background, self)
        self.cases = ProjectCaseController(
            session, preferences, journal, self.projects, self._background, window, self
        )
        self.acceptance = CaseAcceptance(session, correcting, review, self.cases, window, self)
        self.decisions = CaseDecisions(self.projects, self._background, self)
        self.jobs = ProjectJobs(session, self.projects, self)
        self.projects.changed.connect(self.changed)
        self.cases.changed.connect(self.changed)
        self.cases.unsaved_check_asked.connect(self.unsaved_check_asked)
        self.acceptance.save_accepted_asked.connect(self.save_accepted_asked)
        self.decisions.decided.connect(self._decision_made)

    def _report_failure(self, error: Exception) -> None:
        self._session.show_message(failure_sentence(error, "working on the project"), problem=True)

    # What there is

    @property
    def project(self) -> Project | None:
        """The open project; None if there is none."""
        return self.projects.project

    @property
    def project_case(self) -> OpenProjectCase | None:
        """The case on screen; None if it belongs to no project."""
        return self.cases.project_case

    @property
    def case_list(self) -> CaseListModel:
        """The rows that the panel shows."""
        return self.projects.case_list

    @property
    def background_jobs(self) -> BackgroundJobs:
        """The jobs that run beside the window, those of fine-tuning too."""
        return self.jobs.background_jobs

    @property
    def current_facts(self) -> WorklistFacts:
        """What is known, as plain values, for the panel's view."""
        project, listed, choice = self.project, self.project_case, self.cases.choice
        return WorklistFacts(
            project="" if project is None else project.folder.name,
            counts=self.projects.counts.by_status,
            found=self.projects.counts.found,
            open_case=None if listed is None else listed.case_row,
            busy=self.cases.is_busy,
            choice="" if choice is None else f"{choice.case.name}: {choice.reason}",
            jobs=self.background_jobs.running_jobs,
            model=self._session.models.chosen is not None,
        )

    @property
    def worklist_status(self) -> WorklistStatus:
        """The state of the worklist, as far as the next step depends on it."""
        status = "" if self.project_case is None else str(self.project_case.case_row.status)
        return WorklistStatus(self.project is not None, status, self.cases.is_drawn_blind)

    # What is asked

    def open_project(self) -> None:
        """Ask for the folder of a project, and open the project or make one."""
        last, window = self._preferences.last_project, self._window()
        folder = worklist_dialogs.choose_project(window, Path.home() if last is None else last.parent)
        if folder is None:
            return
        make = not holds_project(folder)
        if not make or worklist_dialogs.ask_make(window, folder):
            self.projects.show_project(folder, make)

    def close_project(self) -> None:
        """Close the project, after asking about unsaved corrections."""
        self.unsaved_check_asked.emit("close the project", self.projects.close_project)

    def open_case(self, row: CaseRow) -> None:
        """Open `row`, after asking about unsaved corrections."""
        self.cases.open_case(row)

    def next_case(self) -> None:
        """Open the case that the chosen strategy names; the choice is recorded with its score."""
        self.cases.next_case()

    def accept_case(self) -> None:
        """Save the mask, accept the case and open the next one; asks first if something was not looked at."""
        self.acceptance.accept_case()

    def _decision_made(self, sentence: str) -> None:
        self._session.show_message(sentence)
        self.cases.reload_open_row()
        self.projects.refresh_list()

    def end_worklist(self) -> None:
        """Stop all background work and close the project. The window is closed already."""
        self.projects.stop_refreshing()
        self.background_jobs.end_all_jobs()
        self.cases.end_prefetch()
        self._background.close(finish=True)
        self.projects.end_list()

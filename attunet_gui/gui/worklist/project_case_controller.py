"""The open case of a project in the window: which case is opened, and what the project says of it.

Belongs to the window's thread. CT and masks are read in background threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_opening import OpenCase, OpenProjectCase, ProjectCt
from attunet_gui.app.case_saving import SaveResult
from attunet_gui.app.case_session import CaseSession
from attunet_gui.app.project_case_reading import project_journal_folder, restore_decisions
from attunet_gui.editing.edit_session import EditSession, PendingJournal, pending_journals
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.case_prefetcher import CasePrefetcher
from attunet_gui.gui.worklist.project_list import ProjectList
from attunet_gui.project.case_ordering import CaseChoice, choose_next_case, rank_cases
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.project_store import Project
from attunet_gui.system.background_executor import SerialExecutor


class ProjectCaseController(QObject):
    """Opens cases of the project, and knows which of them is on screen.

    Args:
        session: opens the case.
        preferences: remember by which strategy the next case is chosen.
        journal: folder in which the work on each case is kept.
        projects: holds the project and its list.
        background: reads the database.
        window: returns the widget above which dialogs stand.
        parent: owner of this object.

    Attributes:
        project_case: the case on screen; None if it belongs to no project.
        choice: the case that was chosen last, and why; None if none was.

    Signals:
        changed: something that the panel shows.
        unsaved_check_asked(doing, act): `act` is to be called once no unsaved correction can be lost by it.
    """

    changed = Signal()
    unsaved_check_asked = Signal(str, object)

    def __init__(
        self,
        session: CaseSession,
        preferences: WindowPreferences,
        journal: Path,
        projects: ProjectList,
        background: SerialExecutor,
        window: Callable[[], QWidget],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._preferences, self._journal = session, preferences, journal
        self._projects, self._background, self._window = projects, background, window
        self._prefetcher = CasePrefetcher()
        self.project_case: OpenProjectCase | None = None
        self.choice: CaseChoice | None = None
        projects.project_opened.connect(self.offer_recovery)
        projects.project_released.connect(self._leave_project)

    def _leave_project(self) -> None:
        """Note that the open case belongs to no project any more."""
        self.project_case = self.choice = None
        self._prefetcher.drop_prefetched()

    def end_prefetch(self) -> None:
        """Stop reading in advance for good."""
        self._prefetcher.end_prefetch()

    @property
    def is_drawn_blind(self) -> bool:
        """Whether the open case has to be drawn without a draft."""
        return self.project_case is not None and self.project_case.opening.blind

    @property
    def next_case_strategy(self) -> str:
        """Key of the strategy by which the next case is chosen."""
        return self._preferences.next_case_strategy

    @property
    def is_busy(self) -> bool:
        """Whether a file is being read or saved."""
        return self._session.file_job is not None

    @property
    def is_saving(self) -> bool:
        """Whether a mask is being saved; no other case is opened then, since the save may open the next."""
        job = self._session.file_job
        return job is not None and job.kind == "saving"

    @property
    def journal_folder(self) -> Path:
        """Folder in which the work on the open case is kept."""
        if self.project_case is None:
            return self._journal
        listed = self.project_case
        return project_journal_folder(self._journal, listed.project, listed.annotator)

    def restore_decisions(self, work: EditSession) -> None:
        """Restore in `work` what the project keeps of the mask that it begins with."""
        saved = None if self.project_case is None else self.project_case.opening.saved
        if saved is not None:
            restore_decisions(work, saved)

    @property
    def corrected_before(self) -> frozenset[int]:
        """Indices of slices that an annotator had corrected in the mask that the open case began with."""
        saved = None if self.project_case is None else self.project_case.opening.saved
        return frozenset(() if saved is None else saved.said.corrected or ())

    def find_pending_work(self, case: OpenCase) -> PendingJournal | None:
        """Return unsaved work on the open case; it is resumed without a question. None if there is none."""
        same = (
            left
            for left in pending_journals(self.journal_folder)
            if left.identity.digest == case.identity.digest
        )
        return next(same, None)

    def offer_recovery(self, project: Project) -> None:
        """After a crash: ask whether the case with unsaved work is to be opened again with it."""
        folder = project_journal_folder(self._journal, project, self._projects.actor)
        left = next(iter(pending_journals(folder)), None)
        if left is None or self._session.case is not None:
            return
        if case_dialogs.ask_recovery(self._window(), left) == "bring back":
            self._background.submit(lambda: project.case_named(left.identity.name), self._open_row)

    # Opening

    def open_case(self, row: CaseRow) -> None:
        """Open `row`, after asking about unsaved corrections."""
        if self._projects.project is not None and not self.is_saving:
            self.unsaved_check_asked.emit("open another case", partial(self._open_row, row))

    def next_case(self) -> None:
        """Open the case that the chosen strategy names; the choice is recorded with its score."""
        if self._projects.project is None:
            self._session.show_message("Open a project first: F3.")
        elif not self.is_saving:
            self.unsaved_check_asked.emit("open the next case", self._choose_next_case)

    def _choose_next_case(self) -> None:
        project, key, without = (
            self._projects.project,
            self.next_case_strategy,
            self._names_to_skip,
        )
        if project is not None:
            choose = partial(choose_next_case, project, key, without, actor=self._projects.actor)
            self._background.submit(choose, self._next_case_chosen)

    def _next_case_chosen(self, choice: CaseChoice | None) -> None:
        self.choice = choice
        if choice is None:
            self._session.show_message(
                "Nothing waits for you: every other case is reviewed, accepted or rejected."
            )
        else:
            self._open_row(choice.case)
        self.changed.emit()

    def set_next_case_strategy(self, key: str) -> None:
        """Choose the next case by the strategy `key` from now on."""
        # Another strategy may name another case, so the one that was read in advance may be wrong.
        self._preferences.next_case_strategy = key
        self._prefetch_next_case()
        self.changed.emit()

    def _open_row(self, row: CaseRow) -> None:
        """Open `row` through the session, with the CT that was read in advance if it is that one."""
        if self._projects.project is None:
            return
        self._session.open_case(
            ProjectCt(self._projects.project, row, self._projects.actor, self._prefetcher.take_prefetched)
        )

    @property
    def _names_to_skip(self) -> frozenset[str]:
        return frozenset() if self.project_case is None else frozenset({self.project_case.case_row.name})

    def case_arrived(self, case: OpenCase) -> None:
        """Note that `case` is on screen, from the list or from elsewhere."""
        listed = case.listed
        # The project may have been closed while the case was read.
        stays = listed is not None and listed.project is self._projects.project
        self.project_case = listed if stays else None
        self._projects.case_list.mark_open(
            "" if self.project_case is None else self.project_case.case_row.name
        )
        self._projects.refresh_list()
        self._prefetch_next_case()
        self.changed.emit()

    def _prefetch_next_case(self) -> None:
        """Read the case that the strategy would name next, while the annotator works on this one."""
        project = self._projects.project
        if project is None or self.project_case is None:
            return
        key, without, annotator = self.next_case_strategy, self._names_to_skip, self._projects.actor

        def choose() -> CaseRow | None:
            best = rank_cases(project, key, 1, without, annotator=annotator)
            return best[0].case if best else None

        self._prefetcher.begin_prefetch(choose)

    def case_saved(self, saved: SaveResult) -> None:
        """Take over what was recorded, and open the next case or the one that is to be done again."""
        recorded, listed = saved.recorded, self.project_case
        if recorded is None:
            return
        self._projects.refresh_list()
        # The project may have been closed, or another case opened, by what waited for the save.
        if listed is None or listed.case_row.name != recorded.case.name:
            return
        self.project_case = replace(listed, opening=replace(listed.opening, case=recorded.case))
        self.changed.emit()
        if recorded.again:
            self._open_row(recorded.case)
        # The question whether something is left was answered before the case was saved.
        elif saved.accepted:
            self.next_case()

    def reload_open_row(self) -> None:
        """Read the row of the open case again, as a decision may have changed it."""
        listed = self.project_case
        if listed is None:
            return

        def show(row: CaseRow) -> None:
            if self.project_case is listed:
                self.project_case = replace(listed, opening=replace(listed.opening, case=row))
                self._session.changed.emit()
                self.changed.emit()

        self._background.submit(lambda: listed.project.reload_case(listed.case_row), show)

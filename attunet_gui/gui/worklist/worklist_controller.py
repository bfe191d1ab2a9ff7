"""The project in the window: its list, its open case, and what is recorded of that case.

Belongs to the window's thread. Database, project files and CT are read in background threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_accepting import not_accepted_message
from attunet_gui.app.case_saving import ProjectRecord, ReviewProgress, SaveResult, make_review_record
from attunet_gui.app.case_session import CaseSession, OpenCase
from attunet_gui.editing.edit_session import EditSession, PendingJournal, pending_journals
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.controllers.review_controller import ReviewController
from attunet_gui.gui.dialogs import case_dialogs, worklist_dialogs
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.view_state import WorklistStatus
from attunet_gui.gui.worklist.background_jobs import BackgroundJobs, JobKind
from attunet_gui.gui.worklist.case_formatting import first_names_text
from attunet_gui.gui.worklist.case_list_model import CaseListModel
from attunet_gui.gui.worklist.import_draft_export import (
    DrafterFactory,
    WorklistExportOptions,
    draft_worklist,
    export_shown_cases,
    import_ct_folder,
    make_child_drafter,
)
from attunet_gui.gui.worklist.open_project_case import (
    CasePrefetcher,
    OpenProjectCase,
    project_journal_folder,
    read_case_ct,
    read_project_case,
    restore_decisions,
)
from attunet_gui.gui.worklist.worklist_view_state import WorklistFacts
from attunet_gui.project import case_commands
from attunet_gui.project.case_ordering import CaseChoice, choose_next_case, rank_cases
from attunet_gui.project.case_rows import CaseQuery, CaseRow, HistoryLine
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import Project, create_project, holds_project, open_project
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.review.review_progress import unreviewed_text
from attunet_gui.system.background_executor import SerialExecutor
from attunet_gui.system.errors import AttunetError, failure_sentence
from attunet_gui.system.plurals import counted, plural_of
from attunet_gui.system.progress import ProgressCallback

_REFRESH_MS = 700
"""Pace in ms at which the list follows a background job."""


_DOING = "working on the project"


class WorklistHost(Protocol):
    """What the worklist needs of the window."""

    window: QWidget
    session: CaseSession
    preferences: WindowPreferences
    guide: ReviewController
    correcting: EditController
    journal: Path

    def when_safe(self, doing: str, act: Callable[[], None]) -> None:
        """Call `act` once no unsaved correction can be lost."""

    def save_accepted(self) -> None:
        """Save the mask of the open case and accept the case."""


@dataclass(frozen=True)
class _WorklistCounts:
    """Number of cases by status, and of those that the filter finds."""

    counts: dict[CaseStatus, int]
    found: int


class WorklistController(QObject):
    """Opens a project, its cases and the next one, and records what the annotator decides of them.

    Attributes:
        make_drafter: makes the drafter of the list for a model.
        confirm_accept: asks whether a case is accepted; takes its name and two sentences, what is left to
            look at and how much was on screen.

    Signals:
        changed: something that the panel shows.
    """

    changed = Signal()

    def __init__(self, host: WorklistHost) -> None:
        super().__init__()
        self._host, self._session = host, host.session
        self._background = SerialExecutor("attunet-project", QtDelivery(), self._report_failure)
        self._prefetcher = CasePrefetcher()
        self.case_list, self.background_jobs = CaseListModel(), BackgroundJobs()
        self.make_drafter: DrafterFactory = make_child_drafter
        self.confirm_accept: Callable[[str, str, str], bool] = self._ask_accept
        self.project: Project | None = None
        self.query = CaseQuery()
        self.choice: CaseChoice | None = None
        self.project_case: OpenProjectCase | None = None
        self._counts = _WorklistCounts({}, 0)
        self._case_being_opened: OpenProjectCase | None = None
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(_REFRESH_MS)
        self._refresh_timer.timeout.connect(self.refresh_list)
        self.case_list.page_loaded.connect(self.changed)
        self.background_jobs.changed.connect(self._jobs_changed)
        self.background_jobs.ended.connect(self._job_ended)

    def _report_problem(self, sentence: str) -> None:
        self._session.show_message(sentence, problem=True)

    def _report_failure(self, error: Exception) -> None:
        self._report_problem(failure_sentence(error, _DOING))

    # What there is

    @property
    def current_facts(self) -> WorklistFacts:
        """What is known, as plain values, for the panel's view."""
        project, listed = self.project, self.project_case
        choice = self.choice
        return WorklistFacts(
            project="" if project is None else project.folder.name,
            counts=self._counts.counts,
            found=self._counts.found,
            open_case=None if listed is None else listed.case_row,
            busy=self._is_busy,
            choice="" if choice is None else f"{choice.case.name}: {choice.reason}",
            jobs=self.background_jobs.running_jobs,
            model=self._session.bundle is not None,
        )

    @property
    def worklist_status(self) -> WorklistStatus:
        """The state of the worklist, as far as the next step depends on it."""
        status = "" if self.project_case is None else str(self.project_case.case_row.status)
        return WorklistStatus(self.project is not None, status, self.is_drawn_blind)

    @property
    def is_drawn_blind(self) -> bool:
        """Whether the open case has to be drawn without a draft."""
        return self.project_case is not None and self.project_case.opening.blind

    @property
    def next_case_strategy(self) -> str:
        """Key of the strategy by which the next case is chosen."""
        return self._host.preferences.next_case_strategy

    @property
    def _is_busy(self) -> bool:
        return self._session.file_job is not None

    @property
    def _is_saving(self) -> bool:
        """Whether a mask is being saved; no other case is opened then, since the save may open the next."""
        job = self._session.file_job
        return job is not None and job.kind == "saving"

    @property
    def journal_folder(self) -> Path:
        """Folder in which the work on the open case is kept."""
        if self.project_case is None:
            return self._host.journal
        listed = self.project_case
        return project_journal_folder(self._host.journal, listed.project, listed.annotator)

    # The project

    def open_project(self) -> None:
        """Ask for the folder of a project, and open the project or make one."""
        last = self._host.preferences.last_project
        window = self._host.window
        folder = worklist_dialogs.choose_project(window, Path.home() if last is None else last.parent)
        if folder is None:
            return
        make = not holds_project(folder)
        if not make or worklist_dialogs.ask_make(window, folder):
            self.show_project(folder, make)

    def open_last_project(self) -> None:
        """Open the project that was open when the last window closed, if it is still there."""
        folder = self._host.preferences.last_project
        if folder is not None:
            self.show_project(folder)

    def show_project(self, folder: Path, make: bool = False) -> None:
        """Open the project in `folder`, or make one there if `make` is set."""
        opener = create_project if make else open_project
        self._background.submit(lambda: opener(folder), self._project_opened)

    def _project_opened(self, project: Project) -> None:
        """Show a project that was opened, and offer unsaved work of it."""
        self._release_project()
        self.project = project
        self._host.preferences.last_project = project.folder
        self.query = CaseQuery()
        self.case_list.show_query(project, self.query)
        self._request_counts()
        self._session.show_message(f'The worklist of "{project.folder.name}" is open.')
        # The journals of a project's cases are in a folder of their own, which the start does not search.
        self._offer_recovery(project)

    def close_project(self) -> None:
        """Close the project. The open case stays on screen, but belongs to no list any more."""
        self._host.when_safe("close the project", self._close_project)

    def _close_project(self) -> None:
        self._release_project()
        self._host.preferences.last_project = None
        self._session.show_message("The project is closed.")

    def _release_project(self) -> None:
        """Drop the project, stop its background jobs and empty the list."""
        project, self.project, self.project_case, self.choice = self.project, None, None, None
        self._prefetcher.drop_prefetched()
        for chore in self.background_jobs.running_jobs:
            if project is not None:
                self.background_jobs.cancel_job(chore.kind)
        self._counts = _WorklistCounts({}, 0)
        self.case_list.show_query(None, CaseQuery())
        self.case_list.mark_open("")
        if project is not None:
            self._background.submit(project.close, lambda _done: None)
        self.changed.emit()

    def _offer_recovery(self, project: Project) -> None:
        """After a crash: ask whether the case with unsaved work is to be opened again with it."""
        folder = project_journal_folder(self._host.journal, project, self._actor)
        left = next(iter(pending_journals(folder)), None)
        if left is None or self._session.case is not None:
            return
        if case_dialogs.ask_recovery(self._host.window, left) == "bring back":
            self._background.submit(lambda: project.case_named(left.identity.name), self._open_row)

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

    def _request_counts(self) -> None:
        project, query = self.project, self.query
        if project is not None:
            self._background.submit(
                lambda: (project, _WorklistCounts(project.count_by_status(), project.count_cases(query))),
                lambda got: self._counts_ready(*got),
            )

    def _counts_ready(self, project: Project, known: _WorklistCounts) -> None:
        # Another project may have been opened while the database was read.
        if project is self.project:
            self._counts = known
            self.changed.emit()

    # Opening

    def open_case(self, row: CaseRow) -> None:
        """Open `row`, after asking about unsaved corrections."""
        if self.project is not None and not self._is_saving:
            self._host.when_safe("open another case", partial(self._open_row, row))

    def next_case(self) -> None:
        """Open the case that the chosen strategy names; the choice is recorded with its score."""
        if self.project is None:
            self._session.show_message("Open a project first: F3.")
        elif not self._is_saving:
            self._host.when_safe("open the next case", self._choose_next_case)

    def _choose_next_case(self) -> None:
        project, key, without = self.project, self.next_case_strategy, self._names_to_skip
        if project is not None:
            choose = partial(choose_next_case, project, key, without, actor=self._actor)
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
        self._host.preferences.next_case_strategy = key
        self._prefetch_next_case()
        self.changed.emit()

    def _open_row(self, row: CaseRow) -> None:
        """Open `row` through the session, with the CT that was read in advance if it is that one."""
        if self.project is None:
            return
        project, actor, ahead = self.project, self._actor, self._prefetcher

        def make(progress: ProgressCallback) -> OpenCase:
            ct = ahead.take_prefetched(row) or read_case_ct(row, progress)
            # The opening is recorded only now, when the CT was read and can be shown.
            self._case_being_opened = read_project_case(project, row, ct, actor=actor)
            return self._case_being_opened.case

        self._session.open_with(row.name, make)

    @property
    def _actor(self) -> str:
        """Name of the annotator at this moment; read in the window's thread when a command is given."""
        return self._session.annotator

    @property
    def _names_to_skip(self) -> frozenset[str]:
        return frozenset() if self.project_case is None else frozenset({self.project_case.case_row.name})

    def case_arrived(self, case: OpenCase) -> None:
        """Note that `case` is on screen, from the list or from elsewhere."""
        read = self._case_being_opened
        self.project_case = (
            read if read is not None and read.case is case and read.project is self.project else None
        )
        self._case_being_opened = None
        self.case_list.mark_open("" if self.project_case is None else self.project_case.case_row.name)
        self.refresh_list()
        self._prefetch_next_case()
        self.changed.emit()

    def _prefetch_next_case(self) -> None:
        """Read the case that the strategy would name next, while the annotator works on this one."""
        project = self.project
        if project is None or self.project_case is None:
            return
        key, without, annotator = self.next_case_strategy, self._names_to_skip, self._actor

        def choose() -> CaseRow | None:
            best = rank_cases(project, key, 1, without, annotator=annotator)
            return best[0].case if best else None

        self._prefetcher.begin_prefetch(choose)

    # Saving

    def save_record(self, path: Path | None, accept: bool) -> ProjectRecord | None:
        """Return what the project records about the mask of the open case as it is now.

        Args:
            path: the file that is to be written; None for a new one in the project.
            accept: whether the annotator accepts the case.

        Returns:
            None if the case belongs to no project, or is saved outside of its folder.
        """
        listed, work = self.project_case, self._host.correcting.work
        if listed is None or work is None:
            return None
        if path is not None and not path.is_relative_to(listed.project.folder):
            return None
        review = make_review_record(
            self._session.draft_model, work, _review_progress_of(self._host.guide), accept
        )
        return ProjectRecord(listed.project, listed.case_row, review, accept)

    def accept_case(self) -> None:
        """Save the mask, accept the case and open the next one; asks first if something was not looked at."""
        listed = self.project_case
        if listed is None:
            self._session.show_message("This is for cases of the worklist: open one first.")
        elif not self._is_busy and self._confirm_accept(listed):
            self._host.save_accepted()

    def _confirm_accept(self, listed: OpenProjectCase) -> bool:
        """Return whether `project_case` may be accepted; asks if something was not looked at."""
        guide, slices = self._host.guide, listed.case.volume.grid.shape[0]
        unseen = slices - len(guide.slices_looked_at)
        left = _remaining_review_text(guide, unseen)
        if not left:
            return True
        words = f"{unseen} of {counted(slices, 'slice')} {plural_of(unseen, 'was', 'were')} not on screen."
        agreed = self.confirm_accept(listed.case_row.name, left, words)
        if not agreed:
            self._session.show_message(not_accepted_message(listed.case_row.name))
        # While the question was open something else may have been opened, or saved.
        return agreed and self.project_case is listed and not self._is_busy

    def _ask_accept(self, name: str, left: str, unseen: str) -> bool:
        return worklist_dialogs.ask_accept(self._host.window, name, left, unseen)

    def case_saved(self, saved: SaveResult) -> None:
        """Take over what was recorded, and open the next case or the one that is to be done again."""
        recorded, listed = saved.recorded, self.project_case
        if recorded is None:
            return
        self.refresh_list()
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

    # What is decided of a case

    def assign_cases(self, rows: Sequence[CaseRow], to: str) -> None:
        """Assign `rows` to the annotator `to`; "" is nobody."""
        names = first_names_text([row.name for row in rows])
        self._run_decision(
            lambda project, actor: case_commands.assign_cases(project, rows, to, actor=actor),
            f"{names}: {f'assigned to {to}' if to else 'nobody has it'}.",
        )

    def set_note(self, row: CaseRow, text: str) -> None:
        """Set the note of `row` to `text`."""
        self._run_decision(
            lambda project, actor: case_commands.set_note(project, row, text, actor=actor),
            f"The note of {row.name} is kept.",
        )

    def reject_case(self, row: CaseRow, reason: str) -> None:
        """Reject `row`, as it is of no use for the project, with a reason."""
        self._run_decision(
            lambda project, actor: case_commands.reject_case(project, row, reason, actor=actor),
            f"{row.name} is rejected: {reason}.",
        )

    def reopen_case(self, row: CaseRow) -> None:
        """Set `row` back to being worked on."""
        self._run_decision(
            lambda project, actor: case_commands.reopen_case(project, row, actor=actor),
            f"{row.name} is to be worked on again.",
        )

    def set_checks(self, settings: ProjectSettings) -> None:
        """Set which share of the cases measures how often wrong drafts are accepted; 0 stops it."""
        self._run_decision(
            lambda project, actor: case_commands.set_settings(project, settings, actor=actor),
            f"From now on {settings.history_text}.",
        )

    def ask_second_reads(self, share: float, reader: str) -> None:
        """Have a share of the accepted cases drawn again.

        Args:
            share: of the accepted cases, 0 to 1.
            reader: who draws them; "" is anybody but the first annotator.
        """
        if self.project is None:
            return
        ask = partial(ask_second_reads, self.project, share, reader, actor=self._actor)

        def told(names: tuple[str, ...]) -> None:
            who = reader or "anybody but their first annotator"
            chosen = f"To be drawn again by {who}: {first_names_text(names)}."
            self._decision_done(chosen if names else "So many cases are read twice already: none was added.")

        self._background.submit(ask, told)

    def request_settings(self, then: Callable[[ProjectSettings], None]) -> None:
        """Read the settings of the project in the background and call `then` with them."""
        if self.project is not None:
            project = self.project
            self._background.submit(lambda: project.settings, then)

    def request_history(self, row: CaseRow, then: Callable[[CaseRow, tuple[HistoryLine, ...]], None]) -> None:
        """Read the history of `row` in the background and call `then` with it."""
        if self.project is not None:
            project = self.project
            self._background.submit(lambda: project.case_history(row), partial(then, row))

    def _run_decision(self, act: Callable[[Project, str], object], sentence: str) -> None:
        if self.project is None:
            return
        command = partial(act, self.project, self._actor)
        self._background.submit(command, lambda _done: self._decision_done(sentence))

    def _decision_done(self, sentence: str) -> None:
        self._session.show_message(sentence)
        self._reload_open_row()
        self.refresh_list()

    def _reload_open_row(self) -> None:
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

    # What takes minutes

    def import_folder(self, folder: Path, copy: bool) -> None:
        """Add every CT below `folder` to the list, in a background job."""
        if self.project is not None:
            self.background_jobs.begin_job(
                "import", partial(import_ct_folder, self.project, folder, copy, actor=self._actor)
            )

    def draft_list(self) -> None:
        """Draft every case that has no draft and that nobody has begun, in a background job."""
        bundle = self._session.bundle
        if self.project is not None and bundle is not None:
            self.background_jobs.begin_job(
                "draft", partial(draft_worklist, self.project, bundle, self.make_drafter)
            )

    def export_list(self, wish: WorklistExportOptions) -> None:
        """Write the data set that `wish` describes, in a background job."""
        if self.project is not None:
            self.background_jobs.begin_job("export", partial(export_shown_cases, self.project, wish))

    def cancel_job(self, kind: JobKind) -> None:
        """Stop the background job of `kind`; what it has done stays."""
        self.background_jobs.cancel_job(kind)

    def _jobs_changed(self) -> None:
        if not self._refresh_timer.isActive() and self.background_jobs.running_jobs:
            self._refresh_timer.start()
        self.changed.emit()

    def _job_ended(self, _kind: str, sentence: str, problem: bool) -> None:
        self._session.show_message(sentence, problem)
        self.refresh_list()

    def end_worklist(self) -> None:
        """Stop all background work and close the project. The window is closed already."""
        self._refresh_timer.stop()
        self.background_jobs.end_all_jobs()
        self._prefetcher.end_prefetch()
        self._background.close(finish=True)
        self.case_list.end_loading()
        if self.project is not None:
            with suppress(AttunetError):
                self.project.close()


def _review_progress_of(guide: ReviewController) -> ReviewProgress:
    if not guide.is_searched:
        return ReviewProgress(guide.review_state, reviewed=False)
    return ReviewProgress(
        guide.review_state, guide.is_reviewed, len(guide.unseen_slices), len(guide.open_places)
    )


def _remaining_review_text(guide: ReviewController, unseen: int) -> str:
    """Return what is left to look at in the open case, as a sentence; "" if that is nothing.

    Args:
        guide: the review of the case.
        unseen: number of slices that were not on screen, with mask or without.
    """
    if not guide.is_searched:
        return "The places to check are not known yet."
    if not guide.has_mask and unseen:
        return "There is no mask in it."
    left = unreviewed_text(len(guide.unseen_slices), len(guide.open_places))
    return f"{left}." if left else ""

"""Connects the panel of the worklist to the worklist: its dialogs, and the dock that it is in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QDockWidget, QWidget

from attunet_gui.gui.dialogs import case_dialogs, worklist_dialogs
from attunet_gui.gui.worklist.worklist_controller import WorklistController
from attunet_gui.gui.worklist.worklist_panel import WorklistPanel
from attunet_gui.gui.worklist.worklist_view_state import CaseCommand, ProjectCommand, decide_worklist_view
from attunet_gui.project.case_rows import CaseRow, HistoryLine
from attunet_gui.project.project_events import ProjectSettings


class WorklistPresenter(QObject):
    """Passes what the panel asks for to the worklist, with a dialog before it where one is needed.

    Args:
        worklist: what is shown.
        panel: the widget that shows it.
        dock: of the panel; hidden until a project is open.
        window: above which dialogs stand.
    """

    def __init__(
        self, worklist: WorklistController, panel: WorklistPanel, dock: QDockWidget, window: QWidget
    ) -> None:
        super().__init__(panel)
        self._worklist, self._panel, self._dock, self._window = worklist, panel, dock, window
        self._was_open, self._marked = False, ""
        self._reading: QWidget | None = None
        panel.open_asked.connect(worklist.open_case)
        panel.query_asked.connect(worklist.projects.show_query)
        panel.next_asked.connect(worklist.next_case)
        panel.accept_asked.connect(worklist.accept_case)
        panel.next_by_asked.connect(worklist.cases.set_next_case_strategy)
        panel.stop_asked.connect(worklist.background_jobs.cancel_job)
        panel.case_command_asked.connect(self._run_case_command)
        panel.project_command_asked.connect(self._run_project_command)
        worklist.changed.connect(self.show_worklist)
        dock.hide()
        self.show_worklist()

    def show_worklist(self) -> None:
        """Show the state of the worklist in the panel."""
        view = decide_worklist_view(self._worklist.current_facts)
        self._panel.show_view(view)
        self._panel.show_next_case_strategy(self._worklist.cases.next_case_strategy)
        self._mark_open()
        if view.is_open != self._was_open:
            self._was_open = view.is_open
            self._dock.setVisible(view.is_open)
            if view.is_open:
                self._dock.raise_()  # on a low screen it is a tab among others
            # The search of another project must not hide cases of this one.
            self._panel.show_query(self._worklist.projects.query)

    def _mark_open(self) -> None:
        """Select the case on screen in the list, once: afterwards the annotator selects what they like."""
        row = self._worklist.current_facts.open_case
        name = "" if row is None else row.name
        if name != self._marked and (not name or self._panel.mark_case(name)):
            self._marked = name

    def _run_case_command(self, command: CaseCommand, row: CaseRow) -> None:
        decisions = self._worklist.decisions
        commands: dict[CaseCommand, Callable[[CaseRow], None]] = {
            CaseCommand.ASSIGN: self._assign_case,
            CaseCommand.NOTE: self._set_note,
            CaseCommand.REJECT: self._reject_case,
            CaseCommand.REOPEN: decisions.reopen_case,
            CaseCommand.SHOW_HISTORY: partial(decisions.request_history, then=self._show_history),
        }
        commands[command](row)

    def _assign_case(self, row: CaseRow) -> None:
        said = worklist_dialogs.ask_text(
            self._window, f"Assign {row.name}", "To whom (nobody: leave it empty)", row.assignee
        )
        if said is not None:
            self._worklist.decisions.assign_cases((row,), said)

    def _set_note(self, row: CaseRow) -> None:
        said = worklist_dialogs.ask_text(
            self._window, f"Note of {row.name}", "Note (leave it empty to take it away)", row.note
        )
        if said is not None:
            self._worklist.decisions.set_note(row, said)

    def _reject_case(self, row: CaseRow) -> None:
        said = worklist_dialogs.ask_text(
            self._window, f"Reject {row.name}", "Why it is of no use; kept with the case", ""
        )
        if said is not None:
            self._worklist.decisions.reject_case(row, said)

    def _show_history(self, row: CaseRow, lines: tuple[HistoryLine, ...]) -> None:
        self._reading = worklist_dialogs.show_history(self._window, row.name, lines)

    def _run_project_command(self, command: ProjectCommand) -> None:
        worklist = self._worklist
        commands: dict[ProjectCommand, Callable[[], None]] = {
            ProjectCommand.IMPORT: partial(self._import_folder, copy=False),
            ProjectCommand.IMPORT_COPIES: partial(self._import_folder, copy=True),
            ProjectCommand.DRAFT_LIST: worklist.jobs.draft_list,
            ProjectCommand.EXPORT: self._export_dataset,
            ProjectCommand.ASK_SECOND_READS: self._ask_second_reads,
            ProjectCommand.SET_CHECKS: partial(worklist.decisions.request_settings, self._ask_checks),
            ProjectCommand.OPEN: worklist.open_project,
            ProjectCommand.CLOSE: worklist.close_project,
        }
        commands[command]()

    def _import_folder(self, copy: bool) -> None:
        folder = case_dialogs.choose_folder(
            self._window, "Import a folder of CT", self._folder_near_project()
        )
        if folder is not None:
            self._worklist.jobs.import_folder(folder, copy)

    def _export_dataset(self) -> None:
        project = self._worklist.project
        if project is None:
            return
        request = worklist_dialogs.ask_export(self._window, project, self._folder_near_project() / "export")
        if request is not None:
            self._worklist.jobs.export_list(request)

    def _ask_checks(self, settings: ProjectSettings) -> None:
        wanted = worklist_dialogs.ask_checks(self._window, settings)
        if wanted is not None and wanted != settings:
            self._worklist.decisions.set_checks(wanted)

    def _ask_second_reads(self) -> None:
        wanted = worklist_dialogs.ask_second_reads(self._window)
        if wanted is not None:
            self._worklist.decisions.ask_second_reads(*wanted)

    def _folder_near_project(self) -> Path:
        project = self._worklist.project
        return Path.home() if project is None else project.folder.parent

"""Decisions about cases in the list, such as assignment, notes, rejection and second reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtCore import QObject

from attunet_gui.app import project_messages
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.project_list import ProjectList
from attunet_gui.project import case_commands
from attunet_gui.project.case_rows import CaseRow, HistoryLine
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import Project
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.system.background_executor import SerialExecutor


class CaseDecisions(QObject):
    """Records decisions in the project, and reads what the dialogs about them show.

    Args:
        projects: holds the project.
        background: reads and writes the database.
        parent: owner of this object.

    Signals:
        decided(sentence): a decision is recorded; the sentence says which.
    """

    decided = Signal(str)

    def __init__(self, projects: ProjectList, background: SerialExecutor, parent: QObject) -> None:
        super().__init__(parent)
        self._projects, self._background = projects, background

    def assign_cases(self, rows: Sequence[CaseRow], to: str) -> None:
        """Assign `rows` to the annotator `to`; "" is nobody."""
        self._run_decision(
            lambda project, actor: case_commands.assign_cases(project, rows, to, actor=actor),
            project_messages.assigned_message([row.name for row in rows], to),
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
            project_messages.settings_message(settings),
        )

    def ask_second_reads(self, share: float, reader: str) -> None:
        """Have a share of the accepted cases drawn again.

        Args:
            share: of the accepted cases, 0 to 1.
            reader: who draws them; "" is anybody but the first annotator.
        """
        if self._projects.project is None:
            return
        ask = partial(ask_second_reads, self._projects.project, share, reader, actor=self._projects.actor)

        def report(names: tuple[str, ...]) -> None:
            self.decided.emit(project_messages.second_reads_message(names, reader))

        self._background.submit(ask, report)

    def request_settings(self, then: Callable[[ProjectSettings], None]) -> None:
        """Read the settings of the project in the background and call `then` with them."""
        project = self._projects.project
        if project is not None:
            self._background.submit(lambda: project.settings, then)

    def request_history(self, row: CaseRow, then: Callable[[CaseRow, tuple[HistoryLine, ...]], None]) -> None:
        """Read the history of `row` in the background and call `then` with it."""
        project = self._projects.project
        if project is not None:
            self._background.submit(lambda: project.case_history(row), partial(then, row))

    def _run_decision(self, act: Callable[[Project, str], object], sentence: str) -> None:
        if self._projects.project is None:
            return
        command = partial(act, self._projects.project, self._projects.actor)
        self._background.submit(command, lambda _done: self.decided.emit(sentence))

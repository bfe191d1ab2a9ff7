"""Connects the panel of the worklist to the worklist: its dialogs, and the dock that it is in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QDockWidget, QWidget

from attunet_gui.gui import questions
from attunet_gui.gui.worklist import asking
from attunet_gui.gui.worklist.panel import WorklistPanel
from attunet_gui.gui.worklist.state import decide_list
from attunet_gui.gui.worklist.worklist import Worklist
from attunet_gui.project.events import ProjectSettings
from attunet_gui.project.rows import CaseRow, HistoryLine


class JoinedPanel(QObject):
    """Passes what the panel asks for to the worklist, with a dialog before it where one is needed.

    Args:
        worklist: what is shown.
        panel: the widget that shows it.
        dock: of the panel; hidden until a project is open.
        window: above which dialogs stand.
    """

    def __init__(self, worklist: Worklist, panel: WorklistPanel, dock: QDockWidget, window: QWidget) -> None:
        super().__init__(panel)
        self._worklist, self._panel, self._dock, self._window = worklist, panel, dock, window
        self._was_open, self._marked = False, ""
        self._reading: QWidget | None = None
        panel.open_asked.connect(worklist.open_case)
        panel.query_asked.connect(worklist.show_query)
        panel.next_asked.connect(worklist.next_case)
        panel.accept_asked.connect(worklist.accept_case)
        panel.next_by_asked.connect(worklist.set_next_by)
        panel.stop_asked.connect(worklist.stop)
        panel.asked.connect(self._of_case)
        panel.project_asked.connect(self._of_project)
        worklist.changed.connect(self.show)
        dock.hide()
        self.show()

    def show(self) -> None:
        """Show the state of the worklist in the panel."""
        view = decide_list(self._worklist.facts)
        self._panel.show_view(view)
        self._panel.show_next_by(self._worklist.next_by)
        self._mark_open()
        if view.is_open != self._was_open:
            self._was_open = view.is_open
            self._dock.setVisible(view.is_open)
            if view.is_open:
                self._dock.raise_()  # on a low screen it is a tab among others
            # The search of another project must not hide cases of this one.
            self._panel.show_query(self._worklist.query)

    def _mark_open(self) -> None:
        """Select the case on screen in the list, once: afterwards the annotator selects what they like."""
        row = self._worklist.facts.open_case
        name = "" if row is None else row.name
        if name != self._marked and (not name or self._panel.mark(name)):
            self._marked = name

    def _of_case(self, what: str, row: CaseRow) -> None:
        worklist = self._worklist
        if what == "history":
            worklist.history(row, self._show_history)
        elif what == "reopen":
            worklist.reopen(row)
        else:
            self._ask_of_case(what, row)

    def _ask_of_case(self, what: str, row: CaseRow) -> None:
        """Ask for the text that "assign", "note" or "reject" needs, and run the command."""
        titles = {
            "assign": (f"Assign {row.name}", "To whom (nobody: leave it empty)", row.assignee),
            "note": (f"Note of {row.name}", "Note (leave it empty to take it away)", row.note),
            "reject": (f"Reject {row.name}", "Why it is of no use; kept with the case", ""),
        }
        said = asking.ask_text(self._window, *titles[what])
        if said is None:
            return
        if what == "assign":
            self._worklist.assign((row,), said)
        elif what == "note":
            self._worklist.note(row, said)
        else:
            self._worklist.reject(row, said)

    def _show_history(self, row: CaseRow, lines: tuple[HistoryLine, ...]) -> None:
        self._reading = asking.show_history(self._window, row.name, lines)

    def _of_project(self, what: str) -> None:
        """Run the command `what` of the project menu."""
        worklist = self._worklist
        commands: dict[str, Callable[[], None]] = {
            "import": partial(self._import, copy=False),
            "import copies": partial(self._import, copy=True),
            "draft": worklist.draft_list,
            "export": self._export,
            "second reads": self._ask_second_reads,
            "checks": partial(worklist.settings, self._ask_checks),
            "open": worklist.open_project,
            "close": worklist.close_project,
        }
        commands[what]()

    def _import(self, copy: bool) -> None:
        folder = questions.choose_folder(self._window, "Import a folder of CT", self._near())
        if folder is not None:
            self._worklist.import_folder(folder, copy)

    def _export(self) -> None:
        wish = asking.ask_export(self._window, self._near() / "export")
        if wish is not None:
            self._worklist.export(wish)

    def _ask_checks(self, settings: ProjectSettings) -> None:
        wanted = asking.ask_checks(self._window, settings)
        if wanted is not None and wanted != settings:
            self._worklist.set_checks(wanted)

    def _ask_second_reads(self) -> None:
        wanted = asking.ask_second_reads(self._window)
        if wanted is not None:
            self._worklist.ask_second_reads(*wanted)

    def _near(self) -> Path:
        project = self._worklist.project
        return Path.home() if project is None else project.folder.parent

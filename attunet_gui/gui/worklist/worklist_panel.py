"""The widget of the worklist: the next case, the list, and background jobs.

It shows a view and emits signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from qtpy.QtCore import QModelIndex, QSize, Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QMenu,
    QProgressBar,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel
from superqt.utils import signals_blocked

from attunet_gui.gui.panels.widget_factory import (
    FOCUS,
    make_button,
    make_column_layout,
    make_row_layout,
    make_wrapped_label,
)
from attunet_gui.gui.qt_helpers import QAction, QShortcut, Signal
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.gui.wheel_guard import guard_wheel
from attunet_gui.gui.worklist.case_list_model import LINE, PICTURE, CaseListModel
from attunet_gui.gui.worklist.worklist_view_state import (
    CaseCommand,
    JobView,
    ProjectCommand,
    WorklistFacts,
    WorklistView,
    case_commands_for,
    decide_worklist_view,
)
from attunet_gui.project.case_ordering import STRATEGIES
from attunet_gui.project.case_rows import CaseQuery, CaseRow, OrderKey
from attunet_gui.project.case_state import CaseStatus

_SEARCH_AFTER_MS = 250
"""Pause in ms after a letter before the search begins."""
_WIDTH = 250
_ORDERS: tuple[tuple[str, OrderKey, bool], ...] = (
    ("As added", "added", False),
    ("Most to correct", "effort", True),
    ("Least to correct", "effort", False),
    ("Least certain", "uncertainty", True),
    ("Last changed", "changed", True),
    ("Status", "status", False),
    ("Largest draft", "volume", True),
    ("Smallest draft", "volume", False),
    ("Assigned to", "assignee", False),
    ("Annotator", "annotator", False),
    ("File name", "file", False),
)
"""Title, column of the query and whether it is descending."""


class _CaseListView(QTableView):
    """A table with one column.

    Qt's list view goes through all of its rows again whenever one of them changes, which blocks the window
    with ten thousand cases.
    """

    def __init__(self) -> None:
        super().__init__()
        self.horizontalHeader().hide()
        self.horizontalHeader().setStretchLastSection(True)
        lines = self.verticalHeader()
        lines.hide()
        lines.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        lines.setDefaultSectionSize(LINE)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setIconSize(QSize(PICTURE, PICTURE))

    def keyboardSearch(self, search: str) -> None:  # noqa: N802
        """Qt's hook, disabled.

        Letters are shortcuts of the window, and a search by them would fetch every page.
        """


class WorklistPanel(QWidget):
    """The list of a project.

    Signals:
        open_asked(CaseRow): the case is to be opened.
        query_asked(CaseQuery): search, filter or order was changed.
        next_asked, accept_asked: the button was pressed.
        next_by_asked(key): another strategy for the next case was chosen.
        stop_asked(kind): the background job of that kind is to be stopped.
        case_command_asked(CaseCommand, CaseRow): a command for the selected case, but for opening it.
        project_command_asked(ProjectCommand): a command of the project menu.
        improve_asked: the dialog for fine-tuning is to be opened.
    """

    open_asked = Signal(object)
    query_asked = Signal(object)
    next_asked = Signal()
    accept_asked = Signal()
    next_by_asked = Signal(str)
    stop_asked = Signal(str)
    case_command_asked = Signal(object, object)
    project_command_asked = Signal(object)
    improve_asked = Signal()

    def __init__(self, cases: CaseListModel) -> None:
        super().__init__()
        self._cases = cases
        self.setStyleSheet(FOCUS)
        self.view = decide_worklist_view(WorklistFacts())
        self.title = QElidingLabel()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.summary, self.choice, self.hint, self.found = (
            make_wrapped_label(),
            make_wrapped_label(),
            make_wrapped_label(),
            make_wrapped_label(),
        )
        self._make_buttons()
        self._make_filter()
        self._make_list()
        self._bars: dict[str, _JobLine] = {}
        self._jobs_layout = QVBoxLayout()
        self._build_layout()
        self.setMinimumWidth(_WIDTH)

    def _make_buttons(self) -> None:
        self.next = make_button("Next case  F6", UserCommand.NEXT_CASE.tooltip, self.next_asked.emit)
        self.accept = make_button("Accept  Shift+A", UserCommand.ACCEPT_CASE.tooltip, self.accept_asked.emit)
        self.next_by = QComboBox()
        self.next_by.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.next_by.setToolTip("How the next case is chosen")
        for strategy in STRATEGIES:
            self.next_by.addItem(strategy.title.capitalize(), strategy.key)
        self.next_by.activated.connect(lambda _index: self.next_by_asked.emit(self.next_by.currentData()))
        self.project_menu = QMenu(self)
        self.project = make_button("Project", "Import, draft the list, export", lambda: None)
        self.project.setMenu(self.project_menu)
        self._project_actions = {
            command: self.project_menu.addAction(
                command.value, partial(self.project_command_asked.emit, command)
            )
            for command in ProjectCommand
        }
        improve = QAction(f"Improve the model…  {UserCommand.FINETUNE.keys}", self.project_menu)
        improve.setToolTip(UserCommand.FINETUNE.tooltip)
        improve.triggered.connect(lambda _checked=False: self.improve_asked.emit())
        self.project_menu.insertAction(self._project_actions[ProjectCommand.ASK_SECOND_READS], improve)
        self.case_menu = QMenu(self)
        self.case = make_button("Case", "What can be done with the marked case", lambda: None)
        self.case.setMenu(self.case_menu)
        self._case_actions = {
            command: self.case_menu.addAction(command.value, partial(self._emit_case_command, command))
            for command in CaseCommand
        }
        self.case_menu.aboutToShow.connect(self._show_case_actions)

    def _make_filter(self) -> None:
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        self.search.setClearButtonEnabled(True)
        self.search.setToolTip("Words in case, file name, note, reason or person")
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        # A query for each letter would be read and drawn in vain.
        self._typed.setInterval(_SEARCH_AFTER_MS)
        self._typed.timeout.connect(self._query_changed)
        self.search.textEdited.connect(lambda _text: self._typed.start())
        # The clear button changes the text without `textEdited`.
        self.search.textChanged.connect(lambda text: None if text else self._typed.start())
        self.status, self.order = QComboBox(), QComboBox()
        self.status.addItem("All cases", None)
        for status in CaseStatus:
            self.status.addItem(status.value.capitalize(), status)
        for title, key, descending in _ORDERS:
            self.order.addItem(title, (key, descending))
        self.status.setToolTip("Show only cases of this status")
        self.order.setToolTip("Order of the list")
        for box in (self.status, self.order):
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            # A long entry must not make the panel wider.
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.activated.connect(lambda _index: self._query_changed())

    def _make_list(self) -> None:
        self.list = _CaseListView()
        self.list.setModel(self._cases)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.setAccessibleName("Cases of the project")
        self.list.customContextMenuRequested.connect(
            lambda point: self.case_menu.popup(self.list.viewport().mapToGlobal(point))
        )
        self.list.doubleClicked.connect(self._open_index)
        for keys in ("Return", "Enter"):
            # Only in the list: in a dialog or a field these keys mean something else.
            context = Qt.ShortcutContext.WidgetShortcut
            QShortcut(
                QKeySequence(keys),
                self.list,
                partial(self._emit_case_command, CaseCommand.OPEN),
                context=context,
            )

    def _build_layout(self) -> None:
        layout = make_column_layout(self)
        layout.addWidget(self.title)
        layout.addWidget(self.summary)
        layout.addLayout(make_row_layout(self.next, self.accept))
        layout.addWidget(self.next_by)
        layout.addWidget(self.choice)
        layout.addWidget(self.search)
        layout.addLayout(make_row_layout(self.status, self.order))
        layout.addWidget(self.found)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.hint)
        layout.addLayout(make_row_layout(self.case, self.project))
        layout.addLayout(self._jobs_layout)
        guard_wheel(self)

    # What is asked

    @property
    def marked_case(self) -> CaseRow | None:
        """The case that is selected in the list; None if there is none, or it is not fetched yet."""
        index = self.list.currentIndex()
        return self._cases.row_at(index.row()) if index.isValid() else None

    def _emit_case_command(self, command: CaseCommand) -> None:
        marked = self.marked_case
        if marked is None:
            return
        if command is CaseCommand.OPEN:
            self.open_asked.emit(marked)
        else:
            self.case_command_asked.emit(command, marked)

    def _open_index(self, index: QModelIndex) -> None:
        found = self._cases.row_at(index.row())
        if found is not None:
            self.open_asked.emit(found)

    def _query_changed(self) -> None:
        """Emit the query for search, filter and order as they are now."""
        self._typed.stop()
        status = self.status.currentData()
        order, descending = self.order.currentData()
        self.query_asked.emit(
            CaseQuery(
                status=frozenset() if status is None else frozenset({CaseStatus(status)}),
                text=self.search.text(),
                order=order,
                descending=descending,
            )
        )

    # What is shown

    def show_view(self, view: WorklistView) -> None:
        """Apply `view`."""
        self.view = view
        self.title.setText(view.title)
        for label, text in (
            (self.summary, view.summary),
            (self.choice, view.choice),
            (self.found, view.found),
            (self.hint, view.empty_hint),
        ):
            label.setText(text)
            label.setVisible(bool(text))
        self.next.setEnabled(view.next_enabled)
        self.accept.setEnabled(view.accept_enabled)
        enabled = {
            ProjectCommand.IMPORT: view.import_enabled,
            ProjectCommand.IMPORT_COPIES: view.import_enabled,
            ProjectCommand.DRAFT_LIST: view.draft_enabled,
            ProjectCommand.EXPORT: view.export_enabled,
        }
        for command, wanted in enabled.items():
            self._project_actions[command].setEnabled(wanted)
        self._show_jobs({chore.kind: chore for chore in view.jobs})

    def show_next_case_strategy(self, key: str) -> None:
        """Show the strategy by which the next case is chosen, without emitting a signal."""
        with signals_blocked(self.next_by):
            self.next_by.setCurrentIndex(max(0, self.next_by.findData(key)))

    def mark_case(self, name: str) -> bool:
        """Select the case `name`, and return whether it was fetched already."""
        line = self._cases.line_of(name)
        if line is not None:
            self.list.setCurrentIndex(self._cases.index(line))
        return line is not None

    def show_query(self, query: CaseQuery) -> None:
        """Clear search, filter and order if `query` is the default, as after another project was opened."""
        if query == CaseQuery():
            with signals_blocked(self.search):
                self.search.clear()
            self.status.setCurrentIndex(0)
            self.order.setCurrentIndex(0)

    def _show_case_actions(self) -> None:
        enabled = case_commands_for(self.marked_case, busy=not self.view.next_enabled)
        for command, action in self._case_actions.items():
            action.setEnabled(command in enabled)

    def _show_jobs(self, chores: Mapping[Any, JobView]) -> None:
        """Show a line for each background job, and remove those of jobs that have ended."""
        for kind in set(self._bars) - set(chores):
            line = self._bars.pop(kind)
            self._jobs_layout.removeWidget(line)
            line.deleteLater()
        for kind, chore in chores.items():
            if kind not in self._bars:
                self._bars[kind] = _JobLine(partial(self.stop_asked.emit, kind))
                self._jobs_layout.addWidget(self._bars[kind])
            self._bars[kind].show_job(chore)


class _JobLine(QWidget):
    """Progress of a background job, and the button that stops it."""

    def __init__(self, stop: Any) -> None:
        super().__init__()
        self.text = QElidingLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.stop: QPushButton = make_button("Stop", "Stop it; what is done stays", stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(make_row_layout(self.text, self.stop, stretch=0))
        layout.addWidget(self.bar)

    def show_job(self, chore: JobView) -> None:
        """Apply `chore`."""
        self.text.setText(chore.bar.text)
        self.text.setToolTip(chore.bar.text)
        self.bar.setMaximum(chore.bar.total)
        self.bar.setValue(chore.bar.done)
        self.stop.setEnabled(not chore.stopping)

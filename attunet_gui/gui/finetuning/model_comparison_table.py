"""A table of the old model against the new one, one row a case."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from attunet_gui.gui import theme
from attunet_gui.gui.finetuning.finetuning_view_state import ModelComparisonRow
from attunet_gui.gui.qt_helpers import Signal

_NUMBERS = ("DSC old", "new", "change", "NSD old", "new")
_CHANGE = 3
_TOLD = 0.0005
"""Smaller changes are shown as 0.000, and get no colour."""


class ModelComparisonTable(QTableWidget):
    """Shows rows of results, with the change of the DSC in colour.

    Args:
        first: heading of the first column.
        roles: whether there is a column for the role of a case in the training.

    Signals:
        case_asked(name): a row that stands for a case was double-clicked, or Enter pressed on it.
    """

    case_asked = Signal(str)

    def __init__(self, first: str, *, roles: bool) -> None:
        super().__init__(0, 1 + len(_NUMBERS) + roles)
        self._roles = roles
        self._rows: Sequence[ModelComparisonRow] = ()
        self.setHorizontalHeaderLabels([first, *_NUMBERS, *(["to the new model"] if roles else [])])
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAccessibleName(f"{first}: old and new model")
        self.itemActivated.connect(self._emit_case_asked)

    def show_rows(self, rows: Sequence[ModelComparisonRow]) -> None:
        """Show `rows`, in their order. If they are the same as before, the selection stays."""
        # Filling the table anew would drop the selection at every step of a run.
        if rows == self._rows:
            return
        self._rows = rows
        self.setRowCount(len(rows))
        for line, row in enumerate(rows):
            for column, text in enumerate(self._cell_texts(row)):
                self.setItem(line, column, _make_cell(text, row, column))

    def _cell_texts(self, row: ModelComparisonRow) -> list[str]:
        # Cases are indented below their group.
        name = row.name if row.group else f"   {row.name}"
        numbers = [f"{row.dsc[0]:.3f}", f"{row.dsc[1]:.3f}", f"{row.dsc_change:+.3f}"]
        numbers += [f"{row.nsd[0]:.3f}", f"{row.nsd[1]:.3f}"]
        return [name, *numbers, *([row.role] if self._roles else [])]

    def _emit_case_asked(self, item: QTableWidgetItem) -> None:
        row = self._rows[item.row()]
        if not row.group:
            self.case_asked.emit(row.name)


def _make_cell(text: str, row: ModelComparisonRow, column: int) -> QTableWidgetItem:
    """Return a cell; changes are green or red, and groups are bold."""
    item = QTableWidgetItem(text)
    if 0 < column <= len(_NUMBERS):
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if column == _CHANGE and abs(row.dsc_change) > _TOLD:
        item.setForeground(QColor(theme.ADDED if row.dsc_change > 0 else theme.REMOVED))
    if row.group:
        font = item.font()
        font.setBold(True)
        item.setFont(font)
    return item

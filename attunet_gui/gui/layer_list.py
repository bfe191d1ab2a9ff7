"""Hides the layer that waits for a draft from napari's layer list: the annotator has no use for it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QObject, Qt, QTimer
from qtpy.QtWidgets import QListView, QWidget

from attunet_gui.gui.viewer import ARRIVING

_VIEW = "QtLayerList"
"""Class name of napari's layer list widget; napari exports no public name for the class."""


class HiddenLayerRow(QObject):
    """Hides the row of the layer `ARRIVING` in every layer list of `window`.

    Args:
        window: the window of the viewer.
        layers: `viewer.layers`, whose events say when rows change.
    """

    def __init__(self, window: QWidget, layers: Any) -> None:
        super().__init__(window)
        self._window = window
        # Not at once: the list updates its rows after this event was handled.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._hide)
        for event in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            event.connect(self._rows_changed)
        self._soon.start()

    def _rows_changed(self) -> None:
        self._soon.start()

    def _hide(self) -> None:
        for view in self._window.findChildren(QListView):
            if type(view).__name__ == _VIEW:
                hide_row(view, ARRIVING)


def hide_row(view: QListView, name: str) -> None:
    """Hide the rows of `view` whose text is `name`, and show all others."""
    model = view.model()
    if model is None:
        return
    for row in range(model.rowCount(QModelIndex())):
        shown = model.index(row, 0).data(Qt.ItemDataRole.DisplayRole)
        view.setRowHidden(row, shown == name)

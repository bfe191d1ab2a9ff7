"""Brush, eraser, fill and hand: napari's own, with undo and redo."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QButtonGroup, QLabel, QPushButton, QSlider, QWidget
from superqt.utils import signals_blocked

from attunet_gui.gui.panels.parts import button, column, row
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.state import View
from attunet_gui.gui.viewer import CaseLayers

_TOOLS = (
    ("pan_zoom", "Move", "Move and zoom the picture (Z)"),
    ("paint", "Brush", "Add to the mask, in this slice (P)"),
    ("erase", "Eraser", "Take away from the mask, in this slice (E)"),
    ("fill", "Fill", "Fill a closed contour, in this slice (F)"),
)


class ToolsPanel(QWidget):
    """Asks for a tool, a brush size, undo and redo."""

    tool_asked = Signal(str)
    brush_asked = Signal(int)
    undo_asked = Signal()
    redo_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._group = QButtonGroup(self)
        self.tools: dict[str, QPushButton] = {}
        for tool, name, about in _TOOLS:
            made = button(name, about, partial(self.tool_asked.emit, tool))
            made.setCheckable(True)
            self._group.addButton(made)
            self.tools[tool] = made
        self.brush = QSlider(Qt.Orientation.Horizontal)
        self.brush.setRange(1, 40)
        self.brush.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.brush.setToolTip("Size of the brush and the eraser ([ and ])")
        self.brush.valueChanged.connect(self.brush_asked)
        self.brush_words = QLabel()
        self.brush_words.setMinimumWidth(96)
        layout = column(self)
        undo = button("Undo", "Take back the last stroke (Ctrl+Z)", self.undo_asked.emit)
        redo = button("Redo", "Do it again (Ctrl+Shift+Z)", self.redo_asked.emit)
        layout.addLayout(row(*self.tools.values(), undo, redo))
        layout.addLayout(row(QLabel("Size"), self.brush, self.brush_words, stretch=1))

    def show_view(self, view: View) -> None:
        """Apply `view`."""
        self.setEnabled(view.tools_enabled)

    def show_look(self, layers: CaseLayers, pixel_mm: float) -> None:
        """Show the tool in hand; `pixel_mm` is the size of a pixel of the slice."""
        if layers.tool in self.tools:
            self.tools[layers.tool].setChecked(True)
        with signals_blocked(self.brush):
            self.brush.setValue(layers.brush_size)
        self.brush_words.setText(f"{layers.brush_size} px, {layers.brush_size * pixel_mm:.1f} mm")

"""The section of tools: napari's brush, eraser and polygon, the tools of our registry, undo and redo."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from attunet_gui.core.undo_stack import UndoStack
from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.editing.tools.tool_types import ToolKind
from attunet_gui.gui.controllers.tool_controller import ToolController
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.panels.widget_factory import (
    make_button,
    make_column_layout,
    make_row_layout,
    make_wrapped_label,
)
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.view_state import WindowView
from attunet_gui.system.plurals import counted

_TOOLS = (
    ("pan_zoom", "Move", "Move and zoom the picture (Z)"),
    ("paint", "Brush", "Add to the mask (P)"),
    ("erase", "Eraser", "Take away from the mask (E)"),
    ("polygon", "Polygon", "Click around a part; a double click closes and fills it (3)"),
)
"""Mode of napari, text of its button and tooltip."""
_COLUMNS, _COLUMNS_OF_LONG_NAMES = 3, 2
"""Number of tool buttons in a row, and in a row of a group that has a long name in it."""
_LONG_NAME = 13
_HU = (-200, 400)
"""Lowest and highest HU limit of the brush that can be set."""


class ToolsPanel(QWidget):
    """Emits the chosen tool, the size and HU limits of the brush, undo and redo."""

    tool_asked = Signal(str)
    kind_asked = Signal(str)
    brush_asked = Signal(int)
    volume_asked = Signal(bool)
    limits_asked = Signal(object)
    undo_asked = Signal()
    redo_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._group = QButtonGroup(self)
        self.tools: dict[str, QPushButton] = {}
        for tool, name, about in _TOOLS:
            made = make_button(name, about, partial(self.tool_asked.emit, tool))
            made.setCheckable(True)
            self._group.addButton(made)
            self.tools[tool] = made
        self.undo = make_button("Undo", "", self.undo_asked.emit)
        self.redo = make_button("Redo", "", self.redo_asked.emit)
        self.parameter = ParameterRow()
        layout = make_column_layout(self)
        layout.addLayout(make_row_layout(*self.tools.values()))
        layout.addLayout(make_row_layout(self.undo, self.redo))
        self._add_brush(layout)
        self.kinds = {kind.key: self._make_tool_button(kind) for kind in TOOLS}
        self._add_tool_buttons(layout)
        # Below the buttons: a row that comes and goes must not move them away under the mouse.
        layout.addWidget(self.parameter)
        self.show_undo_state(UndoStack())

    def _add_brush(self, layout: QVBoxLayout) -> None:
        """Add the rows for size, shape and HU limits of the brush."""
        self.brush = QSlider(Qt.Orientation.Horizontal)
        self.brush.setRange(1, 40)
        self.brush.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.brush.setToolTip("Size of the brush and the eraser ([ and ])")
        self.brush.valueChanged.connect(self.brush_asked)
        self.brush_words = QLabel()
        self.brush_words.setMinimumWidth(150)
        self.volume = QCheckBox("Ball")
        self.volume.setToolTip("Brush and eraser reach through slices: a ball instead of a disc")
        self.volume.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.volume.clicked.connect(self.volume_asked)
        self.limited = QCheckBox("Paint only between these HU")
        self.limited.setToolTip("What the brush sets outside of these HU is left out when the stroke ends")
        self.limited.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.low, self.high = _make_hu_box(0), _make_hu_box(180)
        for changed in (self.limited.clicked, self.low.valueChanged, self.high.valueChanged):
            changed.connect(lambda _value: self._emit_hu_limits())
        layout.addLayout(make_row_layout(QLabel("Size"), self.brush, self.brush_words, stretch=1))
        layout.addLayout(make_row_layout(self.volume, self.limited, stretch=1))
        layout.addLayout(make_row_layout(self.low, QLabel("to"), self.high, QLabel("HU"), stretch=3))

    def _emit_hu_limits(self) -> None:
        # Whichever field is changed first, the limits may cross for a moment.
        low, high = sorted((self.low.value(), self.high.value()))
        self.limits_asked.emit((float(low), float(high)) if self.limited.isChecked() else None)

    def _make_tool_button(self, kind: ToolKind) -> QPushButton:
        made = make_button(kind.title, f"{kind.tip} ({kind.keys})", partial(self.kind_asked.emit, kind.key))
        made.setCheckable(True)
        return made

    def _add_tool_buttons(self, layout: QVBoxLayout) -> None:
        """Add a button for each tool of the registry, by group."""
        for group in dict.fromkeys(kind.group for kind in TOOLS):
            layout.addWidget(QLabel(group))
            grid = QGridLayout()
            grid.setSpacing(3)
            kinds = [kind for kind in TOOLS if kind.group == group]
            long = max(len(kind.title) for kind in kinds) > _LONG_NAME
            columns = _COLUMNS_OF_LONG_NAMES if long else _COLUMNS
            for index, kind in enumerate(kinds):
                grid.addWidget(self.kinds[kind.key], index // columns, index % columns)
            layout.addLayout(grid)

    def show_view(self, view: WindowView) -> None:
        """Apply `view`."""
        self.setEnabled(view.mode.may_edit)

    def show_brush(self, layers: CaseLayers, spacing_mm: tuple[float, float, float]) -> None:
        """Show mode and brush of the mask; `spacing_mm` (z, y, x) turns pixels into mm."""
        # An exclusive group does not let its last button be unchecked.
        self._group.setExclusive(False)
        for tool, made in self.tools.items():
            # By what a click does, not by the mode of the mask: another layer may be selected.
            made.setChecked(layers.tools.click_mode == tool)
        self._group.setExclusive(True)
        with signals_blocked(self.brush), signals_blocked(self.volume):
            self.brush.setValue(layers.tools.brush_size)
            self.volume.setChecked(layers.tools.edits_volume)
        self.brush_words.setText(_brush_text(layers, spacing_mm))

    def show_undo_state(self, strokes: UndoStack) -> None:
        """Name what undo and redo of `strokes` would do."""
        back, ahead = strokes.undo_text, strokes.redo_text
        for pressed, words_, keys in ((self.undo, back, "Ctrl+Z"), (self.redo, ahead, "Ctrl+Shift+Z")):
            pressed.setEnabled(bool(words_))
            title = pressed.text()
            pressed.setToolTip(
                f"{title}: {words_} ({keys})" if words_ else f"Nothing to {title.lower()} ({keys})"
            )

    def show_selected_tool(self, toolbox: ToolController) -> None:
        """Show which tool of our registry is selected, with its number."""
        for key, made in self.kinds.items():
            made.setChecked(toolbox.selected_kind is not None and toolbox.selected_kind.key == key)
        self.parameter.show_selected_tool(toolbox)


class ParameterRow(QWidget):
    """Number and reach of the selected tool, and the buttons to apply or deselect it."""

    value_asked = Signal(float)
    in_3d_asked = Signal(bool)
    apply_asked = Signal()
    away_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.about = make_wrapped_label()
        self.value = QDoubleSpinBox()
        self.value.setKeyboardTracking(False)
        self.value.valueChanged.connect(self.value_asked)
        self.in_3d = QCheckBox("In all slices")
        self.in_3d.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.in_3d.clicked.connect(self.in_3d_asked)
        self.apply = make_button("Apply", "Do what is shown in green and red", self.apply_asked.emit)
        self.away = make_button("Done", "Put the tool away", self.away_asked.emit)
        layout = make_column_layout(self)
        layout.addWidget(self.about)
        layout.addLayout(make_row_layout(self.value, self.in_3d))
        layout.addLayout(make_row_layout(self.apply, self.away))
        self.hide()

    def show_selected_tool(self, toolbox: ToolController) -> None:
        """Show number, range and unit of the selected tool; hide the row if there is none."""
        kind = toolbox.selected_kind
        self.setVisible(kind is not None)
        if kind is None:
            return
        self.about.setText(kind.tip)
        parameter = kind.parameter
        self.value.setVisible(parameter is not None)
        with signals_blocked(self.value), signals_blocked(self.in_3d):
            if parameter is not None:
                self.value.setRange(parameter.low, parameter.high)
                self.value.setSingleStep(parameter.step)
                self.value.setPrefix(f"{parameter.name} ")
                self.value.setSuffix(f" {parameter.unit}")
                self.value.setValue(
                    parameter.default if toolbox.options.value is None else toolbox.options.value
                )
            self.in_3d.setChecked(toolbox.options.in_3d)
        self.in_3d.setVisible(kind.dimensions == (2, 3))
        self.apply.setVisible(not toolbox.needs_points)


def _make_hu_box(value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(*_HU)
    box.setValue(value)
    box.setSingleStep(10)
    return box


def _brush_text(layers: CaseLayers, spacing_mm: tuple[float, float, float]) -> str:
    mm = layers.tools.brush_size * spacing_mm[2]
    reach = "this slice only"
    if layers.tools.edits_volume:
        slices = max(1, round(layers.tools.brush_size * min(spacing_mm[1:]) / spacing_mm[0]))
        reach = counted(slices, "slice")
    return f"{layers.tools.brush_size} px, {mm:.1f} mm, {reach}"

"""The section of the layers: CT, mask, probability and gates, each with a switch and its opacity."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtGui import QIntValidator
from qtpy.QtWidgets import QApplication, QCheckBox, QGridLayout, QLabel, QLineEdit, QSlider, QWidget
from superqt import QRangeSlider
from superqt.utils import signals_blocked

from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.layer_factory import CT, MASK
from attunet_gui.gui.panels.widget_factory import (
    make_button,
    make_column_layout,
    make_row_layout,
    make_wrapped_label,
)
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.theme import HU_PRESETS
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.prediction.map_overlays import MapOverlay


class HuWindowPanel(QWidget):
    """Emits the HU window that was chosen, as (low, high)."""

    window_asked = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.slider = QRangeSlider(Qt.Orientation.Horizontal)  # type: ignore[no-untyped-call]
        # A click must leave the keyboard to the picture, or the arrow keys would move the handles.
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.low, self.high = _make_hu_field(), _make_hu_field()
        self.set_bounds(-1024, 1500)
        self.show_window(-160, 240)
        self.slider.valueChanged.connect(lambda value: self._emit_window(*value))
        for field in (self.low, self.high):
            field.editingFinished.connect(self._emit_typed_window)
        presets = [
            make_button(
                name,
                f"{low} to {high} HU. {UserCommand.NEXT_HU_WINDOW.tooltip}",
                partial(self._emit_window, low, high),
            )
            for name, low, high in HU_PRESETS
        ]
        layout = make_column_layout(self)
        layout.addLayout(make_row_layout(*presets))
        layout.addLayout(make_row_layout(self.low, self.slider, self.high, stretch=1))

    def _emit_window(self, low: float, high: float) -> None:
        if low < high:
            self.window_asked.emit(float(low), float(high))

    def _emit_typed_window(self) -> None:
        self._emit_window(float(self.low.text() or 0), float(self.high.text() or 0))

    def set_bounds(self, low: float, high: float) -> None:
        """Set the range in HU that the handles can reach."""
        with signals_blocked(self.slider):
            self.slider.setRange(int(low), int(high))

    def show_window(self, low: float, high: float) -> None:
        """Show the HU window in use, without emitting a signal."""
        with signals_blocked(self.slider):
            self.slider.setValue((int(low), int(high)))
        self.low.setText(str(int(low)))
        self.high.setText(str(int(high)))


def _make_hu_field() -> QLineEdit:
    field = QLineEdit()
    field.setAlignment(Qt.AlignmentFlag.AlignCenter)
    field.setValidator(QIntValidator(-5000, 10000, field))
    field.setFixedWidth(field.fontMetrics().horizontalAdvance("-10000") + 14)
    field.setToolTip("HU drawn black, and HU drawn white; Enter applies")
    return field


_GATE_TIP = (
    "Attention coefficients of this gate, 0 to 1: how much of the picture's detail it lets through.\n"
    "They do not say where the pancreas is, how sure the network is, or why it decided.\n"
    "In / out: mean value in the draft and in the rest of the body.\n"
    "Ctrl+click shows several maps at once."
)
_PROBABILITY_TIP = (
    "The network's output for each pixel, 0 to 1. How far it was calibrated, the model's card says.\n"
    "In / out: mean value in the draft and in the rest of the body."
)
_NO_MAPS_TEXT = "The probability and the model's gates appear here with the draft."


class _LayerRow(NamedTuple):
    """The widgets of one layer."""

    switch: QCheckBox
    opacity: QSlider
    values: QLabel


class LayersPanel(QWidget):
    """Emits which layer is to be shown or hidden and how opaque it is to be."""

    show_asked = Signal(str, bool, bool)
    opacity_asked = Signal(str, float)
    filled_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, _LayerRow] = {}
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        self.filled = QCheckBox("Mask as an area, not a contour")
        self.filled.setToolTip(UserCommand.TOGGLE_FILLED.tooltip)
        self.filled.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.filled.clicked.connect(lambda _checked: self.filled_asked.emit())
        self.empty = make_wrapped_label(_NO_MAPS_TEXT)
        self._heading = QLabel("in / out")
        self._heading.setToolTip("Mean value in the draft, and in the rest of the body")
        self._add_row(CT, "CT", "The CT itself", "")
        self._add_row(MASK, "Pancreas mask", UserCommand.TOGGLE_MASK.tooltip, "")
        self._grid.addWidget(self._heading, 1, 2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        layout = make_column_layout(self)
        layout.addLayout(self._grid)
        layout.addWidget(self.filled)
        layout.addWidget(self.empty)
        self.show_maps(())

    def show_maps(self, overlays: tuple[MapOverlay, ...]) -> None:
        """Replace the rows of the last maps by one for each of `overlays`, below CT and mask."""
        for key in [key for key in self.rows if key not in (CT, MASK)]:
            for widget in self.rows.pop(key):
                self._grid.removeWidget(widget)
                widget.deleteLater()
        for overlay in overlays:
            about = _PROBABILITY_TIP if overlay.key == "probability" else _GATE_TIP
            self._add_row(overlay.key, overlay.title, about, _mean_values_text(overlay))
        self._heading.setVisible(bool(overlays))
        self.empty.setVisible(not overlays)
        self._put_in_tab_order()

    def _put_in_tab_order(self) -> None:
        """Put the rows before the switch below them: Qt's tab order is that in which widgets were made."""
        stops = [stop for row in self.rows.values() for stop in (row.switch, row.opacity)]
        for before, after in pairwise([*stops, self.filled]):
            self.setTabOrder(before, after)

    def _add_row(self, key: str, title: str, about: str, values: str) -> None:
        switch = QCheckBox(title)
        switch.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        # `clicked`, not `toggled`: only what the annotator does is to be asked for.
        switch.clicked.connect(lambda checked: self.show_asked.emit(key, checked, not _is_ctrl_pressed()))
        opacity = QSlider(Qt.Orientation.Horizontal)
        opacity.setRange(0, 100)
        opacity.setFixedWidth(56)
        opacity.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        opacity.valueChanged.connect(lambda value: self.opacity_asked.emit(key, value / 100))
        number = QLabel(values)
        index = len(self.rows)
        for place, widget in enumerate((switch, opacity, number)):
            widget.setToolTip(about if widget is not opacity else f"Opacity of {title}")
            self._grid.addWidget(widget, index, place)
        self.rows[key] = _LayerRow(switch, opacity, number)

    def show_layer_states(self, layers: CaseLayers) -> None:
        """Show visibility and opacity of the layers, without emitting a signal."""
        is_open = layers.mask is not None
        for key, row in self.rows.items():
            # Showing a value must not look like a choice of the annotator.
            with signals_blocked(row.switch), signals_blocked(row.opacity):
                row.switch.setChecked(layers.appearance.is_shown(key))
                row.opacity.setValue(round(100 * layers.appearance.opacity_of(key)))
            row.switch.setEnabled(is_open)
            row.opacity.setEnabled(is_open)
        with signals_blocked(self.filled):
            self.filled.setChecked(layers.appearance.is_filled)
        self.filled.setEnabled(is_open)


def _mean_values_text(overlay: MapOverlay) -> str:
    """Return the mean of the map inside and outside of the draft, as text."""
    return f"{_format_mean(overlay.inside)} / {_format_mean(overlay.outside)}"


def _format_mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _is_ctrl_pressed() -> bool:
    return bool(QApplication.keyboardModifiers() & Qt.KeyboardModifier.ControlModifier)

"""The section of the layers: CT, mask, probability and gates, each with a switch and its opacity."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QCheckBox, QGridLayout, QLabel, QSlider, QWidget
from superqt.utils import signals_blocked

from attunet_gui.core.overlay import Overlay
from attunet_gui.gui.actions import tip
from attunet_gui.gui.case_layers import CT
from attunet_gui.gui.panels.parts import column, words
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.viewer import MASK, CaseLayers

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
_EMPTY = "The probability and the four gates appear here with the draft."


class _Row(NamedTuple):
    """The widgets of one layer."""

    switch: QCheckBox
    opacity: QSlider
    values: QLabel


class LookPanel(QWidget):
    """Emits which layer is to be shown or hidden and how opaque it is to be."""

    show_asked = Signal(str, bool, bool)
    opacity_asked = Signal(str, float)
    filled_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, _Row] = {}
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        self.filled = QCheckBox("Mask as an area, not a contour")
        self.filled.setToolTip(tip("toggle_filled"))
        self.filled.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.filled.clicked.connect(lambda _checked: self.filled_asked.emit())
        self.empty = words(_EMPTY)
        self._heading = QLabel("in / out")
        self._heading.setToolTip("Mean value in the draft, and in the rest of the body")
        self._add(CT, "CT", "The CT itself", "")
        self._add(MASK, "Pancreas mask", tip("toggle_mask"), "")
        self._grid.addWidget(self._heading, 1, 2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        layout = column(self)
        layout.addLayout(self._grid)
        layout.addWidget(self.filled)
        layout.addWidget(self.empty)
        self.show_maps(())

    def show_maps(self, overlays: tuple[Overlay, ...]) -> None:
        """Replace the rows of the last maps by one for each of `overlays`, below CT and mask."""
        for key in [key for key in self.rows if key not in (CT, MASK)]:
            for widget in self.rows.pop(key):
                self._grid.removeWidget(widget)
                widget.deleteLater()
        for overlay in overlays:
            about = _PROBABILITY_TIP if overlay.key == "probability" else _GATE_TIP
            self._add(overlay.key, overlay.title, about, _in_out(overlay))
        self._heading.setVisible(bool(overlays))
        self.empty.setVisible(not overlays)
        self._put_in_tab_order()

    def _put_in_tab_order(self) -> None:
        """Put the rows before the switch below them: Qt's tab order is that in which widgets were made."""
        stops = [stop for row in self.rows.values() for stop in (row.switch, row.opacity)]
        for before, after in pairwise([*stops, self.filled]):
            self.setTabOrder(before, after)

    def _add(self, key: str, title: str, about: str, values: str) -> None:
        switch = QCheckBox(title)
        switch.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        # `clicked`, not `toggled`: only what the annotator does is to be asked for.
        switch.clicked.connect(lambda checked: self.show_asked.emit(key, checked, not _with_ctrl()))
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
        self.rows[key] = _Row(switch, opacity, number)

    def show_look(self, layers: CaseLayers) -> None:
        """Show visibility and opacity of the layers, without emitting a signal."""
        is_open = layers.mask is not None
        for key, row in self.rows.items():
            # Showing a value must not look like a choice of the annotator.
            with signals_blocked(row.switch), signals_blocked(row.opacity):
                row.switch.setChecked(layers.is_shown(key))
                row.opacity.setValue(round(100 * layers.opacity(key)))
            row.switch.setEnabled(is_open)
            row.opacity.setEnabled(is_open)
        with signals_blocked(self.filled):
            self.filled.setChecked(layers.filled)
        self.filled.setEnabled(is_open)


def _in_out(overlay: Overlay) -> str:
    """Return the mean of the map inside and outside of the draft, as text."""
    return f"{_number(overlay.inside)} / {_number(overlay.outside)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _with_ctrl() -> bool:
    return bool(QApplication.keyboardModifiers() & Qt.KeyboardModifier.ControlModifier)

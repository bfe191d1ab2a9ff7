"""The section of the HU window: presets, two handles to drag, and two fields to type in."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QIntValidator
from qtpy.QtWidgets import QLineEdit, QWidget
from superqt import QRangeSlider
from superqt.utils import signals_blocked

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, row
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.theme import HU_PRESETS


class DisplayPanel(QWidget):
    """Emits the HU window that was chosen, as (low, high)."""

    window_asked = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.slider = QRangeSlider(Qt.Orientation.Horizontal)  # type: ignore[no-untyped-call]
        # A click must leave the keyboard to the picture, or the arrow keys would move the handles.
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.low, self.high = _field(), _field()
        self.set_bounds(-1024, 1500)
        self.show_window(-160, 240)
        self.slider.valueChanged.connect(lambda value: self._ask(*value))
        for field in (self.low, self.high):
            field.editingFinished.connect(self._ask_typed)
        presets = [
            button(name, f"{low} to {high} HU. {tip('next_window')}", partial(self._ask, low, high))
            for name, low, high in HU_PRESETS
        ]
        layout = column(self)
        layout.addLayout(row(*presets))
        layout.addLayout(row(self.low, self.slider, self.high, stretch=1))

    def _ask(self, low: float, high: float) -> None:
        if low < high:
            self.window_asked.emit(float(low), float(high))

    def _ask_typed(self) -> None:
        self._ask(float(self.low.text() or 0), float(self.high.text() or 0))

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


def _field() -> QLineEdit:
    field = QLineEdit()
    field.setAlignment(Qt.AlignmentFlag.AlignCenter)
    field.setValidator(QIntValidator(-5000, 10000, field))
    field.setFixedWidth(field.fontMetrics().horizontalAdvance("-10000") + 14)
    field.setToolTip("HU drawn black, and HU drawn white; Enter applies")
    return field

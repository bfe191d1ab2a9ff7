"""The HU window: presets, and two handles to drag."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSpinBox, QWidget
from superqt import QRangeSlider
from superqt.utils import signals_blocked

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, row
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.theme import HU_PRESETS


class DisplayPanel(QWidget):
    """Asks for a window in HU."""

    window_asked = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.slider = QRangeSlider(Qt.Orientation.Horizontal)  # type: ignore[no-untyped-call]
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.low, self.high = _spin(), _spin()
        self.set_bounds(-1024, 1500)
        self.show_window(-160, 240)
        self.slider.valueChanged.connect(lambda value: self._ask(*value))
        self.low.valueChanged.connect(lambda _value: self._ask(self.low.value(), self.high.value()))
        self.high.valueChanged.connect(lambda _value: self._ask(self.low.value(), self.high.value()))
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

    def set_bounds(self, low: float, high: float) -> None:
        """The HU that the handles can reach."""
        for widget in (self.slider, self.low, self.high):
            with signals_blocked(widget):
                widget.setRange(int(low), int(high))

    def show_window(self, low: float, high: float) -> None:
        """Show the window in use."""
        with signals_blocked(self.slider), signals_blocked(self.low), signals_blocked(self.high):
            self.slider.setValue((int(low), int(high)))
            self.low.setValue(int(low))
            self.high.setValue(int(high))


def _spin() -> QSpinBox:
    spin = QSpinBox()
    spin.setAlignment(Qt.AlignmentFlag.AlignCenter)
    spin.setKeyboardTracking(False)
    spin.setSingleStep(10)
    spin.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    spin.setToolTip("HU drawn black, and HU drawn white")
    return spin

"""The section with the big button, which always does the next step."""

from __future__ import annotations

from qtpy.QtWidgets import QProgressBar, QWidget

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, words
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.state import Bar, View

_HEIGHT = 34
_STYLE = """
QPushButton { background: #0072b2; color: white; font-weight: bold; padding: 9px; border-radius: 4px; }
QPushButton:hover { background: #0084cc; }
QPushButton:focus { border: 2px solid #e69f00; padding: 7px; }
QPushButton:disabled { background: #5a6070; color: #d0d4dc; }
"""


class NextStepPanel(QWidget):
    """Shows the button, the sentence below it, and the progress of the running job."""

    asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.button = button("", tip("next_step"), self.asked.emit)
        self.button.setStyleSheet(_STYLE)
        self.button.setMinimumHeight(_HEIGHT)
        self.hint = words()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar_text = words()
        layout = column(self)
        for widget in (self.button, self.hint, self.bar, self.bar_text):
            layout.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Apply `view`."""
        self.button.setText(view.step.button)
        self.button.setEnabled(view.step.command != "nothing")
        self.hint.setText(view.step.hint)
        self._show_bar(view.bar)

    def _show_bar(self, bar: Bar | None) -> None:
        """Show the progress bar; None hides it."""
        self.bar.setVisible(bar is not None)
        self.bar_text.setVisible(bar is not None)
        if bar is not None:
            # Qt would draw the bar, and with it the whole window, at each change: as long as a slice takes.
            self.bar.setUpdatesEnabled(False)
            self.bar.setMaximum(bar.total)
            self.bar.setValue(bar.done)
            self.bar.setUpdatesEnabled(True)
            self.bar_text.setText(bar.text)

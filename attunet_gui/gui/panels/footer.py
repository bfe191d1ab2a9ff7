"""The bottom line: the last message, the values under the cursor, the slice, and the notice on use."""

from __future__ import annotations

from qtpy.QtWidgets import QBoxLayout, QLabel, QSizePolicy, QWidget
from superqt import QElidingLabel

from attunet_gui.gui.panels.parts import row
from attunet_gui.gui.state import View

NOTICE = "Research use. Not a medical device."


class Footer(QWidget):
    """Shows the message, values, slice number and notice in one line, or in three."""

    def __init__(self) -> None:
        super().__init__()
        self.message = QElidingLabel()
        self.message.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slice, self.values = QLabel(), QLabel()
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(8, 2, 8, 4)
        self._layout.setSpacing(18)
        self._layout.addWidget(self.message, 1)
        self._layout.addLayout(row(self.values, self.slice, stretch=0))
        self._layout.addWidget(QLabel(NOTICE))

    def narrow(self) -> None:
        """Give the message a line of its own, as a dock has no room for all of it side by side."""
        self._layout.setDirection(QBoxLayout.Direction.TopToBottom)
        self._layout.setSpacing(2)

    def show_view(self, view: View) -> None:
        """Apply `view`."""
        text = view.message.text
        self.message.setText(f"⚠ {text}" if view.message.problem else text)
        self.message.setToolTip(text)

    def show_slice(self, index: int, count: int) -> None:
        """Show the number of the slice, counted from one, out of `count`; without a case `count` is 0."""
        self.slice.setText(f"Slice {index + 1} of {count}" if count else "")

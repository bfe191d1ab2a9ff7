"""The bottom line: the last message, the values under the cursor, the slice, and the notice on use."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget
from superqt import QElidingLabel

from attunet_gui.gui.state import View

NOTICE = "Research use. Not a medical device."


class Footer(QWidget):
    """Shows the message, values, slice number and notice in one line."""

    def __init__(self) -> None:
        super().__init__()
        self.message = QElidingLabel()
        self.message.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slice, self.values = QLabel(), QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 8, 4)
        layout.setSpacing(18)
        layout.addWidget(self.message, 1)
        layout.addWidget(self.values)
        layout.addWidget(self.slice)
        layout.addWidget(QLabel(NOTICE))

    def show_view(self, view: View) -> None:
        """Apply `view`."""
        text = view.message.text
        self.message.setText(f"⚠ {text}" if view.message.problem else text)
        self.message.setToolTip(text)

    def show_slice(self, index: int, count: int) -> None:
        """Show the number of the slice, counted from one, out of `count`; without a case `count` is 0."""
        self.slice.setText(f"Slice {index + 1} of {count}" if count else "")

"""Carrying corrections on: ask the network, look at what it proposes, take it or leave it."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, row, words
from attunet_gui.gui.qt import Signal


class CarryPanel(QWidget):
    """Asks for a proposal, and to take or reject it."""

    asked = Signal()
    take_all_asked = Signal()
    take_slice_asked = Signal()
    reject_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.ask = button("Carry my corrections on", tip("carrying.ask"), self.asked.emit)
        self.about = words()
        self.take_all = button("Accept all", tip("carrying.take_all"), self.take_all_asked.emit)
        self.take_slice = button("This slice", tip("carrying.take_slice"), self.take_slice_asked.emit)
        self.reject = button("Reject", tip("carrying.reject"), self.reject_asked.emit)
        self._answers = (self.take_all, self.take_slice, self.reject)
        layout = column(self)
        layout.addWidget(self.ask)
        layout.addWidget(self.about)
        layout.addLayout(row(*self._answers))
        self.show_state(False, "", False)

    def show_state(self, may_ask: bool, about: str, proposed: bool) -> None:
        """Show whether a proposal can be asked for, words about it, and whether one waits for an answer."""
        self.ask.setEnabled(may_ask)
        self.about.setText(about)
        self.about.setVisible(bool(about))
        for answer in self._answers:
            answer.setVisible(proposed)

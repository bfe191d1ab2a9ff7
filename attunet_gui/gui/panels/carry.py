"""The section for propagation: ask for a proposal, then accept or reject it."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, row, words
from attunet_gui.gui.qt import Signal


class CarryPanel(QWidget):
    """Emits a signal for each button.

    Ask for a proposal, accept it in all slices or in this one, reject it.
    """

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
        """Show the state of the proposal.

        Args:
            may_ask: whether a proposal can be asked for.
            about: a sentence about it; "" hides the line.
            proposed: whether a proposal waits to be accepted or rejected.
        """
        self.ask.setEnabled(may_ask)
        self.about.setText(about)
        self.about.setVisible(bool(about))
        for answer in self._answers:
            answer.setVisible(proposed)

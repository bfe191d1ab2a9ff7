"""The section of places to check: the list, and what to do with the selected place."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget
from superqt.utils import signals_blocked

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, row, words
from attunet_gui.gui.qt import Signal
from attunet_gui.review.places import Place

_LIST_HEIGHT = 132


class PlacesPanel(QWidget):
    """Emits signals for the next place, one of the list, its acceptance and the verification of a slice."""

    next_asked = Signal()
    place_asked = Signal(str)
    accept_asked = Signal()
    verify_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.summary = words(strong=True)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setFixedHeight(_LIST_HEIGHT)
        self.list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(lambda item: self.place_asked.emit(item.data(Qt.ItemDataRole.UserRole)))
        self.next = button("Next place  N", tip("guide.next_place"), self.next_asked.emit)
        self.accept = button("It is right  A", tip("guide.accept_place"), self.accept_asked.emit)
        self.verify = button("Verify slice  Q", tip("guide.verify_slice"), self.verify_asked.emit)
        layout = column(self)
        layout.addWidget(self.summary)
        layout.addWidget(self.list)
        layout.addLayout(row(self.next, self.accept, self.verify))

    def show_places(self, places: Sequence[Place], current: str, summary: str) -> None:
        """Show the open places.

        Args:
            places: in the order of the list.
            current: key of the selected one; "" for none.
            summary: how far the review is, as a sentence.
        """
        self.summary.setText(summary)
        self.list.setVisible(bool(places))
        self.next.setEnabled(bool(places))
        self.accept.setEnabled(any(place.key == current for place in places))
        # Filling the list must not look like a choice of the annotator.
        with signals_blocked(self.list):
            self.list.clear()
            for place in places:
                item = QListWidgetItem(f"{'+' if place.missing else '−'}  {_first_sentence(place.reason)}")
                item.setData(Qt.ItemDataRole.UserRole, place.key)
                item.setToolTip(place.reason)
                self.list.addItem(item)
                if place.key == current:
                    self.list.setCurrentItem(item)

    def show_case(self, is_open: bool) -> None:
        """Enable what needs an open case."""
        self.verify.setEnabled(is_open)


def _first_sentence(reason: str) -> str:
    return reason.split(". ")[0].rstrip(".")

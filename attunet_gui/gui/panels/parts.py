"""Widgets that several sections share. None of them takes the keyboard away from the picture by a click."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

_HEADING = """
QPushButton, QPushButton:checked, QPushButton:hover {
    background: transparent; border: none; border-top: 1px solid rgba(128, 128, 128, 90); border-radius: 0;
    font-weight: bold; text-align: left; padding: 5px 4px 2px 4px;
}
"""


class Section(QCollapsible):
    """A titled part of the dock that folds."""

    def __init__(self, title: str, content: QWidget) -> None:
        # An icon would be drawn in the colour of the theme at this moment; text follows the theme.
        super().__init__(title, expandedIcon=" ", collapsedIcon=" ")
        self.toggleButton().setStyleSheet(_HEADING)
        self.setDuration(0)
        self.setContent(content)
        layout = self.layout()
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(0)
        self.toggled.connect(lambda opened: self.setText(f"{'▾' if opened else '▸'}  {title}"))
        self.toggleButton().setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setText(f"▾  {title}")
        self.expand(animate=False)


def button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    """A push button that calls `clicked` without arguments."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.clicked.connect(lambda _checked=False: clicked())
    return made


def words(text: str = "", strong: bool = False) -> QLabel:
    """A label that wraps."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    if strong:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    return label


def row(*widgets: QWidget, stretch: int | None = None) -> QHBoxLayout:
    """Widgets side by side; `stretch` is the index of the one that grows."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if stretch in (None, index) else 0)
    return layout


def column(parent: QWidget) -> QVBoxLayout:
    """The usual vertical layout of a section."""
    layout = QVBoxLayout(parent)
    layout.setContentsMargins(6, 2, 6, 6)
    layout.setSpacing(5)
    return layout

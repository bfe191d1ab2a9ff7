"""Widgets and layouts that several sections share.

None of them takes the keyboard focus by a click, so that the shortcuts keep working on the picture.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

FOCUS = """
QPushButton:focus, QToolButton:focus, QCheckBox:focus, QComboBox:focus, QLineEdit:focus, QSpinBox:focus,
QSlider:focus, QListView:focus, QTableView:focus { border: 1px solid #e69f00; }
"""
"""Style of the widget with the keyboard focus, in a colour that is visible in both themes."""
_HEADING = """
QPushButton {
    background: transparent; border: none; border-top: 1px solid rgba(128, 128, 128, 90); border-radius: 0;
    font-weight: bold; text-align: left; padding: 5px 6px 2px 6px;
}
QPushButton:focus { border: 1px solid #e69f00; }
"""


class FoldableSection(QWidget):
    """A titled part of the dock that can be folded, and is as high as its content."""

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._title, self._content = title, content
        self.heading = make_button("", f"Fold or unfold {title}", self.toggle_folded)
        self.heading.setStyleSheet(_HEADING)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.heading)
        layout.addWidget(content)
        self._set_unfolded(True)

    def toggle_folded(self) -> None:
        """Fold the section if it is unfolded, else unfold it."""
        self._set_unfolded(self._content.isHidden())

    def _set_unfolded(self, unfolded: bool) -> None:
        self._content.setVisible(unfolded)
        # An icon would keep the colours of the theme it was drawn in; text follows the theme.
        self.heading.setText(f"{'▾' if unfolded else '▸'}  {self._title}")


def make_button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    """Return a push button that calls `clicked` without arguments."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    # `clicked` passes whether the button is checked.
    made.clicked.connect(lambda _checked=False: clicked())
    return made


class WrappedLabel(QLabel):
    """A label that wraps, and takes the height that its text needs at the width it has."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the size of one line (Qt's hook).

        Qt would return the height of a narrow column, which a small screen does not have.
        """
        return QSize(0, self.fontMetrics().lineSpacing())


def make_wrapped_label(text: str = "", strong: bool = False) -> QLabel:
    """Return a label with wrapped plain text; `strong` makes it bold."""
    label = WrappedLabel(text)
    label.setWordWrap(True)
    # Names of files and models may look like markup.
    label.setTextFormat(Qt.TextFormat.PlainText)
    # The width is ignored: a long sentence wraps and does not make the dock wider.
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    if strong:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    return label


def make_row_layout(*widgets: QWidget, stretch: int | None = None) -> QHBoxLayout:
    """Return a layout of widgets side by side.

    `stretch` is the index of the one that grows, None means all.
    """
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if stretch in (None, index) else 0)
    return layout


def stack_widgets(*widgets: QWidget) -> QWidget:
    """Return a widget with `widgets` above one another, without margins."""
    made = QWidget()
    layout = QVBoxLayout(made)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    for widget in widgets:
        layout.addWidget(widget)
    return made


def make_column_layout(parent: QWidget) -> QVBoxLayout:
    """Give `parent` the vertical layout of a section and return it."""
    layout = QVBoxLayout(parent)
    layout.setContentsMargins(6, 2, 6, 4)
    layout.setSpacing(4)
    return layout

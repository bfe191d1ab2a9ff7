"""The wheel scrolls; a value changes by it only where the keyboard is."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QScrollBar,
    QTabBar,
    QWidget,
)

_WITH_VALUE = (QAbstractSpinBox, QComboBox, QAbstractSlider, QTabBar)


class WheelGuard(QObject):
    """Keeps the wheel from values that do not have the keyboard; what lies around them scrolls instead."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Qt's hook."""
        kept = event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus()
        if kept:
            event.ignore()
        return kept


def changed_by_wheel(root: QWidget) -> list[QWidget]:
    """All widgets within `root` whose value the wheel could change."""
    return [
        widget
        for widget in [root, *root.findChildren(QWidget)]
        if isinstance(widget, _WITH_VALUE) and not isinstance(widget, QScrollBar)
    ]


def guard_wheel(root: QWidget) -> None:
    """Guard every value within `root`; safe to call again when there are more of them."""
    guard = _guard()
    for widget in changed_by_wheel(root):
        if widget.focusPolicy() == Qt.FocusPolicy.WheelFocus:
            # Else the wheel itself would bring the keyboard.
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(guard)


def _guard() -> WheelGuard:
    app = QApplication.instance()
    found = None if app is None else app.findChild(WheelGuard)
    return found or WheelGuard(app)

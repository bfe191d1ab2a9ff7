"""Keeps the mouse wheel from changing values: it scrolls, unless the widget has the keyboard focus."""

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
    """An event filter that leaves wheel events on widgets without keyboard focus to their parent."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Qt's hook."""
        kept = event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus()
        if kept:
            event.ignore()
        return kept


def widgets_changed_by_wheel(root: QWidget) -> list[QWidget]:
    """Return all widgets within `root` whose value the wheel could change."""
    return [
        widget
        for widget in [root, *root.findChildren(QWidget)]
        if isinstance(widget, _WITH_VALUE) and not isinstance(widget, QScrollBar)
    ]


def guard_wheel(root: QWidget) -> None:
    """Guard every such widget within `root`. It can be called again after widgets were added."""
    guard = _application_wheel_guard()
    for widget in widgets_changed_by_wheel(root):
        if widget.focusPolicy() == Qt.FocusPolicy.WheelFocus:
            # With WheelFocus the wheel itself would give the widget the keyboard focus.
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(guard)


def _application_wheel_guard() -> WheelGuard:
    """Return the one event filter of the application, made at the first call."""
    app = QApplication.instance()
    found = None if app is None else app.findChild(WheelGuard)
    return found or WheelGuard(app)

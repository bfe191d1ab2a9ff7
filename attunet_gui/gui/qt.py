"""Names of Qt that qtpy does not declare, psygnal's queue, and whether the canvas can be seen."""

from __future__ import annotations

from psygnal.qt import start_emitting_from_queue
from qtpy.QtCore import Qt
from qtpy.QtCore import Signal as Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QAction as QAction  # type: ignore[attr-defined]
from qtpy.QtGui import QShortcut as QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMainWindow

_QUEUE_MS = 20
"""How often, in ms, psygnal's queue is emptied."""


def start_signal_queue() -> None:
    """Deliver psygnal's signals from background threads in the window's thread. A second call does nothing.

    psygnal puts such signals into a queue, which a Qt timer empties.
    """
    start_emitting_from_queue(_QUEUE_MS, Qt.TimerType.CoarseTimer)


def picture_is_shown(window: QMainWindow) -> bool:
    """Return whether the central widget of `window`, the canvas, can be on a screen."""
    handle, picture = window.windowHandle(), window.centralWidget()
    if handle is None or picture is None or window.isMinimized():
        return False
    return bool(handle.isExposed() and picture.isVisible() and not picture.visibleRegion().isEmpty())

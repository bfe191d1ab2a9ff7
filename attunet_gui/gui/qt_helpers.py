"""Names of Qt that qtpy does not declare, psygnal's queue, and whether the canvas can be seen."""

from __future__ import annotations

from psygnal.qt import start_emitting_from_queue
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtCore import Signal as Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QAction as QAction  # type: ignore[attr-defined]
from qtpy.QtGui import QShortcut as QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMainWindow

_QUEUE_MS = 20
"""How often, in ms, psygnal's queue is emptied."""


def start_psygnal_queue() -> None:
    """Deliver psygnal's signals from background threads in the window's thread. A second call does nothing.

    psygnal puts such signals into a queue, which a Qt timer empties.
    """
    start_emitting_from_queue(_QUEUE_MS, Qt.TimerType.CoarseTimer)


def is_canvas_exposed(window: QMainWindow) -> bool:
    """Return whether the central widget of `window`, the canvas, can be on a screen."""
    handle, picture = window.windowHandle(), window.centralWidget()
    if handle is None or picture is None or window.isMinimized():
        return False
    return bool(handle.isExposed() and picture.isVisible() and not picture.visibleRegion().isEmpty())


_TICKS = 5
"""Into how many parts the time is divided."""


class ResponsiveTimer(QObject):
    """Fires once after `seconds` in which events were handled.

    A plain single-shot timer fires as soon as a blocked event loop runs again, however long it was blocked,
    and before anybody can have seen what was painted meanwhile. Here the time is divided into five ticks, and
    a blocked time counts as one of them.

    Signals:
        timeout: the time is over.
    """

    timeout = Signal()

    def __init__(self, seconds: float, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._left = 0
        self._ticks = QTimer(self)
        self._ticks.setTimerType(Qt.TimerType.PreciseTimer)
        self._ticks.setSingleShot(True)
        self._ticks.setInterval(round(1000 * seconds / _TICKS))
        self._ticks.timeout.connect(self._count_tick)

    def start(self) -> None:
        """Begin, or begin anew if it is running."""
        self._left = _TICKS
        self._ticks.start()

    def stop(self) -> None:
        """Do not fire any more."""
        self._ticks.stop()

    def _count_tick(self) -> None:
        self._left -= 1
        if self._left:
            self._ticks.start()
        else:
            self.timeout.emit()

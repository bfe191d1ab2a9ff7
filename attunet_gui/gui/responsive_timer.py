"""A timer that measures how long the event loop was running, not how much time has passed."""

from __future__ import annotations

from qtpy.QtCore import QObject, Qt, QTimer

from attunet_gui.gui.qt import Signal

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
        self._ticks.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin, or begin anew if it is running."""
        self._left = _TICKS
        self._ticks.start()

    def stop(self) -> None:
        """Do not fire any more."""
        self._ticks.stop()

    def _tick(self) -> None:
        self._left -= 1
        if self._left:
            self._ticks.start()
        else:
            self.timeout.emit()

"""Python looks for garbage in the window's thread alone."""

from __future__ import annotations

import gc

from qtpy.QtCore import QObject, QTimer

_EVERY_MS = 100


class Sweep(QObject):
    """Collects in the thread it lives in, between two events; Python itself no longer does while it lasts.

    Python collects in whichever thread makes the object that is one too many, and destroys there what it
    finds. A closed dialog or a layer's controls found by a thread that reads a file would be destroyed
    beside the events that are on their way to them, and the program with them.

    Args:
        parent: what it ends with.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        _begin()
        self._ended = False
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(sweep)
        self._timer.start()

    def end(self) -> None:
        """Leave it to Python again, once no other sweep is left; does nothing the second time."""
        self._timer.stop()
        if not self._ended:
            self._ended = True
            _finish()


_RUNNING: list[bool] = []
"""One for each sweep of this process: whether Python collected by itself when it began."""


def _begin() -> None:
    _RUNNING.append(gc.isenabled() if not _RUNNING else _RUNNING[0])
    gc.disable()


def _finish() -> None:
    if _RUNNING.pop() and not _RUNNING:
        gc.enable()


def sweep() -> None:
    """Collect the oldest generation that Python would collect now."""
    due = [
        generation
        for generation, (count, most) in enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True))
        if most and count > most
    ]
    if due:
        gc.collect(due[-1])

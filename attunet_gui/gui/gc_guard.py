"""Runs Python's garbage collection in the window's thread only."""

from __future__ import annotations

import gc

from qtpy.QtCore import QObject, QTimer

_EVERY_MS = 100
"""How often, in ms, it is checked whether a generation is due."""


class MainThreadGC(QObject):
    """Collects garbage by a timer in the thread it lives in, with Python's automatic collection switched off.

    Python collects in whichever thread allocates the object that is one too many, and destroys there what it
    finds. A closed dialog or a layer's controls that a reading thread finds would be destroyed while events
    are on their way to them in the window's thread, which crashes the program.

    Args:
        parent: Qt parent, which deletes it.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        _disable_automatic_gc()
        self._ended = False
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(collect_due_generation)
        self._timer.start()

    def stop_collecting(self) -> None:
        """Stop, and switch Python's collection on again after the last of several.

        A second call does nothing.
        """
        self._timer.stop()
        if not self._ended:
            self._ended = True
            _restore_automatic_gc()


_RUNNING: list[bool] = []
"""One item for each running sweep of this process: whether automatic collection was on before the first."""


def _disable_automatic_gc() -> None:
    _RUNNING.append(gc.isenabled() if not _RUNNING else _RUNNING[0])
    gc.disable()


def _restore_automatic_gc() -> None:
    if _RUNNING.pop() and not _RUNNING:
        gc.enable()


def collect_due_generation() -> None:
    """Collect the oldest generation whose threshold is exceeded, as Python's automatic collection would."""
    due = [
        generation
        for generation, (count, most) in enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True))
        if most and count > most
    ]
    if due:
        gc.collect(due[-1])

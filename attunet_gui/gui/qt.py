"""Qt as the window uses it: names that qtpy does not declare to type checkers, and the signal queue."""

from __future__ import annotations

from psygnal.qt import start_emitting_from_queue
from qtpy.QtCore import Qt
from qtpy.QtCore import Signal as Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QAction as QAction  # type: ignore[attr-defined]
from qtpy.QtGui import QShortcut as QShortcut  # type: ignore[attr-defined]

_QUEUE_MS = 20


def start_signal_queue() -> None:
    """Bring psygnal's signals from background threads into the window's; safe to call again."""
    start_emitting_from_queue(_QUEUE_MS, Qt.TimerType.CoarseTimer)

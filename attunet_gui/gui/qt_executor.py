"""What an `attunet_gui.system.background_executor` needs in the window: delivery through Qt, and sentences
for errors.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.system.errors import AttunetError


class QtDelivery(QObject):
    """An `executor.Deliver` for the thread that makes it; the event loop there calls what was handed over."""

    _result_ready = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._result_ready.connect(self._run_delivered)

    def __call__(self, deliver: Callable[[], None]) -> None:
        """Have `deliver` called; at once if this is the owner's thread already."""
        self._result_ready.emit(deliver)

    def _run_delivered(self, deliver: Callable[[], None]) -> None:
        deliver()


def failure_sentence(error: Exception, doing: str) -> str:
    """What to tell the annotator of `error`, which ended `doing` ("exporting")."""
    if isinstance(error, AttunetError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"There was not enough memory while {doing}; close other programs and try again."
    return f"An unexpected {type(error).__name__} came up while {doing}; try again."

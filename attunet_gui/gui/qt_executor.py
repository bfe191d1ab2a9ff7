"""Delivery of the results of an `attunet_gui.system.background_executor` through Qt."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from attunet_gui.gui.qt_helpers import Signal


class QtDelivery(QObject):
    """A `system.background_executor.Deliver` for the thread that makes it; the event loop there calls what
    was handed over.
    """

    _result_ready = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._result_ready.connect(self._run_delivered)

    def __call__(self, deliver: Callable[[], None]) -> None:
        """Have `deliver` called; at once if this is the owner's thread already."""
        self._result_ready.emit(deliver)

    def _run_delivered(self, deliver: Callable[[], None]) -> None:
        deliver()

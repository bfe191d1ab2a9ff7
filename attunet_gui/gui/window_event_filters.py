"""Event filters of the main window: one asks before it closes, one opens files that are dropped on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QWidget

_DRAGS = (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop)


class CloseGuard(QObject):
    """Asks before the window closes.

    Args:
        window: the main window.
        may_close: returns whether it may close now; asks the annotator where something could be lost.
        owner: Qt parent, with which the guard ends.
    """

    def __init__(self, window: QMainWindow, may_close: Callable[[], bool], owner: QObject) -> None:
        super().__init__(owner)
        self._window, self._may_close = window, may_close
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Qt's hook."""
        if event.type() == QEvent.Type.Close and watched is self._window and not self._may_close():
            event.ignore()
            return True
        return False


class FileDropFilter(QObject):
    """Opens files that are dropped on the main window, or on anything in it that takes drops, as a case.

    napari would open each file of a DICOM folder as an image of its own. Only drops of local files are taken;
    others, such as layers that are dragged within napari's list, are left to napari.
    """

    def __init__(self, window: QMainWindow, opened: Callable[[tuple[Path, ...]], Any]) -> None:
        super().__init__(window)
        self._opened = opened
        window.setAcceptDrops(True)
        window.installEventFilter(self)
        # Qt sends a drag to the innermost widget that accepts drops, not to the window.
        for widget in window.findChildren(QWidget):
            if widget.acceptDrops():
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: ARG002, N802
        """Qt's hook."""
        return event.type() in _DRAGS and self._handle_drag(event)

    def _handle_drag(self, event: Any) -> bool:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if not paths:
            return False
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self._opened(tuple(paths))
        return True

"""What is dropped on the window goes to one place, all of it together."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

from qtpy.QtCore import QEvent, QMimeData, QUrl
from qtpy.QtWidgets import QApplication, QMainWindow

from attunet_gui.gui.window_event_filters import FileDropFilter


def test_files_dropped_together_are_handed_over_together(tmp_path: Path) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = QApplication.instance() or QApplication([])
    window, dropped = QMainWindow(), []
    guard = FileDropFilter(window, dropped.append)
    for names in (("ct.nii", "label.nii"), ("folder",), ()):
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(tmp_path / name)) for name in names])
        for kind in (QEvent.Type.DragEnter, QEvent.Type.Drop):
            event = SimpleNamespace(type=lambda kind=kind: kind, mimeData=lambda mime=mime: mime)
            event.acceptProposedAction = lambda: None
            assert guard.eventFilter(window, event) == bool(names)
    assert dropped == [(tmp_path / "ct.nii", tmp_path / "label.nii"), (tmp_path / "folder",)]
    assert app is not None

"""Clicks, keys and waiting in a shown window."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox, QWidget

from attunet_gui.gui.main_window import RunningApplication


def live(seconds: float) -> None:
    """Let the window work for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.002)


def until(reached: Callable[[], object], seconds: float = 60) -> None:
    """Let the window work until `reached`."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not come to that"
        live(0.01)


class DialogAnswer:
    """Clicks the button called `text` in the next question, and remembers what was asked."""

    def __init__(self, text: str) -> None:
        self.asked: str | None = None
        self.default: str | None = None
        self._text = text
        self._timer = QTimer()
        self._timer.setInterval(20)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            return
        self._timer.stop()
        self.asked = box.text()
        default = box.defaultButton()
        self.default = None if default is None else default.text()
        next(button for button in box.buttons() if button.text() == self._text).click()


def open_ct(app: RunningApplication, ct: Path) -> None:
    app.controller.opener.open_path(ct)
    until(lambda: app.session.case is not None and app.session.mask.tally is not None)
    live(0.3)


def open_and_draft(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    app.controller.next_step()
    until(lambda: app.session.inference.draft is not None and app.session.inference.job.state == "idle")
    live(0.3)


def canvas_middle(app: RunningApplication) -> tuple[QWidget, QPoint]:
    """The widget that draws the picture, and its middle."""
    centre = app.window.centralWidget()
    assert centre is not None
    middle = centre.rect().center()
    widget = centre.childAt(middle)
    assert widget is not None
    return widget, widget.mapFrom(centre, middle)


def drag_in_canvas(app: RunningApplication, length: int = 40) -> None:
    """Press, move and release in the middle of the picture."""
    widget, start = canvas_middle(app)
    QTest.mouseMove(widget, start)
    QTest.mousePress(widget, Qt.MouseButton.LeftButton, pos=start)
    for step in range(0, length, 8):
        QTest.mouseMove(widget, start + QPoint(step, 0))
        live(0.02)
    QTest.mouseRelease(widget, Qt.MouseButton.LeftButton, pos=start + QPoint(length, 0))
    live(0.05)


def mask_of(app: RunningApplication) -> np.ndarray:
    mask = app.controller.layers.mask
    assert mask is not None
    return mask


def press_keys(app: RunningApplication, keys: str) -> None:
    app.window.activateWindow()
    live(0.1)
    QTest.keySequence(app.window, QKeySequence(keys))

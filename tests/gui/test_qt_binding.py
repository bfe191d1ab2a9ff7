"""The Qt binding under the window, on this Python."""

from __future__ import annotations

import sys

from qtpy.QtCore import QObject


def test_calls_that_return_none_keep_their_reference() -> None:
    """PySide6 6.12.0 on Python 3.11 loses one at each call; a window then dies within minutes."""
    thing = QObject()
    before = sys.getrefcount(None)
    for _ in range(200):
        thing.parent()
    assert sys.getrefcount(None) > before - 100, "pin pyside6-essentials below 6.12 for Python 3.11"

"""A stroke during which something else happens: it is recorded, and nothing is drawn after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from attunet_gui.gui.napari_adapter.layer_factory import CT, MASK
from tests.support.window_driver import WindowDriver
from tests.support.window_invariants import ALWAYS, check_journal

pytestmark = pytest.mark.window

LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def driver(qapp: QApplication, tmp_path: Path) -> Iterator[WindowDriver]:
    """A window with a CT and the brush in hand."""
    made = WindowDriver(tmp_path, np.random.default_rng(3))
    made.app.controller.opener.open_path(made.cts[0])
    made.settle()
    made.press_keys("P")
    yield made
    made.close()


@pytest.mark.parametrize("interruption", ["another layer", "hidden", "grid", "3-D", "next slice", "eraser"])
def test_what_was_drawn_is_recorded(driver: WindowDriver, interruption: str) -> None:
    viewer, widget = driver.app.viewer, driver.painted_canvas()
    mask, start = driver.mask, driver.canvas()[1]
    assert mask is not None
    QTest.mouseMove(widget, start)
    QTest.mousePress(widget, LEFT, PLAIN, start)
    QTest.mouseMove(widget, start + QPoint(6, 3))
    driver.pump()
    drawn = int(mask.sum())
    assert drawn > 0
    match interruption:
        case "another layer":
            viewer.layers.selection.active = viewer.layers[CT]
        case "hidden":
            viewer.layers[MASK].visible = False
        case "grid":
            viewer.canvas.grid.enabled = True
        case "3-D":
            viewer.dims.ndisplay = 3
        case "next slice":
            viewer.dims.set_current_step(0, viewer.dims.current_step[0] + 1)
        case _:
            driver.press_keys("E")
    QTest.mouseMove(widget, start + QPoint(12, 6))
    driver.pump()
    QTest.mouseRelease(widget, LEFT, PLAIN, start + QPoint(12, 6))
    driver.pump()
    for check in (*ALWAYS, check_journal):
        check(driver)
    if interruption in ("another layer", "hidden", "grid", "3-D"):
        assert int(mask.sum()) == drawn, "the stroke has ended"
    before = mask.copy()
    QTest.mouseMove(widget, start + QPoint(40, 30))
    driver.pump()
    np.testing.assert_array_equal(mask, before, "a move without a button draws")
    driver.app.controller.edits.undo()
    assert not mask.any(), "one step of undo takes the whole stroke"

"""The main controller on napari's viewer model and a scripted network, without a window."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psygnal
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.controllers.main_controller import MainController
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.preferences import WindowPreferences
from tests.support.scripted_network import (
    NamedCard,
    ScriptedNetwork,
    bundle_of,
)

Z = 5


@dataclass
class HeadlessWindow:
    """A controller without a window."""

    controller: MainController
    network: ScriptedNetwork

    @property
    def mask(self) -> np.ndarray:
        mask = self.controller.layers.mask
        assert mask is not None
        return mask

    @property
    def said(self) -> str:
        return self.controller.session.message.text

    def until(self, reached: Callable[[], object], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, "it did not come to that"
            self.live()

    def live(self) -> None:
        psygnal.emit_queued()
        QApplication.processEvents()
        time.sleep(0.002)

    def open(self, ct: Path) -> None:
        self.controller.opener.open_path(ct)
        self.until(lambda: self.controller.session.case is not None)
        self.controller.layers.slice_view.go_to_slice(Z)

    def verify(self) -> None:
        """Look at the slice for as long as it takes, then press Q."""
        self.until(
            lambda: (
                self.controller.layers.slice_view.current_slice in self.controller.review.review_state.seen
            )
        )
        self.controller.review.verify_slice()

    def draft(self, mask: np.ndarray) -> None:
        self.controller.drafting.run_or_cancel()
        self.network.answer(len(self.network.requests), mask)
        self.until(lambda: self.controller.session.inference.overlays and self.controller.review.is_searched)

    def paint(self, z: int, y: int, x: int, label: int = 1) -> None:
        self.controller.select_tool("paint" if label else "erase")
        self.controller.layers.tools.set_brush_size(5)
        layer = self.controller.layers.viewer.layers[MASK]
        with layer.block_history():  # as under the mouse
            layer.paint((z, y, x), label)


@pytest.fixture(scope="module")
def qt() -> QApplication:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return QApplication.instance() or QApplication([])


def headless_window_in(folder: Path) -> HeadlessWindow:
    network = ScriptedNetwork()
    session = CaseSession(network, (bundle_of(NamedCard()),))
    layers = CaseLayers(ViewerModel())
    return HeadlessWindow(
        MainController(session, layers, WindowPreferences(folder / "window.ini"), folder / "journal"), network
    )


@pytest.fixture
def world(qt: QApplication, tmp_path: Path) -> Iterator[HeadlessWindow]:
    made = headless_window_in(tmp_path)
    yield made
    made.controller.end_background_work()
    made.controller.session.close_session()


def box_mask(world: HeadlessWindow) -> np.ndarray:
    mask = np.zeros(world.mask.shape, np.uint8)
    mask[3:8, 15:25, 12:30] = 1
    return mask

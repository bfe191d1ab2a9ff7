"""Drives a whole window by mouse, keys and menus, and observes what was drawn on its canvas.

The driver uses a network that answers in this process, so that a thousand actions take seconds. Files,
journal, napari and Qt are the real ones.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QKeySequence, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QMenu, QMessageBox, QWidget

from attunet_gui.app.case_opening import OpenCase
from attunet_gui.app.case_saving import SaveResult
from attunet_gui.gui.main_window import RunningApplication, build_window
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.io.result_writing import write_ct
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.workers.inference_messages import JobStatus, PredictRequest
from tests.support.scripted_network import ScriptedNetwork, prediction_of

LOOK_SECONDS = 0.25
"""Less than the product waits before a slice counts as seen."""
_PHANTOMS = (
    PhantomRequest(3, (14, 48, 40), (8.0, 8.0, 9.0)),
    PhantomRequest(4, (9, 40, 56), (9.0, 8.0, 7.0)),
)
_WINDOW = (1000, 640)
_MODEL = Path(__file__).parents[2] / "models" / "phantom-starter"


@dataclass
class DialogAnswerer:
    """Answers every modal dialog with a button chosen by `rng`, so that no action can block.

    Attributes:
        rng: chooses.
        asked: text of every message box, in order.
    """

    rng: np.random.Generator
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._timer = QTimer()
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._answer)
        self._timer.start()

    def stop(self) -> None:
        """Answer nothing any more."""
        self._timer.stop()

    def _answer(self) -> None:
        popup = QApplication.activePopupWidget()
        if isinstance(popup, QMenu):
            popup.close()
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QMessageBox):
            self.asked.append(dialog.text())
            buttons = dialog.buttons()
            buttons[int(self.rng.integers(len(buttons)))].click()
        elif isinstance(dialog, QDialog):
            dialog.reject()


class ErrorCollector:
    """Keeps unexpected errors of the product that Qt would print only; those of napari alone are left out.

    Attributes:
        errors: kind, words and place of each.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._before, sys.excepthook = sys.excepthook, self._keep

    def stop(self) -> None:
        """Leave errors to whoever had them before."""
        sys.excepthook = self._before

    def _keep(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        frames = [frame for frame in extract_tb(trace) if "attunet_gui" in frame.filename]
        if frames:
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
            self.errors.append(f"{kind.__name__} at {place}: {error}")


@dataclass(frozen=True)
class CanvasView:
    """What the canvas shows, as far as it matters for who may say that they have seen a slice.

    Attributes:
        case: number of the opened case, counted from 1; 0 if nothing is open.
        slice: index of the axial slice; -1 if the canvas does not show one axial slice.
        mask_in_view: whether the mask of the slice is drawn, and inside of the canvas at least in part.
    """

    case: int
    slice: int
    mask_in_view: bool

    @property
    def counts(self) -> bool:
        """Whether a person who looks at this can say that they have seen the slice."""
        return self.slice >= 0 and self.mask_in_view


class PaintThrottle(QObject):
    """Lets the window paint itself at every n-th opportunity only: software OpenGL takes most of the time.

    Args:
        window: whose paints are held back.
        every: 1 paints always.
    """

    def __init__(self, window: QWidget, every: int) -> None:
        super().__init__(window)
        self._window, self._every = window, every
        self._held = self._passed = 0
        if every > 1:
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Hold back a request to paint, unless it is its turn."""
        if watched is not self._window or event.type() != QEvent.Type.UpdateRequest:
            return False
        self._held += 1
        return self._held % self._every != 0

    def paint(self) -> None:
        """Paint what was held back, at the n-th call."""
        self._passed += 1
        if self._passed % self._every == 0:
            self.paint_now()

    def paint_now(self) -> None:
        """Paint what was held back: vispy draws at a mouse press, and must not do so into an old size."""
        if self._every > 1:
            self._held = self._every - 1
            QApplication.sendEvent(self._window, QEvent(QEvent.Type.UpdateRequest))


class WindowDriver:
    """A shown window with two CT files, and what was drawn in it.

    Args:
        folder: an empty folder for CT, journal and settings.
        rng: source of every choice.
        paint_every: see `PaintThrottle`.

    Attributes:
        app: the window.
        saved: files that masks were saved in since that was last looked at, and the case of each.
        shown_masks: checksums of the masks that were on screen since that was last looked at.
        drawn: slices of the open case that were on screen, axial and with their mask, for long enough.
    """

    def __init__(self, folder: Path, rng: np.random.Generator, paint_every: int = 1) -> None:
        self.rng, self.folder = rng, folder
        self.network = ScriptedNetwork()
        self.cts = tuple(_written(request, folder / f"ct{n}.nii.gz") for n, request in enumerate(_PHANTOMS))
        bundles = (read_bundle(_MODEL),)
        preferences = WindowPreferences(folder / "window.ini")
        preferences.draft_on_open = False
        self.app: RunningApplication = build_window(self.network, bundles, preferences, folder / "journal")  # type: ignore[arg-type]
        self.app.viewer.window.resize(*_WINDOW)
        self._throttle = PaintThrottle(self.app.window, paint_every)
        self.drawn: set[int] = set()
        self.saved: list[tuple[Path, OpenCase]] = []
        self.shown_masks: set[int] = set()
        self.app.session.mask_saved.connect(self._mask_saved)
        self.app.controller.edits.mask_changed.connect(lambda *_: self.remember_mask())
        self._verified_of: dict[Path, frozenset[int]] = {}
        self._case: object = None
        self._opened = 0
        self._view, self._since = CanvasView(0, -1, False), time.monotonic()
        self.answerer, self.collector = DialogAnswerer(rng), ErrorCollector()
        self.live(0.3)

    def close(self) -> None:
        """End the window."""
        self.answerer.stop()
        self.app.controller.end_background_work()
        self.app.session.close_session()
        if not self.app.is_window_closed():
            self.app.viewer.close()
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            QApplication.processEvents()
        self.collector.stop()

    # Time

    def pump(self) -> None:
        """Let Qt work off what waits, and observe the canvas."""
        QApplication.processEvents()
        self._throttle.paint()
        self._observe()

    def live(self, seconds: float) -> None:
        """Let the window work for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pump()
            time.sleep(0.001)

    def live_until(self, is_so: Callable[[], bool], seconds: float = 30.0) -> None:
        """Let the window work until `is_so`."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, "what was waited for did not come"
            self.live(0.1)

    def settle(self, seconds: float = 300.0) -> None:
        """Wait until no file is read or written."""
        end = time.monotonic() + seconds
        while self.app.session.file_job is not None:
            assert time.monotonic() < end, "a file job did not end"
            self.pump()
            time.sleep(0.001)
        self.pump()

    # What is on the canvas

    @property
    def mask(self) -> NDArray[np.uint8] | None:
        """The voxels of the mask on screen; None if nothing is open."""
        return self.app.controller.layers.mask

    def remember_mask(self) -> None:
        """Add the mask on screen to `shown_masks`."""
        if self.mask is not None:
            self.shown_masks.add(mask_checksum(self.mask))

    @property
    def verified_before(self) -> frozenset[int]:
        """Slices of the open case that were verified when it was open before: they come back with it."""
        case = self.app.session.case
        return frozenset() if case is None else self._verified_of.get(case.volume.origin.path, frozenset())

    def remember_verified(self, verified: frozenset[int]) -> None:
        """Keep `verified`, slices of the open case that were all drawn, for when it is opened again."""
        if self.app.session.case is not None:
            self._verified_of[self.app.session.case.volume.origin.path] = verified | self.verified_before

    def canvas_view(self) -> CanvasView:
        """What the canvas shows now."""
        viewer, mask = self.app.viewer, self.mask
        if mask is None or MASK not in viewer.layers:
            return CanvasView(self._opened, -1, False)
        dims = viewer.dims
        one_plane = dims.ndisplay == 2 and not viewer.canvas.grid.enabled
        axial = one_plane and tuple(dims.order) == (0, 1, 2)
        layer = viewer.layers[MASK]
        shown = bool(layer.visible) and float(layer.opacity) > 0.0
        index = int(dims.current_step[0])
        # A layer that is no part of the case may reach beyond it.
        if index >= len(mask):
            return CanvasView(self._opened, -1, False)
        return CanvasView(self._opened, index if axial else -1, shown and self._in_view(mask[index]))

    def _in_view(self, plane: NDArray[np.uint8]) -> bool:
        """Whether some of `plane` (y, x), the mask of a slice, is on the canvas; if empty, some of the CT."""
        viewer = self.app.viewer
        scale = np.asarray(viewer.layers[MASK].scale[1:], float)
        widget, _middle = self.canvas()
        size = np.array([widget.height(), widget.width()], float)
        camera = viewer.scene.camera
        half = size / 2 / camera.zoom
        low, high = np.array(camera.center[-2:]) - half, np.array(camera.center[-2:]) + half
        if not plane.any():
            return bool(np.all(np.array(plane.shape) * scale > low) and np.all(high > 0))
        points = np.argwhere(plane) * scale
        return bool(np.any(np.all((points + scale > low) & (points - scale < high), axis=1)))

    def _observe(self) -> None:
        case = self.app.session.case
        if case is not self._case:
            self._case, self._opened = case, self._opened + 1
            self.drawn.clear()
        now, view = time.monotonic(), self.canvas_view()
        if view != self._view:
            self._view, self._since = view, now
        if view.counts and now - self._since >= LOOK_SECONDS:
            self.drawn.add(view.slice)

    def _mask_saved(self, saved: SaveResult) -> None:
        if self.app.session.case is not None:
            self.saved.append((saved.path, self.app.session.case))

    # Hands

    def canvas(self) -> tuple[QWidget, QPoint]:
        """The widget that draws the picture, and its middle."""
        centre = self.app.window.centralWidget()
        assert centre is not None
        middle = centre.rect().center()
        widget = centre.childAt(middle)
        assert widget is not None
        return widget, widget.mapFrom(centre, middle)

    def painted_canvas(self) -> QWidget:
        """The widget that draws the picture, once it has drawn what is to be seen."""
        self._throttle.paint_now()
        return self.canvas()[0]

    def random_point(self) -> QPoint:
        """A place on the canvas, more often near its middle, where the CT is."""
        widget, middle = self.canvas()
        spread = np.array([widget.width(), widget.height()]) / 5
        x, y = self.rng.normal((middle.x(), middle.y()), spread)
        return QPoint(int(np.clip(x, 2, widget.width() - 3)), int(np.clip(y, 2, widget.height() - 3)))

    def press_keys(self, keys: str) -> None:
        """Press `keys`, as napari and Qt write them ("Ctrl+Z"), with the focus on the canvas."""
        widget, _middle = self.canvas()
        self.app.window.activateWindow()
        widget.setFocus()
        QTest.keySequence(self.app.window, QKeySequence(keys))
        self.pump()

    def drag(
        self, button: Qt.MouseButton, modifiers: Qt.KeyboardModifier, start: QPoint, end: QPoint
    ) -> None:
        """Press, move in three steps and release."""
        widget = self.painted_canvas()
        QTest.mouseMove(widget, start)
        self.pump()
        QTest.mousePress(widget, button, modifiers, start)
        for part in (0.3, 0.6, 1.0):
            QTest.mouseMove(widget, start + (end - start) * part)
            self.pump()
        QTest.mouseRelease(widget, button, modifiers, end)
        self.pump()

    def wheel(self, widget: QWidget, steps: int, modifiers: Qt.KeyboardModifier) -> None:
        """Turn the wheel over the middle of `widget`."""
        place = QPointF(widget.rect().center())
        event = QWheelEvent(
            place, QPointF(widget.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, 120 * steps),
            Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(widget, event)
        self.pump()

    # The network

    def answer_draft(self) -> bool:
        """Answer the newest unanswered request for a draft with an ellipsoid; whether there was one."""
        job = len(self.network.requests)
        if not job or self.app.session.inference.job.state == "idle":
            return False
        request = self.network.requests[-1]
        if not isinstance(request, PredictRequest):
            self.network.job_failed.emit(job, "The network could not learn from these slices.")
        else:
            shape = request.volume.grid.shape
            centre = np.array(shape) * self.rng.uniform(0.4, 0.6, 3)
            z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
            radius = np.array(shape) * self.rng.uniform(0.1, 0.25)
            inside = sum(((a - c) / r) ** 2 for a, c, r in zip((z, y, x), centre, radius, strict=True))
            self.network.draft_finished.emit(
                job, prediction_of(request.volume), (inside < 1).astype(np.uint8)
            )
        self.network.status_changed.emit(JobStatus("idle"))
        self.pump()
        return True


def _written(request: PhantomRequest, path: Path) -> Path:
    write_ct(path, phantom_volume(make_phantom(request)))
    return path


def mask_checksum(mask: NDArray[np.uint8] | NDArray[np.bool_]) -> int:
    """Return a checksum of where `mask` is not 0."""
    return crc32(np.packbits(mask != 0).tobytes())


def is_plain(widget: QObject) -> bool:
    """Whether `widget` is a shown, enabled widget."""
    return isinstance(widget, QWidget) and widget.isVisible() and widget.isEnabled()

"""The demo: opens the phantom and drafts it, or does the whole job by itself and photographs every state.

The second form runs on a virtual display and leaves pictures, mask and record in a folder. The pictures of
the user guide are made by it, so that they show the present window.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QCoreApplication
from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_opening import OpenCase
from attunet_gui.gui.main_window import RunningApplication, run_until_closed, start_application
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.system.errors import AttunetError

_PATIENCE_S = 300.0
"""Seconds after which a step of the demo counts as stuck."""
_SETTLE_S = 0.4
"""Seconds that the window gets to draw before a picture is taken."""


def run_demo(out: Path | None = None, film: type[DemoRecorder] | None = None) -> None:
    """Run the demo on this display.

    Args:
        out: folder for pictures, mask and record, for a run without an annotator; None for one at the screen.
        film: what is done and photographed; None for the whole job in short.
    """
    if out is None:
        run_until_closed(_open_and_draft)
        return
    out.mkdir(parents=True, exist_ok=True)
    # The demo must not change what the user's own window remembers.
    with TemporaryDirectory() as settings:
        app = start_application(
            WindowPreferences(Path(settings) / "window.ini"), None, Path(settings) / "journal"
        )
        try:
            (film or DemoRecorder)(app, out).record_all()
        finally:
            app.controller.end_background_work()
            app.session.close_session()
            app.viewer.close()
            app.runner.close()


def _open_and_draft(app: RunningApplication) -> None:
    # Only the demo is drafted unasked; for a case that is opened after it the annotator decides.
    def draft(_case: OpenCase) -> None:
        app.session.case_opened.disconnect(draft)
        app.session.inference.request_draft()

    app.session.case_opened.connect(draft)
    app.controller.opener.open_demo()


class DemoRecorder:
    """Drives an application and takes pictures of it.

    Raises:
        AttunetError: from any step that does not finish, or whose picture is empty.
    """

    def __init__(self, app: RunningApplication, out: Path) -> None:
        self.app, self.out = app, out
        self._count = 0

    def record_all(self) -> None:
        """Do the whole job: open, draft, show the gates, correct, save."""
        self.take_screenshot("nothing_open")
        self._open_phantom()
        self._draft_pancreas()
        self._show_gates()
        self._correct_mask()
        self._save_mask()

    def _open_phantom(self) -> None:
        session = self.app.session
        self.app.controller.opener.open_demo()
        self.wait_until(lambda: session.file_job is not None and session.file_job.done > 0, "opening")
        self.take_screenshot("opening")
        self.wait_until(lambda: session.case is not None and session.mask.tally is not None, "opening")
        self.take_screenshot("open")

    def _draft_pancreas(self) -> None:
        """Draft the pancreas and take pictures before, during and after."""
        session = self.app.session
        if session.models.chosen is None:
            raise AttunetError(
                "There is no model for the demo; `attunet models` shows where one is looked for."
            )
        self.app.controller.drafting.run_or_cancel()
        self.wait_until(
            lambda: session.inference.job.state == "running" or bool(session.inference.overlays),
            "starting the network",
        )
        self.take_screenshot("drafting")
        self.wait_until(lambda: session.inference.draft is not None, "drafting")
        self.take_screenshot("draft")
        self.app.controller.check_draft()
        self.take_screenshot("check")

    def _show_gates(self) -> None:
        """Take pictures of the merged gates, each single gate and the probability."""
        controller = self.app.controller
        controller.layers.appearance.toggle_gates()
        self.take_screenshot("gates_merged")
        for overlay in self.app.session.inference.overlays:
            if overlay.key.startswith("gate "):
                controller.layers.appearance.next_gate()
                self.take_screenshot(overlay.key.replace(" ", "_"))
        controller.layers.appearance.next_gate()
        controller.layers.appearance.toggle_probability()
        self.take_screenshot("probability")
        controller.layers.appearance.toggle_probability()

    def _correct_mask(self) -> None:
        """Paint a stroke, undo it, paint it again, and check the number of voxels after each."""
        session, controller = self.app.session, self.app.controller
        before = self._mask_voxels()
        self._paint_stroke()
        self.wait_until(lambda: session.mask.edited and self._mask_voxels() > before, "painting")
        controller.edits.undo()
        self.wait_until(lambda: self._mask_voxels() == before and not session.mask.edited, "undoing")
        self._paint_stroke()
        self.wait_until(lambda: session.mask.edited and self._mask_voxels() > before, "painting")
        self.take_screenshot("corrected")

    def _paint_stroke(self) -> None:
        """Paint a short stroke along the upper edge of the draft in the slice that is shown."""
        # Painting through napari's layer emits the same event as a stroke with the mouse.
        layer = self.app.viewer.layers[MASK]
        z = self.app.controller.layers.slice_view.current_slice
        with layer.block_history():
            for y, x in _pixels_above_mask(layer.data[z])[:30]:
                layer.paint((z, int(y), int(x)), 1)

    def _save_mask(self) -> None:
        session, mask = self.app.session, self.app.controller.layers.mask
        if session.case is None or mask is None:
            return
        session.save_mask(mask, self.out / f"{session.case.volume.name}_pancreas.nii.gz")
        self.wait_until(lambda: session.mask.saved_to is not None, "saving")
        self.take_screenshot("saved")

    def _mask_voxels(self) -> int:
        tally = self.app.session.mask.tally
        return 0 if tally is None else tally.voxels

    def wait_until(self, reached: Callable[[], bool], doing: str, patience_s: float = _PATIENCE_S) -> None:
        """Handle events until `reached` returns true.

        Args:
            reached: the condition.
            doing: what is waited for, for the error.
            patience_s: after how many seconds to give up.

        Raises:
            AttunetError: after that time, or as soon as the window shows a problem.
        """
        end = monotonic() + patience_s
        while not reached():
            if monotonic() > end or self.app.session.message.problem:
                raise AttunetError(
                    f"The demo stopped at {doing}: {self.app.session.message.text or 'no answer'}"
                )
            _process_events_for(0.02)

    def take_screenshot(self, name: str, canvas_only: bool = False) -> Path:
        """Take a picture of the window, or of the canvas alone, and return its path.

        Args:
            name: of the picture; a running number is put in front.
            canvas_only: leaves out everything but the CT.

        Raises:
            AttunetError: if a case is open and the picture is empty.
        """
        _process_events_for(_SETTLE_S)
        self._count += 1
        path = self.out / f"{self._count:02d}_{name}.png"
        picture = self.app.viewer.window.screenshot(str(path), flash=False, canvas_only=canvas_only)
        if self.app.session.case is not None:
            _check_picture_drawn(picture, name)
        return path

    def take_widget_screenshot(self, widget: QWidget, name: str) -> None:
        """Take a picture of one widget, such as a dialog, numbered like the others."""
        _process_events_for(_SETTLE_S)
        self._count += 1
        widget.grab().save(str(self.out / f"{self._count:02d}_{name}.png"))


def _check_picture_drawn(picture: NDArray[np.uint8], name: str) -> None:
    """Raise `AttunetError` if the middle of the canvas has no contrast, as where OpenGL does not draw."""
    rows, columns = picture.shape[:2]
    middle = picture[rows // 3 : rows * 2 // 3, columns // 6 : columns // 2, :3]
    # A drawn CT has far more contrast, in grey levels of 255, than an empty canvas.
    if float(middle.std()) < 5:
        raise AttunetError(f"The picture of {name} is empty: this display cannot draw with OpenGL.")


def _pixels_above_mask(plane: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return (n, 2) rows and columns of unset pixels of `plane` (y, x) two rows above set ones."""
    outside = (plane == 0) & (np.roll(plane, -2, axis=0) != 0)
    return np.argwhere(outside)


def _process_events_for(seconds: float) -> None:
    end = monotonic() + seconds
    while monotonic() < end:
        QCoreApplication.processEvents()
        sleep(0.005)

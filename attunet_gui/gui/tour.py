"""Takes the pictures of the user guide: worklist, every tool before and after, strip, recovery.

Works on phantoms, whose true pancreas is known, so that corrections can be made without an annotator.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox
from scipy.ndimage import binary_dilation, binary_erosion

from attunet_gui.core.edit import edit_between
from attunet_gui.core.history import NEIGHBOURS
from attunet_gui.gui.demo import Film
from attunet_gui.gui.desk import DEMO_SEED
from attunet_gui.gui.learning.tour import show_learning
from attunet_gui.gui.questions import ask_recovery
from attunet_gui.gui.viewer import CHANGES, MASK
from attunet_gui.gui.worklist.tour import show_worklist
from attunet_gui.io.journal import Pending
from attunet_gui.io.writing import write_map
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom
from attunet_gui.synthesis.shifted import shifted_phantom
from attunet_gui.tools.registry import TOOLS
from attunet_gui.tools.tool import ToolKind

_CORRECTED = 3
_SCANNER_SEED = 95018
_DIALOG_MS = 400
_GAP = 4
"""Number of slices from the middle to each of the two that are drawn by hand."""
_ISLAND = (slice(40, 46), slice(120, 126))


class Tour(Film):
    """Drives an application through everything that corrects a mask, and takes the pictures of the guide."""

    def run(self) -> None:
        """Take all pictures, in the order of the guide."""
        self.truth = make_phantom(PhantomRequest(DEMO_SEED)).pancreas
        self._open()
        self._draft()
        self._places()
        for kind in TOOLS:
            self._tool(kind)
        self._carry()
        self._verify()
        self._recovery()
        self._save()
        show_worklist(self)
        show_learning(self)

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The voxels of the mask on screen, uint8 (z, y, x), not a copy."""
        mask = self.app.desk.layers.mask
        assert mask is not None
        return mask

    def _places(self) -> None:
        guide = self.app.desk.guide
        self.until(lambda: guide.known, "searching")
        guide.next_place()
        self.shoot("place")
        guide.accept_place()
        self.shoot("place_accepted")

    def _tool(self, kind: ToolKind) -> None:
        """Take pictures before and after the use of a tool, and of its preview if it has one.

        Then undo everything.
        """
        desk = self.app.desk
        before = self.mask.copy()
        self._prepare(kind)
        prepared = self.mask.copy()
        desk.layers.hide_place()
        self._shoot_tool(kind, "before")
        desk.toolbox.take(kind.key)
        if desk.toolbox.waits_for_click:
            desk.layers.points_drawn.emit((self._click(kind),))
        elif desk.toolbox.kind is not None:
            self.until(lambda: CHANGES in self.app.viewer.layers, f"the preview of {kind.title}")
            self.shoot(f"{kind.key}_preview", canvas_only=True)
            desk.toolbox.apply()
        self.until(lambda: (self.mask != prepared).any(), kind.title)
        self._shoot_tool(kind, "after")
        desk.toolbox.put_away()
        while (self.mask != before).any():
            desk.correcting.undo()

    def _shoot_tool(self, kind: ToolKind, moment: str) -> None:
        """Take a picture of the slice in which the tool changes something, which may be the next one."""
        layers = self.app.desk.layers
        here = layers.slice
        layers.go_to_slice(here + (kind.key == NEIGHBOURS))
        self.shoot(f"{kind.key}_{moment}", canvas_only=True)
        layers.go_to_slice(here)

    def _prepare(self, kind: ToolKind) -> None:
        """Change the mask to one that this tool is good for, and go to the slice."""
        busiest = int(self.truth.sum(axis=(1, 2)).argmax())
        if kind.key.startswith(("interpolate", "copy")):
            self._decide_two_slices(busiest)
        elif kind.key == NEIGHBOURS:
            self._decide_one_slice(busiest)
        else:
            wanted = self.mask.copy()
            wanted[busiest] = self.truth[busiest]
            if kind.key in _SPOILED:
                wanted[busiest] = _SPOILED[kind.key](wanted[busiest])
            self._change(wanted)
        offset = {"copy-above": _GAP - 1, "copy-below": 1 - _GAP}.get(kind.key, 0)
        self.app.desk.layers.go_to_slice(busiest + offset)

    def _decide_two_slices(self, middle: int) -> None:
        """Draw two slices by hand, and leave none between them."""
        wanted = self.mask.copy()
        wanted[middle - _GAP : middle + _GAP + 1] = 0
        self._change(wanted)
        for z in (middle - _GAP, middle + _GAP):
            wanted[z] = self.truth[z]
        self._draw(wanted)

    def _decide_one_slice(self, middle: int) -> None:
        """Draw one slice by hand; the same half is missing in those around it."""
        wanted = self.mask.copy()
        for z in range(middle - _GAP, middle + _GAP + 1):
            wanted[z] = _half(self.truth[z])
        self._change(wanted)
        wanted[middle] = self.truth[middle]
        self._draw(wanted)

    def _change(self, wanted: NDArray[np.uint8]) -> None:
        self.app.desk.correcting.change(edit_between(self.mask, wanted), "tour", "prepare")

    def _draw(self, wanted: NDArray[np.uint8]) -> None:
        """Change the mask to `wanted` through napari's layer, which counts as drawn by hand."""
        places = np.nonzero(self.mask != wanted)
        self.app.viewer.layers[MASK].data_setitem(places, wanted[places])

    def _click(self, kind: ToolKind) -> tuple[int, int, int]:
        """Return a voxel (z, y, x) at which the tool has something to do."""
        z = self.app.desk.layers.slice
        inside = np.argwhere((self.truth[z] != 0) & (self.mask[z] == 0))
        if kind.key == "remove-this":
            y, x = ((side.start + side.stop) // 2 for side in _ISLAND)
            return z, y, x
        if not len(inside):
            inside = np.argwhere(self.truth[z] != 0)
        row, column = map(int, inside[len(inside) // 2])
        return z, row, column

    def _carry(self) -> None:
        """Correct a draft of another scanner's CT, adapt the network to it, and accept what it proposes."""
        self._draft_another_scanner()
        desk, session = self.app.desk, self.app.session
        wrong = (self.mask != self.truth).sum(axis=(1, 2))
        wanted = self.mask.copy()
        parts = np.array_split(np.flatnonzero(wrong), _CORRECTED)
        chosen = [int(part[wrong[part].argmax()]) for part in parts]
        wanted[chosen] = self.truth[chosen]
        self._draw(wanted)
        wrong[chosen] = 0
        desk.layers.go_to_slice(int(wrong.argmax()))
        self.shoot("carry_before")
        desk.carrying.ask()
        self.until(lambda: session.job.state != "idle", "starting to learn")
        self.shoot("carry_learning")
        self.until(lambda: session.job.state == "idle", "learning")
        self.shoot("carry_proposed")
        if desk.carrying.proposal is not None:
            desk.carrying.take_all()
            self.shoot("carry_accepted")

    def _draft_another_scanner(self) -> None:
        """Write a phantom with the look of another scanner, open it and draft it."""
        volume, self.truth = shifted_phantom(_SCANNER_SEED)
        path = self.out / "another_scanner.nii.gz"
        write_map(path, volume.hu.astype(np.float32), volume)
        session, before = self.app.session, self.app.session.case
        session.open(path)
        self.until(lambda: session.case is not before and session.tally is not None, "opening")
        self.app.desk.run_or_cancel()
        self.until(lambda: session.draft is not None, "drafting")

    def _verify(self) -> None:
        guide, layers = self.app.desk.guide, self.app.desk.layers
        for _ in range(3):
            # Only what has been on screen for a while can be verified.
            self.until(lambda: layers.slice in guide.state.seen, "looking at a slice")
            guide.verify_slice()
            self.app.desk.slice_up()
        self.shoot("verified")

    def _recovery(self) -> None:
        """Take a picture of the dialog that offers unsaved work after a crash."""
        case = self.app.session.case
        assert case is not None
        left = Pending(Path(), case.identity, 1_790_000_000.0, 23, "Ada")
        QTimer.singleShot(_DIALOG_MS, self._shoot_dialogue)
        ask_recovery(self.app.window, left)

    def _shoot_dialogue(self) -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            self.shoot_widget(box, "recovery")
            box.reject()


def _hollow(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the outline of `plane` (y, x), two pixels wide."""
    rim: NDArray[np.uint8] = plane * ~binary_erosion(plane, iterations=2)
    return rim


def _frayed(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `plane` (y, x) with a rough outline."""
    rim = binary_dilation(plane) & ~binary_erosion(plane)
    rough = plane.copy()
    rough[rim & (np.random.default_rng(0).random(plane.shape) < 0.4)] ^= 1
    return rough


def _half(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `plane` (y, x) without the part right of its middle column."""
    columns = np.flatnonzero(plane.any(axis=0))
    kept = plane.copy()
    kept[:, int(columns.mean()) :] = 0
    return kept


def _with_island(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `plane` (y, x) with a square that belongs to nothing."""
    spoiled = plane.copy()
    spoiled[_ISLAND] = 1
    return spoiled


_SPOILED: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "fill": _hollow,
    "fill-holes": _hollow,
    "islands": _with_island,
    "largest": _with_island,
    "remove-this": _with_island,
    "add-this": _half,
    "smooth": _frayed,
    "take-draft": np.zeros_like,
}
"""Tool, and the change of a true slice that gives the tool something to correct."""

"""The pictures of the user guide: every tool before and after, the list, the strip, the diff, the recovery.

Works on the phantom, whose true pancreas is known, so that corrections can be made without a hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox
from scipy.ndimage import binary_erosion

from attunet_gui.core.edit import edit_between
from attunet_gui.gui.demo import Film
from attunet_gui.gui.desk import DEMO_SEED
from attunet_gui.gui.questions import ask_recovery
from attunet_gui.gui.viewer import CHANGES
from attunet_gui.io.journal import Pending
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom
from attunet_gui.tools.registry import TOOLS
from attunet_gui.tools.tool import ToolKind

_CORRECTED = 3
_WRONG_PIXELS = 20
_DIALOG_MS = 400


class Tour(Film):
    """Drives an application through everything that corrects a mask."""

    def run(self) -> None:
        """All pictures, in the order of the guide."""
        self.truth = make_phantom(PhantomRequest(DEMO_SEED)).pancreas
        self._open()
        self._draft()
        self._places()
        for kind in TOOLS:
            self._tool(kind)
        self._carry()
        self._verify()
        self._recovery()

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The mask on screen."""
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
        """Before, preview where there is one, after; then everything is undone."""
        desk = self.app.desk
        before = self.mask.copy()
        self._prepare(kind)
        prepared = self.mask.copy()
        desk.layers.hide_place()
        self.shoot(f"{kind.key}_before")
        desk.toolbox.take(kind.key)
        if desk.toolbox.waits_for_click:
            desk.layers.points_drawn.emit((self._click(kind),))
        elif desk.toolbox.kind is not None:
            self.until(lambda: CHANGES in self.app.viewer.layers, f"{kind.title}: preview")
            self.shoot(f"{kind.key}_preview")
            desk.toolbox.apply()
        self.until(lambda: (self.mask != prepared).any(), kind.title)
        self.shoot(f"{kind.key}_after")
        desk.toolbox.put_away()
        while (self.mask != before).any():
            desk.correcting.undo()

    def _prepare(self, kind: ToolKind) -> None:
        """Make of the mask what this tool is good for, and go there."""
        busiest = int(self.truth.sum(axis=(1, 2)).argmax())
        wanted = self.mask.copy()
        if kind.key.startswith(("interpolate", "copy")):
            # Two slices decided by hand, nothing between them.
            wanted[busiest - 4 : busiest + 5] = 0
            wanted[busiest - 4], wanted[busiest + 4] = self.truth[busiest - 4], self.truth[busiest + 4]
        elif kind.key in ("fill", "fill-holes"):
            wanted[busiest] = _hollow(self.truth[busiest])
        elif kind.key in ("islands", "largest", "remove-this"):
            wanted[busiest] = self.truth[busiest]
            wanted[busiest, 40:46, 120:126] = 1
        elif kind.key == "add-this":
            wanted[busiest] = _half(self.truth[busiest])
        elif kind.key == "take-draft":
            wanted[busiest] = 0
        by_hand = kind.key.startswith(("interpolate", "copy"))
        self._set(wanted, by_hand)
        offset = {"interpolate": 0, "copy-above": 3, "copy-below": -3}.get(kind.key, 0)
        self.app.desk.layers.go_to_slice(busiest + offset)

    def _set(self, wanted: NDArray[np.uint8], by_hand: bool) -> None:
        work = self.app.desk.correcting.work
        assert work is not None
        if by_hand:
            layer = self.app.viewer.layers["Pancreas"]
            places = np.nonzero(self.mask != wanted)
            layer.data_setitem(places, wanted[places])
        else:
            self.app.desk.correcting.change(edit_between(self.mask, wanted), "tour", "prepare")

    def _click(self, kind: ToolKind) -> tuple[int, int, int]:
        z = self.app.desk.layers.slice
        inside = np.argwhere((self.truth[z] != 0) & (self.mask[z] == 0))
        if kind.key == "remove-this":
            return z, 43, 123
        if not len(inside):
            inside = np.argwhere(self.truth[z] != 0)
        y, x = inside[len(inside) // 2]
        return z, int(y), int(x)

    def _carry(self) -> None:
        """Correct the slices that are most wrong, let the network learn from them, take what it proposes."""
        desk = self.app.desk
        wrong = (self.mask != self.truth).sum(axis=(1, 2))
        wanted = self.mask.copy()
        lowest, highest = np.flatnonzero(wrong > _WRONG_PIXELS)[[0, -1]]
        chosen = np.linspace(lowest, highest, _CORRECTED + 2).astype(int)[1:-1]
        for z in chosen:
            wanted[z] = self.truth[z]
        self._set(wanted, by_hand=True)
        desk.layers.go_to_slice(int(chosen[1]) + 2)
        self.shoot("carry_before")
        desk.carrying.ask()
        idle = self.app.session
        self.until(lambda: idle.job.state != "idle", "starting to learn")
        self.shoot("carry_learning")
        self.until(lambda: idle.job.state == "idle", "learning")
        self.shoot("carry_proposed")
        if desk.carrying.proposal is not None:
            desk.carrying.take_all()
            self.shoot("carry_accepted")

    def _verify(self) -> None:
        guide = self.app.desk.guide
        for _ in range(3):
            guide.verify_slice()
            self.app.desk.slice_up()
        self.shoot("verified")

    def _recovery(self) -> None:
        """The question after a crash, as a picture of the dialogue alone."""
        case = self.app.session.case
        assert case is not None
        left = Pending(Path(), case.identity, 1_790_000_000.0, 23, "Ada")
        QTimer.singleShot(_DIALOG_MS, self._shoot_dialogue)
        ask_recovery(self.app.window, left)

    def _shoot_dialogue(self) -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            self._count += 1
            box.grab().save(str(self.out / f"{self._count:02d}_recovery.png"))
            box.reject()


def _hollow(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rim of `plane`, two pixels wide."""
    rim: NDArray[np.uint8] = plane * ~binary_erosion(plane, iterations=2)
    return rim


def _half(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`plane` without what lies right of its middle."""
    columns = np.flatnonzero(plane.any(axis=0))
    kept = plane.copy()
    kept[:, int(columns.mean()) :] = 0
    return kept

"""Strokes, tools and undo. Every change of the mask is recorded before the next one can be made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from attunet_gui.core.counting import counted, noun_of
from attunet_gui.core.edit import NOTHING, Box, Edit, edit_between
from attunet_gui.core.history import DRAFT, NEIGHBOURS, Stroke
from attunet_gui.core.locks import Locks
from attunet_gui.core.rewind import is_decision
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.viewer import CaseLayers
from attunet_gui.session import Draft, Session
from attunet_gui.tools.registry import tool_kind
from attunet_gui.tools.scene import Scene
from attunet_gui.tools.stroke import HuRange, taken_back
from attunet_gui.work import Work

BY_HAND = {"paint": "brush", "erase": "eraser", "polygon": "polygon", "fill": "fill"}
"""napari's modes, and their names in the journal. Voxels that are changed with them are locked."""

_KEYS = tool_kind(NEIGHBOURS).keys


class Correcting(QObject):
    """Keeps the mask on screen and the recorded work on it equal.

    Attributes:
        may_take_draft_back: asks whether an undo may remove a whole draft, given what the draft changed and
            how many verified slices would change; answers no until a window sets it.

    Signals:
        mask_changed(stroke, placed): by the annotator, a tool, undo or redo; `placed` means by a new draft.
        state_changed: another case is open, or what can be undone or is locked has changed.
    """

    mask_changed = Signal(object, bool)
    state_changed = Signal()

    def __init__(self, session: Session, layers: CaseLayers) -> None:
        super().__init__()
        self._session, self._layers = session, layers
        self.work: Work | None = None
        self.may_take_draft_back: Callable[[str, int], bool] = lambda _words, _verified: False
        self.hu_limits: HuRange | None = None
        layers.stroke_ended.connect(self._stroke_ended)
        layers.undo_asked.connect(self.undo)
        layers.redo_asked.connect(self.redo)

    # The case

    def begin(self, work: Work) -> None:
        """Go on with `work`, whose mask is on screen already."""
        self.end()
        self.work = work
        self._warn()
        self.state_changed.emit()

    def end(self) -> None:
        """Close the work on the case."""
        if self.work is not None:
            self.work.close()
        self.work = None

    @property
    def locks(self) -> Locks:
        """Voxels and slices that the annotator has decided; tools and drafts do not change them."""
        return Locks() if self.work is None else self.work.locks

    @property
    def corrected(self) -> frozenset[int]:
        """Indices of the slices that the annotator corrected or verified."""
        return frozenset() if self.work is None else self.work.corrected

    # Strokes

    def _stroke_ended(self, box: Box, mode: str) -> None:
        """Record a stroke with napari's tools as one step, after the HU limits were applied to it."""
        mask = self._layers.mask
        if mask is None or self.work is None:
            return
        tool = BY_HAND.get(mode, "brush")
        # Before the stroke is recorded: the journal must hold what stays on screen.
        left = self._limit(mask, box) if tool == "brush" else 0
        stroke = self.work.note(mask, box, tool, tool, self._layers.slice, by_hand=True)
        if stroke is not None:
            self._done(stroke)
        if left and self.hu_limits is not None:
            limits = f"{self.hu_limits.low:.0f} to {self.hu_limits.high:.0f} HU"
            self._session.say(
                f"{counted(left, 'voxel')} outside of {limits} {noun_of(left, 'was', 'were')} left out."
            )

    def record_rest(self) -> bool:
        """Record a change on screen that is in no stroke yet, as a script or a napari command makes it.

        Returns:
            whether the mask on screen now equals the journal's; if not, a sentence was said.
        """
        mask, work = self._layers.mask, self.work
        if mask is None or work is None:
            return False
        # Comparing all voxels finds every change, whoever made it.
        if np.array_equal(mask, work.mask):
            return True
        if mask.shape != work.mask.shape:
            self._session.say(
                "The mask on screen has another shape than the CT; open the case again.", problem=True
            )
            return False
        stroke = work.note(mask, None, "brush", "change outside the tools", self._layers.slice, by_hand=True)
        if stroke is not None:
            self._done(stroke)
        return True

    def _limit(self, mask: NDArray[np.uint8], box: Box) -> int:
        """Undo what the brush set outside of the HU limits.

        Args:
            mask: uint8 (z, y, x), changed in place.
            box: where the brush changed voxels.

        Returns:
            the number of voxels that were set back.
        """
        scene = self.scene()
        if self.hu_limits is None or scene is None or self.work is None:
            return 0
        z, y, x = box
        painted = edit_between(self.work.mask[box], mask[box], (z.start, y.start, x.start))
        outside = taken_back(painted, scene, self.hu_limits)
        if outside.changes:
            outside.apply(mask)
            self._layers.redraw()
        return outside.changes

    def set_hu_limits(self, limits: tuple[float, float] | None) -> None:
        """Let the brush set only voxels with `limits` (low, high) in HU; None allows every voxel."""
        self.hu_limits = None if limits is None else HuRange(*limits)

    def scene(self) -> Scene | None:
        """Return the input of a tool: mask, HU, draft, locks and strokes. None if no case is open."""
        case, mask, draft = self._session.case, self._layers.mask, self._session.draft
        if case is None or mask is None:
            return None
        return Scene(
            mask=mask,
            hu=case.volume.hu,
            spacing_mm=case.volume.grid.spacing_mm,
            slice=self._layers.slice,
            probability=None if draft is None else draft.prediction.on_grid(draft.prediction.probability),
            draft=None if draft is None else draft.mask,
            locks=self.locks,
            strokes=() if self.work is None else self.work.history.done,
        )

    # Changes by tools

    def change(self, edit: Edit, tool: str, words: str) -> Edit:
        """Apply `edit` to the mask as one undoable step; locked voxels are left as they are.

        Args:
            edit: the voxels to change.
            tool: key of the tool, for the journal.
            words: what is done, for the message.

        Returns:
            the part of `edit` that was refused because of locks.
        """
        stroke, refused = self._apply(edit, tool, words, override=False)
        if stroke is not None:
            self._done(stroke)
        if refused.changes:
            self._session.say(
                f"{words}: {counted(refused.changes, 'voxel')} left as you decided by hand or by verifying."
            )
        elif stroke is None:
            self._session.say(f"{words} changes nothing here.")
        return refused

    def place_draft(self, draft: Draft, override: bool) -> Edit:
        """Replace the mask by `draft` as one undoable step.

        Args:
            draft: the complete draft.
            override: whether locked voxels are replaced too, as the annotator agreed to.

        Returns:
            the part of the draft that was refused because of locks.
        """
        mask = self._layers.mask
        if mask is None:
            return NOTHING
        words = f"draft by {draft.prediction.model.name}"
        stroke, refused = self._apply(edit_between(mask, draft.mask), DRAFT, words, override)
        if stroke is not None:
            self._done(stroke, placed=True)
        return refused

    def _apply(self, edit: Edit, tool: str, words: str, override: bool) -> tuple[Stroke | None, Edit]:
        """Apply `edit` to mask and work and return (stroke, refused part); nothing without an open case."""
        mask, work = self._layers.mask, self.work
        if mask is None or work is None or not self.record_rest():
            return None, NOTHING
        done = work.apply(
            mask, edit, tool, words, self._layers.slice, locked="override" if override else "respect"
        )
        self._layers.redraw()
        return done

    # Undo

    def undo(self) -> None:
        """Undo the last change, in whichever slice it was made."""
        self._step(back=True)

    def redo(self) -> None:
        """Redo the change that was undone last."""
        self._step(back=False)

    def _step(self, back: bool) -> None:
        """Undo (`back`) or redo one step, go to its slice, and say what was undone."""
        mask, work = self._layers.mask, self.work
        if mask is None or work is None:
            return
        if not self.record_rest() or (back and not self._may_undo(work)):
            return
        stroke = work.undo(mask) if back else work.redo(mask)
        if stroke is None:
            self._session.say("There is nothing to undo." if back else "There is nothing to redo.")
            return
        self._layers.redraw()
        self._show_where(stroke)
        self._done(stroke)
        self._session.say(f"{'Undone' if back else 'Done again'}: {stroke.told}.{_unverified(work)}")
        self._warn()

    def _may_undo(self, work: Work) -> bool:
        """Ask before an undo removes a whole draft: one undo too many must not do that unnoticed.

        No question is asked if the draft has just replaced corrections: the annotator was told then that one
        undo brings them back.
        """
        last, done = work.history.last, work.history.done
        if last is None or last.tool != DRAFT:
            return True
        if not work.history.ahead and any(is_decision(stroke) for stroke in done):
            return True
        reached = work.verified & last.edit.changed_slices
        agreed = self.may_take_draft_back(last.told, len(reached))
        if not agreed:
            self._session.say("Undo stopped at the draft: all of your strokes since then are taken back.")
        # While the question was open, another case may have been opened, or a draft have arrived.
        return agreed and self.work is work and work.history.last is last

    def _show_where(self, stroke: Stroke) -> None:
        """Go to the slice of `stroke`: nobody should undo a change that is not on screen."""
        # A change in the slice on screen needs no jump, even if it began in another slice.
        if self._layers.slice not in stroke.edit.slices:
            self._layers.go_to_slice(stroke.slice)

    def _done(self, stroke: Stroke, placed: bool = False) -> None:
        """Say what a step changed, with its volume, and emit that the mask has changed."""
        case, work = self._session.case, self.work
        lost = "" if work is None else _unverified(work)
        if case is not None and not placed:
            ml = stroke.edit.changes * case.volume.grid.voxel_volume_ml
            told = stroke.told[:1].upper() + stroke.told[1:]
            onwards = f", {_KEYS} carries it to the slices around" if stroke.by_hand else ""
            self._session.say(f"{told}, {ml:.2f} ml. Ctrl+Z undoes{onwards}.{lost}")
        elif lost:
            self._session.say(f"{self._session.message.text}{lost}".strip())
        self._warn()
        self.mask_changed.emit(stroke, placed)
        self.state_changed.emit()

    def _warn(self) -> None:
        if self.work is not None and self.work.problem:
            self._session.say(self.work.problem, problem=True)


def _unverified(work: Work) -> str:
    """Return which verified slices the last change has unverified, as a further sentence; "" if none."""
    if not work.unverified:
        return ""
    changed = sorted(work.unverified)
    named = f"Slice {changed[0] + 1} has" if len(changed) == 1 else f"{counted(len(changed), 'slice')} have"
    return f" {named} changed and {'is' if len(changed) == 1 else 'are'} no longer verified."

"""Strokes, tools and undo. Every change of the mask is recorded before the next one can be made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from attunet_gui.app.case_drafting import CaseDraft
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.edit_stroke import DRAFT_TOOL, NEIGHBOURS_TOOL, EditStroke
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.pre_edit_mask import is_annotator_decision
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.editing.tools.brush_hu_range import BrushHuRange, undo_outside_hu_range
from attunet_gui.editing.tools.tool_registry import tool_kind_by_key
from attunet_gui.editing.tools.tool_scene import ToolScene
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.system.plurals import counted, plural_of

BY_HAND = {"paint": "brush", "erase": "eraser", "polygon": "polygon", "fill": "fill"}
"""napari's modes, and their names in the journal. Voxels that are changed with them are locked."""

_KEYS = tool_kind_by_key(NEIGHBOURS_TOOL).keys


class EditController(QObject):
    """Keeps the mask on screen and the recorded work on it equal.

    Attributes:
        confirm_draft_undo: asks whether an undo may remove a whole draft, given what the draft changed and
            how many verified slices would change; answers no until a window sets it.

    Signals:
        mask_changed(stroke, placed): by the annotator, a tool, undo or redo; `placed` means by a new draft.
        state_changed: another case is open, or what can be undone or is locked has changed.
    """

    mask_changed = Signal(object, bool)
    state_changed = Signal()

    def __init__(self, session: CaseSession, layers: CaseLayers) -> None:
        super().__init__()
        self._session, self._layers = session, layers
        self.work: EditSession | None = None
        self.confirm_draft_undo: Callable[[str, int], bool] = lambda _words, _verified: False
        self.hu_limits: BrushHuRange | None = None
        layers.mask_layer.stroke_ended.connect(self._stroke_ended)
        layers.keys.undo_asked.connect(self.undo)
        layers.keys.redo_asked.connect(self.redo)

    # The case

    def begin_session(self, work: EditSession) -> None:
        """Go on with `work`, whose mask is on screen already."""
        self.end_session()
        self.work = work
        self._report_work_problem()
        self.state_changed.emit()

    def end_session(self) -> None:
        """Close the work on the case."""
        if self.work is not None:
            self.work.close_journal()
        self.work = None

    @property
    def voxel_locks(self) -> MaskLocks:
        """Voxels and slices that the annotator has decided; tools and drafts do not change them."""
        return MaskLocks() if self.work is None else self.work.decisions.mask_locks

    @property
    def corrected_slices(self) -> frozenset[int]:
        """Indices of the slices that the annotator corrected or verified."""
        return frozenset() if self.work is None else self.work.decisions.corrected_slices

    # Strokes

    def _stroke_ended(self, box: VoxelBox, mode: str) -> None:
        """Record a stroke with napari's tools as one step, after the HU limits were applied to it."""
        mask = self._layers.mask
        if mask is None or self.work is None:
            return
        tool = BY_HAND.get(mode, "brush")
        # Before the stroke is recorded: the journal must hold what stays on screen.
        left = self._apply_hu_limits(mask, box) if tool == "brush" else 0
        stroke = self.work.record_change(
            mask, box, tool, tool, self._layers.slice_view.current_slice, by_hand=True
        )
        if stroke is not None:
            self._announce_stroke(stroke)
        if left and self.hu_limits is not None:
            limits = f"{self.hu_limits.low:.0f} to {self.hu_limits.high:.0f} HU"
            self._session.show_message(
                f"{counted(left, 'voxel')} outside of {limits} {plural_of(left, 'was', 'were')} left out."
            )

    def record_untracked_changes(self) -> bool:
        """Record a change on screen that is in no stroke yet, as a script or a napari command makes it.

        Returns:
            whether the mask on screen now equals the journal's; if not, a sentence was said.
        """
        mask, work = self._layers.mask, self.work
        if mask is None or work is None:
            return False
        # Comparing all voxels finds every change, whoever made it.
        if np.array_equal(mask, work.history.recorded_mask):
            return True
        if mask.shape != work.history.recorded_mask.shape:
            self._session.show_message(
                "The mask on screen has another shape than the CT; open the case again.", problem=True
            )
            return False
        stroke = work.record_change(
            mask,
            None,
            "brush",
            "change outside the tools",
            self._layers.slice_view.current_slice,
            by_hand=True,
        )
        if stroke is not None:
            self._announce_stroke(stroke)
        return True

    def _apply_hu_limits(self, mask: NDArray[np.uint8], box: VoxelBox) -> int:
        """Undo what the brush set outside of the HU limits.

        Args:
            mask: uint8 (z, y, x), changed in place.
            box: where the brush changed voxels.

        Returns:
            the number of voxels that were set back.
        """
        scene = self.tool_scene()
        if self.hu_limits is None or scene is None or self.work is None:
            return 0
        z, y, x = box
        painted = edit_between(self.work.history.recorded_mask[box], mask[box], (z.start, y.start, x.start))
        outside = undo_outside_hu_range(painted, scene, self.hu_limits)
        if outside.changed_voxels:
            outside.apply_to(mask)
            self._layers.mask_layer.redraw()
        return outside.changed_voxels

    def set_hu_limits(self, limits: tuple[float, float] | None) -> None:
        """Let the brush set only voxels with `limits` (low, high) in HU; None allows every voxel."""
        self.hu_limits = None if limits is None else BrushHuRange(*limits)

    def tool_scene(self) -> ToolScene | None:
        """Return the input of a tool: mask, HU, draft, locks and strokes. None if no case is open."""
        case, mask, draft = self._session.case, self._layers.mask, self._session.inference.draft
        if case is None or mask is None:
            return None
        return ToolScene(
            mask=mask,
            hu=case.volume.hu,
            spacing_mm=case.volume.grid.spacing_mm,
            slice=self._layers.slice_view.current_slice,
            probability=None if draft is None else draft.prediction.on_ct_grid(draft.prediction.probability),
            draft=None if draft is None else draft.mask,
            locks=self.voxel_locks,
            strokes=() if self.work is None else self.work.history.undo_stack.undoable_strokes,
        )

    # Changes by tools

    def apply_edit(self, edit: MaskEdit, tool: str, words: str) -> MaskEdit:
        """Apply `edit` to the mask as one undoable step; locked voxels are left as they are.

        Args:
            edit: the voxels to change.
            tool: key of the tool, for the journal.
            words: what is done, for the message.

        Returns:
            the part of `edit` that was refused because of locks.
        """
        stroke, refused = self._record_edit(edit, tool, words, override=False)
        if stroke is not None:
            self._announce_stroke(stroke)
        if refused.changed_voxels:
            self._session.show_message(
                f"{words}: {counted(refused.changed_voxels, 'voxel')} left as you decided by hand or by "
                "verifying."
            )
        elif stroke is None:
            self._session.show_message(f"{words} changes nothing here.")
        return refused

    def apply_draft(self, draft: CaseDraft, override: bool) -> MaskEdit:
        """Replace the mask by `draft` as one undoable step.

        Args:
            draft: the complete draft.
            override: whether locked voxels are replaced too, as the annotator agreed to.

        Returns:
            the part of the draft that was refused because of locks.
        """
        mask = self._layers.mask
        if mask is None:
            return NO_EDIT
        words = f"draft by {draft.prediction.model.name}"
        stroke, refused = self._record_edit(edit_between(mask, draft.mask), DRAFT_TOOL, words, override)
        if stroke is not None:
            self._announce_stroke(stroke, placed=True)
        return refused

    def _record_edit(
        self, edit: MaskEdit, tool: str, words: str, override: bool
    ) -> tuple[EditStroke | None, MaskEdit]:
        """Apply `edit` to mask and work and return (stroke, refused part); nothing without an open case."""
        mask, work = self._layers.mask, self.work
        if mask is None or work is None or not self.record_untracked_changes():
            return None, NO_EDIT
        done = work.apply_edit(
            mask,
            edit,
            tool,
            words,
            self._layers.slice_view.current_slice,
            locked="override" if override else "respect",
        )
        self._layers.mask_layer.redraw()
        return done

    # Undo

    def undo(self) -> None:
        """Undo the last change, in whichever slice it was made."""
        self._undo_or_redo(back=True)

    def redo(self) -> None:
        """Redo the change that was undone last."""
        self._undo_or_redo(back=False)

    def _undo_or_redo(self, back: bool) -> None:
        """Undo (`back`) or redo one step, go to its slice, and say what was undone."""
        mask, work = self._layers.mask, self.work
        if mask is None or work is None:
            return
        if not self.record_untracked_changes() or (back and not self._confirm_undo(work)):
            return
        stroke = work.undo_stroke(mask) if back else work.redo_stroke(mask)
        if stroke is None:
            self._session.show_message("There is nothing to undo." if back else "There is nothing to redo.")
            return
        self._layers.mask_layer.redraw()
        self._go_to_stroke(stroke)
        self._announce_stroke(stroke)
        self._session.show_message(
            f"{'Undone' if back else 'Done again'}: {stroke.summary_text}.{_unverified_words(work)}"
        )
        self._report_work_problem()

    def _confirm_undo(self, work: EditSession) -> bool:
        """Ask before an undo removes a whole draft: one undo too many must not do that unnoticed.

        No question is asked if the draft has just replaced corrections: the annotator was told then that one
        undo brings them back.
        """
        last, done = work.history.undo_stack.last_stroke, work.history.undo_stack.undoable_strokes
        if last is None or last.tool != DRAFT_TOOL:
            return True
        if not work.history.undo_stack.redoable_strokes and any(
            is_annotator_decision(stroke) for stroke in done
        ):
            return True
        reached = work.decisions.verified_slices & last.edit.changed_slices
        agreed = self.confirm_draft_undo(last.summary_text, len(reached))
        if not agreed:
            self._session.show_message(
                "Undo stopped at the draft: all of your strokes since then are taken back."
            )
        # While the question was open, another case may have been opened, or a draft have arrived.
        return agreed and self.work is work and work.history.undo_stack.last_stroke is last

    def _go_to_stroke(self, stroke: EditStroke) -> None:
        """Go to the slice of `stroke`: nobody should undo a change that is not on screen."""
        # A change in the slice on screen needs no jump, even if it began in another slice.
        if self._layers.slice_view.current_slice not in stroke.edit.box_slices:
            self._layers.slice_view.go_to_slice(stroke.slice)

    def _announce_stroke(self, stroke: EditStroke, placed: bool = False) -> None:
        """Say what a step changed, with its volume, and emit that the mask has changed."""
        case, work = self._session.case, self.work
        lost = "" if work is None else _unverified_words(work)
        if case is not None and not placed:
            ml = stroke.edit.changed_voxels * case.volume.grid.voxel_volume_ml
            told = stroke.summary_text[:1].upper() + stroke.summary_text[1:]
            onwards = f", {_KEYS} carries it to the slices around" if stroke.by_hand else ""
            self._session.show_message(f"{told}, {ml:.2f} ml. Ctrl+Z undoes{onwards}.{lost}")
        elif lost:
            self._session.show_message(f"{self._session.message.text}{lost}".strip())
        self._report_work_problem()
        self.mask_changed.emit(stroke, placed)
        self.state_changed.emit()

    def _report_work_problem(self) -> None:
        if self.work is not None and self.work.journal.problem:
            self._session.show_message(self.work.journal.problem, problem=True)


def _unverified_words(work: EditSession) -> str:
    """Return which verified slices the last change has unverified, as a further sentence; "" if none."""
    if not work.decisions.unverified_slices:
        return ""
    changed = sorted(work.decisions.unverified_slices)
    named = f"Slice {changed[0] + 1} has" if len(changed) == 1 else f"{counted(len(changed), 'slice')} have"
    return f" {named} changed and {'is' if len(changed) == 1 else 'are'} no longer verified."

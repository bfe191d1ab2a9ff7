"""Propagation: the network adapts to corrected slices and proposes changes of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.edit_stroke import PROPAGATION_TOOL
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit
from attunet_gui.core.pre_edit_mask import mask_before_corrections
from attunet_gui.core.propagation import PropagationResult, edit_amount, propagation_edits
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.system.plurals import counted, plural_of


class PropagationController(QObject):
    """Asks the session for a proposal, shows it over the CT, and applies what the annotator accepts.

    Signals:
        changed: a proposal arrived or was dropped.
    """

    changed = Signal()

    def __init__(self, session: CaseSession, layers: CaseLayers, correcting: EditController) -> None:
        super().__init__()
        self._session, self._layers, self._correcting = session, layers, correcting
        self.proposal: PropagationResult | None = None
        session.inference.propagation_arrived.connect(self._proposal_arrived)

    @property
    def status_text(self) -> str:
        """What the proposal would change, or what is needed to get one, as a sentence for the annotator."""
        corrected = len(self._correcting.corrected_slices)
        if self.proposal is not None:
            return "Green would be added, red taken away, purple contradicts what you decided."
        if self._session.inference.draft is None:
            return "After a draft: correct a few slices, and the others follow."
        enough = "" if corrected > 1 else " Two or more are needed."
        are = plural_of(corrected, "is", "are")
        return f"{counted(corrected, 'slice')} {are} corrected or verified.{enough}"

    @property
    def can_propagate(self) -> bool:
        """Whether a proposal can be asked for: there is a draft, two corrected slices, and no running job."""
        idle = self._session.inference.job.state == "idle"
        return (
            self._session.inference.draft is not None and len(self._correcting.corrected_slices) > 1 and idle
        )

    def ask(self) -> None:
        """Start the adaptation to the corrected and verified slices.

        Without enough of them say what is missing.
        """
        mask = self._layers.mask
        if mask is None or not self.can_propagate:
            self._session.show_message(self.status_text)
            return
        self.drop_proposal()
        # Verified slices teach as well: that they are right is as much a decision as a correction.
        slices = tuple(sorted(self._correcting.corrected_slices))
        self._session.inference.request_propagation(mask, slices, self._mask_before_edits(mask, slices))

    def _mask_before_edits(
        self, mask: NDArray[np.uint8], slices: tuple[int, ...]
    ) -> NDArray[np.uint8] | None:
        """Return the mask before the annotator's edits, uint8 (z, y, x); None without draft or work."""
        draft, work = self._session.inference.draft, self._correcting.work
        if draft is None or work is None:
            return None
        return mask_before_corrections(mask, draft.mask, slices, work.history.undo_stack.undoable_strokes)

    def _proposal_arrived(self, proposal: PropagationResult) -> None:
        self.proposal = proposal
        self.show_proposal()
        self.changed.emit()

    def show_proposal(self) -> None:
        """Show what the proposal would change of the mask as it is now."""
        edits = self._proposed_edits()
        if edits is None:
            return
        allowed, conflicts = edits
        if self._session.case is not None and self._layers.mask is not None:
            ml = self._session.case.volume.grid.voxel_volume_ml
            self._session.show_message(f"The proposal {edit_amount(allowed, self._layers.mask, ml)}.")
            self._layers.markers.show_changes(allowed, conflicts)

    def show_conflicts(self, refused: MaskEdit) -> None:
        """Show in purple where a draft contradicts locked decisions, which stay as they were."""
        if refused.changed_voxels:
            self._layers.markers.show_changes(NO_EDIT, refused)
            self._session.show_message(
                "Your own strokes stay: the draft contradicts them in "
                f"{counted(refused.changed_voxels, 'voxel')}, in purple."
            )
            self.changed.emit()

    def _proposed_edits(self, only: int | None = None) -> tuple[MaskEdit, MaskEdit] | None:
        """Return (allowed, in conflict with locks), in the slice `only` or in all.

        None without a proposal.
        """
        mask = self._layers.mask
        if self.proposal is None or mask is None:
            return None
        return propagation_edits(self.proposal, mask, self._correcting.voxel_locks, only)

    def take_all(self) -> None:
        """Accept the proposal in every slice; locked voxels stay as they are."""
        self._accept_proposal(None)
        self.drop_proposal()

    def take_slice(self) -> None:
        """Accept the proposal in the slice on screen; the rest of it stays on offer."""
        self._accept_proposal(self._layers.slice_view.current_slice)
        self.show_proposal()
        self.changed.emit()

    def _accept_proposal(self, only: int | None) -> None:
        edits = self._proposed_edits(only)
        if edits is not None:
            where = "" if only is None else f" in slice {only + 1}"
            self._correcting.apply_edit(edits[0], PROPAGATION_TOOL, f"carry corrections on{where}")

    def reject(self) -> None:
        """Drop the proposal and say so; the mask is not changed."""
        if self.proposal is not None:
            self.drop_proposal()
            self._session.show_message("The proposal was rejected; your mask is as it was.")

    def drop_proposal(self) -> None:
        """Drop the proposal without a message."""
        self.proposal = None
        self._layers.markers.hide_changes()
        self.changed.emit()

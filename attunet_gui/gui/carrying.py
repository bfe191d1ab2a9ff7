"""Propagation: the network adapts to corrected slices and proposes changes of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from attunet_gui.core.counting import counted, noun_of
from attunet_gui.core.edit import NOTHING, Edit
from attunet_gui.core.history import PROPOSAL
from attunet_gui.core.proposal import Proposal, amount, changes
from attunet_gui.core.rewind import began_with
from attunet_gui.gui.correcting import Correcting
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.viewer import CaseLayers
from attunet_gui.session import Session


class Carrying(QObject):
    """Asks the session for a proposal, shows it over the CT, and applies what the annotator accepts.

    Signals:
        changed: a proposal arrived or was dropped.
    """

    changed = Signal()

    def __init__(self, session: Session, layers: CaseLayers, correcting: Correcting) -> None:
        super().__init__()
        self._session, self._layers, self._correcting = session, layers, correcting
        self.proposal: Proposal | None = None
        session.proposal_arrived.connect(self._arrived)

    @property
    def about(self) -> str:
        """What the proposal would change, or what is needed to get one, as a sentence for the annotator."""
        corrected = len(self._correcting.corrected)
        if self.proposal is not None:
            return "Green would be added, red taken away, purple contradicts what you decided."
        if self._session.draft is None:
            return "After a draft: correct a few slices, and the others follow."
        enough = "" if corrected > 1 else " Two or more are needed."
        are = noun_of(corrected, "is", "are")
        return f"{counted(corrected, 'slice')} {are} corrected or verified.{enough}"

    @property
    def may_ask(self) -> bool:
        """Whether a proposal can be asked for: there is a draft, two corrected slices, and no running job."""
        idle = self._session.job.state == "idle"
        return self._session.draft is not None and len(self._correcting.corrected) > 1 and idle

    def ask(self) -> None:
        """Start the adaptation to the corrected and verified slices.

        Without enough of them say what is missing.
        """
        mask = self._layers.mask
        if mask is None or not self.may_ask:
            self._session.say(self.about)
            return
        self.forget()
        # Verified slices teach as well: that they are right is as much a decision as a correction.
        slices = tuple(sorted(self._correcting.corrected))
        self._session.request_propagation(mask, slices, self._began_with(mask, slices))

    def _began_with(self, mask: NDArray[np.uint8], slices: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """Return the mask before the annotator's edits, uint8 (z, y, x); None without draft or work."""
        draft, work = self._session.draft, self._correcting.work
        if draft is None or work is None:
            return None
        return began_with(mask, draft.mask, slices, work.history.done)

    def _arrived(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self.show()
        self.changed.emit()

    def show(self) -> None:
        """Show what the proposal would change of the mask as it is now."""
        edits = self._edits()
        if edits is None:
            return
        allowed, conflicts = edits
        if self._session.case is not None and self._layers.mask is not None:
            ml = self._session.case.volume.grid.voxel_volume_ml
            self._session.say(f"The proposal {amount(allowed, self._layers.mask, ml)}.")
            self._layers.show_changes(allowed, conflicts)

    def show_conflicts(self, refused: Edit) -> None:
        """Show in purple where a draft contradicts locked decisions, which stay as they were."""
        if refused.changes:
            self._layers.show_changes(NOTHING, refused)
            self._session.say(
                "Your own strokes stay: the draft contradicts them in "
                f"{counted(refused.changes, 'voxel')}, in purple."
            )
            self.changed.emit()

    def _edits(self, only: int | None = None) -> tuple[Edit, Edit] | None:
        """Return (allowed, in conflict with locks), in the slice `only` or in all.

        None without a proposal.
        """
        mask = self._layers.mask
        if self.proposal is None or mask is None:
            return None
        return changes(self.proposal, mask, self._correcting.locks, only)

    def take_all(self) -> None:
        """Accept the proposal in every slice; locked voxels stay as they are."""
        self._take(None)
        self.forget()

    def take_slice(self) -> None:
        """Accept the proposal in the slice on screen; the rest of it stays on offer."""
        self._take(self._layers.slice)
        self.show()
        self.changed.emit()

    def _take(self, only: int | None) -> None:
        edits = self._edits(only)
        if edits is not None:
            where = "" if only is None else f" in slice {only + 1}"
            self._correcting.change(edits[0], PROPOSAL, f"carry corrections on{where}")

    def reject(self) -> None:
        """Drop the proposal and say so; the mask is not changed."""
        if self.proposal is not None:
            self.forget()
            self._session.say("The proposal was rejected; your mask is as it was.")

    def forget(self) -> None:
        """Drop the proposal without a message."""
        self.proposal = None
        self._layers.hide_changes()
        self.changed.emit()

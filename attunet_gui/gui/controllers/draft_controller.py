"""Asks for drafts, and puts them into the mask or beside it as the annotator agreed."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication, QWidget

from attunet_gui.app.case_drafting import CaseDraft
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.controllers.mask_review_controller import MaskReviewController
from attunet_gui.gui.controllers.propagation_controller import PropagationController
from attunet_gui.gui.controllers.save_controller import STROKE_POLL_MS
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.draft_consent import KEEP_MASK, NOT_ASKED, REPLACE_DECISIONS, REPLACE_MASK
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.project_case_controller import ProjectCaseController


class DraftController(QObject):
    """Starts drafts and shows what arrives of them.

    Args:
        session: lets the network draft.
        layers: the napari layers of the case.
        edits: puts a draft into the mask as one undoable step.
        review: begins anew with every draft that replaces the mask.
        propagation: shows where a draft contradicts decisions.
        project_cases: knows whether the case is drawn without a draft.
        get_window: returns the window above which questions open; known only after this object was made.
        parent: owner of this object.

    Attributes:
        checked: whether the annotator has gone to the draft since it arrived.

    Signals:
        shown_beside: a draft is shown beside the mask, which stays as it was.
        maps_changed(overlays): the probability and gate maps of a draft have arrived.
    """

    shown_beside = Signal()
    maps_changed = Signal(object)

    def __init__(
        self,
        session: CaseSession,
        layers: CaseLayers,
        edits: EditController,
        review: MaskReviewController,
        propagation: PropagationController,
        project_cases: ProjectCaseController,
        get_window: Callable[[], QWidget],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._layers, self._edits = session, layers, edits
        self._review, self._propagation, self._project_cases = review, propagation, project_cases
        self._get_window = get_window
        self.checked = False
        self._consent = NOT_ASKED
        edits.confirm_draft_undo = self._confirm_draft_undo
        edits.mask_changed.connect(self._mask_edited)
        session.inference.draft_begun.connect(self._draft_begun)
        session.inference.slices_arrived.connect(layers.drafts.show_arrived_slices)
        session.inference.draft_dropped.connect(layers.drafts.end_arrival)
        session.inference.draft_arrived.connect(self._draft_arrived)
        session.inference.evidence_arrived.connect(self._evidence_arrived)
        session.inference.overlays_arrived.connect(self._overlays_arrived)

    def begin_case(self) -> None:
        """Forget what was agreed to and looked at in the case before."""
        self.checked, self._consent = False, NOT_ASKED

    def run_or_cancel(self) -> None:
        """Start a draft, or cancel the running job. Asks first if unsaved corrections could be replaced."""
        if self._session.inference.job.state != "idle":
            self._session.inference.cancel_request()
            return
        if self._session.case is None or self._session.models.chosen is None:
            return
        if self._project_cases.is_drawn_blind:
            self._session.show_message(
                "This case is drawn without a draft: nobody's mask may be seen before yours."
            )
            return
        consent = REPLACE_MASK
        if self._session.mask.edited:
            answer = case_dialogs.ask_rerun(self._get_window())
            if answer == "stop":
                return
            consent = REPLACE_DECISIONS if answer == "replace" else KEEP_MASK
        self._consent = consent
        self._session.inference.request_draft(self._layers.slice_view.current_slice)

    def _draft_begun(self) -> None:
        if not self._session.mask.edited or self._consent.replaces_edits:
            self._layers.drafts.begin_arrival()

    def _draft_arrived(self, draft: CaseDraft) -> None:
        """Put a complete draft into the mask, or show it beside the mask.

        It is shown beside if the mask has unsaved edits that the annotator did not agree to replace.
        """
        # Another case was opened, or another draft begun, while this one waited for the mouse button.
        if draft is not self._session.inference.draft:
            return
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            # Not while a stroke is being made: it would be lost together with the old mask.
            QTimer.singleShot(STROKE_POLL_MS, self, lambda: self._draft_arrived(draft))
            return
        self.checked = False
        self._layers.drafts.end_arrival()
        place = self._consent.placement(self._session.mask.edited)
        if place == "beside":
            self._layers.drafts.show_other_draft(draft.mask)
            self.shown_beside.emit()
            self._session.show_message("The new draft is the yellow contour; your mask is as it was.")
            return
        # Overriding locks was agreed to in the question before the draft was made.
        refused = self._edits.apply_draft(draft, override=self._consent.replaces_decisions)
        self._session.draft_placed(draft)
        if self._session.case is not None:
            self._review.begin_review(self._session.case, draft)
        self._propagation.show_conflicts(refused)

    def _evidence_arrived(self, draft: CaseDraft) -> None:
        if self._session.case is not None:
            self._review.search_again(self._session.case, draft, self._project_cases.corrected_before)

    def _overlays_arrived(self, overlays: tuple[object, ...]) -> None:
        self._layers.appearance.show_maps(self._session.inference.overlays)
        self.maps_changed.emit(overlays)

    def _confirm_draft_undo(self, words: str, verified: int) -> bool:
        """Ask whether an undo may remove a draft, given what it changed and how many slices are verified."""
        return case_dialogs.ask_take_draft_back(self._get_window(), words, verified)

    def _mask_edited(self, _stroke: EditStroke, placed: bool) -> None:
        if not placed:
            self._consent = self._consent.after_stroke()

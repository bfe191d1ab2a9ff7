"""The review: places to check, the strip, and which slices were seen and verified."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from qtpy.QtCore import QObject

from attunet_gui.app.case_drafting import CaseDraft
from attunet_gui.app.case_opening import OpenCase
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.pre_edit_mask import strokes_since_draft
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.controllers.finding_searcher import FindingSearcher
from attunet_gui.gui.controllers.slice_watcher import SliceWatcher
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.review.annotator_decisions import (
    AcceptedFinding,
    accepted_finding,
    accepted_finding_key,
    read_accepted_findings,
)
from attunet_gui.review.findings import Finding
from attunet_gui.review.review_progress import (
    ReviewState,
    accept_finding,
    after_edit,
    is_reviewed,
    mark_seen,
    next_finding,
    open_findings,
    with_verified,
)
from attunet_gui.review.slice_strip import SliceStrip, make_slice_strip
from attunet_gui.review.slice_visibility import SEEN_AFTER_S
from attunet_gui.system.plurals import counted, plural_of


class MaskReviewController(QObject):
    """Knows what is left to look at in the open case, and moves the view there.

    The search for places runs in a background thread; a result for an earlier case or draft is dropped.

    Signals:
        changed: the places, the strip or the selected place.
    """

    changed = Signal()

    def __init__(self, session: CaseSession, layers: CaseLayers, correcting: EditController) -> None:
        super().__init__()
        self._session, self._layers, self._correcting = session, layers, correcting
        self.search = FindingSearcher(layers.mask_layer, correcting, self)
        self.watcher = SliceWatcher(layers.slice_view, self)
        self.review_state = ReviewState()
        self.current_place_key = ""
        self.search.changed.connect(self.changed.emit)
        self.watcher.time_over.connect(self._mark_slice_seen)
        correcting.mask_changed.connect(self._mask_changed)

    # The case

    def begin_review(self, case: OpenCase, draft: CaseDraft | None = None) -> None:
        """Begin the review of the mask of `case` and search for places.

        Args:
            case: the case on screen.
            draft: what the network says of it; None searches in CT and mask alone.
        """
        self.search.search_case(case, draft)
        self.current_place_key = ""
        self._layers.markers.hide_place()
        work = self._correcting.work
        self.review_state = ReviewState() if work is None else _restore_review_state(work)
        self.watcher.restart()
        self.changed.emit()

    def search_again(self, case: OpenCase, draft: CaseDraft, corrected: Iterable[int] = ()) -> None:
        """Search again with the network's output for `case`; what was seen and closed stays so.

        Args:
            case: whose mask is on screen.
            draft: the network's output.
            corrected: slices that somebody corrected in an earlier session, whose strokes are not in this
                journal. Where their mask differs from the draft, that counts as decided and is not called
                doubtful.
        """
        self.search.renew_evidence(case, draft, corrected)

    def end_review(self) -> None:
        """Stop searching for good."""
        self.watcher.stop()
        self.search.close()

    def _mask_changed(self, stroke: EditStroke, placed: bool) -> None:
        """Update seen slices, places and verifications after a change of the mask, and search again."""
        # A draft closes no place; only an edit of the annotator does.
        closable, decided_before = () if placed else self.open_places, self.review_state.decided
        self.review_state = after_edit(
            self.review_state, closable, stroke.edit, self.watcher.slice_of_visible_edit(stroke.edit.box)
        )
        self.watcher.restart()
        self._forget_reopened(decided_before)
        work = self._correcting.work
        self.review_state = replace(self.review_state, edited=_edited_slices(work))
        if work is not None:
            self.review_state = with_verified(self.review_state, work.decisions.verified_slices)
        # The change has closed the selected place, so its ring goes.
        if all(place.key != self.current_place_key for place in self.open_places):
            self.current_place_key = ""
            self._layers.markers.hide_place()
        self.search.search_slices(stroke.edit.box_slices)
        self.changed.emit()

    def _forget_reopened(self, before: tuple[AcceptedFinding, ...]) -> None:
        """Remove accepted places that have changed since from the journal, or a restart closes them."""
        work = self._correcting.work
        for gone in before:
            if work is not None and gone not in self.review_state.decided:
                work.reopen_finding(gone.key, accepted_finding_key(gone))

    # What is known

    @property
    def is_searched(self) -> bool:
        """Whether the mask has been searched since it was opened or drafted."""
        return self.search.result is not None

    @property
    def open_places(self) -> tuple[Finding, ...]:
        """The open places to check, most important first."""
        return (
            ()
            if self.search.result is None
            else open_findings(self.search.result.findings, self.review_state)
        )

    @property
    def strip_data(self) -> SliceStrip | None:
        """The values of the strip; None until the mask has been searched."""
        if self.search.result is None or self.search.evidence is None:
            return None
        return make_slice_strip(
            self.search.result.resampled, self.search.evidence, self.review_state, self.open_places
        )

    @property
    def unseen_slices(self) -> tuple[int, ...]:
        """Indices of slices with mask that were neither seen nor verified, ascending."""
        if self.search.result is None:
            return ()
        return tuple(
            sorted(
                self.search.result.resampled.mask_slices - self.review_state.seen - self.review_state.verified
            )
        )

    @property
    def has_mask(self) -> bool:
        """Whether any slice has mask, as of the last search."""
        return self.search.result is not None and bool(self.search.result.resampled.mask_slices)

    @property
    def slices_looked_at(self) -> frozenset[int]:
        """Indices of slices that were seen, verified or drawn in."""
        work = self._correcting.work
        drawn_in: frozenset[int] = frozenset() if work is None else work.decisions.hand_drawn_slices
        return self.review_state.seen | self.review_state.verified | drawn_in

    @property
    def is_reviewed(self) -> bool:
        """Whether no place is open and every slice with mask was seen."""
        found = self.search.result
        if found is None or not found.resampled.mask_slices or self._session.inference.is_mapping_evidence:
            return False
        return is_reviewed(found.findings, found.resampled.mask_slices, self.review_state)

    @property
    def progress_text(self) -> str:
        """How far the review is, as a sentence for the annotator."""
        if self._session.case is None:
            return "Open a CT first."
        if self.search.result is None or (
            self._session.inference.is_mapping_evidence and not self.open_places
        ):
            return "Looking for doubtful places…"
        places, unseen = len(self.open_places), len(self.unseen_slices)
        if not (places or self.search.result.resampled.mask_slices):
            return "There is no mask yet: draft or draw one."
        if places:
            return f"{counted(places, 'place')} to check"
        if unseen:
            looked = (
                f"{counted(unseen, 'slice')} with mask {plural_of(unseen, 'was', 'were')} not looked at yet."
            )
            return f"No doubtful place is left. {looked}"
        return "Reviewed: no place is open, every slice with mask was seen."

    # What the person does

    def next_place(self) -> None:
        """Go to the next open place, or say how far the review is if there is none."""
        place = next_finding(self.open_places, self.current_place_key)
        if place is None:
            self._session.show_message(self.progress_text)
        else:
            self.go_to_place(place.key)

    def go_to_place(self, key: str) -> None:
        """Go to the open place with the key `key`: set slice and zoom, draw the ring, say the reason."""
        place = next((place for place in self.open_places if place.key == key), None)
        if place is None:
            return
        self.current_place_key = key
        self._layers.markers.show_place(place.box, place.slice)
        self._session.show_message(place.reason)
        self.changed.emit()

    def accept_place(self) -> None:
        """Close the selected place as right, and go to the next."""
        place = next((place for place in self.open_places if place.key == self.current_place_key), None)
        if place is None:
            self._session.show_message("There is no place in hand; N goes to the next one.")
            return
        self.review_state = accept_finding(self.review_state, place)
        if self._correcting.work is not None:
            self._correcting.work.accept_finding(place.key, accepted_finding_key(accepted_finding(place)))
        self.current_place_key = ""
        self._layers.markers.hide_place()
        if self.open_places:
            self.next_place()
        else:
            self._session.show_message(self.progress_text)
            self.changed.emit()

    def verify_slice(self) -> None:
        """Verify the slice on screen, which locks it, or take that back.

        A slice can be verified only after it was seen: an axial view with the mask in sight, for half a
        second.
        """
        work, index = self._correcting.work, self._layers.slice_view.current_slice
        if work is None:
            return
        # Taking a verification back needs no view of the slice.
        hindrance = "" if index in work.decisions.verified_slices else self._why_not_verifiable()
        if hindrance:
            self._session.show_message(f"Slice {index + 1} is not verified: {hindrance}.")
            return
        verified = work.decisions.verified_slices ^ {index}
        work.verify_slices(verified)
        self.review_state = with_verified(self.review_state, verified)
        self.search.search_slices((index,))
        locked = "verified: no tool and no draft changes it" if index in verified else "no longer verified"
        self._session.show_message(f"Slice {index + 1} is {locked}.")
        self._correcting.state_changed.emit()
        self.changed.emit()

    def _why_not_verifiable(self) -> str:
        """Return why the slice on screen cannot be verified; "" if it can."""
        hindrance = self.watcher.reason_not_visible()
        if not hindrance and self._layers.slice_view.current_slice not in self.review_state.seen:
            hindrance = f"it has not been on screen for {SEEN_AFTER_S:g} s yet"
        return hindrance

    def next_unseen(self) -> None:
        """Go to the next slice with mask that was not seen, and to a view in which it can be seen."""
        here = self._layers.slice_view.current_slice
        unseen = self.unseen_slices
        if unseen:
            self._layers.slice_view.go_to_slice(next((z for z in unseen if z > here), unseen[0]))
            if self.watcher.reason_not_visible():
                self._layers.slice_view.straighten()

    # What was seen

    def _mark_slice_seen(self) -> None:
        """Mark the slice on screen as seen if its mask was in sight for the whole time."""
        index = self._layers.slice_view.current_slice
        if self._session.case is None or index in self.review_state.seen or not self.watcher.confirm_seen():
            return
        self.review_state = mark_seen(self.review_state, (index,))
        self.changed.emit()


def _restore_review_state(work: EditSession) -> ReviewState:
    """Return the review state as the journal has it: accepted places and verified slices."""
    closed, boxes = dict.fromkeys(work.accepted_keys, inf), read_accepted_findings(work.accepted_keys)
    return ReviewState(
        closed=closed, verified=work.decisions.verified_slices, edited=_edited_slices(work), decided=boxes
    )


def _edited_slices(work: EditSession | None) -> frozenset[int]:
    """Return indices of slices that hold changes by hand or tool which were not undone or drafted over."""
    if work is None:
        return frozenset()
    by_tools = (
        stroke
        for stroke in strokes_since_draft(work.history.undo_stack.undoable_strokes)
        if not stroke.by_hand
    )
    return frozenset(work.decisions.mask_locks.hand).union(
        *(stroke.edit.changed_slices for stroke in by_tools)
    )

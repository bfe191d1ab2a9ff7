"""The review: places to check, the strip, and which slices were seen and verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import inf

from qtpy.QtCore import QObject

from attunet_gui.core.counting import counted, noun_of
from attunet_gui.core.edit import Box
from attunet_gui.core.history import Stroke
from attunet_gui.core.rewind import since_draft
from attunet_gui.executor import SerialExecutor
from attunet_gui.gui.correcting import Correcting
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.responsive_timer import ResponsiveTimer
from attunet_gui.gui.viewer import CaseLayers
from attunet_gui.review.decisions import DecidedBox, Decisions, Plane, decided, decided_boxes, key_of_decision
from attunet_gui.review.evidence import Evidence, make_evidence
from attunet_gui.review.places import Place
from attunet_gui.review.progress import (
    ReviewState,
    accept,
    after_edit,
    is_reviewed,
    mark_seen,
    next_place,
    open_places,
    with_verified,
)
from attunet_gui.review.search import Found, find_places
from attunet_gui.review.sight import LOOK_S, Sight, why_not_seen
from attunet_gui.review.strip import Strip, make_strip
from attunet_gui.session import Case, Draft, Session
from attunet_gui.work import Work


class Guide(QObject):
    """Knows what is left to look at in the open case, and moves the view there.

    The search for places runs in a background thread; a result for an earlier case or draft is dropped.

    Signals:
        changed: the places, the strip or the selected place.
    """

    changed = Signal()

    def __init__(self, session: Session, layers: CaseLayers, correcting: Correcting) -> None:
        super().__init__()
        self._session, self._layers, self._correcting = session, layers, correcting
        # An error is only logged: without the list of places the annotator can still work.
        self._executor = SerialExecutor("attunet-guide", QtDelivery())
        self._evidence: Evidence | None = None
        self._found: Found | None = None
        self._changed_slices: set[int] = set()
        self._earlier: dict[int, Plane] = {}
        self._searching = False
        self.state = ReviewState()
        self.current = ""
        self._look = ResponsiveTimer(LOOK_S, self)
        self._look.timeout.connect(self._looked)
        self.window_shown: Callable[[], bool] = lambda: True
        self._shown_at_first = False
        correcting.mask_changed.connect(self._mask_changed)
        layers.sight_changed.connect(self._look_anew)

    # The case

    def begin(self, case: Case, draft: Draft | None = None) -> None:
        """Begin the review of the mask of `case` and search for places.

        Args:
            case: the case on screen.
            draft: what the network says of it; None searches in CT and mask alone.
        """
        # A search of the last case may still run; its result must not arrive.
        self._executor.cancel_all()
        self._found, self._evidence, self._searching = None, None, False
        self._changed_slices.clear()
        self._earlier = {}
        self.current = ""
        self._layers.hide_place()
        work = self._correcting.work
        self.state = ReviewState() if work is None else _resumed(work)
        self._executor.submit(partial(_evidence_of, case, draft), self._evidence_made)
        self._look_anew()
        self.changed.emit()

    def look_again(self, case: Case, draft: Draft, corrected: Iterable[int] = ()) -> None:
        """Search again with the network's output for `case`; what was seen and closed stays so.

        Args:
            case: whose mask is on screen.
            draft: the network's output.
            corrected: slices that somebody corrected in an earlier session, whose strokes are not in this
                journal. Where their mask differs from the draft, that counts as decided and is not called
                doubtful.
        """
        if case.found is not None:
            began = case.found.mask
            self._earlier = {z: (began[z] != 0) != (draft.mask[z] != 0) for z in corrected}
        self._executor.cancel_all()
        self._searching = False
        self._executor.submit(partial(_evidence_of, case, draft), self._evidence_renewed)

    def _evidence_renewed(self, evidence: Evidence) -> None:
        self._found = None
        self._evidence_made(evidence)
        self.changed.emit()

    def end(self) -> None:
        """Stop searching for good."""
        self._layers.sight_changed.disconnect(self._look_anew)
        self._look.stop()
        self._executor.close()

    def _evidence_made(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._search()

    # Searching

    def _search(self) -> None:
        """Search for places in the background, in the slices that changed since the last search."""
        mask = self._layers.mask
        if mask is None or self._evidence is None or self._searching:
            return
        changed = None if self._found is None else frozenset(self._changed_slices)
        self._changed_slices.clear()
        self._searching = True
        decisions = self._decisions(range(len(mask)) if changed is None else changed)
        search = partial(find_places, mask, self._evidence, self._found, changed, decisions)
        self._executor.submit(search, self._places_found)

    def _decisions(self, slices: Iterable[int]) -> Decisions:
        work = self._correcting.work
        if work is None:
            return Decisions()
        strokes = work.decided(slices := frozenset(slices))
        for z in slices & self._earlier.keys():
            strokes[z] = strokes[z] | self._earlier[z] if z in strokes else self._earlier[z]
        return Decisions(strokes, work.verified)

    def _places_found(self, found: Found) -> None:
        self._searching = False
        self._found = found
        self.changed.emit()
        # Slices were changed while the search ran, so its result is out of date for them.
        if self._changed_slices:
            self._search()

    def _mask_changed(self, stroke: Stroke, placed: bool) -> None:
        """Update seen slices, places and verifications after a change of the mask, and search again."""
        self._changed_slices |= set(stroke.edit.slices)
        # A draft closes no place; only an edit of the annotator does.
        closable, decided_before = () if placed else self.places, self.state.decided
        self.state = after_edit(self.state, closable, stroke.edit, self._slice_judged(stroke.edit.box))
        self._look_anew()
        self._forget_reopened(decided_before)
        work = self._correcting.work
        self.state = replace(self.state, edited=_edited(work))
        if work is not None:
            self.state = with_verified(self.state, work.verified)
        # The change has closed the selected place, so its ring goes.
        if all(place.key != self.current for place in self.places):
            self.current = ""
            self._layers.hide_place()
        self._search()
        self.changed.emit()

    def _forget_reopened(self, before: tuple[DecidedBox, ...]) -> None:
        """Remove accepted places that have changed since from the journal, or a restart closes them."""
        work = self._correcting.work
        for gone in before:
            if work is not None and gone not in self.state.decided:
                work.reconsider(gone.key, key_of_decision(gone))

    # What is known

    @property
    def known(self) -> bool:
        """Whether the mask has been searched since it was opened or drafted."""
        return self._found is not None

    @property
    def places(self) -> tuple[Place, ...]:
        """The open places to check, most important first."""
        return () if self._found is None else open_places(self._found.places, self.state)

    @property
    def strip(self) -> Strip | None:
        """The values of the strip; None until the mask has been searched."""
        if self._found is None or self._evidence is None:
            return None
        return make_strip(self._found.carried, self._evidence, self.state, self.places)

    @property
    def unseen(self) -> tuple[int, ...]:
        """Indices of slices with mask that were neither seen nor verified, ascending."""
        if self._found is None:
            return ()
        return tuple(sorted(self._found.carried.slices - self.state.seen - self.state.verified))

    @property
    def has_mask(self) -> bool:
        """Whether any slice has mask, as of the last search."""
        return self._found is not None and bool(self._found.carried.slices)

    @property
    def looked_at(self) -> frozenset[int]:
        """Indices of slices that were seen, verified or drawn in."""
        work = self._correcting.work
        drawn_in: frozenset[int] = frozenset() if work is None else work.drawn_in
        return self.state.seen | self.state.verified | drawn_in

    @property
    def reviewed(self) -> bool:
        """Whether no place is open and every slice with mask was seen."""
        found = self._found
        if found is None or not found.carried.slices or self._session.looking:
            return False
        return is_reviewed(found.places, found.carried.slices, self.state)

    @property
    def summary(self) -> str:
        """How far the review is, as a sentence for the annotator."""
        if self._session.case is None:
            return "Open a CT first."
        if self._found is None or (self._session.looking and not self.places):
            return "Looking for doubtful places…"
        places, unseen = len(self.places), len(self.unseen)
        if not (places or self._found.carried.slices):
            return "There is no mask yet: draft or draw one."
        if places:
            return f"{counted(places, 'place')} to check"
        if unseen:
            looked = (
                f"{counted(unseen, 'slice')} with mask {noun_of(unseen, 'was', 'were')} not looked at yet."
            )
            return f"No doubtful place is left. {looked}"
        return "Reviewed: no place is open, every slice with mask was seen."

    # What the person does

    def next_place(self) -> None:
        """Go to the next open place, or say how far the review is if there is none."""
        place = next_place(self.places, self.current)
        if place is None:
            self._session.say(self.summary)
        else:
            self.go_to(place.key)

    def go_to(self, key: str) -> None:
        """Go to the open place with the key `key`: set slice and zoom, draw the ring, say the reason."""
        place = next((place for place in self.places if place.key == key), None)
        if place is None:
            return
        self.current = key
        self._layers.show_place(place.box, place.slice)
        self._session.say(place.reason)
        self.changed.emit()

    def accept_place(self) -> None:
        """Close the selected place as right, and go to the next."""
        place = next((place for place in self.places if place.key == self.current), None)
        if place is None:
            self._session.say("There is no place in hand; N goes to the next one.")
            return
        self.state = accept(self.state, place)
        if self._correcting.work is not None:
            self._correcting.work.accept(place.key, key_of_decision(decided(place)))
        self.current = ""
        self._layers.hide_place()
        if self.places:
            self.next_place()
        else:
            self._session.say(self.summary)
            self.changed.emit()

    def verify_slice(self) -> None:
        """Verify the slice on screen, which locks it, or take that back.

        A slice can be verified only after it was seen: an axial view with the mask in sight, for half a
        second.
        """
        work, index = self._correcting.work, self._layers.slice
        if work is None:
            return
        # Taking a verification back needs no view of the slice.
        hindrance = "" if index in work.verified else self._why_not_verified()
        if hindrance:
            self._session.say(f"Slice {index + 1} is not verified: {hindrance}.")
            return
        verified = work.verified ^ {index}
        work.verify(verified)
        self.state = with_verified(self.state, verified)
        self._look_again_in((index,))
        locked = "verified: no tool and no draft changes it" if index in verified else "no longer verified"
        self._session.say(f"Slice {index + 1} is {locked}.")
        self._correcting.state_changed.emit()
        self.changed.emit()

    def _look_again_in(self, slices: Iterable[int]) -> None:
        """Search in `slices` again: what is decided in them has changed, though not their mask."""
        self._changed_slices |= set(slices)
        self._search()

    def _why_not_verified(self) -> str:
        """Return why the slice on screen cannot be verified; "" if it can."""
        sight = self._sight()
        hindrance = "no CT is open" if sight is None else why_not_seen(sight)
        if not hindrance and self._layers.slice not in self.state.seen:
            hindrance = f"it has not been on screen for {LOOK_S:g} s yet"
        return hindrance

    def next_unseen(self) -> None:
        """Go to the next slice with mask that was not seen, and to a view in which it can be seen."""
        here = self._layers.slice
        unseen = self.unseen
        if unseen:
            self._layers.go_to_slice(next((z for z in unseen if z > here), unseen[0]))
            sight = self._sight()
            if sight is not None and why_not_seen(sight):
                self._layers.straighten()

    # What was seen

    def _sight(self, box: Box | None = None) -> Sight | None:
        return self._layers.sight(self.window_shown(), box)

    def _slice_judged(self, box: Box) -> int:
        """Return the index of the slice in which a change within `box` was visible when it was made.

        -1 means that it was not visible in any slice.
        """
        sight = self._sight(box)
        return -1 if sight is None or why_not_seen(sight) else self._layers.slice

    def _look_anew(self) -> None:
        """Restart the timer for seen slices: what is on screen has changed."""
        self._shown_at_first = self.window_shown()
        self._look.start()

    def _looked(self) -> None:
        """Mark the slice on screen as seen if its mask was in sight for the whole time."""
        index, sight = self._layers.slice, self._sight()
        if self._session.case is None or sight is None or index in self.state.seen:
            return
        if why_not_seen(sight) or not self._shown_at_first:
            # No event tells that a window which was minimised is shown again, so the time begins anew.
            self._look_anew()
            return
        self.state = mark_seen(self.state, (index,))
        self.changed.emit()


def _evidence_of(case: Case, draft: Draft | None) -> Evidence:
    """Return the evidence for the search: CT and, if there is a draft, the network's output."""
    if draft is None:
        return make_evidence(case.volume)
    return make_evidence(case.volume, draft.prediction, draft.mask)


def _resumed(work: Work) -> ReviewState:
    """Return the review state as the journal has it: accepted places and verified slices."""
    closed, boxes = dict.fromkeys(work.accepted, inf), decided_boxes(work.accepted)
    return ReviewState(closed=closed, verified=work.verified, edited=_edited(work), decided=boxes)


def _edited(work: Work | None) -> frozenset[int]:
    """Return indices of slices that hold changes by hand or tool which were not undone or drafted over."""
    if work is None:
        return frozenset()
    by_tools = (stroke for stroke in since_draft(work.history.done) if not stroke.by_hand)
    return frozenset(work.locks.hand).union(*(stroke.edit.changed_slices for stroke in by_tools))

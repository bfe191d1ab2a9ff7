"""The progress of a review: what is closed, seen and verified. Every function returns a new value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.review.annotator_decisions import REOPENING_FACTOR, AcceptedFinding, accepted_finding
from attunet_gui.review.findings import MOST_OPEN_FINDINGS, Finding
from attunet_gui.system.plurals import counted


@dataclass(frozen=True)
class ReviewState:
    """The progress of the review of a case.

    Attributes:
        closed: key of a place that was accepted or edited -> its score at that time.
        seen: indices of the slices that the annotator has seen as they are now.
        verified: indices of the slices that the annotator verified.
        edited: indices of the slices that the annotator changed.
        decided: accepted places in whose boxes the mask has not changed since.
    """

    closed: Mapping[str, float] = field(default_factory=dict)
    seen: frozenset[int] = frozenset()
    verified: frozenset[int] = frozenset()
    edited: frozenset[int] = frozenset()
    decided: tuple[AcceptedFinding, ...] = ()


def accept_finding(state: ReviewState, place: Finding) -> ReviewState:
    """Return the state after the annotator accepted `place`: the mask is right there."""
    closed = _close_findings(state.closed, (place,))
    return replace(state, closed=closed, decided=(*state.decided, accepted_finding(place)))


def after_edit(state: ReviewState, places: Iterable[Finding], edit: MaskEdit, on_screen: int) -> ReviewState:
    """Return the state after an edit of the mask.

    The edit closes the places in whose boxes it changes a voxel. The slices that it changes are no longer
    seen, except the one on screen. An accepted place was accepted as it was: if the edit changes a voxel in
    its box, the place may come back.

    Args:
        state: the state before the edit.
        places: the open places.
        edit: an edit of the mask, by hand or by a tool.
        on_screen: index of the slice that is shown.
    """
    touched = [place for place in places if edit.changes_within(place.box)]
    unseen = edit.changed_slices - {on_screen}
    reopened = {each.key for each in state.decided if edit.changes_within(each.box)}
    closed = {key: score for key, score in state.closed.items() if key not in reopened}
    return replace(
        state,
        closed=_close_findings(closed, touched),
        seen=state.seen - unseen,
        decided=tuple(each for each in state.decided if each.key not in reopened),
    )


def mark_seen(state: ReviewState, slices: Iterable[int]) -> ReviewState:
    """Return the state with `slices` added to those that were seen."""
    return replace(state, seen=state.seen | frozenset(slices))


def with_verified(state: ReviewState, slices: frozenset[int]) -> ReviewState:
    """Return the state in which `slices`, and no others, are verified."""
    return replace(state, verified=slices)


def open_findings(places: Iterable[Finding], state: ReviewState) -> tuple[Finding, ...]:
    """Return the first `MOST_OPEN_FINDINGS` of `places` that are not closed, in their order.

    A closed place opens again when its score has become `REOPENING_FACTOR` times as high. A place whose
    slices are all verified is closed.
    """
    return tuple(place for place in places if not _is_closed(place, state))[:MOST_OPEN_FINDINGS]


def is_reviewed(places: Iterable[Finding], mask_slices: Collection[int], state: ReviewState) -> bool:
    """Return whether the review is complete.

    Args:
        places: all places of the mask.
        mask_slices: indices of the slices with mask; each must be seen or verified.
        state: the state of the review.
    """
    return not open_findings(places, state) and not set(mask_slices) - state.seen - state.verified


def unreviewed_text(unseen: int, open_places: int) -> str:
    """Return what is left to review, such as "3 slices with mask not looked at, 1 place to check open".

    Args:
        unseen: number of slices with mask that were not seen.
        open_places: number of open places.

    Returns:
        The text without a full stop; "" if nothing is left.
    """
    parts = [f"{counted(unseen, 'slice')} with mask not looked at"] * (unseen > 0)
    parts += [f"{counted(open_places, 'place')} to check open"] * (open_places > 0)
    return ", ".join(parts)


def next_finding(places: Sequence[Finding], after: str | None = None) -> Finding | None:
    """Return the place that follows the one with the key `after`.

    After the last place the first one follows. The first one is also returned if the key is not in the list,
    as after closing a place. Returns None if there are no places.
    """
    if not places:
        return None
    here = next((at for at, place in enumerate(places) if after in place.all_keys), -1)
    return places[(here + 1) % len(places)]


def _close_findings(closed: Mapping[str, float], places: Iterable[Finding]) -> dict[str, float]:
    return dict(closed) | {key: place.score for place in places for key in place.all_keys}


def _is_closed(place: Finding, state: ReviewState) -> bool:
    if state.verified.issuperset(range(place.box[0].start, place.box[0].stop)):
        return True
    if any(each.covers_finding(place) for each in state.decided):
        return True
    score = state.closed.get(place.key)
    return score is not None and place.score < REOPENING_FACTOR * score

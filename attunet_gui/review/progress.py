"""What a person has closed, seen and verified of a case; every function gives a new value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from attunet_gui.core.counting import counted
from attunet_gui.core.edit import Edit
from attunet_gui.review.decisions import GROWN, DecidedBox, decided
from attunet_gui.review.places import MOST, Place


@dataclass(frozen=True)
class ReviewState:
    """How far the review of a case has come.

    Attributes:
        closed: key of a place that was accepted or edited -> its score at that time.
        seen: slices that were on screen, as they are now; the window decides for how long.
        verified: slices a person has declared right.
        edited: slices in which a person changed something.
        decided: places that were accepted, while the mask in them stays as it was.
    """

    closed: Mapping[str, float] = field(default_factory=dict)
    seen: frozenset[int] = frozenset()
    verified: frozenset[int] = frozenset()
    edited: frozenset[int] = frozenset()
    decided: tuple[DecidedBox, ...] = ()


def accept(state: ReviewState, place: Place) -> ReviewState:
    """`place` is right as it is."""
    closed = _with(state.closed, (place,))
    return replace(state, closed=closed, decided=(*state.decided, decided(place)))


def after_edit(state: ReviewState, places: Iterable[Place], edit: Edit, on_screen: int) -> ReviewState:
    """`edit` closes those of `places` in which it changes a voxel; what it changed off screen was not seen.

    A place that was accepted was accepted as it was: where `edit` changes a voxel of it, it may come back.

    Args:
        state: before it.
        places: that are open.
        edit: of the mask, by hand or by a tool.
        on_screen: the slice that is shown.
    """
    touched = [place for place in places if edit.reaches(place.box)]
    unseen = edit.changed_slices - {on_screen}
    reopened = {each.key for each in state.decided if edit.reaches(each.box)}
    closed = {key: score for key, score in state.closed.items() if key not in reopened}
    return replace(
        state,
        closed=_with(closed, touched),
        seen=state.seen - unseen,
        decided=tuple(each for each in state.decided if each.key not in reopened),
    )


def mark_seen(state: ReviewState, slices: Iterable[int]) -> ReviewState:
    """`slices` were on screen."""
    return replace(state, seen=state.seen | frozenset(slices))


def with_verified(state: ReviewState, slices: frozenset[int]) -> ReviewState:
    """`slices`, and no others, are declared right."""
    return replace(state, verified=slices)


def open_places(places: Iterable[Place], state: ReviewState) -> tuple[Place, ...]:
    """The first `MOST` of `places` that a person has still to look at, in their order.

    A closed one comes back when it has become much worse; in a verified slice nothing is open.
    """
    return tuple(place for place in places if not _is_closed(place, state))[:MOST]


def is_reviewed(places: Iterable[Place], mask_slices: Collection[int], state: ReviewState) -> bool:
    """Whether no place is open and every slice of `mask_slices`, those with mask, was seen or verified."""
    return not open_places(places, state) and not set(mask_slices) - state.seen - state.verified


def left_words(unseen: int, open_places: int) -> str:
    """What a person has not looked at, such as "3 slices with mask not looked at, 1 place to check open".

    Args:
        unseen: slices with mask that were not on screen.
        open_places: places to check that are open.

    Returns:
        the words without a full stop; "" if nothing is left.
    """
    parts = [f"{counted(unseen, 'slice')} with mask not looked at"] * (unseen > 0)
    parts += [f"{counted(open_places, 'place')} to check open"] * (open_places > 0)
    return ", ".join(parts)


def next_place(places: Sequence[Place], after: str | None = None) -> Place | None:
    """The place behind the one with the key `after`, the first after the last; None if there is none.

    With a key that is not in the list, because it was closed, the first.
    """
    if not places:
        return None
    here = next((at for at, place in enumerate(places) if after in place.keys), -1)
    return places[(here + 1) % len(places)]


def _with(closed: Mapping[str, float], places: Iterable[Place]) -> dict[str, float]:
    return dict(closed) | {key: place.score for place in places for key in place.keys}


def _is_closed(place: Place, state: ReviewState) -> bool:
    if state.verified.issuperset(range(place.box[0].start, place.box[0].stop)):
        return True
    if any(each.covers(place) for each in state.decided):
        return True
    score = state.closed.get(place.key)
    return score is not None and place.score < GROWN * score

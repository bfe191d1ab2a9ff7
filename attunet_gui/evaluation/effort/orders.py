"""In which order slices are looked at: generators that yield a slice and are sent the desk after it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise

import numpy as np

from attunet_gui.evaluation.effort.desk import Desk
from attunet_gui.review.evidence import Evidence
from attunet_gui.review.places import Place
from attunet_gui.review.progress import ReviewState, open_places, with_verified
from attunet_gui.review.search import Found, find_places
from attunet_gui.review.strip import make_strip

Path = Generator[int, Desk, None]
Order = Callable[[Desk], Path]


def feet_to_head(desk: Desk) -> Path:
    """Every slice in which there is mask or gland."""
    for z in _concerned(desk):
        desk = yield z


def bisecting(desk: Desk) -> Path:
    """First and last slice of the gland, then always the middle of the widest gap."""
    extent = desk.task.extent
    ends = sorted({extent.start, extent.stop - 1}) if extent else []
    for z in tuple(ends):
        desk = yield z
    while True:
        gap = max(pairwise(sorted(ends)), key=lambda pair: (pair[1] - pair[0], -pair[0]), default=(0, 0))
        if gap[1] - gap[0] < 2:
            return
        middle = (gap[0] + gap[1]) // 2
        ends.append(middle)
        desk = yield middle


def most_wrong_first(desk: Desk) -> Path:
    """The slice in which most is wrong, as only the truth can tell: no list can do better slice by slice."""
    while True:
        wrong = np.count_nonzero(desk.mask != desk.task.truth, axis=(1, 2))
        wrong[list(desk.decided)] = 0
        if not wrong.any():
            return
        desk = yield int(np.argmax(wrong))


def by_fix_list(desk: Desk) -> Path:
    """The worst open place; when the list is empty, the slice the strip shows as most uncertain.

    At a place she goes to its slice, or, where that is decided, to the nearest one of it that is not. The
    list is searched again after each slice. A place of which every slice is decided is closed.
    """
    evidence = desk.task.evidence
    found = find_places(desk.mask, evidence)
    while True:
        state = with_verified(ReviewState(), frozenset(desk.decided))
        z = _of_places(open_places(found.places, state), state)
        if z is None:
            z = _most_uncertain(found, evidence, state)
        if z is None:
            return
        before = desk
        desk = yield z
        changed = np.flatnonzero((before.mask != desk.mask).any(axis=(1, 2)))
        found = find_places(desk.mask, evidence, found, changed.tolist())


def _of_places(places: tuple[Place, ...], state: ReviewState) -> int | None:
    for place in places:
        left = sorted(set(range(place.box[0].start, place.box[0].stop)) - state.verified)
        if left:
            return min(left, key=lambda z: (abs(z - place.slice), z))
    return None


def _most_uncertain(found: Found, evidence: Evidence, state: ReviewState) -> int | None:
    uncertainty = make_strip(found.carried, evidence, state).uncertainty.copy()
    uncertainty[list(state.verified)] = 0
    return int(np.argmax(uncertainty)) if uncertainty.any() else None


def _concerned(desk: Desk) -> list[int]:
    either = (desk.mask != 0) | (desk.task.truth != 0)
    return [int(z) for z in np.flatnonzero(either.any(axis=(1, 2)))]

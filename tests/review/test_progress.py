from __future__ import annotations

from dataclasses import replace

import pytest

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
from tests.review.test_places import box, place

A, B = place("a", box(0)), place("b", box(9))


def test_an_accepted_place_is_closed() -> None:
    assert open_places((A, B), accept(ReviewState(), A)) == (B,)


def test_what_was_merged_into_an_accepted_place_is_closed_with_it() -> None:
    state = accept(ReviewState(), replace(A, also=("b",)))

    assert open_places((B,), state) == ()


def test_an_edit_closes_what_it_touches_and_nothing_else() -> None:
    state = after_edit(ReviewState(), (A, B), (slice(1, 2), slice(9, 30), slice(9, 30)))

    assert open_places((A, B), state) == (B,)
    assert state.edited == {1}


def test_an_edit_beside_a_place_closes_nothing() -> None:
    state = after_edit(ReviewState(), (A, B), (slice(1, 2), slice(10, 30), slice(9, 30)))

    assert open_places((A, B), state) == (A, B)


@pytest.mark.parametrize(("score", "is_open"), [(1.9, False), (2.0, True)])
def test_a_closed_place_opens_when_it_is_twice_as_wrong(score: float, is_open: bool) -> None:
    assert bool(open_places((replace(A, score=score),), accept(ReviewState(), A))) == is_open


def test_nothing_is_open_where_all_slices_are_verified() -> None:
    assert open_places((A,), with_verified(ReviewState(), frozenset({0, 1}))) == ()
    assert open_places((A,), with_verified(ReviewState(), frozenset({0}))) == (A,)


def test_a_case_is_reviewed_when_nothing_is_open_and_every_slice_with_mask_was_seen() -> None:
    closed = accept(ReviewState(), A)

    assert not is_reviewed((A,), {3, 4}, closed)
    assert not is_reviewed((A,), {3, 4}, mark_seen(ReviewState(), [3, 4]))
    assert is_reviewed((A,), {3, 4}, mark_seen(closed, [3, 4, 5]))
    assert is_reviewed((A,), {3, 4}, with_verified(mark_seen(closed, [3]), frozenset({4})))


def test_the_next_place_goes_round() -> None:
    assert next_place((A, B)) == A
    assert next_place((A, B), after="a") == B
    assert next_place((A, B), after="b") == A
    assert next_place((A, B), after="gone") == A
    assert next_place(()) is None

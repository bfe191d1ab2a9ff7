from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.review.findings import MOST_OPEN_FINDINGS
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
from tests.support.review_cases import finding_at, voxel_box

A, B = finding_at("a", voxel_box(0)), finding_at("b", voxel_box(9))


def test_an_accepted_place_is_closed() -> None:
    assert open_findings((A, B), accept_finding(ReviewState(), A)) == (B,)


def test_the_list_is_short_and_the_next_one_follows_when_one_is_closed() -> None:
    many = tuple(
        finding_at(f"{number:02}", voxel_box(3 * number)) for number in range(MOST_OPEN_FINDINGS + 2)
    )

    assert open_findings(many, ReviewState()) == many[:MOST_OPEN_FINDINGS]
    assert open_findings(many, accept_finding(ReviewState(), many[1])) == (
        many[0],
        *many[2 : MOST_OPEN_FINDINGS + 1],
    )


def test_what_was_merged_into_an_accepted_place_is_closed_with_it() -> None:
    state = accept_finding(ReviewState(), replace(A, also=("b",)))

    assert open_findings((B,), state) == ()


def _edit(*boxes: tuple[slice, slice, slice]) -> MaskEdit:
    """Sets the voxels of `boxes` in an empty mask."""
    after = np.zeros((12, 40, 40), np.uint8)
    for part in boxes:
        after[part] = 1
    return edit_between(0 * after, after)


def test_an_edit_closes_what_it_touches_and_nothing_else() -> None:
    state = after_edit(ReviewState(), (A, B), _edit((slice(1, 2), slice(9, 30), slice(9, 30))), 1)

    assert open_findings((A, B), state) == (B,)


def test_an_edit_beside_a_place_closes_nothing() -> None:
    state = after_edit(ReviewState(), (A, B), _edit((slice(1, 2), slice(10, 30), slice(9, 30))), 1)

    assert open_findings((A, B), state) == (A, B)


def test_an_edit_on_both_sides_of_a_place_closes_nothing() -> None:
    around = _edit(*[(slice(z, z + 1), slice(y, y + 1), slice(y, y + 1)) for z, y in ((5, 0), (11, 39))])

    assert open_findings((A, B), after_edit(ReviewState(), (A, B), around, 0)) == (A, B)


def test_what_an_edit_changes_off_screen_was_not_seen() -> None:
    seen = mark_seen(ReviewState(), range(9))
    ends = _edit((slice(1, 2), slice(0, 1), slice(0, 1)), (slice(4, 6), slice(3, 4), slice(3, 4)))

    assert after_edit(seen, (), ends, 4).seen == {0, 2, 3, 4, 6, 7, 8}


@pytest.mark.parametrize(("score", "is_open"), [(1.9, False), (2.0, True)])
def test_a_closed_place_opens_when_it_is_twice_as_wrong(score: float, is_open: bool) -> None:
    assert bool(open_findings((replace(A, score=score),), accept_finding(ReviewState(), A))) == is_open


def test_nothing_is_open_where_all_slices_are_verified() -> None:
    assert open_findings((A,), with_verified(ReviewState(), frozenset({0, 1}))) == ()
    assert open_findings((A,), with_verified(ReviewState(), frozenset({0}))) == (A,)


def test_a_case_is_reviewed_when_nothing_is_open_and_every_slice_with_mask_was_seen() -> None:
    closed = accept_finding(ReviewState(), A)

    assert not is_reviewed((A,), {3, 4}, closed)
    assert not is_reviewed((A,), {3, 4}, mark_seen(ReviewState(), [3, 4]))
    assert is_reviewed((A,), {3, 4}, mark_seen(closed, [3, 4, 5]))
    assert is_reviewed((A,), {3, 4}, with_verified(mark_seen(closed, [3]), frozenset({4})))


def test_the_next_place_goes_round() -> None:
    assert next_finding((A, B)) == A
    assert next_finding((A, B), after="a") == B
    assert next_finding((A, B), after="b") == A
    assert next_finding((A, B), after="gone") == A
    assert next_finding(()) is None

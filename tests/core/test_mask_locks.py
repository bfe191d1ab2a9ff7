from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attunet_gui.core.mask_edit import NO_EDIT, edit_between
from attunet_gui.core.mask_locks import MaskLocks

SHAPE = (3, 4, 5)
MASK = arrays(np.uint8, SHAPE, elements=st.integers(0, 1))


@given(MASK, MASK, MASK, st.frozensets(st.integers(0, 2)))
def test_an_edit_is_divided_exactly_along_what_is_locked(
    before: np.ndarray, drawn: np.ndarray, after: np.ndarray, verified: frozenset[int]
) -> None:
    by_hand = edit_between(before, drawn)
    locks = MaskLocks().with_hand_drawn(by_hand, SHAPE[1:]).with_verified(verified)
    wanted = edit_between(drawn, after)

    free, held = locks.split_by_locks(wanted, drawn)

    locked = before != drawn
    locked[list(verified)] = True
    result = drawn.copy()
    free.apply_to(result)
    np.testing.assert_array_equal(result, np.where(locked, drawn, after))
    held.apply_to(result)
    np.testing.assert_array_equal(result, after)
    assert (free.added + held.added, free.removed + held.removed) == (wanted.added, wanted.removed)


def test_nothing_is_locked_in_the_beginning() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    edit = edit_between(mask, mask + 1)

    assert MaskLocks().split_by_locks(edit, mask) == (edit, NO_EDIT)
    assert not MaskLocks().locked_slices


def test_what_was_drawn_stays_locked_under_later_strokes() -> None:
    empty, first, second = (np.zeros(SHAPE, np.uint8) for _ in range(3))
    first[1, 2, 2] = second[1, 2, 2] = second[1, 0, 0] = 1
    locks = MaskLocks().with_hand_drawn(edit_between(empty, first), SHAPE[1:])
    locks = locks.with_hand_drawn(edit_between(first, second), SHAPE[1:])

    assert np.argwhere(locks.locked_plane(1, SHAPE[1:])).tolist() == [[0, 0], [2, 2]]
    assert locks.locked_slices == {1}

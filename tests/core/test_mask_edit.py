from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attunet_gui.core.mask_edit import NO_EDIT, edit_between

MASKS = st.tuples(*[st.integers(1, 6)] * 3).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 1))] * 2)
)


@given(MASKS)
def test_an_edit_leads_there_and_back(masks: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = masks
    edit = edit_between(before, after)
    mask = before.copy()

    edit.apply_to(mask)
    np.testing.assert_array_equal(mask, after)
    edit.apply_to(mask)
    np.testing.assert_array_equal(mask, before)


@given(MASKS)
def test_an_edit_says_what_it_adds_and_takes(masks: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = masks
    edit = edit_between(before, after)

    assert edit.added == np.count_nonzero((after == 1) & (before == 0))
    assert edit.removed == np.count_nonzero((after == 0) & (before == 1))
    assert edit.changed_voxels == edit.flipped_voxels().sum() == np.count_nonzero(before != after)
    assert (edit.reversed_edit().added, edit.reversed_edit().removed) == (edit.removed, edit.added)


@given(MASKS)
def test_an_edit_of_a_box_knows_where_the_box_lies(masks: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = masks
    whole = np.zeros(tuple(n + 4 for n in before.shape), np.uint8)
    box = tuple(slice(k, k + n) for k, n in zip((1, 2, 3), before.shape, strict=True))
    whole[box] = before

    edit_between(before, after, start=(1, 2, 3)).apply_to(whole)

    np.testing.assert_array_equal(whole[box], after)
    assert whole.sum() == after.sum()


def test_equal_masks_differ_by_nothing() -> None:
    mask = np.ones((2, 3, 4), np.uint8)

    assert edit_between(mask, mask) == NO_EDIT
    NO_EDIT.apply_to(mask)
    assert mask.all()


def test_the_box_is_as_small_as_the_change() -> None:
    before = np.zeros((5, 6, 7), np.uint8)
    after = before.copy()
    after[3, 2:4, 5] = 1

    edit = edit_between(before, after)

    assert (edit.start, edit.shape) == ((3, 2, 5), (1, 2, 1))
    assert list(edit.box_slices) == [3]

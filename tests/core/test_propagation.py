"""What a proposal would change, and what it may not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import NO_EDIT, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.propagation import PropagationResult, edit_amount, propagation_edits
from attunet_gui.core.provenance import ModelId

SHAPE = (4, 5, 6)
MASKS = arrays(np.uint8, SHAPE, elements=st.integers(0, 1))


def proposed(mask: NDArray[np.uint8], kept: bool = True) -> PropagationResult:
    return PropagationResult(mask, (1,), (0, 2), kept, "Because.", ModelId("m", "0" * 64, "keras"))


@given(MASKS, MASKS, st.sets(st.integers(0, 3)), MASKS)
def test_what_is_allowed_and_what_conflicts_make_up_the_whole_change(
    mask: NDArray[np.uint8], wanted: NDArray[np.uint8], verified: set[int], drawn: NDArray[np.uint8]
) -> None:
    hand = edit_between(np.zeros(SHAPE, np.uint8), drawn)
    locks = MaskLocks().with_hand_drawn(hand, SHAPE[1:]).with_verified(frozenset(verified))
    allowed, conflicts = propagation_edits(proposed(wanted), mask, locks)
    after = mask.copy()
    allowed.apply_to(after)
    locked = np.stack([locks.locked_plane(z, SHAPE[1:]) for z in range(SHAPE[0])])
    assert np.array_equal(after[locked], mask[locked])
    assert np.array_equal(after[~locked], wanted[~locked])
    conflicts.apply_to(after)
    assert np.array_equal(after, wanted)


@given(MASKS, MASKS, st.permutations(range(4)))
def test_accepted_slice_by_slice_in_any_order_it_is_what_was_proposed(
    mask: NDArray[np.uint8], wanted: NDArray[np.uint8], order: list[int]
) -> None:
    after = mask.copy()
    for z in order:
        allowed, conflicts = propagation_edits(proposed(wanted), after, MaskLocks(), only=z)
        assert conflicts == NO_EDIT
        assert set(allowed.box_slices) <= {z}
        allowed.apply_to(after)
        assert np.array_equal(after[z], wanted[z])
    assert np.array_equal(after, wanted)


def test_a_proposal_that_was_not_kept_changes_nothing() -> None:
    mask, wanted = np.zeros(SHAPE, np.uint8), np.ones(SHAPE, np.uint8)
    assert propagation_edits(proposed(wanted, kept=False), mask, MaskLocks()) == (NO_EDIT, NO_EDIT)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        propagation_edits(proposed(np.zeros(SHAPE, np.uint8)), np.zeros((4, 5, 7), np.uint8), MaskLocks())


def test_the_amount_of_a_change_in_words() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3, :2] = 1
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[0, 0, :3] = wanted[1, 0, :4] = 1
    found = edit_amount(edit_between(mask, wanted), mask, voxel_ml=0.5)
    assert (found.added_ml, found.removed_ml) == (3.5, 6.0)
    assert str(found) == "adds 3.5 ml in 2 slices, takes 6.0 ml in 1 slice"
    assert str(edit_amount(NO_EDIT, mask, 0.5)) == "changes nothing"

"""What was there before a person corrected it, from strokes alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.core.edit_stroke import DRAFT_TOOL, NEIGHBOURS_TOOL, PROPAGATION_TOOL, EditStroke
from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.pre_edit_mask import (
    is_outline_propagation,
    is_seen_correction,
    mask_before_corrections,
    plane_before_strokes,
)

SHAPE = (5, 6, 7)


def stroke(edit: MaskEdit, tool: str, by_hand: bool = False) -> EditStroke:
    return EditStroke(edit, tool, tool, "Ada", 0.0, edit.start[0], by_hand)


def drawn(mask: np.ndarray, z: slice | int, tool: str, by_hand: bool = False, seed: int = 0) -> EditStroke:
    """Random voxels of `z` flipped in `mask`, in place."""
    wanted = mask.copy()
    wanted[z] ^= np.random.default_rng(seed).random(wanted[z].shape) < 0.5
    edit = edit_between(mask, wanted)
    edit.apply_to(mask)
    return stroke(edit, tool, by_hand)


def test_each_kind_of_stroke_is_known_for_what_it_is() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    brush, grow = drawn(mask, slice(1, 3), "brush", by_hand=True), drawn(mask, 2, "grow")
    everywhere, proposed = drawn(mask, slice(0, 5), "grow"), drawn(mask, 3, PROPAGATION_TOOL)
    carried, draft = drawn(mask, 1, NEIGHBOURS_TOOL), drawn(mask, 4, DRAFT_TOOL)
    kinds = [
        (is_seen_correction(one), is_outline_propagation(one))
        for one in (brush, grow, everywhere, proposed, carried, draft)
    ]
    assert kinds == [
        (True, False),
        (True, False),
        (False, False),
        (False, False),
        (False, True),
        (False, False),
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(["brush", "grow", NEIGHBOURS_TOOL, PROPAGATION_TOOL]), st.integers(0, 4)),
        max_size=8,
    )
)
def test_taking_strokes_out_leaves_what_the_others_made(told: list[tuple[str, int]]) -> None:
    mask, others = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    done = []
    for seed, (tool, z) in enumerate(told):
        done.append(drawn(mask, z, tool, by_hand=tool == "brush", seed=seed))
        if not is_seen_correction(done[-1]):
            done[-1].edit.apply_to(others)
    for z in range(SHAPE[0]):
        assert np.array_equal(plane_before_strokes(mask, z, done, is_seen_correction), others[z] != 0)
        assert np.array_equal(plane_before_strokes(mask, z, done), mask[z] != 0)


def test_what_was_done_before_a_draft_does_not_count() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    done = [drawn(mask, 1, "brush", by_hand=True), drawn(mask, slice(0, 5), DRAFT_TOOL, seed=1)]
    drafted = mask.copy()
    assert np.array_equal(plane_before_strokes(mask, 1, done, is_seen_correction), mask[1] != 0)
    done.append(drawn(mask, 2, "brush", by_hand=True, seed=2))
    assert np.array_equal(plane_before_strokes(mask, 2, done, is_seen_correction), drafted[2] != 0)


def test_corrections_begin_with_the_draft_and_what_made_it_better() -> None:
    draft = np.zeros(SHAPE, np.uint8)
    mask = draft.copy()
    done = [drawn(mask, 1, PROPAGATION_TOOL), drawn(mask, 2, NEIGHBOURS_TOOL, seed=1)]
    seen = mask.copy()
    done += [drawn(mask, z, "brush", by_hand=True, seed=z) for z in (1, 2, 3)]
    began = mask_before_corrections(mask, draft, (1, 2, 3, 4), done)
    assert np.array_equal(began[1:4], seen[1:4])
    assert not began[[0, 4]].any()
    unknown = mask_before_corrections(mask, draft, (1,), [])
    assert np.array_equal(unknown, draft), "of a slice that was locked before the draft only that is known"

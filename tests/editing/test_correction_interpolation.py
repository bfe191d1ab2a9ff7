"""Corrections of some slices, interpolated to all slices between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.core.edit_stroke import CORRECTION_INTERPOLATION_TOOL, EditStroke
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.pre_edit_mask import (
    is_outline_propagation,
    is_seen_correction,
    plane_before_strokes,
    slices_before_strokes,
)
from attunet_gui.editing.tools import ToolScene
from attunet_gui.editing.tools.correction_interpolation import (
    InterpolateCorrections,
    interpolation_disagreement,
    next_slice_to_correct,
)
from attunet_gui.editing.tools.slice_interpolation import (
    ClearBeyondTool,
    ClearSliceTool,
    InterpolateTool,
)
from attunet_gui.system.errors import AttunetError
from tests.support.tool_scenes import ellipsoid, masks, scene_of, scenes

TOOL = InterpolateCorrections()
STEPS_MM = (2.0, 1.0, 1.0)
TRUTH = ellipsoid((25, 70, 70), (12, 32, 32), (10, 14, 20))


def with_bumps(mask: np.ndarray) -> np.ndarray:
    """Each slice has a bump of its own, which no interpolation of other slices can know."""
    bumpy = mask.copy()
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        bumpy[z, 12 + 7 * (z % 4) : 19 + 7 * (z % 4), 50:58] = 1
    return bumpy


def corrected(scene: ToolScene, truth: np.ndarray, *slices: int) -> ToolScene:
    """After a hand has made some slices right, one after the other."""
    for z in slices:
        wanted = scene.mask.copy()
        wanted[z] = truth[z]
        edit = edit_between(scene.mask, wanted)
        stroke = EditStroke(edit, "brush", "brush", "Ada", 0.0, z, by_hand=True)
        locks = scene.locks.with_hand_drawn(edit, scene.plane_shape)
        scene = replace(scene, mask=wanted, slice=z, locks=locks, strokes=(*scene.strokes, stroke))
    return scene


def interpolated(scene: ToolScene) -> ToolScene:
    edit = TOOL.compute_edit(scene)
    mask = scene.mask.copy()
    edit.apply_to(mask)
    stroke = EditStroke(edit, CORRECTION_INTERPOLATION_TOOL, TOOL.action_text, "Ada", 0.0, scene.slice)
    return replace(scene, mask=mask, strokes=(*scene.strokes, stroke))


def draft_with_a_false_loop(truth: np.ndarray) -> ToolScene:
    mask = truth.copy()
    mask[:, 2:12, 2:12] = 1
    return scene_of(mask, 12, STEPS_MM)


def test_between_two_slices_a_false_piece_goes_and_what_the_draft_had_right_stays() -> None:
    truth = with_bumps(TRUTH)
    scene = corrected(draft_with_a_false_loop(truth), truth, 6, 14)
    after = interpolated(scene)
    plain = scene.mask.copy()
    InterpolateTool(60.0, everywhere=True).compute_edit(scene).apply_to(plain)
    between = slice(7, 14)
    assert not after.mask[between, 2:12, 2:12].any()
    assert dice_coefficient(after.mask[between], truth[between]) > 0.97
    assert dice_coefficient(after.mask[between], truth[between]) > dice_coefficient(
        plain[between], truth[between]
    )


def test_far_apart_only_the_draft_with_its_corrections_counts() -> None:
    truth = with_bumps(TRUTH)
    scene = replace(draft_with_a_false_loop(truth), spacing_mm=(10.0, 1.0, 1.0))
    after = interpolated(corrected(scene, truth, 6, 14))
    assert np.array_equal(after.mask[7:14], truth[7:14])


def test_beyond_the_last_corrected_slice_the_correction_fades() -> None:
    scene = corrected(draft_with_a_false_loop(TRUTH), TRUTH, 10, 12)
    after = interpolated(scene)
    left = [int(np.count_nonzero(after.mask[z, 2:12, 2:12])) for z in range(13, 18)]
    assert left[0] == 0
    assert left == sorted(left)
    assert left[-1] == 100, "8 mm away and farther nothing changes"


def test_nothing_comes_back_beyond_the_end_of_the_gland() -> None:
    scene = corrected(draft_with_a_false_loop(TRUTH), TRUTH, 6, 18)
    edit = ClearBeyondTool("above").compute_edit(scene)
    mask = scene.mask.copy()
    edit.apply_to(mask)
    ended = EditStroke(edit, "nothing-above", "nothing above", "Ada", 0.0, 18)
    after = interpolated(replace(scene, mask=mask, strokes=(*scene.strokes, ended)))
    assert not after.mask[19:].any()
    assert after.mask[:18].any()


def test_a_gap_between_slices_that_were_right_stays() -> None:
    scene = corrected(draft_with_a_false_loop(TRUTH), TRUTH, 12)
    scene = replace(scene, locks=replace(scene.locks, verified=frozenset({3, 6})))
    after = interpolated(scene)
    assert np.array_equal(after.mask[3:7], scene.mask[3:7])
    assert not np.array_equal(after.mask[7:12], scene.mask[7:12])


def test_the_slices_where_both_guesses_differ_are_named() -> None:
    truth = with_bumps(TRUTH)
    scene = draft_with_a_false_loop(truth)
    scene.mask[10, 20:44, 20:44] = 0
    unknown = interpolation_disagreement(corrected(scene, truth, 6, 14))
    assert set(unknown) == set(range(7, 14))
    assert max(unknown, key=lambda z: unknown[z]) == 10
    assert interpolation_disagreement(corrected(scene, truth, 6)) == {}


def test_the_next_slice_halves_what_is_unknown() -> None:
    truth = with_bumps(TRUTH)
    scene = draft_with_a_false_loop(truth)
    scene.mask[10, 20:44, 20:44] = 0
    assert next_slice_to_correct(corrected(scene, truth, 6, 14)) == 10
    ends = replace(scene, locks=MaskLocks(verified=frozenset({2, 20, 24})))
    assert next_slice_to_correct(ends) == 11, "the middle of the widest gap where nothing is known"
    for verified in (frozenset(), frozenset({3}), frozenset({3, 4})):
        with pytest.raises(AttunetError, match="first and the last slice"):
            next_slice_to_correct(replace(scene, locks=MaskLocks(verified=verified)))


@pytest.mark.parametrize("verified", [frozenset(), frozenset({4, 8})])
def test_it_says_that_nothing_was_corrected(verified: frozenset[int]) -> None:
    with pytest.raises(AttunetError, match="Nothing was corrected since the draft"):
        TOOL.compute_edit(scene_of(TRUTH, 10, STEPS_MM, MaskLocks(verified=verified)))


def test_ends_and_slices_are_emptied() -> None:
    scene = scene_of(TRUTH, 12, STEPS_MM)
    for tool, kept in (
        (ClearBeyondTool("above"), slice(0, 13)),
        (ClearBeyondTool("below"), slice(12, 25)),
    ):
        mask, wanted = TRUTH.copy(), np.zeros_like(TRUTH)
        tool.compute_edit(scene).apply_to(mask)
        wanted[kept] = TRUTH[kept]
        assert np.array_equal(mask, wanted)
    here = TRUTH.copy()
    ClearSliceTool().compute_edit(scene).apply_to(here)
    assert set(np.flatnonzero((here != TRUTH).any(axis=(1, 2)))) == {12}
    assert not here[12].any()
    with pytest.raises(AttunetError, match="No slice above this one has a mask"):
        ClearBeyondTool("above").compute_edit(replace(scene, slice=24))
    with pytest.raises(AttunetError, match="no mask on this slice"):
        ClearSliceTool().compute_edit(replace(scene, slice=0))


@settings(max_examples=40, deadline=None)
@given(masks(), st.integers(0, 99), st.sampled_from([STEPS_MM, (5.0, 3.0, 1.5)]), st.data())
def test_twice_is_once_and_corrected_slices_stay(
    mask: np.ndarray, seed: int, spacing_mm: tuple[float, float, float], data: st.DataObject
) -> None:
    slices = data.draw(st.lists(st.integers(0, len(mask) - 1), min_size=1, max_size=3, unique=True))
    truth = (np.random.default_rng(seed).random(mask.shape) < 0.5).astype(np.uint8)
    scene = corrected(scene_of(mask, 0, spacing_mm), truth, *slices)
    if np.array_equal(scene.mask, mask):
        return
    after = interpolated(scene)
    kept = sorted(scene.locks.locked_slices)
    assert kept
    assert np.array_equal(after.mask[kept], scene.mask[kept])
    assert TOOL.compute_edit(after).changed_voxels == 0


@settings(max_examples=40, deadline=None)
@given(scenes(), st.integers(0, 8), st.integers(0, 9))
def test_slices_at_once_are_as_one_by_one(scene: ToolScene, low: int, high: int) -> None:
    z = slice(min(low, len(scene.mask)), min(high, len(scene.mask)))
    kinds = (is_outline_propagation, is_seen_correction)
    at_once = slices_before_strokes(scene.mask, z, scene.strokes, *kinds)
    for at, plane in zip(range(z.start, z.stop), at_once, strict=False):
        assert np.array_equal(plane, plane_before_strokes(scene.mask, at, scene.strokes, *kinds))

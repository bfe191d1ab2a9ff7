"""The correction of a slice, carried to those around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.core.edit_stroke import NEIGHBOURS_TOOL, EditStroke
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.editing.tools import ToolScene
from attunet_gui.editing.tools.neighbour_outline_shift import PropagateToNeighbours
from attunet_gui.system.errors import AttunetError
from tests.support.tool_scenes import ellipsoid, masks, scene_of

TOOL = PropagateToNeighbours()
STEPS_MM = (2.0, 1.0, 1.0)
TRUTH = ellipsoid((21, 60, 60), (10, 30, 30), (9, 14, 20))


def corrected(mask: np.ndarray, z: int, plane: np.ndarray, scene: ToolScene | None = None) -> ToolScene:
    """`mask`, or that of `scene`, after a hand has made `plane` of slice `z`, which is on screen."""
    scene = scene or scene_of(mask, z, STEPS_MM)
    wanted = scene.mask.copy()
    wanted[z] = plane
    edit = edit_between(scene.mask, wanted)
    stroke = EditStroke(edit, "brush", "brush", "Ada", 0.0, z, by_hand=True)
    locks = scene.locks.with_hand_drawn(edit, scene.plane_shape)
    return replace(scene, mask=wanted, slice=z, locks=locks, strokes=(*scene.strokes, stroke))


def carried(scene: ToolScene) -> ToolScene:
    edit = TOOL.compute_edit(scene)
    mask = scene.mask.copy()
    edit.apply_to(mask)
    stroke = EditStroke(edit, NEIGHBOURS_TOOL, TOOL.action_text, "Ada", 0.0, scene.slice)
    return replace(scene, mask=mask, strokes=(*scene.strokes, stroke))


def changed(before: ToolScene, after: ToolScene) -> set[int]:
    return set(np.flatnonzero((before.mask != after.mask).any(axis=(1, 2))).tolist())


def without_a_lobe() -> np.ndarray:
    mask = TRUTH.copy()
    mask[:, :, 36:] = 0
    return mask


def test_a_missing_lobe_comes_back_in_the_slices_around() -> None:
    scene = corrected(without_a_lobe(), 10, TRUTH[10])
    after = carried(scene)
    assert changed(scene, after) == {7, 8, 9, 11, 12, 13}, "less than 8 mm away"
    for z in (9, 11):
        assert dice_coefficient(scene.mask[z], TRUTH[z]) < 0.85
        assert dice_coefficient(after.mask[z], TRUTH[z]) > 0.92
    for z in (7, 8, 12, 13):
        assert dice_coefficient(after.mask[z], TRUTH[z]) > dice_coefficient(scene.mask[z], TRUTH[z])


def test_what_was_taken_away_goes_there_as_well() -> None:
    mask = TRUTH.copy()
    mask[:, 2:12, 2:12] = 1
    scene = corrected(mask, 10, TRUTH[10])
    after = carried(scene)
    assert np.array_equal(after.mask[9:12], TRUTH[9:12])


def test_twice_is_once() -> None:
    once = carried(corrected(without_a_lobe(), 10, TRUTH[10]))
    assert TOOL.compute_edit(once).changed_voxels == 0


def test_between_two_corrected_slices_one_passes_into_the_other() -> None:
    one = carried(corrected(without_a_lobe(), 9, TRUTH[9]))
    both = carried(corrected(one.mask, 12, TRUTH[12], one))
    for z in (10, 11):
        assert dice_coefficient(both.mask[z], TRUTH[z]) > 0.95
        assert dice_coefficient(both.mask[z], TRUTH[z]) >= dice_coefficient(one.mask[z], TRUTH[z])


def test_a_slice_that_was_found_right_holds_on_to_its_neighbours() -> None:
    scene = corrected(without_a_lobe(), 10, TRUTH[10])
    alone = carried(scene)
    held = carried(replace(scene, locks=replace(scene.locks, verified=frozenset({12}))))
    assert np.array_equal(held.mask[12:], scene.mask[12:])
    assert (
        0
        < np.count_nonzero(held.mask[11] != scene.mask[11])
        < np.count_nonzero(alone.mask[11] != scene.mask[11])
    )


def test_a_trembling_hand_is_not_carried_on() -> None:
    scene = corrected(TRUTH, 10, np.roll(TRUTH[10], 1, axis=1))
    assert TOOL.compute_edit(scene).changed_voxels == 0


def test_a_tool_in_one_slice_is_a_correction_too() -> None:
    mask = without_a_lobe()
    edit = edit_between(mask[10:11], TRUTH[10:11], (10, 0, 0))
    edit.apply_to(mask)
    scene = replace(scene_of(mask, 10, STEPS_MM), strokes=(EditStroke(edit, "grow", "grow", "Ada", 0.0, 10),))
    assert changed(scene, carried(scene)) == {7, 8, 9, 11, 12, 13}


def test_thick_slices_have_no_neighbours() -> None:
    scene = replace(corrected(without_a_lobe(), 10, TRUTH[10]), spacing_mm=(8.0, 1.0, 1.0))
    assert TOOL.compute_edit(scene).changed_voxels == 0


@pytest.mark.parametrize(
    "strokes", [(), (EditStroke(edit_between(TRUTH, TRUTH), "brush", "", "", 0.0, 10, True),)]
)
def test_it_says_that_nothing_was_corrected(strokes: Sequence[EditStroke]) -> None:
    with pytest.raises(AttunetError, match="Nothing was corrected"):
        TOOL.compute_edit(replace(scene_of(TRUTH, 10), strokes=tuple(strokes)))


@settings(max_examples=60, deadline=None)
@given(
    masks(),
    st.integers(0, 99),
    st.sampled_from([(1.0, 1.0, 1.0), (2.5, 0.8, 0.7), (5.0, 3.0, 1.5)]),
    st.data(),
)
def test_decided_slices_and_far_ones_stay(
    mask: np.ndarray, seed: int, spacing_mm: tuple[float, float, float], data: st.DataObject
) -> None:
    z = data.draw(st.integers(0, len(mask) - 1))
    verified = frozenset(data.draw(st.sets(st.integers(0, len(mask) - 1), max_size=3)))
    plane = (np.random.default_rng(seed).random(mask.shape[1:]) < 0.5).astype(np.uint8)
    scene = replace(scene_of(mask, z, spacing_mm), locks=MaskLocks(verified=verified))
    scene = corrected(mask, z, plane, scene)
    if np.array_equal(plane, mask[z]):
        return
    after = carried(scene)
    near = {at for at in range(len(mask)) if abs(at - z) * spacing_mm[0] < 8}
    assert changed(scene, after) <= near - scene.locks.locked_slices - {z}
    assert TOOL.compute_edit(after).changed_voxels == 0

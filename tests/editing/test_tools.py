"""What each tool is for, against a truth that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from attunet_gui.core.mask_edit import NO_EDIT, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.editing.tools import BrushHuRange, EditingTool, ToolScene, undo_outside_hu_range
from attunet_gui.editing.tools.click_segmentation import AddTissueTool, RemoveTissueTool
from attunet_gui.editing.tools.mask_morphology import (
    DropIslandsTool,
    FillContourTool,
    FillHolesTool,
    GrowTool,
    KeepLargestTool,
    ShrinkTool,
    SmoothTool,
)
from attunet_gui.editing.tools.slice_interpolation import CopySliceTool, InterpolateTool, RestoreDraftTool
from attunet_gui.synthesis.phantom.abdomen_phantom import ORGANS
from attunet_gui.system.errors import AttunetError
from tests.support.tool_scenes import SPACINGS, ellipsoid, masks, phantom, scene_of


def after(tool: EditingTool, scene: ToolScene) -> np.ndarray:
    """The mask with the tool's edit."""
    mask = scene.mask.copy()
    tool.compute_edit(scene).apply_to(mask)
    return mask


def verified(*slices: int) -> MaskLocks:
    return MaskLocks(verified=frozenset(slices))


# Outline


def reach(mask: np.ndarray, spacing_mm: tuple, there: np.ndarray) -> np.ndarray:
    """(z, y, x) distance from every voxel to the nearest of `there`, voxel by voxel."""
    steps = np.array(spacing_mm)
    everywhere = np.argwhere(np.ones(mask.shape, bool)) * steps
    return cdist(everywhere, np.argwhere(there) * steps).min(axis=1).reshape(mask.shape)


@settings(max_examples=40, deadline=None)
@given(mask=masks(), spacing=st.sampled_from(SPACINGS), mm=st.floats(0.5, 12))
def test_growing_and_shrinking_are_exact(mask: np.ndarray, spacing: tuple, mm: float) -> None:
    if not mask.any() or mask.all():
        return
    scene = scene_of(mask, 0, spacing)

    assert np.array_equal(after(GrowTool(mm, in_3d=True), scene), reach(mask, spacing, mask) <= mm)
    assert np.array_equal(after(ShrinkTool(mm, in_3d=True), scene), reach(mask, spacing, mask == 0) > mm)


def test_in_the_plane_other_slices_are_no_outside() -> None:
    mask = np.zeros((3, 20, 20), np.uint8)
    mask[1, 5:15, 5:15] = 1
    scene = scene_of(mask, 1, (1.0, 1.0, 1.0))

    assert after(ShrinkTool(2.0), scene).sum() == 6 * 6
    assert after(GrowTool(1.0), scene).sum() == 10 * 10 + 4 * 10


def test_growing_undoes_shrinking_of_something_round() -> None:
    mask = ellipsoid((21, 41, 41), (10, 20, 20), (8, 16, 16))
    scene = scene_of(mask, 0, (2.0, 1.0, 1.0))
    small = replace(scene, mask=after(ShrinkTool(3.0, in_3d=True), scene))

    assert small.mask.sum() < mask.sum()
    assert dice_coefficient(after(GrowTool(3.0, in_3d=True), small), mask) > 0.97


def test_shrinking_does_not_eat_from_the_edge_of_the_volume() -> None:
    mask = np.zeros((4, 12, 12), np.uint8)
    mask[:2, :6] = 1

    assert np.array_equal(
        np.flatnonzero(after(ShrinkTool(1.0, in_3d=True), scene_of(mask, 0))[0, :, 0]), range(5)
    )


def rough_ball() -> tuple[np.ndarray, np.ndarray]:
    clean = ellipsoid((15, 60, 60), (7, 30, 30), (6, 22, 22))
    rim = ndimage.distance_transform_edt(clean) * ndimage.distance_transform_edt(1 - clean) == 0
    near = rim & (
        (ndimage.distance_transform_edt(clean) == 1) | (ndimage.distance_transform_edt(1 - clean) == 1)
    )
    return clean, clean ^ (near & (np.random.default_rng(0).random(clean.shape) < 0.3)).astype(np.uint8)


@pytest.mark.parametrize("in_3d", [False, True])
def test_smoothing_takes_roughness_away_and_keeps_the_volume(in_3d: bool) -> None:
    clean, rough = rough_ball()
    scene = scene_of(rough, 7, (1.0, 1.0, 1.0))
    smooth = after(SmoothTool(1.5, in_3d), scene)
    part = slice(None) if in_3d else slice(7, 8)

    assert 1 - dice_coefficient(smooth[part], clean[part]) < 0.6 * (
        1 - dice_coefficient(rough[part], clean[part])
    )
    assert smooth.sum() == pytest.approx(rough.sum(), rel=0.03)


@pytest.mark.parametrize("in_3d", [False, True])
def test_smoothing_keeps_a_thin_tail_and_what_holds_two_parts_together(in_3d: bool) -> None:
    mask = np.zeros((5, 40, 90), np.uint8)
    mask[1:4, 10:30, 5:25] = 1
    mask[1:4, 10:30, 40:60] = 1
    mask[2, 20, 25:40] = 1  # a neck of one pixel
    mask[2, 20, 60:85] = 1  # a tail of one pixel
    smooth = after(SmoothTool(3.0, in_3d), scene_of(mask, 2))

    assert smooth[2, 20, 5:82].all()
    assert ndimage.label(smooth[2], np.ones((3, 3)))[1] == 1


@settings(max_examples=30, deadline=None)
@given(mask=masks(), mm=st.floats(0.5, 5), in_3d=st.booleans(), spacing=st.sampled_from(SPACINGS))
def test_smoothing_keeps_something_of_every_piece(
    mask: np.ndarray, mm: float, in_3d: bool, spacing: tuple
) -> None:
    if not mask[0].any():
        return
    smooth = after(SmoothTool(mm, in_3d), scene_of(mask, 0, spacing))
    part = slice(None) if in_3d else slice(0, 1)
    labels, count = ndimage.label(mask[part], np.ones((3, 3, 3)))
    rough = [n for n in range(1, count + 1) if not (smooth[part][labels == n]).any()]

    # A speck as near to another piece as roughness is taken for it.
    others = [
        ndimage.distance_transform_edt(~(smooth[part] > 0), sampling=spacing)[labels == n] for n in rough
    ]
    assert all(gap.max() <= 1.5 * mm for gap in others)


# Pieces


def test_islands_go_but_not_what_was_drawn_or_verified() -> None:
    mask = np.zeros((4, 30, 30), np.uint8)
    mask[:, 10:20, 10:20] = 1  # 400 voxels of 1 mm: 0.4 ml
    mask[1, 2:4, 2:4] = mask[1, 2:4, 25:27] = mask[3, 25:27, 2:4] = 1
    drawn = np.zeros((30, 30), bool)
    drawn[2, 2] = True
    scene = scene_of(mask, 1, locks=MaskLocks({1: drawn}, frozenset({3})))
    left = after(DropIslandsTool(0.2, in_3d=True), scene)

    assert left[1, 2:4, 2:4].all()
    assert not left[1, 2:4, 25:27].any()
    assert left[3, 25:27, 2:4].all()
    assert left[:, 10:20, 10:20].all()
    assert np.array_equal(after(KeepLargestTool(in_3d=True), scene), left)


def test_in_the_plane_only_this_slice_loses_islands() -> None:
    mask = np.zeros((2, 30, 30), np.uint8)
    mask[:, 10:20, 10:20] = mask[:, 2:4, 2:4] = 1
    left = after(KeepLargestTool(), scene_of(mask, 1))

    assert left[0, 2, 2] == 1
    assert left[1, 2, 2] == 0


def hollow() -> np.ndarray:
    """A closed shell in slices 1 to 3, open towards the first slice in one pixel."""
    mask = np.zeros((5, 20, 20), np.uint8)
    mask[:, 5:15, 5:15] = 1
    mask[1:4, 8:12, 8:12] = 0
    return mask


def test_holes_are_filled_in_the_plane_and_in_space() -> None:
    mask = hollow()
    leaking = mask.copy()
    leaking[0, 9, 9] = 0

    assert after(FillHolesTool(in_3d=True), scene_of(mask, 2))[:, 5:15, 5:15].all()
    assert FillHolesTool(in_3d=True).compute_edit(scene_of(leaking, 2)) == NO_EDIT
    assert after(FillHolesTool(), scene_of(leaking, 2)).sum() == leaking.sum() + 16


def test_a_click_fills_its_own_contour_only() -> None:
    mask = np.zeros((1, 30, 60), np.uint8)
    for left in (5, 35):
        mask[0, 5:25, left : left + 20] = 1
        mask[0, 8:22, left + 3 : left + 17] = 0
    scene = scene_of(mask, 0)

    for click in ((0, 15, 15), (0, 15, 6)):
        filled = after(FillContourTool(click), scene)
        assert filled[0, 5:25, 5:25].all()
        assert np.array_equal(filled[..., 30:], mask[..., 30:])
    for click in ((0, 15, 30), (0, 0, 0)):
        with pytest.raises(AttunetError, match="close the contour"):
            FillContourTool(click).compute_edit(scene)


# Slices


def disc(plane: tuple[int, int], at: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.ogrid[: plane[0], : plane[1]]
    return ((y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2).astype(np.uint8)


@pytest.mark.parametrize(
    ("move", "growth"), [((0, 0), 0), ((0, 0), 1.0), ((1.5, 2.0), 0), ((3.0, 5.0), 0.5)],
    ids=["cylinder", "cone", "oblique", "steep"],
)  # fmt: skip
def test_interpolation_finds_a_cylinder_and_a_cone_again(move: tuple[float, float], growth: float) -> None:
    truth = np.stack(
        [disc((120, 140), (30 + move[0] * z, 30 + move[1] * z), 12 + growth * z) for z in range(12)]
    )
    mask = truth.copy()
    mask[1:11] = 0
    mask[4, 60:65, 100:110] = 1
    scene = scene_of(mask, 5, (2.0, 0.8, 0.8), verified(0, 11))
    edit = InterpolateTool().compute_edit(scene)
    found = after(InterpolateTool(), scene)

    assert dice_coefficient(found, truth) > 0.97
    assert set(edit.box_slices) <= set(range(1, 11))
    assert np.array_equal(found[[0, 11]], mask[[0, 11]])


def test_interpolation_of_a_phantom_is_better_than_nothing_and_than_copying() -> None:
    scan = phantom()
    z = int(scan.pancreas_mask.sum(axis=(1, 2)).argmax())
    ends = (z - 1, z + 1)
    mask = scan.pancreas_mask.copy()
    mask[z] = 0
    found = after(InterpolateTool(), scene_of(mask, z, scan.request.spacing_mm, verified(*ends)))[z]

    assert dice_coefficient(found, scan.pancreas_mask[z]) > np.mean(
        [dice_coefficient(mask[end], scan.pancreas_mask[z]) for end in ends]
    )


def test_far_apart_ends_still_meet() -> None:
    mask = np.zeros((7, 60, 60), np.uint8)
    mask[0, 5:15, 5:10] = mask[0, 40:50, 5:10] = 1
    mask[6, 20:30, 50:55] = 1
    found = after(InterpolateTool(), scene_of(mask, 3, locks=verified(0, 6)))

    assert found[1:6].any(axis=(1, 2)).all()


def test_only_the_gaps_around_the_slice_are_interpolated() -> None:
    mask = np.repeat(disc((30, 30), (15, 15), 8)[None], 13, axis=0)
    mask[[1, 5, 10]] = 0
    locks = MaskLocks({3: np.ones((30, 30), bool)}, frozenset({0, 6, 12}))
    scene = scene_of(mask, 4, locks=locks)

    assert set(InterpolateTool().compute_edit(scene).box_slices) == {5}
    assert InterpolateTool().compute_edit(replace(scene, slice=3)).box_slices == range(1, 6)
    assert after(InterpolateTool(everywhere=True), scene)[[1, 5, 10]].any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("locks", "words"),
    [
        (MaskLocks(), "draw two slices with a gap"),
        (verified(2), "draw two slices with a gap"),
        (verified(2, 3), "draw two slices with a gap"),
        (verified(0, 1, 8), "not between two drawn ones"),
    ],
)
def test_it_says_why_there_is_nothing_to_interpolate(locks: MaskLocks, words: str) -> None:
    mask = np.repeat(disc((20, 20), (10, 10), 5)[None], 9, axis=0)
    with pytest.raises(AttunetError, match=words):
        InterpolateTool(largest_gap_mm=6.0).compute_edit(scene_of(mask, 4, locks=locks))


def test_a_gap_that_ends_in_an_empty_slice_stays() -> None:
    mask = np.repeat(disc((20, 20), (10, 10), 5)[None], 6, axis=0)
    mask[5] = 0
    with pytest.raises(AttunetError):
        InterpolateTool().compute_edit(scene_of(mask, 3, locks=verified(1, 5)))


def test_the_nearest_slice_with_a_mask_is_copied() -> None:
    mask = np.zeros((6, 10, 10), np.uint8)
    mask[0, 1:3], mask[2, 5], mask[5, 7:9] = 1, 1, 1
    scene = scene_of(mask, 2)

    assert np.array_equal(after(CopySliceTool("above"), scene)[2], mask[5])
    assert np.array_equal(after(CopySliceTool("below"), scene)[2], mask[0])
    with pytest.raises(AttunetError, match="No slice above"):
        CopySliceTool("above").compute_edit(replace(scene, slice=5))


def test_the_draft_comes_back_in_this_slice() -> None:
    draft = ellipsoid((5, 12, 12), (2, 6, 6), (3, 4, 4))
    scene = replace(scene_of(np.zeros_like(draft), 2), draft=draft)

    assert np.array_equal(after(RestoreDraftTool(), scene)[2], draft[2])


# Brush


def test_a_stroke_keeps_only_the_allowed_hu() -> None:
    mask = np.zeros((2, 8, 8), np.uint8)
    mask[1, 0] = 1
    hu = np.tile(np.arange(8, dtype=np.int16) * 50 - 100, (2, 8, 1))
    painted = mask.copy()
    painted[1, 1:4, 1:7], painted[1, 0, 0] = 1, 0
    stroke = edit_between(mask, painted)
    scene = ToolScene(painted, hu, (1.0, 1.0, 1.0), 1)
    left = painted.copy()
    undo_outside_hu_range(stroke, scene, BrushHuRange(0, 100)).apply_to(left)

    assert np.array_equal(np.unique(hu[left > mask]), [0, 50, 100])
    assert left[1, 0, 0] == 0, "what was erased stays erased"
    assert left[1, 0, 1:].all(), "what was there before is not looked at"
    assert undo_outside_hu_range(stroke, scene, BrushHuRange(-1000, 1000)) == NO_EDIT


# One click


def phantom_scene(mask: np.ndarray, z: int, seen: np.ndarray) -> ToolScene:
    scan = phantom()
    return ToolScene(mask, scan.hu, scan.request.spacing_mm, z, np.where(seen, 0.85, 0.05).astype(np.float32))


def missing_lobe() -> tuple[ToolScene, np.ndarray, tuple[int, int, int]]:
    """A draft that the network ended too soon, what it should be, and the middle of what is missing."""
    truth = phantom().pancreas_mask
    z = int(truth.sum(axis=(1, 2)).argmax())
    x = np.argwhere(truth[z])[:, 1]
    at = np.quantile(x, 0.85)
    mask = truth.copy()
    mask[z, :, int(at) :] = 0
    lost = ndimage.distance_transform_edt(truth[z] > mask[z])
    middle = np.unravel_index(lost.argmax(), lost.shape)
    return phantom_scene(mask, z, mask > 0), truth, (z, int(middle[0]), int(middle[1]))


@pytest.mark.parametrize("asked", [True, False], ids=["with the network", "by the CT alone"])
def test_one_click_in_a_missing_lobe_adds_most_of_it_and_no_bone_fat_or_air(asked: bool) -> None:
    scene, truth, click = missing_lobe()
    scene = scene if asked else replace(scene, probability=None)
    z = scene.slice
    found = after(AddTissueTool((click,), reach_mm=20.0), scene)[z]
    added = found > scene.mask[z]
    lost = truth[z] > scene.mask[z]

    assert (added & lost).sum() > 0.6 * lost.sum()
    assert dice_coefficient(found, truth[z]) > dice_coefficient(scene.mask[z], truth[z]) + 0.03
    wrong = [ORGANS[name] for name in ("fat", "vertebrae", "ribs", "lungs", "background")]
    assert np.isin(phantom().organs[z][added], wrong).mean() < 0.05


def test_a_scribble_reaches_further_than_a_click() -> None:
    scene, _, (z, y, x) = missing_lobe()
    scribble = tuple((z, y, x + step) for step in (-4, -2, 0, 2, 4))
    one, many = (
        AddTissueTool(((z, y, x),), 6.0).compute_edit(scene),
        AddTissueTool(scribble, 6.0).compute_edit(scene),
    )

    assert many.added > one.added


def test_a_false_island_goes_and_the_rest_stays() -> None:
    truth = phantom().pancreas_mask
    z = int(truth.sum(axis=(1, 2)).argmax())
    mask = truth.copy()
    island = disc(truth.shape[1:], (30, 40), 4) & ~truth[z]
    mask[z] |= island
    scene = phantom_scene(mask, z, truth > 0)

    assert np.array_equal(after(RemoveTissueTool(((z, 30, 40),)), scene), truth)


@pytest.mark.parametrize("in_3d", [False, True])
def test_an_island_wider_than_the_reach_goes_if_clicked_in_its_middle_and_is_trimmed_at_its_rim(
    in_3d: bool,
) -> None:
    mask = np.zeros((3, 80, 160), np.uint8)
    mask[:, 10:70, 5:75] = mask[1, 20:50, 100:130] = 1
    scene = scene_of(mask, 1)
    gone = after(RemoveTissueTool(((1, 36, 117),), 6.0, in_3d), scene)
    trimmed = after(RemoveTissueTool(((1, 36, 128),), 6.0, in_3d), scene)
    largest = after(RemoveTissueTool(((1, 40, 40),), 6.0, in_3d), scene)

    assert not gone[..., 90:].any()
    assert np.array_equal(gone[..., :90], mask[..., :90])
    assert 0 < trimmed[..., 90:].sum() < mask[..., 90:].sum()
    assert largest[..., :90].sum() > 0.8 * mask[..., :90].sum()


def test_what_was_drawn_by_hand_is_not_swept_along() -> None:
    scene, _, click = missing_lobe()
    added = after(AddTissueTool((click,)), scene) > scene.mask
    drawn = np.zeros(scene.plane_shape, bool)
    drawn[:, click[2] + 3 :] = True
    careful = replace(scene, locks=MaskLocks({scene.slice: drawn}))

    assert added[scene.slice][drawn].any()
    assert not (after(AddTissueTool((click,)), careful) > scene.mask)[scene.slice][drawn].any()


def test_a_click_at_the_wrong_place_is_explained() -> None:
    scene, _, click = missing_lobe()
    z, y, x = (int(at) for at in np.argwhere(scene.mask)[0])
    on_mask = replace(scene, slice=z)

    with pytest.raises(AttunetError, match="in the mask already"):
        AddTissueTool(((z, y, x),), 4.0).compute_edit(replace(on_mask, mask=np.ones_like(scene.mask)))
    with pytest.raises(AttunetError, match="no mask at that place"):
        RemoveTissueTool((click,)).compute_edit(replace(scene, mask=np.zeros_like(scene.mask)))
    with pytest.raises(AttunetError, match="outside of the CT"):
        AddTissueTool(((z, -1, 0),)).compute_edit(scene)

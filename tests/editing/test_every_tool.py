"""What every tool of the registry keeps, on kind and unkind scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.core.edit_stroke import CORRECTION_INTERPOLATION_TOOL, NEIGHBOURS_TOOL, EditStroke
from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.editing.tools import TOOLS, ToolKind, ToolNeed, ToolOptions, ToolScene, tool_kind_by_key
from attunet_gui.prediction.network_grid import NetworkGrid, ResampledMapView
from attunet_gui.system.errors import AttunetError
from tests.support.tool_scenes import phantom, scenes

every_tool = pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.key)


@st.composite
def tool_options(draw: st.DrawFn, kind: ToolKind, scene: ToolScene) -> ToolOptions:
    """Any value within the bounds, a click or scribble anywhere in the CT, in 2-D or 3-D."""
    value = None
    if kind.parameter is not None:
        value = draw(st.none() | st.floats(kind.parameter.low, kind.parameter.high))
    point = st.tuples(*(st.integers(0, n - 1) for n in scene.mask.shape))
    points = draw(st.lists(point, min_size=1, max_size=4))
    return ToolOptions(value, tuple(points), draw(st.booleans()))


def applied(scene: ToolScene, kind: ToolKind, options: ToolOptions) -> MaskEdit | str:
    """The edit, or the sentence why there is none."""
    try:
        return kind.make_tool(options).compute_edit(scene)
    except AttunetError as reason:
        return str(reason)


@every_tool
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_an_edit_is_exact_within_its_slices_and_the_same_again(kind: ToolKind, data: st.DataObject) -> None:
    scene = data.draw(scenes())
    options = data.draw(tool_options(kind, scene))
    before, hu, draft = (
        scene.mask.copy(),
        scene.hu.copy(),
        None if scene.draft is None else scene.draft.copy(),
    )
    edit = applied(scene, kind, options)

    assert np.array_equal(scene.mask, before), "a tool changes nothing itself"
    assert np.array_equal(scene.hu, hu)
    assert draft is None or np.array_equal(scene.draft, draft)
    assert applied(scene, kind, options) == edit
    if isinstance(edit, str):
        assert edit.endswith(".")
        assert "\n" not in edit
        return
    if kind.dimensions == (2,) or (2 in kind.dimensions and not options.in_3d):
        assert set(edit.box_slices) <= {scene.slice}
    after = before.copy()
    edit.apply_to(after)
    assert np.count_nonzero(after > before) == edit.added
    assert np.count_nonzero(after < before) == edit.removed
    outside = np.ones(before.shape, bool)
    outside[edit.box] = False
    assert np.array_equal(after[outside], before[outside])
    edit.apply_to(after)
    assert np.array_equal(after, before)
    assert_locks_keep(scene, edit)


def assert_locks_keep(scene: ToolScene, edit: MaskEdit) -> None:
    free, held = scene.locks.split_by_locks(edit, scene.mask)
    after = scene.mask.copy()
    free.apply_to(after)
    for z in scene.locks.locked_slices:
        locked = scene.locks.locked_plane(z, scene.plane_shape)
        assert np.array_equal(after[z][locked], scene.mask[z][locked])
    assert free.changed_voxels + held.changed_voxels == edit.changed_voxels


@every_tool
def test_it_does_something_on_a_phantom(kind: ToolKind) -> None:
    scene, hole = rough_phantom_scene()
    if kind.key in (NEIGHBOURS_TOOL, CORRECTION_INTERPOLATION_TOOL):
        scene = replace(scene, locks=MaskLocks(), spacing_mm=(2.5, 1.8, 1.8))
    point = (scene.slice, 6, 6) if kind.key in ("remove-this", "remove-piece") else hole
    edit = kind.make_tool(
        ToolOptions(points=(point,), value=1.0 if kind.key == "islands" else None)
    ).compute_edit(scene)

    assert edit.changed_voxels > 0


def rough_phantom_scene() -> tuple[ToolScene, tuple[int, int, int]]:
    """A pancreas with an island, a hole that is clicked, and a neighbouring slice gone astray."""
    scan = phantom()
    mask = scan.pancreas_mask.copy()
    z = int(mask.sum(axis=(1, 2)).argmax())
    _, rows, columns = (np.flatnonzero(mask[z].any(axis=axis)) for axis in (1, 1, 0))
    middle = rows.mean(), columns.mean()
    inside = np.argwhere(mask[z])
    y, x = inside[np.argmin(((inside - middle) ** 2).sum(axis=1))]
    mask[z, y - 3 : y + 4, x - 3 : x + 4] = 1
    mask[z, y - 1 : y + 2, x - 1 : x + 2] = 0
    mask[z, 5:8, 5:8] = 1
    decided = frozenset({z - 1, z + 1})
    seen = np.where(scan.pancreas_mask, 0.6, 0.05).astype(np.float32)
    spoiled = EditStroke(
        edit_between(scan.pancreas_mask, mask), "brush", "brush", "Ada", 0.0, z, by_hand=True
    )
    scene = ToolScene(
        mask,
        scan.hu,
        scan.request.spacing_mm,
        z,
        seen,
        scan.pancreas_mask,
        MaskLocks(verified=decided),
        (spoiled,),
    )
    return scene, (z, int(y), int(x))


@every_tool
def test_a_tool_says_what_it_is(kind: ToolKind) -> None:
    words = kind.make_tool(ToolOptions(points=((0, 0, 0),))).action_text

    assert words
    assert words == words.lower()
    assert kind.title[0].isupper()
    assert kind.tip.endswith(".")
    assert kind.group
    assert tool_kind_by_key(kind.key) is kind


def test_keys_are_told_apart() -> None:
    assert len({kind.key for kind in TOOLS}) == len(TOOLS)
    shortcuts = [kind.keys for kind in TOOLS if kind.keys]
    assert len(set(shortcuts)) == len(shortcuts)


@every_tool
def test_a_value_out_of_bounds_is_refused(kind: ToolKind) -> None:
    if kind.parameter is None:
        pytest.skip("has no parameter")
    for value in (kind.parameter.low - 0.01, kind.parameter.high + 0.01, float("nan")):
        with pytest.raises(ValueError, match=kind.parameter.name):
            kind.make_tool(ToolOptions(value, ((0, 0, 0),)))


@every_tool
def test_what_is_missing_is_said(kind: ToolKind) -> None:
    bare = replace(rough_phantom_scene()[0], probability=None, draft=None)
    assert bool(kind.unavailable_reason(bare)) == bool(kind.needs & {ToolNeed.DRAFT, ToolNeed.PROBABILITY})
    if ToolNeed.POINTS in kind.needs:
        with pytest.raises(AttunetError, match="click"):
            kind.make_tool(ToolOptions())


def test_the_network_is_asked_through_its_map() -> None:
    scene, (z, y, x) = rough_phantom_scene()
    grid = VoxelGrid(scene.mask.shape, np.diag([*scene.spacing_mm, 1.0]))
    frame = NetworkGrid(grid, scene.plane_shape, (0.0, 0.0), (1.0, 1.0))
    mapped = replace(scene, probability=ResampledMapView(frame, np.asarray(scene.probability)))
    tool = tool_kind_by_key("add-this").make_tool(ToolOptions(points=((z, y, x),)))

    assert tool.compute_edit(mapped) == tool.compute_edit(scene)

"""The case as layers, on napari's real model without a window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes

from attunet_gui.core.mask_edit import NO_EDIT, VoxelBox, edit_between
from attunet_gui.core.volume import Volume
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.layer_factory import ARRIVING, CHANGES, CT, MASK, METADATA, OTHER, RING
from attunet_gui.prediction.map_overlays import make_overlays
from attunet_gui.review.slice_visibility import reason_not_seen
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from tests.support.scripted_network import SMALL_PHANTOM, prediction_of


@pytest.fixture(scope="module")
def volume() -> Volume:
    return phantom_volume(make_phantom(SMALL_PHANTOM))


@pytest.fixture
def layers(volume: Volume) -> CaseLayers:
    made = CaseLayers(ViewerModel())
    made.show_case(volume, None)
    return made


def block(volume: Volume) -> np.ndarray:
    mask = np.zeros(volume.grid.shape, np.uint8)
    mask[4:7, 10:20, 10:20] = 1
    return mask


def within(place: np.ndarray, box: VoxelBox) -> bool:
    return all(side.start <= at < side.stop for side, at in zip(box, place, strict=True))


def put(layers: CaseLayers, mask: np.ndarray) -> None:
    layers.viewer.layers[MASK].data[:] = mask
    layers.mask_layer.redraw()


def test_a_case_is_ct_and_mask_in_millimetres(layers: CaseLayers, volume: Volume) -> None:
    viewer = layers.viewer
    assert [layer.name for layer in viewer.layers] == [CT, MASK]
    assert tuple(viewer.layers[CT].scale) == volume.grid.spacing_mm
    assert viewer.layers[MASK].contour == 1
    assert viewer.layers[MASK].n_edit_dimensions == 2
    assert viewer.layers[MASK].metadata[METADATA] is volume
    assert viewer.layers.selection.active is viewer.layers[MASK]
    assert viewer.dims.current_step[0] == volume.grid.shape[0] // 2


def test_every_stroke_says_in_which_box_it_was_made(layers: CaseLayers) -> None:
    strokes: list[tuple[VoxelBox, str]] = []
    layers.mask_layer.stroke_ended.connect(lambda box, tool: strokes.append((box, tool)))
    mask = layers.viewer.layers[MASK]
    layers.tools.select_tool("paint")
    before = mask.data.copy()
    mask.paint((4, 10, 10), 1)
    mask.data_setitem((np.array([1, 3]), np.array([2, 2]), np.array([5, 4])), 1)
    layers.tools.set_edits_volume(True)
    layers.tools.select_tool("erase")
    mask.paint((4, 10, 10), 0)
    assert [tool for _box, tool in strokes] == ["paint", "paint", "erase"]
    assert strokes[0][0][0] == slice(4, 5)
    assert strokes[1][0] == (slice(1, 4), slice(2, 3), slice(4, 6))
    changed = np.argwhere(mask.data != before)
    for place in changed:
        assert any(
            all(side.start <= at < side.stop for side, at in zip(box, place, strict=True))
            for box, _ in strokes
        )


def test_naparis_own_history_is_emptied_before_it_grows_large(
    layers: CaseLayers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attunet_gui.gui.napari_adapter.mask_layer._HISTORY_BYTES", 100)
    layers.tools.select_tool("paint")
    mask = layers.viewer.layers[MASK]
    mask.paint((4, 10, 10), 1)
    painted = mask.data.copy()
    mask.undo()
    np.testing.assert_array_equal(mask.data, painted)
    assert layers.tools.current_tool == "paint"


def test_naparis_undo_keys_ask_for_our_undo(layers: CaseLayers) -> None:
    asked: list[str] = []
    layers.keys.undo_asked.connect(lambda: asked.append("undo"))
    layers.keys.redo_asked.connect(lambda: asked.append("redo"))
    for owner in (layers.viewer.layers[MASK], layers.viewer):
        keymap = {str(keys): call for keys, call in owner.keymap.items()}
        keymap["Ctrl+Z"](owner)
        keymap["Ctrl+Shift+Z"](owner)
    assert asked == ["undo", "redo"] * 2


def test_changes_are_shown_in_three_colours_and_taken_away(layers: CaseLayers, volume: Volume) -> None:
    put(layers, block(volume))
    wanted, contradicted = block(volume), block(volume)
    wanted[4, 10, 10], wanted[0, 0, 0] = 0, 1
    contradicted[5, 10, 10] = 0
    layers.markers.show_changes(
        edit_between(block(volume), wanted), edit_between(block(volume), contradicted)
    )
    shown = layers.viewer.layers[CHANGES].data
    assert (shown[0, 0, 0], shown[4, 10, 10], shown[5, 10, 10]) == (1, 2, 3)
    assert np.count_nonzero(shown) == 3
    assert layers.viewer.layers.selection.active is layers.viewer.layers[MASK]
    layers.markers.show_changes(NO_EDIT)
    assert CHANGES not in layers.viewer.layers


def test_a_place_is_brought_close_with_a_ring_around_it(layers: CaseLayers) -> None:
    viewer = layers.viewer
    layers.tools.select_tool("paint")
    box = (slice(5, 8), slice(10, 14), slice(12, 20))
    layers.markers.show_place(box, 6)
    (ring,) = viewer.layers[RING].data
    assert set(ring[:, 0]) == {6}
    low, high = ring.min(axis=0), ring.max(axis=0)
    assert (low[1:] < (10, 12)).all()
    assert (high[1:] > (13, 19)).all()
    assert viewer.dims.current_step[0] == layers.slice_view.current_slice == 6
    assert layers.tools.current_tool == "paint"
    layers.markers.hide_place()
    assert RING not in viewer.layers


def test_results_leave_slice_zoom_selection_and_tool(layers: CaseLayers, volume: Volume) -> None:
    viewer = layers.viewer
    layers.tools.select_tool("erase")
    layers.slice_view.go_to_slice(2)
    viewer.scene.camera.zoom = 3.5
    before = (
        viewer.dims.current_step,
        viewer.scene.camera.zoom,
        viewer.scene.camera.center,
        viewer.layers.selection.active,
    )
    put(layers, block(volume))
    layers.appearance.show_maps(make_overlays(prediction_of(volume)))
    layers.appearance.show_layer("gates", True)
    layers.drafts.show_other_draft(block(volume))
    after = (
        viewer.dims.current_step,
        viewer.scene.camera.zoom,
        viewer.scene.camera.center,
        viewer.layers.selection.active,
    )
    assert after == before
    assert layers.tools.current_tool == "erase"


def _look_of(layers: CaseLayers) -> dict[str, dict[str, str]]:
    """All that napari would write down of each layer, and what it would not."""
    further = ("contrast_limits_range", "contour", "brush_size", "n_edit_dimensions", "selected_label",
               "mode", "mouse_pan", "cursor", "editable", "_undo_history")  # fmt: skip
    return {
        layer.name: {key: _words(value) for key, value in layer.as_layer_data_tuple()[1].items()}
        | {key: _words(getattr(layer, key, "")) for key in further}
        for layer in layers.viewer.layers
    }


def _words(value: object) -> str:
    return str(value).replace("np.float64(", "").replace(")", "")


def _used(layers: CaseLayers, volume: Volume) -> None:
    """Everything about the layers is changed, as after an hour of work."""
    ct, mask = layers.viewer.layers[CT], layers.viewer.layers[MASK]
    put(layers, block(volume))
    ct.gamma, ct.opacity, ct.colormap, ct.interpolation2d = 0.5, 0.5, "magma", "linear"
    ct.contrast_limits, ct.blending, ct.visible = (0, 100), "additive", False
    mask.opacity, mask.visible, mask.contour, mask.name = 0.3, False, 0, "Mine"
    layers.tools.set_edits_volume(True)
    layers.tools.set_brush_size(30)
    mask.selected_label = 0
    layers.tools.set_drawing_points(True)
    layers.appearance.show_maps(make_overlays(prediction_of(volume)))
    layers.appearance.show_layer("gates", True)
    layers.drafts.begin_arrival()
    layers.drafts.show_arrived_slices(
        np.array([6]), edit_between(np.zeros_like(block(volume)), block(volume))
    )


@pytest.mark.parametrize("shape", [(12, 40, 30), (7, 50, 20)])
def test_a_case_looks_the_same_whatever_was_open_before(
    layers: CaseLayers, volume: Volume, shape: tuple[int, int, int]
) -> None:
    following = phantom_volume(make_phantom(PhantomRequest(3, shape, (4.0, 5.0, 6.0))))
    mask = np.zeros(shape, np.uint8)
    mask[3, 4:9, 5:8] = 1
    fresh = CaseLayers(ViewerModel())
    for each in (fresh, layers):
        each.show_case(volume, None)
        each.drafts.prepare_arriving_layer()
    _used(layers, volume)
    for each in (fresh, layers):
        each.show_case(following, mask.copy())
    told, wanted = _look_of(layers), _look_of(fresh)
    different = {
        (name, key): (told[name][key], wanted[name][key])
        for name in wanted
        for key in wanted[name]
        if told[name][key] != wanted[name][key] and key != "colormap"
    }
    assert not different
    assert layers.viewer.layers[CT].colormap.name == "gray"
    assert [layer.name for layer in layers.viewer.layers] == [CT, ARRIVING, MASK]
    for key, data in ((CT, following.hu), (MASK, mask), (ARRIVING, np.zeros_like(mask))):
        np.testing.assert_array_equal(layers.viewer.layers[key].data, data)
    assert not layers.appearance.is_shown(ARRIVING)
    assert layers.slice_view.current_slice == shape[0] // 2
    painted: list[object] = []
    layers.mask_layer.stroke_ended.connect(lambda *told: painted.append(told))
    layers.viewer.layers[MASK].data_setitem((np.array([3]), np.array([4]), np.array([4])), 1)
    assert len(painted) == 1, "a stroke is told once, however many cases there were"


def test_a_draft_arrives_between_a_beginning_and_an_end(layers: CaseLayers, volume: Volume) -> None:
    drafted = edit_between(np.zeros_like(block(volume)), block(volume))
    slices = np.arange(len(volume.hu))
    layers.drafts.show_arrived_slices(slices, drafted)
    assert ARRIVING not in layers.viewer.layers
    layers.drafts.begin_arrival()
    layers.drafts.show_arrived_slices(slices, drafted)
    np.testing.assert_array_equal(layers.viewer.layers[ARRIVING].data, block(volume))
    assert layers.appearance.is_shown(ARRIVING)
    layers.drafts.end_arrival()
    layers.drafts.show_arrived_slices(slices, drafted)
    assert not layers.appearance.is_shown(ARRIVING)
    assert not layers.viewer.layers[ARRIVING].data.any()
    assert not layers.mask.any()  # type: ignore[union-attr]


def test_a_map_becomes_a_layer_when_it_is_first_shown_and_lies_below_the_mask(
    layers: CaseLayers, volume: Volume
) -> None:
    layers.appearance.show_maps(make_overlays(prediction_of(volume)))
    assert [layer.name for layer in layers.viewer.layers] == [CT, MASK]
    assert not layers.appearance.is_shown("gates")
    for key in ("probability", "gates", "gate 1", "gate 2"):
        layers.appearance.show_layer(key, True)
    names = [layer.name for layer in layers.viewer.layers]
    assert names == [CT, "Probability", "Gates merged", "Gate 1 of 2 (8 x 8)", "Gate 2 of 2 (4 x 4)", MASK]
    assert [layer.visible for layer in layers.viewer.layers[1:-1]] == [False, False, False, True]
    assert layers.viewer.layers["Gates merged"].contrast_limits == [0.0, 1.0]


def test_a_map_that_the_next_draft_has_not_is_gone(layers: CaseLayers, volume: Volume) -> None:
    made = make_overlays(prediction_of(volume))
    layers.appearance.show_maps(made)
    layers.appearance.show_layer("gate 2", True)
    layers.appearance.show_maps(made[:-1])
    assert [layer.name for layer in layers.viewer.layers] == [CT, MASK]
    layers.appearance.show_layer("gate 2", True)
    assert not layers.appearance.is_shown("gate 2")


def test_an_opacity_chosen_before_a_map_is_shown_holds(layers: CaseLayers, volume: Volume) -> None:
    layers.appearance.show_maps(make_overlays(prediction_of(volume)))
    layers.appearance.set_opacity("gates", 0.3)
    assert layers.appearance.opacity_of("gates") == 0.3
    layers.appearance.show_layer("gates", True)
    assert layers.viewer.layers["Gates merged"].opacity == 0.3


def test_maps_hide_one_another_unless_asked_not_to(layers: CaseLayers, volume: Volume) -> None:
    layers.appearance.show_maps(make_overlays(prediction_of(volume)))
    layers.appearance.show_layer("gates", True)
    layers.appearance.show_layer("gate 1", True)
    assert not layers.appearance.is_shown("gates")
    layers.appearance.show_layer("gate 2", True, alone=False)
    assert layers.appearance.is_shown("gate 1")
    assert layers.appearance.is_shown(MASK)


def test_a_map_that_was_on_stays_on_with_the_next_draft(layers: CaseLayers, volume: Volume) -> None:
    layers.appearance.show_maps(make_overlays(prediction_of(volume)))
    layers.appearance.show_layer("gate 2", True)
    layers.appearance.set_opacity("gate 2", 0.25)
    layers.appearance.show_maps(make_overlays(prediction_of(volume)))
    assert layers.appearance.is_shown("gate 2")
    assert layers.appearance.opacity_of("gate 2") == 0.25
    assert len(layers.viewer.layers) == 3


def test_the_value_under_the_cursor_is_said(layers: CaseLayers, volume: Volume) -> None:
    made = make_overlays(prediction_of(volume))
    layers.appearance.show_maps(made)
    layers.appearance.show_layer("gate 1", True)
    at = (6, 20, 15)
    layers.slice_view.go_to_slice(6)
    layers.viewer.cursor.position = tuple(i * s for i, s in zip(at, volume.grid.spacing_mm, strict=True))
    gate = next(o for o in made if o.key == "gate 1")
    assert (
        layers.appearance.cursor_values_text() == f"{volume.hu[at]:.0f} HU, {float(gate.map[at]):.2f} gate 1"
    )
    layers.viewer.cursor.position = (0, -500, 0)
    assert layers.appearance.cursor_values_text() == ""


def test_a_layer_deleted_from_outside_is_put_back_with_its_edits(layers: CaseLayers, volume: Volume) -> None:
    lost: list[str] = []
    layers.layer_set.layer_lost.connect(lost.append)
    put(layers, block(volume))
    layers.viewer.layers.select_all()
    layers.viewer.layers.remove_selected()
    assert sorted(lost) == [CT, MASK]
    layers.layer_set.restore_deleted_layers()
    assert [layer.name for layer in layers.viewer.layers] == [CT, MASK]
    np.testing.assert_array_equal(layers.mask, block(volume))


def test_a_new_case_takes_its_layers_and_leaves_the_persons(layers: CaseLayers, volume: Volume) -> None:
    layers.viewer.add_points(np.zeros((1, 3)), name="mine")
    layers.drafts.show_other_draft(block(volume))
    layers.show_case(volume, block(volume))
    assert sorted(layer.name for layer in layers.viewer.layers) == sorted([CT, MASK, "mine"])
    assert OTHER not in layers.viewer.layers


def test_the_brush_knows_one_label_only(layers: CaseLayers) -> None:
    layers.viewer.layers[MASK].selected_label = 7
    assert layers.viewer.layers[MASK].selected_label == 1


def test_tools_and_windows_are_naparis(layers: CaseLayers) -> None:
    layers.tools.select_tool("paint")
    layers.tools.set_brush_size(17)
    layers.appearance.set_hu_window(-45, 105)
    layers.appearance.set_hu_window(10, 10)
    layers.appearance.set_filled(True)
    assert layers.viewer.layers[MASK].mode == "paint"
    assert (layers.tools.brush_size, layers.appearance.window_hu, layers.appearance.is_filled) == (
        17,
        (-45.0, 105.0),
        True,
    )


def test_without_a_case_nothing_breaks() -> None:
    empty = CaseLayers(ViewerModel())
    empty.mask_layer.redraw()
    empty.markers.show_changes(NO_EDIT)
    empty.markers.show_place((slice(0, 1),) * 3, 0)
    empty.markers.hide_place()
    empty.tools.select_tool("paint")
    empty.appearance.set_hu_window(0, 1)
    empty.slice_view.step_slice(1)
    empty.appearance.show_layer(MASK, True)
    assert empty.mask is None
    assert empty.appearance.window_hu is None
    assert empty.appearance.cursor_values_text() == ""
    assert empty.tools.current_tool == "pan_zoom"


# Layers that the annotator adds of their own

_FOREIGN = {
    "begins below the CT": lambda: Image(
        np.zeros((9, 40, 30), np.float32), scale=(4, 5, 6), translate=(-20, 0, 0)
    ),
    "thinner slices": lambda: Image(np.zeros((90, 40, 30), np.float32), scale=(0.5, 1, 1)),
    "no multiple of the slices": lambda: Labels(
        np.zeros((7, 9, 8), np.uint8), scale=(3.3, 7, 7), translate=(1.7, 0, 0)
    ),
    "far beyond the CT": lambda: Image(np.zeros((20, 400, 300), np.float32), scale=(30, 30, 30)),
    "pixels": lambda: Image(np.zeros((20, 400, 300), np.float32)),
    "with time": lambda: Image(
        np.zeros((4, 12, 40, 30), np.float32), scale=(1, 2, 2, 2), translate=(0, -9, 0, 0)
    ),
    "micrometres": lambda: Image(np.zeros((12, 40, 30), np.float32), scale=(500,) * 3, units=("um",) * 3),
    "metres": lambda: Image(np.zeros((12, 40, 30), np.float32), scale=(0.001,) * 3, units=("m",) * 3),
    "time and micrometres": lambda: Image(np.zeros((3, 12, 40, 30)), units=("s", "um", "um", "um")),
    "a flat picture": lambda: Image(np.zeros((900, 700), np.float32)),
    "points": lambda: Points(np.array([[-50.0, 3, 3], [400, 9, 9]])),
    "shapes": lambda: Shapes([np.array([[-9.5, 0, 0], [-9.5, 900, 900]])], shape_type="line"),
}


def _shown(layers: CaseLayers) -> dict[str, object]:
    """What is on screen, as napari draws it, and what the product takes it for."""
    viewer, ct = layers.viewer, layers.viewer.layers[CT]
    sight = layers.slice_view.slice_visibility(True)
    assert sight is not None
    return {
        "drawn": np.asarray(ct._slice.image.raw).copy(),
        "mask drawn": np.asarray(viewer.layers[MASK]._slice.image.raw).copy(),
        "slices of the slider": viewer.dims.nsteps[-3],
        "place of the slider": viewer.dims.current_step[-3],
        "slice": layers.slice_view.current_slice,
        "hindrance": reason_not_seen(sight),
        "magnification": round(sight.pixels_per_mm, 6),
        "view": tuple(np.round(sight.view, 3)),
    }


def _assert_same(found: dict[str, object], wanted: dict[str, object]) -> None:
    for key in wanted:
        np.testing.assert_array_equal(found[key], wanted[key], err_msg=key)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", _FOREIGN)
def test_a_layer_of_ones_own_moves_neither_slice_nor_slider(
    layers: CaseLayers, volume: Volume, kind: str
) -> None:
    viewer, view = layers.viewer, layers.slice_view
    viewer.canvas.size = (600, 800)
    put(layers, block(volume))
    view.straighten()
    view.go_to_slice(2)
    before = _shown(layers)
    assert (before["slice"], before["slices of the slider"], before["hindrance"]) == (2, len(volume.hu), "")
    np.testing.assert_array_equal(before["drawn"], volume.hu[2])

    added = viewer.add_layer(_FOREIGN[kind]())
    added.visible = False
    _assert_same(_shown(layers), before)
    view.step_up()
    moved = _shown(layers)
    np.testing.assert_array_equal(moved["drawn"], volume.hu[3])
    assert (moved["slice"], moved["place of the slider"], moved["hindrance"]) == (3, 3, "")
    for index in range(len(volume.hu)):
        viewer.dims.set_current_step(viewer.dims.ndim - 3, index)
        np.testing.assert_array_equal(_shown(layers)["drawn"], volume.hu[index])
        assert view.current_slice == index
    view.go_to_slice(2)
    view.straighten()
    _assert_same(_shown(layers), before)
    viewer.layers.remove(added)
    _assert_same(_shown(layers), before)


@pytest.mark.parametrize("kind", _FOREIGN)
def test_a_case_that_opens_beside_such_a_layer_is_shown_as_without_it(volume: Volume, kind: str) -> None:
    alone, beside = CaseLayers(ViewerModel()), CaseLayers(ViewerModel())
    added = beside.viewer.add_layer(_FOREIGN[kind]())
    added.visible = False
    following = phantom_volume(make_phantom(PhantomRequest(3, (7, 50, 20), (4.0, 5.0, 6.0))))
    for shown in (volume, following):
        for each in (alone, beside):
            each.viewer.canvas.size = (600, 800)
            each.show_case(shown, None)
            each.slice_view.go_to_slice(4)
        _assert_same(_shown(beside), _shown(alone))


def test_a_place_is_brought_close_as_without_such_a_layer(layers: CaseLayers, volume: Volume) -> None:
    box = (slice(5, 8), slice(10, 14), slice(12, 20))
    other = CaseLayers(ViewerModel())
    other.show_case(volume, None)
    layers.viewer.add_layer(_FOREIGN["micrometres"]()).visible = False
    for each in (layers, other):
        each.viewer.canvas.size = (600, 800)
        each.slice_view.straighten()
        each.markers.show_place(box, 6)
    _assert_same(_shown(layers), _shown(other))


@pytest.mark.parametrize(
    ("spacing", "slices"),
    [(0.7, 4), (0.8, 44), (0.6, 32), (1.1, 16), (3.27, 16), (0.30000001192, 56), (5, 12)],
)
def test_the_slider_reaches_every_slice_whatever_the_spacing(
    layers: CaseLayers, spacing: float, slices: int
) -> None:
    ct = phantom_volume(make_phantom(PhantomRequest(1, (slices, 12, 12), (spacing, 8.0, 8.0))))
    layers.show_case(ct, None)
    assert layers.viewer.dims.nsteps[0] == slices
    layers.viewer.dims.set_current_step(0, layers.viewer.dims.nsteps[0] - 1)
    assert layers.slice_view.current_slice == slices - 1
    np.testing.assert_array_equal(layers.viewer.layers[CT]._slice.image.raw, ct.hu[-1])

"""Nothing is seen or verified that was not drawn: the window's state against napari's real model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from attunet_gui.gui.napari_adapter.layer_factory import CT, MASK
from attunet_gui.review.slice_visibility import SEEN_AFTER_S
from tests.support.headless_window import HeadlessWindow, Z, box_mask
from tests.support.scripted_network import ct

__all__ = ["ct"]


def wait(world: HeadlessWindow, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        world.live()


def _zoom_away(viewer: ViewerModel) -> None:
    viewer.scene.camera.zoom, viewer.scene.camera.center = 40.0, (0.0, 0.0, 0.0)


def _cover(viewer: ViewerModel) -> None:
    viewer.layers.move(viewer.layers.index(viewer.layers[CT]), len(viewer.layers))


AWAY: dict[str, Callable[[ViewerModel], object]] = {
    "rolled": lambda viewer: viewer.dims.roll(),
    "transposed": lambda viewer: viewer.dims.transpose(),
    "3-D": lambda viewer: setattr(viewer.dims, "ndisplay", 3),
    "zoomed away": _zoom_away,
    "zoomed out": lambda viewer: setattr(viewer.scene.camera, "zoom", 0.01),
    "mask hidden": lambda viewer: setattr(viewer.layers[MASK], "visible", False),
    "mask clear": lambda viewer: setattr(viewer.layers[MASK], "opacity", 0),
    "CT hidden": lambda viewer: setattr(viewer.layers[CT], "visible", False),
    "CT above the mask": _cover,
    "black": lambda viewer: setattr(viewer.layers[CT], "contrast_limits", (9000.0, 9900.0)),
    "grid": lambda viewer: setattr(viewer.canvas.grid, "enabled", True),
    "mirrored": lambda viewer: setattr(viewer.scene.camera, "orientation2d", ("down", "left")),
}


@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
def test_what_is_not_drawn_is_neither_seen_nor_verified(
    world: HeadlessWindow, ct: Path, away: Callable[[ViewerModel], object]
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    world.controller.layers.slice_view.go_to_slice(Z)
    away(world.controller.layers.viewer)
    world.controller.layers.slice_view.go_to_slice(Z + 1)
    wait(world, 1.5 * SEEN_AFTER_S)
    guide = world.controller.review
    assert Z + 1 not in guide.review_state.seen
    guide.verify_slice()
    assert world.said.startswith(
        f"Slice {world.controller.layers.slice_view.current_slice + 1} is not verified: "
    )
    assert world.said.count(".") <= 2
    assert guide.review_state.verified == world.controller.edits.work.decisions.verified_slices == frozenset()  # type: ignore[union-attr]


def test_a_window_that_is_minimised_shows_nothing(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    guide = world.controller.review
    guide.watcher.is_window_shown = lambda: False
    world.controller.layers.slice_view.go_to_slice(Z + 1)
    wait(world, 1.5 * SEEN_AFTER_S)
    assert Z + 1 not in guide.review_state.seen
    guide.watcher.is_window_shown = lambda: True
    wait(world, 2.5 * SEEN_AFTER_S)
    assert Z + 1 in guide.review_state.seen


def test_a_slice_is_verified_once_it_was_there_for_long_enough(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    guide = world.controller.review
    world.controller.layers.slice_view.go_to_slice(Z + 1)
    guide.verify_slice()
    assert (
        world.said == f"Slice {Z + 2} is not verified: it has not been on screen for {SEEN_AFTER_S:g} s yet."
    )
    world.until(lambda: Z + 1 in guide.review_state.seen)
    guide.verify_slice()
    assert world.said == f"Slice {Z + 2} is verified: no tool and no draft changes it."
    assert guide.review_state.verified == {Z + 1}
    world.controller.layers.viewer.dims.roll()
    guide.verify_slice()
    assert guide.review_state.verified == frozenset(), "taking it back needs no look"


def test_ctrl_r_shows_axial_slices_again(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    layers = world.controller.layers
    for change in AWAY.values():
        change(layers.viewer)
    layers.viewer.layers[MASK].visible = layers.viewer.layers[CT].visible = True
    layers.viewer.layers[MASK].opacity = 1
    layers.appearance.set_hu_window(-160, 240)
    layers.layer_set.raise_masks()
    keys = {str(key): call for key, call in layers.viewer.keymap.items()}
    keys["Ctrl+R"](layers.viewer)
    world.controller.layers.slice_view.go_to_slice(2)
    world.until(lambda: 2 in world.controller.review.review_state.seen)


def test_a_stroke_in_another_plane_was_not_seen_in_its_axial_slices(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    world.controller.layers.slice_view.go_to_slice(Z)
    world.until(lambda: Z in world.controller.review.review_state.seen)
    world.controller.layers.viewer.dims.roll()
    world.paint(Z, 35, 5)
    assert Z not in world.controller.review.review_state.seen


def test_layers_of_the_case_stay_where_the_ct_was_taken(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    viewer = world.controller.layers.viewer
    spacing = tuple(viewer.layers[CT].scale)
    for key in (CT, MASK):
        layer = viewer.layers[key]
        layer.scale = (1, 1, 1)
        layer.translate = (5, 5, 5)
        layer.affine = np.diag([1.0, -1.0, 1.0, 1.0])
        layer.rotate = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
        assert tuple(layer.scale) == spacing
        assert not layer.translate.any()
        np.testing.assert_array_equal(layer.affine.affine_matrix, np.eye(4))
        np.testing.assert_array_equal(layer.rotate, np.eye(3))
        assert f"{key} lies where the CT was taken" in world.said


def test_the_time_in_which_the_window_was_blocked_does_not_count_as_looking(
    world: HeadlessWindow, ct: Path
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    world.until(lambda: Z in world.controller.review.review_state.seen)
    world.controller.layers.slice_view.go_to_slice(Z + 1)
    wait(world, 0.3 * SEEN_AFTER_S)
    time.sleep(3 * SEEN_AFTER_S)
    for _ in range(10):
        world.live()
    assert Z + 1 not in world.controller.review.review_state.seen
    wait(world, 1.5 * SEEN_AFTER_S)
    assert Z + 1 in world.controller.review.review_state.seen

"""What is in hand: a click does what the dock shows, by whatever key or layer it came to that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.key_bindings import KeymapHandler
from qtpy.QtWidgets import QApplication, QPushButton

from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.layer_factory import CT, MASK
from attunet_gui.gui.napari_adapter.mask_labels import RIGHT_BUTTON
from attunet_gui.gui.panels.tool_panels import ToolsPanel
from tests.support.headless_window import HeadlessWindow, Z, box_mask
from tests.support.scripted_network import ct

__all__ = ["ct"]


def mask_layer(world: HeadlessWindow) -> Labels:
    return world.controller.layers.viewer.layers[MASK]


def keys_of(layers: CaseLayers) -> KeymapHandler:
    """napari's own handling of keys, as its canvas has it."""
    handler = KeymapHandler()
    active = layers.viewer.layers.selection.active
    handler.keymap_providers = [active, layers.viewer]
    return handler


def struck(handler: KeymapHandler, keys: str) -> None:
    handler.press_key(keys)
    handler.release_key(keys)


@pytest.fixture
def panel(world: HeadlessWindow) -> ToolsPanel:
    made = ToolsPanel()
    world.controller.look_changed.connect(lambda: made.show_brush(world.controller.layers, (1.0, 1.0, 1.0)))
    world.controller.toolbox.changed.connect(lambda: made.show_selected_tool(world.controller.toolbox))
    return made


def shown(panel: ToolsPanel) -> set[str]:
    lit: dict[str, QPushButton] = {**panel.tools, **panel.kinds}
    return {key for key, made in lit.items() if made.isChecked()}


@pytest.mark.parametrize("undo", ["Ctrl+Z", "Ctrl+Shift+Z"])
@pytest.mark.parametrize(("before", "key", "tool"), [("P", "Z", "pan_zoom"), ("E", "Z", "pan_zoom")])
def test_undo_and_redo_leave_the_tool(
    world: HeadlessWindow,
    ct: Path,
    monkeypatch: pytest.MonkeyPatch,
    undo: str,
    before: str,
    key: str,
    tool: str,
) -> None:
    world.open(ct)
    monkeypatch.setattr(get_settings().application, "hold_button_delay", 0.0)
    keys = keys_of(world.controller.layers)
    struck(keys, before)
    world.paint(Z, 20, 20)
    struck(keys, before)
    keys.press_key(key)  # a key that goes up after the letter of another one has gone down
    struck(keys, undo)
    assert world.controller.layers.tools.current_tool == tool
    struck(keys, undo)
    assert world.controller.layers.tools.current_tool == tool


def test_every_mode_of_a_mask_is_one_that_the_dock_shows(
    world: HeadlessWindow, ct: Path, panel: ToolsPanel
) -> None:
    world.open(ct)
    layer = mask_layer(world)
    for mode in Labels._modeclass:
        layer.mode = mode
        assert layer.mode in panel.tools
        assert shown(panel) == {layer.mode}
    layer.mode = "fill"
    assert "napari's mode fill is not used on a mask" in world.said
    for keys in ("F", "L", "4", "5", "7"):
        world.controller.select_tool("paint")
        struck(keys_of(world.controller.layers), keys)
        assert shown(panel) == {"paint"}


def test_the_brush_adds_whatever_napari_was_told(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    for keys in ("X", "M", "-", "=", "B"):
        struck(keys_of(world.controller.layers), keys)
        layer = mask_layer(world)
        assert (layer.selected_label, layer.preserve_labels) == (1, False), keys


def test_the_right_button_starts_nothing_that_goes_on_unseen(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.controller.select_tool("paint")
    layer = mask_layer(world)
    assert not layer._overlays["brush_stroke"].enabled
    press = SimpleNamespace(
        button=2, position=(Z, 20, 20), type="mouse_press", view_direction=None, dims_displayed=[1, 2]
    )
    for call in layer.mouse_drag_callbacks:
        made = call(layer, press)
        if made is not None:
            list(made)
    assert world.said == RIGHT_BUTTON
    assert not world.mask.any()


def test_our_tool_is_shown_until_something_else_is_in_hand(
    world: HeadlessWindow, ct: Path, panel: ToolsPanel
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    toolbox, layers = world.controller.toolbox, world.controller.layers
    waits = "add-this" if "add-this" in panel.kinds else next(iter(panel.kinds))
    for away in ("Z", "P", "Escape"):
        toolbox.select_tool(waits)
        assert shown(panel) == {waits}
        struck(keys_of(layers), away)
        assert shown(panel) == {"paint" if away == "P" else "pan_zoom"}
        assert toolbox.selected_kind is None
    toolbox.select_tool(waits)
    layers.viewer.layers.selection.active = layers.viewer.layers[CT]
    assert shown(panel) == {"pan_zoom"}
    toolbox.select_tool("grow")
    assert shown(panel) == {"grow", "pan_zoom"}
    world.controller._case_opened(world.controller.session.case)  # type: ignore[arg-type]
    assert shown(panel) == {"pan_zoom"}


def test_a_tool_that_is_done_at_once_does_not_stay_lit(
    world: HeadlessWindow, ct: Path, panel: ToolsPanel
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    panel.kind_asked.connect(world.controller.toolbox.select_tool)
    at_once = [key for key in panel.kinds if key in ("fill-holes", "keep-largest", "largest")]
    assert at_once
    for key in at_once:
        panel.kinds[key].click()
        assert key not in shown(panel)


def test_tools_and_undo_work_whichever_layer_is_selected(
    world: HeadlessWindow, ct: Path, panel: ToolsPanel
) -> None:
    world.open(ct)
    layers = world.controller.layers
    world.paint(Z, 20, 20)
    layers.viewer.layers.selection.active = layers.viewer.layers[CT]
    assert shown(panel) == {"pan_zoom"}, "a click moves the picture: that is what is lit"
    struck(keys_of(layers), "P")
    assert layers.viewer.layers.selection.active is mask_layer(world)
    assert shown(panel) == {"paint"}
    layers.viewer.layers.selection.active = layers.viewer.layers[CT]
    struck(keys_of(layers), "Ctrl+Z")
    assert not world.mask.any()
    for keys in ("]", "["):
        size = layers.tools.brush_size
        struck(keys_of(layers), keys)
        assert layers.tools.brush_size == size + (1 if keys == "]" else -1)


def test_a_layer_of_the_persons_own_lights_no_tool(
    world: HeadlessWindow, ct: Path, panel: ToolsPanel
) -> None:
    world.open(ct)
    world.controller.select_tool("paint")
    points = world.controller.layers.viewer.add_points(np.zeros((1, 3)), name="mine")
    points.mode = "add"
    world.controller.look_changed.emit()
    assert shown(panel) == set()
    world.controller.select_tool("erase")
    assert shown(panel) == {"erase"}


def test_the_window_binds_tools_and_undo_for_every_layer(qt: QApplication) -> None:
    from attunet_gui.gui.napari_adapter.napari_key_settings import brush_keys, tool_keys

    assert {str(keys) for keys in tool_keys()["paint"]} == {"2", "P"}
    assert {tool: bool(keys) for tool, keys in tool_keys().items()} == dict.fromkeys(
        ("pan_zoom", "paint", "erase", "polygon"), True
    )
    assert all(brush_keys().values())


@pytest.mark.parametrize("change", ["3-D", "another plane"])
def test_the_corners_of_a_polygon_stay_in_the_plane_in_which_they_were_set(
    world: HeadlessWindow, ct: Path, change: str
) -> None:
    world.open(ct)
    world.controller.select_tool("polygon")
    viewer, overlay = world.controller.layers.viewer, mask_layer(world)._overlays["polygon"]
    overlay.points = [[Z, 5.0, 5.0], [Z, 9.0, 5.0], [Z, 9.0, 9.0]]
    if change == "3-D":
        viewer.dims.ndisplay = 3
    else:
        viewer.dims.transpose()
    assert overlay.points == []

"""What hands do to the window, the expected and the unexpected, each as one action with a weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QAction
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QMenu, QSlider, QWidget

from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.user_commands import UserCommand
from tests.support.window_driver import WindowDriver, is_plain

T = TypeVar("T")
_LEFT, _RIGHT, _MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
_MODIFIERS = (Qt.KeyboardModifier.NoModifier,) * 4 + (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)
_OUR_KEYS = tuple(command.keys for command in UserCommand if command.keys) + tuple(
    kind.keys for kind in TOOLS
)
_NAPARI_KEYS = (
    *(
        "P",
        "E",
        "3",
        "Z",
        "1",
        "2",
        "4",
        "5",
        "6",
        "7",
        "[",
        "]",
        "M",
        "D",
        "I",
        "X",
        "L",
        "B",
        "F",
        "V",
        "S",
    ),
    *("Ctrl+E", "Ctrl+T", "Ctrl+Y", "Ctrl+G", "Ctrl+R", "Ctrl+H", "Ctrl+J", "Ctrl+K", "Ctrl+D", "Ctrl+A"),
    *(
        "Ctrl+C",
        "Ctrl+X",
        "Ctrl+V",
        "Ctrl+I",
        "Ctrl+S",
        "Ctrl+Shift+S",
        "Ctrl+O",
        "Ctrl+N",
        "Ctrl+M",
        "Alt+Up",
    ),
    *(
        "Left",
        "Right",
        "Up",
        "Down",
        "PgUp",
        "PgDown",
        "Home",
        "End",
        "Esc",
        "Tab",
        "Return",
        "Del",
        "Backspace",
    ),
)
_NEVER = ("exit", "quit", "close", "restart", "full screen", "fullscreen", "console", "plugin", "preferences")
"""Menu entries that would end the window, or that leave the program (a console, the installer of plugins)."""


@dataclass(frozen=True)
class WindowAction:
    """One thing that hands do.

    Attributes:
        name: for the log.
        weight: how often it is chosen, compared with the others.
        perform: does it; returns what exactly was done, in words.
    """

    name: str
    weight: float
    perform: Callable[[WindowDriver], str]


def choose(driver: WindowDriver) -> WindowAction:
    """An action by weight."""
    weights = np.array([action.weight for action in ACTION_TABLE])
    return ACTION_TABLE[int(driver.rng.choice(len(ACTION_TABLE), p=weights / weights.sum()))]


def _pick(driver: WindowDriver, values: Sequence[T]) -> T:
    return values[int(driver.rng.integers(len(values)))]


# Keys, mouse and wheel on the canvas


def _press(keys: tuple[str, ...], driver: WindowDriver) -> str:
    chosen = _pick(driver, keys)
    driver.press_keys(chosen)
    return chosen


def _drag(button: Qt.MouseButton, modified: bool, driver: WindowDriver) -> str:
    modifiers = _pick(driver, _MODIFIERS) if modified else Qt.KeyboardModifier.NoModifier
    start, end = driver.random_point(), driver.random_point()
    driver.drag(button, modifiers, start, end)
    return f"{button.name} {modifiers.name} {start.x()},{start.y()} to {end.x()},{end.y()}"


def _click(button: Qt.MouseButton, driver: WindowDriver) -> str:
    widget = driver.painted_canvas()
    place, modifiers = driver.random_point(), _pick(driver, _MODIFIERS)
    QTest.mouseClick(widget, button, modifiers, place)
    driver.pump()
    return f"{button.name} {modifiers.name} {place.x()},{place.y()}"


def _double_click(driver: WindowDriver) -> str:
    widget = driver.painted_canvas()
    place = driver.random_point()
    QTest.mouseClick(widget, _LEFT, Qt.KeyboardModifier.NoModifier, place)
    QTest.mouseDClick(widget, _LEFT, Qt.KeyboardModifier.NoModifier, place)
    driver.pump()
    return f"{place.x()},{place.y()}"


def _wheel_on_canvas(driver: WindowDriver) -> str:
    widget, _middle = driver.canvas()
    steps, modifiers = _pick(driver, (-2, -1, 1, 2)), _pick(driver, _MODIFIERS)
    driver.wheel(widget, steps, modifiers)
    return f"{steps} {modifiers.name}"


# The dock


def _shown_in_dock(driver: WindowDriver, *kinds: type[QWidget]) -> list[QWidget]:
    found = [child for kind in kinds for child in driver.app.dock.findChildren(kind)]
    return [child for child in found if is_plain(child)]


def _click_in_dock(driver: WindowDriver) -> str:
    buttons = _shown_in_dock(driver, QAbstractButton)
    if not buttons:
        return "no button"
    button = _pick(driver, buttons)
    QTest.mouseClick(button, _LEFT)
    driver.pump()
    return repr(button.text())


def _tool_in_dock(driver: WindowDriver) -> str:
    panel = driver.app.dock.tools
    shown = [button for button in (*panel.tools.values(), *panel.kinds.values()) if is_plain(button)]
    if not shown:
        return "no tool"
    button = _pick(driver, shown)
    QTest.mouseClick(button, _LEFT)
    driver.pump()
    return repr(button.text())


def _wheel_on_dock(driver: WindowDriver) -> str:
    fields = _shown_in_dock(driver, QComboBox, QAbstractSpinBox, QSlider)
    if not fields:
        return "no field"
    field = _pick(driver, fields)
    field.clearFocus()
    before = _value_of(field)
    driver.wheel(field, _pick(driver, (-1, 1)), Qt.KeyboardModifier.NoModifier)
    assert _value_of(field) == before, f"the wheel changed {type(field).__name__} without focus"
    return type(field).__name__


def _value_of(field: object) -> object:
    return field.currentIndex() if isinstance(field, QComboBox) else field.value()


# Menus, layer list, dimensions and camera of napari


def _menu(driver: WindowDriver) -> str:
    menus = [entry.menu() for entry in driver.app.window.menuBar().actions()]
    menu = _pick(driver, [menu for menu in menus if isinstance(menu, QMenu)])
    menu.aboutToShow.emit()
    allowed = [entry for entry in _entries(menu) if _may_be_triggered(entry)]
    if not allowed:
        return f"nothing in {menu.title()}"
    entry = _pick(driver, allowed)
    text = entry.text()
    entry.trigger()
    driver.pump()
    return repr(text)


def _entries(menu: QMenu) -> list[QAction]:
    """Entries of `menu` and of the menus in it."""
    found = []
    for entry in menu.actions():
        below = entry.menu()
        found += _entries(below) if isinstance(below, QMenu) else [entry]
    return found


def _may_be_triggered(entry: QAction) -> bool:
    text = entry.text().replace("&", "").lower()
    plain = bool(text) and entry.isEnabled() and not entry.isSeparator() and entry.menu() is None
    return plain and not any(word in text for word in _NEVER)


def _layer_list(driver: WindowDriver) -> str:
    layers = driver.app.viewer.layers
    if not layers:
        return "no layer"
    layer = layers[int(driver.rng.integers(len(layers)))]
    change = _pick(driver, tuple(_LAYER_CHANGES))
    name = layer.name
    _LAYER_CHANGES[change](driver, layer)
    driver.pump()
    return f"{change} {name}"


_MODES = ["pan_zoom", "transform", "pick", "paint", "fill", "erase", "polygon"]


def _mask_setting(driver: WindowDriver) -> str:
    """Settings of napari's own controls for the mask layer."""
    layers = driver.app.viewer.layers
    if MASK not in layers:
        return "no mask"
    layer = layers[MASK]
    name, values = _pick(driver, _MASK_SETTINGS)
    value = _pick(driver, values)
    setattr(layer, name, value)
    driver.pump()
    return f"{name} = {value}"


_MASK_SETTINGS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("mode", tuple(_MODES)),
    ("selected_label", (0, 1, 2, 7)),
    ("opacity", (0.0, 0.5, 1.0)),
    ("visible", (True, False)),
    ("contour", (0, 1, 3)),
    ("brush_size", (1, 4, 15)),
    ("n_edit_dimensions", (2, 3)),
    ("preserve_labels", (True, False)),
    ("contiguous", (True, False)),
    ("editable", (True, False)),
)

_LAYER_CHANGES: dict[str, Callable[[WindowDriver, object], None]] = {
    "select": lambda driver, layer: setattr(driver.app.viewer.layers.selection, "active", layer),
    "select none": lambda driver, _layer: driver.app.viewer.layers.selection.clear(),
    "toggle": lambda _driver, layer: setattr(layer, "visible", not layer.visible),
    "rename": lambda _driver, layer: setattr(layer, "name", layer.name + "x"),
    "remove": lambda driver, layer: driver.app.viewer.layers.remove(layer),
    "move": lambda driver, layer: driver.app.viewer.layers.move(
        driver.app.viewer.layers.index(layer), int(driver.rng.integers(len(driver.app.viewer.layers)))
    ),
}


def _dimensions(driver: WindowDriver) -> str:
    dims = driver.app.viewer.dims
    what = _pick(driver, ("roll", "transpose", "3d", "2d", "axial", "axial", "step"))
    if what == "roll":
        dims.roll()
    elif what == "transpose":
        dims.transpose()
    elif what in ("3d", "2d"):
        dims.ndisplay = int(what[0])
    elif what == "axial":
        dims.ndisplay, dims.order = 2, tuple(range(dims.ndim))
    else:
        axis = int(driver.rng.integers(dims.ndim))
        dims.set_current_step(axis, int(driver.rng.integers(max(1, dims.nsteps[axis]))))
    driver.pump()
    return what


def _camera(driver: WindowDriver) -> str:
    what = _pick(driver, ("away", "near", "reset", "reset"))
    viewer = driver.app.viewer
    if what == "reset":
        viewer.reset_view()
    else:
        viewer.scene.camera.zoom *= 4.0 if what == "near" else 1.0
        centre = np.array(viewer.scene.camera.center) + (driver.rng.normal(0, 200) if what == "away" else 20)
        viewer.scene.camera.center = tuple(centre)
    driver.pump()
    return what


# Cases, drafts, time


def _open_case(driver: WindowDriver) -> str:
    path = _pick(driver, driver.cts)
    driver.app.controller.opener.open_path(path)
    driver.settle()
    return path.name


def _draft(driver: WindowDriver) -> str:
    driver.app.controller.drafting.run_or_cancel()
    driver.pump()
    return "asked"


def _answer_draft(driver: WindowDriver) -> str:
    return "drafted" if driver.answer_draft() else "nothing asked"


def _save(driver: WindowDriver) -> str:
    driver.app.controller.saving.save()
    driver.settle()
    return str(driver.app.session.message.text)


def _wait(driver: WindowDriver) -> str:
    driver.live(0.4)
    return "0.4 s"


def _resize(driver: WindowDriver) -> str:
    width, height = int(driver.rng.integers(700, 1300)), int(driver.rng.integers(500, 800))
    driver.app.window.resize(width, height)
    driver.pump()
    return f"{width} x {height}"


def _focus_elsewhere(driver: WindowDriver) -> str:
    focus = QApplication.focusWidget()
    QTest.keyClick(driver.app.dock, Qt.Key.Key_Tab)
    driver.pump()
    return type(focus).__name__


def _pan_while_held(driver: WindowDriver) -> str:
    widget, _middle = driver.canvas()
    QTest.keyPress(widget, Qt.Key.Key_Space)
    _drag(_LEFT, False, driver)
    QTest.keyRelease(widget, Qt.Key.Key_Space)
    driver.pump()
    return "space held"


def _stroke_and_key(driver: WindowDriver) -> str:
    """A key pressed while a stroke is being made."""
    widget = driver.painted_canvas()
    start, keys = driver.random_point(), _pick(driver, ("Ctrl+Z", "Up", "H", "E", "Z", "Q", "P"))
    QTest.mouseMove(widget, start)
    QTest.mousePress(widget, _LEFT, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(widget, start + QPoint(6, 3))
    driver.pump()
    driver.press_keys(keys)
    QTest.mouseMove(widget, start + QPoint(12, 6))
    QTest.mouseRelease(widget, _LEFT, Qt.KeyboardModifier.NoModifier, start + QPoint(12, 6))
    driver.pump()
    return keys


def _stroke_as_usual(driver: WindowDriver) -> str:
    """What most of a person's day is: an axial slice, the brush or the eraser, a stroke."""
    dims = driver.app.viewer.dims
    dims.ndisplay, dims.order = 2, tuple(range(dims.ndim))
    driver.app.viewer.reset_view()
    if MASK in driver.app.viewer.layers:
        layer = driver.app.viewer.layers[MASK]
        layer.visible, layer.opacity, layer.editable = True, 1.0, True
    dims.set_current_step(0, int(driver.rng.integers(max(1, dims.nsteps[0]))))
    driver.press_keys(_pick(driver, ("P", "P", "E")))
    return _drag(_LEFT, False, driver)


def _look_and_verify(driver: WindowDriver) -> str:
    dims = driver.app.viewer.dims
    driver.live(0.4)
    driver.press_keys("Q")
    return f"slice {dims.current_step[0]}"


ACTION_TABLE: tuple[WindowAction, ...] = (
    WindowAction("our key", 16, partial(_press, _OUR_KEYS)),
    WindowAction("napari's key", 12, partial(_press, _NAPARI_KEYS)),
    WindowAction("tool key", 6, partial(_press, ("P", "E", "3", "Z", "P", "Ctrl+Z", "Ctrl+Shift+Z"))),
    WindowAction("verify", 4, partial(_press, ("Q", "Q", "A", "N", "Shift+N"))),
    WindowAction("stroke as usual", 12, _stroke_as_usual),
    WindowAction("look and verify", 3, _look_and_verify),
    WindowAction("drag", 12, partial(_drag, _LEFT, False)),
    WindowAction("modified drag", 3, partial(_drag, _LEFT, True)),
    WindowAction("right drag", 2, partial(_drag, _RIGHT, True)),
    WindowAction("middle drag", 1, partial(_drag, _MIDDLE, True)),
    WindowAction("click", 3, partial(_click, _LEFT)),
    WindowAction("right click", 3, partial(_click, _RIGHT)),
    WindowAction("double click", 2, _double_click),
    WindowAction("wheel on the canvas", 4, _wheel_on_canvas),
    WindowAction("wheel on the dock", 3, _wheel_on_dock),
    WindowAction("tool in the dock", 5, _tool_in_dock),
    WindowAction("button in the dock", 4, _click_in_dock),
    WindowAction("menu entry", 2, _menu),
    WindowAction("layer list", 4, _layer_list),
    WindowAction("mask setting", 3, _mask_setting),
    WindowAction("dimensions", 3, _dimensions),
    WindowAction("camera", 2, _camera),
    WindowAction("open a case", 1.5, _open_case),
    WindowAction("ask for a draft", 2, _draft),
    WindowAction("draft arrives", 3, _answer_draft),
    WindowAction("save", 2, _save),
    WindowAction("wait", 5, _wait),
    WindowAction("resize", 0.5, _resize),
    WindowAction("focus elsewhere", 1, _focus_elsewhere),
    WindowAction("space held", 1, _pan_while_held),
    WindowAction("key within a stroke", 2, _stroke_and_key),
)

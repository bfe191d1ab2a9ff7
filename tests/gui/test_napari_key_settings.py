"""The whole table of napari's keys and actions, from its own registries: none changes a mask unmeant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from qtpy.QtWidgets import QApplication

from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.gui.napari_adapter.layer_factory import CT, MASK
from attunet_gui.gui.napari_adapter.napari_key_settings import refused_mode_keys
from tests.support.window_driver import WindowDriver
from tests.support.window_invariants import ALWAYS, check_journal, check_tool

pytestmark = pytest.mark.window

ENDS_THE_WINDOW = {"Ctrl+Q", "Ctrl+W"}
OPENS_A_DIALOG = {
    "Ctrl+O",
    "Ctrl+Shift+O",
    "Ctrl+Alt+O",
    "Ctrl+Alt+S",
    "Alt+S",
    "Shift+Alt+S",
    "Ctrl+,",
    "Alt+T",
}
"""Whose files are tried by tests of their own."""
OURS = {"Ctrl+Z", "Ctrl+Shift+Z", "A", "Shift+A", "N", "Q", *(kind.keys for kind in TOOLS)}
"""They are in our guide, and change the mask or what is accepted on purpose."""


def napari_keys() -> list[str]:
    """Every key that napari binds for the viewer, a mask or an image, as its registries have them now."""
    found = {str(key) for keys in get_settings().shortcuts.shortcuts.values() for key in keys}
    for kind in (ViewerModel, Labels, Image):
        found |= {str(key) for key in kind.class_keymap}
    found |= {str(bound.keybinding) for bound in get_app_model().keybindings}
    return sorted(found - ENDS_THE_WINDOW - OPENS_A_DIALOG)


def napari_actions() -> dict[str, str]:
    """Every action of napari for the viewer, a mask or an image, and the layer to select for it."""
    kinds = {ViewerModel: MASK, Labels: MASK, Image: CT}
    return {
        name: kinds[action.keymapprovider]
        for name, action in sorted(action_manager._actions.items())
        if action.keymapprovider in kinds
    }


@pytest.fixture
def driver(qapp: QApplication, tmp_path: Path) -> Iterator[WindowDriver]:
    """A window with a draft, of which one slice is verified."""
    made = WindowDriver(tmp_path, np.random.default_rng(3), paint_every=4)
    made.app.controller.opener.open_path(made.cts[0])
    made.settle()
    made.app.controller.drafting.run_or_cancel()
    made.live(0.2)
    made.answer_draft()
    review = made.app.controller.review
    made.live_until(lambda: made.app.controller.layers.slice_view.current_slice in review.review_state.seen)
    review.verify_slice()
    work = made.app.controller.edits.work
    assert work is not None
    assert len(work.decisions.verified_slices) == 1
    yield made
    made.close()


def changed_by(driver: WindowDriver, what: object) -> str:
    """Do `what`, a key or the name of an action; return what changed of the case, "" if nothing did."""
    work = driver.app.controller.edits.work
    assert work is not None
    mask = driver.mask
    assert mask is not None
    before = (mask.copy(), len(work.history.undo_stack.undoable_strokes), work.decisions.verified_slices)
    driver.app.controller.review.watcher.is_window_shown = lambda: True
    if str(what).startswith("napari:"):
        action_manager.trigger(str(what))
        driver.pump()
    else:
        driver.press_keys(str(what))
    driver.live(0.02)
    after = driver.mask
    assert after is not None
    same = (
        np.array_equal(before[0], after),
        before[1] == len(work.history.undo_stack.undoable_strokes),
        before[2] == work.decisions.verified_slices,
    )
    words = ("the mask", "the strokes", "the verified slices")
    return ", ".join(word for word, kept in zip(words, same, strict=True) if not kept)


def back(driver: WindowDriver, selected: str) -> None:
    """Undo what keys did to the view; the CT and the mask are shown, and `selected` is selected."""
    viewer = driver.app.viewer
    popup = QApplication.activePopupWidget()
    if popup is not None:
        popup.close()
    viewer.dims.ndisplay = 2
    for name in (CT, MASK):
        assert name in viewer.layers
        viewer.layers[name].visible = True
    viewer.layers.selection.active = viewer.layers[selected]


@pytest.mark.parametrize("selected", [MASK, CT], ids=["mask", "CT"])
def test_no_key_of_napari_changes_the_mask(driver: WindowDriver, selected: str) -> None:
    keys = napari_keys()
    assert {"M", "X", "F", "Ctrl+Delete", "Ctrl+E", "V", "Ctrl+0"} <= set(keys), "the registries are read"
    found = {}
    for key in keys:
        back(driver, selected)
        changed = changed_by(driver, key)
        if key in OURS:
            # What a tool computes in the background is no effect of the next key.
            driver.live(1.0)
            driver.settle()
        elif changed:
            found[key] = changed
        for check in (*ALWAYS, check_journal):
            check(driver)
    assert found == {}


def test_no_action_of_napari_changes_the_mask(driver: WindowDriver) -> None:
    actions = napari_actions()
    assert {"napari:new_label", "napari:roll_axes", "napari:auto_contrast_once"} <= set(actions)
    found = {}
    for name, selected in actions.items():
        back(driver, selected)
        changed = changed_by(driver, name)
        if changed:
            found[name] = changed
        for check in (*ALWAYS, check_journal):
            check(driver)
    assert found == {}


@pytest.mark.parametrize("key", sorted({str(key) for keys in refused_mode_keys().values() for key in keys}))
def test_a_refused_mode_is_not_remembered(driver: WindowDriver, key: str) -> None:
    """napari keeps the mode before, and went back to it when the letter was released again with Shift."""
    assert {"F", "4", "L", "7"} <= {str(one) for keys in refused_mode_keys().values() for one in keys}
    mask = driver.app.viewer.layers[MASK]
    driver.press_keys("E")
    driver.press_keys(key)
    assert "is not used on a mask" in driver.app.session.message.text
    assert str(mask.mode) == "erase"
    driver.press_keys("P")
    driver.live(get_settings().application.hold_button_delay + 0.1)
    driver.press_keys(f"Shift+{key}")
    driver.live(0.1)
    assert str(mask.mode) != "erase"
    check_tool(driver)

"""The table of shortcuts against napari's own."""

from __future__ import annotations

import pytest
from napari.settings import get_settings
from qtpy.QtGui import QKeySequence

from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.gui.controllers.main_controller import MainController
from attunet_gui.gui.controllers.mask_review_controller import MaskReviewController
from attunet_gui.gui.controllers.propagation_controller import PropagationController
from attunet_gui.gui.controllers.tool_controller import ToolController
from attunet_gui.gui.controllers.window_dialogs import WindowDialogs
from attunet_gui.gui.finetuning.finetuning_controller import FinetuningController
from attunet_gui.gui.keyboard_shortcuts import (
    ACTIONS,
    NAPARI_KEYS,
    UserAction,
    keys_of,
    shortcuts_html,
    tooltip_for,
)
from attunet_gui.gui.napari_adapter.overlay_layers import LayerAppearance
from attunet_gui.gui.napari_adapter.slice_view import SliceView
from attunet_gui.gui.worklist.worklist_controller import WorklistController

KEYS = [action.keys for action in ACTIONS if action.keys] + [kind.keys for kind in TOOLS]
NOT_FOR_MASKS = {"A", "D", "I", "K", "R", "Shift+L", "Shift+A"}
"""napari's keys for points, shapes and 3-D pictures; none of them is in hand while a mask is corrected."""


def _as_qt(napari_keys: object) -> str:
    words = str(napari_keys).replace("Control", "Ctrl").replace("-", "+").replace("++", "+-")
    return QKeySequence(words).toString()


def test_no_shortcut_is_given_twice() -> None:
    normal = [QKeySequence(keys).toString() for keys in KEYS]
    assert len(set(normal)) == len(normal)
    assert all(normal)


def test_no_shortcut_takes_one_of_naparis_keys() -> None:
    taken = {
        _as_qt(keys): name for name, bound in get_settings().shortcuts.shortcuts.items() for keys in bound
    }
    assert _as_qt("Ctrl-G") in taken, "napari's keys are not understood"
    clashes = {
        keys: taken[QKeySequence(keys).toString()]
        for keys in KEYS
        if QKeySequence(keys).toString() in taken and keys not in NOT_FOR_MASKS
    }
    assert clashes == {}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.method + action.keys)
def test_every_action_is_something_the_desk_can_do(action: UserAction) -> None:
    owner, _, method = action.method.rpartition(".")
    kinds = {
        "": MainController,
        "review": MaskReviewController,
        "propagation": PropagationController,
        "worklist": WorklistController,
        "finetuning": FinetuningController,
        "dialogs": WindowDialogs,
        "layers.slice_view": SliceView,
        "toolbox": ToolController,
        "layers.appearance": LayerAppearance,
    }
    assert callable(getattr(kinds[owner], method))


def test_the_help_lists_every_key() -> None:
    html = shortcuts_html()
    assert all(f"<code>{keys}</code>" in html for keys in KEYS)
    assert all(words in html for _keys, words in NAPARI_KEYS)


def test_a_tooltip_names_the_keys() -> None:
    assert tooltip_for("save") == "Save the mask and its record (Ctrl+Shift+S)"
    assert tooltip_for("save_as") == "Save the mask in another place"
    assert keys_of("save_as") == ""

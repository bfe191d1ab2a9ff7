"""The table of shortcuts against napari's own."""

from __future__ import annotations

from inspect import signature

from napari.settings import get_settings
from qtpy.QtGui import QKeySequence

from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.gui.keyboard_shortcuts import NAPARI_KEYS, shortcuts_html
from attunet_gui.gui.user_commands import UserCommand
from tests.support.headless_window import HeadlessWindow

KEYS = [command.keys for command in UserCommand if command.keys] + [kind.keys for kind in TOOLS]
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


def test_every_command_is_a_method_of_the_window_that_takes_nothing(world: HeadlessWindow) -> None:
    methods = {command: command.find_method(world.controller) for command in UserCommand}
    for command, method in methods.items():
        assert callable(method), command
        signature(method).bind()
    assert len(set(methods.values())) == len(methods), "no two do the same"


def test_the_help_lists_every_key() -> None:
    html = shortcuts_html()
    assert all(f"<code>{keys}</code>" in html for keys in KEYS)
    assert all(words in html for _keys, words in NAPARI_KEYS)


def test_a_tooltip_names_the_keys() -> None:
    assert UserCommand.SAVE.tooltip == "Save the mask and its record (Ctrl+Shift+S)"
    assert UserCommand.SAVE_AS.tooltip == "Save the mask in another place"
    assert UserCommand.SAVE_AS.keys == ""

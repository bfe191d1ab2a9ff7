"""Binds the keys of commands, tools and napari, and lists them for the help."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from app_model.backends.qt import QKeyBindingSequence
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QMenu, QWidget

from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.gui.napari_adapter.napari_key_settings import brush_keys, tool_keys
from attunet_gui.gui.qt_helpers import QAction, QShortcut
from attunet_gui.gui.user_commands import UserCommand

if TYPE_CHECKING:
    from attunet_gui.gui.controllers.main_controller import MainController


NAPARI_KEYS: tuple[tuple[str, str], ...] = (
    ("P", "Brush"),
    ("E", "Eraser"),
    ("3", "Polygon"),
    ("Z", "Move the picture"),
    ("[  ]", "Smaller or larger brush"),
    ("Ctrl+Z", "Undo"),
    ("Ctrl+Shift+Z", "Redo"),
    ("Space", "Move the picture while held"),
    ("Left  Right", "Previous or next slice"),
    ("Ctrl+R", "Fit the picture to the window"),
)
"""napari's own keys that matter here, listed in the help. Those for tools are bound to our methods."""


def bind_commands(
    window: QWidget, controller: MainController, without: Collection[UserCommand] = ()
) -> list[QShortcut]:
    """Bind every command that has keys to its method of `controller`, anywhere in `window`.

    Args:
        window: the window.
        controller: carries the commands out.
        without: commands that are not bound.
    """
    return [
        QShortcut(QKeySequence(command.keys), window, command.find_method(controller))
        for command in UserCommand
        if command.keys and command not in without
    ]


def bind_napari_keys(window: QWidget, controller: MainController) -> list[QShortcut]:
    """Bind napari's keys for undo, tools and brush size to our methods, anywhere in `window`.

    napari's own bindings work on the selected layer only, which may be another one than the mask.
    """
    calls: list[tuple[Any, Callable[[], object]]] = [
        ("Ctrl+Z", controller.edits.undo),
        ("Ctrl+Shift+Z", controller.edits.redo),
    ]
    for tool, bound in tool_keys().items():
        calls += [(QKeyBindingSequence(keys), partial(controller.select_tool, tool)) for keys in bound]
    for step, bound in brush_keys().items():
        calls += [
            (QKeyBindingSequence(keys), partial(controller.layers.tools.grow_brush, step)) for keys in bound
        ]
    return [QShortcut(QKeySequence(keys), window, call) for keys, call in calls]


def bind_tools(window: QWidget, press: Callable[[str], None]) -> list[QShortcut]:
    """Bind the key of every tool of the registry to `press(key of the tool)`, anywhere in `window`."""
    return [QShortcut(QKeySequence(kind.keys), window, partial(press, kind.key)) for kind in TOOLS]


def add_help_actions(menu: QMenu, controller: MainController) -> None:
    """Put the commands of the group "Help" at the top of `menu`."""
    wanted = [command for command in UserCommand if command.group == "Help"]
    items = [QAction(command.tooltip, menu) for command in wanted]
    for item, command in zip(items, wanted, strict=True):
        # `triggered` passes whether the item is checked, which our methods do not take.
        item.triggered.connect(partial(_call_without_arguments, command.find_method(controller)))
    before = menu.actions()
    menu.addActions(items)
    # The items that napari put there are moved to the end.
    for item in before:
        menu.addAction(item)


def _call_without_arguments(method: Callable[[], object], *_checked: bool) -> None:
    method()


def shortcuts_html() -> str:
    """Return all shortcuts as an HTML table, by group."""
    rows = []
    for group in dict.fromkeys(command.group for command in UserCommand):
        rows.append(_heading_html(group))
        rows += [
            _row_html(command.keys, command.words)
            for command in UserCommand
            if command.group == group and command.keys
        ]
    for group in dict.fromkeys(kind.group for kind in TOOLS):
        rows.append(_heading_html(f"Tools: {group}"))
        rows += [_row_html(kind.keys, kind.tip) for kind in TOOLS if kind.group == group]
    rows.append(_heading_html("Tools, by napari"))
    rows += [_row_html(keys, words) for keys, words in NAPARI_KEYS]
    return f"<table cellspacing='0' cellpadding='3'>{''.join(rows)}</table>"


def _heading_html(text: str) -> str:
    return f"<tr><td colspan='2'><br><b>{text}</b></td></tr>"


def _row_html(keys: str, words: str) -> str:
    return f"<tr><td><code>{keys}</code>&nbsp;&nbsp;</td><td>{words}</td></tr>"

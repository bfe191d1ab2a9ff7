"""The table of all keyboard shortcuts: used for bindings, tooltips and the list in the help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from app_model.backends.qt import QKeyBindingSequence
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QMenu, QWidget

from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.gui.napari_adapter.napari_key_settings import brush_keys, tool_keys
from attunet_gui.gui.qt_helpers import QAction, QShortcut

if TYPE_CHECKING:
    from attunet_gui.gui.controllers.main_controller import MainController


@dataclass(frozen=True)
class UserAction:
    """Something that the annotator can do by key or button.

    Attributes:
        method: name of the method of the main controller, or of one of its parts ("review.next_place"); it
            takes no arguments.
        keys: as Qt writes them; "" where there is only a button.
        words: what it does, for tooltip and help.
        group: heading in the help.
    """

    method: str
    keys: str
    words: str
    group: str


ACTIONS: tuple[UserAction, ...] = (
    UserAction("next_step", "Ctrl+Return", "Do the next step", "Case"),
    UserAction("open_file", "F2", "Open a CT file", "Case"),
    UserAction("open_folder", "Shift+F2", "Open a DICOM folder", "Case"),
    UserAction("save", "Ctrl+Shift+S", "Save the mask and its record", "Case"),
    UserAction("save_as", "", "Save the mask in another place", "Case"),
    UserAction("worklist.open_project", "F3", "Open a project, or make one", "Worklist"),
    UserAction("worklist.next_case", "F6", "Open the next case of the worklist", "Worklist"),
    UserAction("worklist.accept_case", "Shift+A", "Accept the case: save it, open the next", "Worklist"),
    UserAction("finetuning.ask", "F7", "Improve the model from accepted cases", "Worklist"),
    UserAction("run_or_cancel", "F5", "Draft the pancreas, or cancel the run", "Draft"),
    UserAction("review.next_place", "N", "Go to the next place to check", "Review"),
    UserAction("review.accept_place", "A", "The place in hand is right: go on to the next", "Review"),
    UserAction("review.verify_slice", "Q", "This slice is right: lock it, or unlock it", "Review"),
    UserAction("review.next_unseen", "Shift+N", "Go to the next slice with mask that was not seen", "Review"),
    UserAction("toolbox.go_to_next_correction", "Ctrl+Shift+J", "Go to the slice to correct next", "Review"),
    UserAction("propagation.ask", "Shift+C", "Carry my corrections on to the other slices", "Review"),
    UserAction("propagation.take_all", "Shift+T", "Accept the proposed changes in all slices", "Review"),
    UserAction("propagation.take_slice", "K", "Accept the proposed changes in this slice", "Review"),
    UserAction("propagation.reject", "Shift+R", "Reject the proposed changes", "Review"),
    UserAction("go_to_pancreas", "Home", "Go to the slice with the most pancreas", "Slices"),
    UserAction("layers.slice_view.step_up", "Up", "One slice towards the head", "Slices"),
    UserAction("layers.slice_view.step_down", "Down", "One slice towards the feet", "Slices"),
    UserAction("layers.appearance.toggle_mask", "H", "Hide or show the mask", "Look"),
    UserAction("layers.appearance.toggle_filled", "Shift+H", "Mask as an area or as a contour", "Look"),
    UserAction("layers.appearance.toggle_probability", "U", "Show or hide the probability", "Look"),
    UserAction("layers.appearance.toggle_gates", "G", "Show or hide the merged gates", "Look"),
    UserAction("layers.appearance.next_gate", "Shift+G", "Show one gate after the other", "Look"),
    UserAction("layers.appearance.next_hu_window", "W", "Next HU window", "Look"),
    UserAction("dialogs.read_guide", "F1", "Read the user guide", "Help"),
    UserAction("dialogs.show_shortcuts", "?", "Show all shortcuts", "Help"),
)

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


def keys_of(method: str) -> str:
    """Return the keys of `method`; "" if it has none."""
    return next((action.keys for action in ACTIONS if action.method == method), "")


def tooltip_for(method: str) -> str:
    """Return the tooltip of a button that does `method`: what it does, with its keys if it has any."""
    action = next(action for action in ACTIONS if action.method == method)
    return f"{action.words} ({action.keys})" if action.keys else action.words


def bind_actions(window: QWidget, controller: object, without: str | None = None) -> list[QShortcut]:
    """Bind every action that has keys to its method of `controller`, anywhere in `window`.

    Args:
        window: the window.
        controller: has the methods.
        without: prefix of methods that are not bound, such as "worklist."; None binds all.
    """
    return [
        QShortcut(QKeySequence(action.keys), window, attrgetter(action.method)(controller))
        for action in ACTIONS
        if action.keys and not (without and action.method.startswith(without))
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


def add_help_actions(menu: QMenu, controller: object) -> None:
    """Put the actions of the group "Help" at the top of `menu`."""
    wanted = dict.fromkeys(action.method for action in ACTIONS if action.group == "Help")
    items = [QAction(tooltip_for(method), menu) for method in wanted]
    for item, method in zip(items, wanted, strict=True):
        # `triggered` passes whether the item is checked, which our methods do not take.
        item.triggered.connect(partial(_call_without_arguments, attrgetter(method)(controller)))
    before = menu.actions()
    menu.addActions(items)
    # The items that napari put there are moved to the end.
    for item in before:
        menu.addAction(item)


def _call_without_arguments(method: Callable[[], None], *_checked: bool) -> None:
    method()


def shortcuts_html() -> str:
    """Return all shortcuts as an HTML table, by group."""
    rows = []
    for group in dict.fromkeys(action.group for action in ACTIONS):
        rows.append(_heading_html(group))
        rows += [
            _row_html(action.keys, action.words)
            for action in ACTIONS
            if action.group == group and action.keys
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

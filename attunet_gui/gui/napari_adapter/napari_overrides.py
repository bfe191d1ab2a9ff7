"""Decides what napari's own commands, from menus, keys, palette or layer list, do in our window.

In our window a CT is opened, and a mask saved, in one way. Every command of napari is in one of three tables:
it leads to our method, it is refused with a sentence, or it is left alone because it changes no voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import napari
from app_model.registries import CommandsRegistry
from napari._app_model import get_app_model
from qtpy.QtCore import QModelIndex, QObject, Qt, QTimer
from qtpy.QtWidgets import QListView, QWidget

from attunet_gui.gui.napari_adapter.layer_factory import ARRIVING
from attunet_gui.gui.user_commands import UserCommand

_VIEW = "QtLayerList"
"""Class name of napari's layer list widget; napari exports no public name for the class."""


class HiddenLayerRow(QObject):
    """Hides the row of the layer `ARRIVING` in every layer list of `window`.

    Args:
        window: the window of the viewer.
        layers: `viewer.layers`, whose events say when rows change.
    """

    def __init__(self, window: QWidget, layers: Any) -> None:
        super().__init__(window)
        self._window = window
        # Not at once: the list updates its rows after this event was handled.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._hide_rows)
        for event in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            event.connect(self._rows_changed)
        self._soon.start()

    def _rows_changed(self) -> None:
        self._soon.start()

    def _hide_rows(self) -> None:
        for view in self._window.findChildren(QListView):
            if type(view).__name__ == _VIEW:
                hide_rows_named(view, ARRIVING)


def hide_rows_named(view: QListView, name: str) -> None:
    """Hide the rows of `view` whose text is `name`, and show all others."""
    model = view.model()
    if model is None:
        return
    for row in range(model.rowCount(QModelIndex())):
        shown = model.index(row, 0).data(Qt.ItemDataRole.DisplayRole)
        view.setRowHidden(row, shown == name)


_FILE = "napari.window.file."
OURS: Mapping[str, UserCommand] = {
    f"{_FILE}open_files_dialog": UserCommand.OPEN_FILE,
    f"{_FILE}open_files_as_stack_dialog": UserCommand.OPEN_FOLDER,
    f"{_FILE}open_folder_dialog": UserCommand.OPEN_FOLDER,
    f"{_FILE}_open_files_with_plugin": UserCommand.OPEN_FILE,
    f"{_FILE}_open_files_as_stack_with_plugin": UserCommand.OPEN_FOLDER,
    f"{_FILE}_open_folder_with_plugin": UserCommand.OPEN_FOLDER,
    f"{_FILE}save_layers_dialog.selected": UserCommand.SAVE,
    f"{_FILE}save_layers_dialog": UserCommand.SAVE_AS,
    "attunet-gui.phantom": UserCommand.OPEN_DEMO,
    "napari.scene.fit_to_view": UserCommand.STRAIGHTEN_VIEW,
}
"""Command of napari, and our command that is run instead."""

NO_SECOND_CASE = "This window holds one CT and its mask; open another CT with Ctrl+O."
NO_OTHER_GRID = "Layers of the case are not changed by napari's commands: the mask would leave its CT."
REFUSED: Mapping[str, str] = {
    f"{_FILE}_image_from_clipboard": NO_SECOND_CASE,
    f"{_FILE}new_layer.new_labels": NO_SECOND_CASE,
    "attunet-gui.phantom_mask": NO_SECOND_CASE,
    "attunet-gui.dock": NO_SECOND_CASE,
    "attunet-gui.open_dock": NO_SECOND_CASE,
    "napari.layer.duplicate": NO_SECOND_CASE,
    "napari.layer.project_*": NO_SECOND_CASE,
    "napari.layer.extract_multiscale_level": NO_SECOND_CASE,
    "napari.layer.convert_to_*": NO_OTHER_GRID,
    "napari.layer.split_*": NO_OTHER_GRID,
    "napari.layer.merge_*": NO_OTHER_GRID,
    "napari.layer.paste_spatial_from_clipboard": NO_OTHER_GRID,
}
"""Pattern of napari's commands, and the sentence that is said instead of running them."""

HARMLESS: tuple[str, ...] = (
    "napari.canvas.*",
    "napari.scene.*",
    "napari.window.view.*",
    "napari.window.help.*",
    "napari.window.debug.*",
    "napari.window.plugins.*",
    "napari.window.toggle_*",
    f"{_FILE}save_canvas_screenshot_dialog",
    f"{_FILE}save_viewer_screenshot_dialog",
    f"{_FILE}copy_*_screenshot",
    f"{_FILE}close_dialog",
    f"{_FILE}restart",
    f"{_FILE}quit_dialog",
    f"{_FILE}show_preferences_dialog",
    f"{_FILE}new_layer.new_points",
    f"{_FILE}new_layer.new_shapes",
    "*.empty_dummy",
    "napari.layer.copy_*",
    "napari.layer.*colorbar",
    "napari.layer.bounding_box",
    "napari.layer.name_overlay",
    "napari.layer.toggle_*",
    "napari.layer.show_*",
    "napari.layer.hide_*",
    "napari.layer.*link*",
    "napari.toggle_shape_measures",
    "napari.widgets.features_table",
)
"""Patterns of commands that change what is shown, but no voxel. What is shown decides what counts as seen."""

READERS_AND_WRITERS = ("*.get_*reader", "*.write_*", "*_writer", "attunet-gui.read")
"""Patterns of commands that napari itself calls for a path. The layers that they add are refused."""

_claims: list[tuple[Any, Mapping[str, Callable[[], object]], Callable[[str], None]]] = []
"""Viewer, our commands and the function that says a refusal, for each window of ours."""
_originals: dict[str, Any] = {}
"""napari's own commands that were replaced, by name."""


def classify_command(command: str) -> str:
    """Return how `command` is treated: "ours", "refused", "harmless", "reader" or "sample".

    "" means that the command is in no table, which a test forbids for the supported versions of napari.
    """
    if command in OURS:
        return "ours"
    if refusal_for(command):
        return "refused"
    for name, patterns in (("harmless", HARMLESS), ("reader", READERS_AND_WRITERS)):
        if any(fnmatchcase(command, pattern) for pattern in patterns):
            return name
    # The rest of napari's own commands open its sample images, as layers that are refused.
    return "sample" if command.startswith("napari.") and command.count(".") == 1 else ""


def refusal_for(command: str) -> str:
    """Return the sentence that is said where `command` is refused; "" if it is not refused."""
    return next((said for pattern, said in REFUSED.items() if fnmatchcase(command, pattern)), "")


def claim_commands(
    viewer: Any, ours: Mapping[str, Callable[[], object]], refuse: Callable[[str], None]
) -> None:
    """From now on run our methods for napari's commands in `viewer`; in other viewers they stay napari's.

    Args:
        viewer: the viewer of our window.
        ours: command -> the method to call.
        refuse: is called with a sentence where a command is refused.
    """
    _claims.append((viewer, ours, refuse))
    registry = get_app_model().commands
    for command, registered in list(registry):
        if classify_command(command) in ("ours", "refused") and command not in _originals:
            _replace_command(registry, command, registered)


def release_commands(viewer: Any) -> None:
    """Give the commands in `viewer` back to napari."""
    _claims[:] = [held for held in _claims if held[0] is not viewer]


def _replace_command(registry: CommandsRegistry, command: str, registered: Any) -> None:
    """Register a function for `command` that runs ours in our window and napari's elsewhere."""
    # napari registers a command once for the whole process and has no public way to take one back.
    _originals[command] = registered
    registry._commands.pop(command)

    def run() -> object:
        current = napari.current_viewer()
        held = next((one for one in _claims if one[0] is current), None)
        # The command was run in a plain napari window of the same process.
        if held is None:
            return registered.run_injected()
        _viewer, ours, refuse = held
        return ours[command]() if command in ours else refuse(refusal_for(command))

    registry.register_command(command, run, registered.title)

"""What napari finds in `napari.yaml`: readers, a writer, sample data and the dock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QMainWindow

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.volume import Volume
from attunet_gui.gui.case_layers import METADATA, ct_settings
from attunet_gui.gui.desk import DEMO_SEED, Desk
from attunet_gui.gui.dock import Dock
from attunet_gui.gui.guard import ClosingGuard
from attunet_gui.gui.preferences import Preferences
from attunet_gui.gui.qt import start_signal_queue
from attunet_gui.gui.viewer import CaseLayers
from attunet_gui.io.reading import read, reader_for
from attunet_gui.io.writing import write_mask
from attunet_gui.jobs.runner import Runner
from attunet_gui.paths import user_data
from attunet_gui.registry.adoption import offered_bundles
from attunet_gui.session import Session
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom, phantom_volume

LayerData = tuple[Any, dict[str, Any], str]
NAME = "Pancreas in CT"


def reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """npe2 reader hook: a function that opens `path`, or None if it is not for us."""
    if isinstance(path, list):
        return None
    try:
        reader_for(Path(path))
    except AttunetError:
        return None
    return _read


def _read(path: str | list[str]) -> list[LayerData]:
    if isinstance(path, list):
        path = path[0]
    return [image_data(read(Path(path)))]


def image_data(volume: Volume) -> LayerData:
    """A volume as napari's layer data, its source geometry in the metadata."""
    return volume.hu, ct_settings(volume) | {"name": volume.name}, "image"


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """npe2 writer hook: a Labels layer on the source grid of the CT it was drawn on.

    Raises:
        UnwritableOutput: if it could not be written, or read back differently.
        ValueError: if the layer was not drawn on a CT opened by this plugin.
    """
    volume = attributes.get("metadata", {}).get(METADATA)
    if not isinstance(volume, Volume):
        raise ValueError("This layer does not know its CT; draw on a CT that was opened with attunet.")
    write_mask(Path(path), (np.asarray(data) != 0).astype(np.uint8), volume)
    return [path]


def phantom() -> list[LayerData]:
    """npe2 sample data: the demo's abdomen."""
    return [image_data(phantom_volume(make_phantom(PhantomRequest(DEMO_SEED))))]


def phantom_with_mask() -> list[LayerData]:
    """npe2 sample data: the demo's abdomen with the true pancreas."""
    made = make_phantom(PhantomRequest(DEMO_SEED))
    volume = phantom_volume(made)
    settings = {"name": "Pancreas", "scale": volume.grid.spacing_mm, "metadata": {METADATA: volume}}
    return [image_data(volume), (made.pancreas, settings | {"units": ("mm", "mm", "mm")}, "labels")]


def dock(napari_viewer: Viewer) -> Dock:
    """npe2 widget hook: the dock with a session of its own in `napari_viewer`."""
    start_signal_queue()
    runner = Runner()
    session = Session(runner, offered_bundles())
    desk = Desk(
        session, CaseLayers(napari_viewer), Preferences(user_data() / "window.ini"), user_data() / "journal"
    )
    made = Dock(desk)
    made.show_footer()
    made.destroyed.connect(desk.end)
    made.destroyed.connect(session.close)
    made.destroyed.connect(runner.close)
    desk.window = made
    # napari puts the dock into its window only after this hook has returned it.
    QTimer.singleShot(0, made, lambda: _guard(made))
    return made


def _guard(made: Dock) -> None:
    window = made.window()
    if isinstance(window, QMainWindow):
        made.desk.window = window
        ClosingGuard(window, made.desk.may_close, owner=made)


def open_dock(viewer: Viewer) -> None:
    """npe2 menu command: show the dock in `viewer`."""
    try:
        viewer.window.add_plugin_dock_widget("attunet-gui", NAME)
    except ValueError as error:
        show_error(str(error))

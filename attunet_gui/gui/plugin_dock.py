"""The dock in a plain napari window, with a session of its own that ends with the dock or the window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QMainWindow, QSizePolicy, QVBoxLayout, QWidget

from attunet_gui.app.case_opening import OpenCase
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.volume import Volume
from attunet_gui.gui.controllers.main_controller import MainController
from attunet_gui.gui.keyboard_shortcuts import bind_commands, bind_tools
from attunet_gui.gui.main_dock import MainDock
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.layer_factory import METADATA, ct_layer_settings
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_helpers import QShortcut, start_psygnal_queue
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.gui.window_event_filters import CloseGuard
from attunet_gui.model_registry.model_adoption import offered_bundles
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.paths import user_data_folder
from attunet_gui.workers.inference_process import InferenceProcess

PLUGIN, NAME = "attunet-gui", "Pancreas in CT"
FULL_NAME = f"{NAME} ({PLUGIN})"
"""The name that napari gives the dock, however it is opened."""
_WORKLIST = (UserCommand.OPEN_PROJECT, UserCommand.NEXT_CASE, UserCommand.ACCEPT_CASE)
"""Commands that are not bound here: a plain napari window has no worklist."""


@dataclass(eq=False)
class _DockResources:
    """What has to end with the dock: the child process, the threads and the connections to the viewer."""

    runner: InferenceProcess
    session: CaseSession
    controller: MainController
    ended: bool = False

    def end_all(self) -> None:
        """End all of it; a second call does nothing."""
        if not self.ended:
            self.ended = True
            self.controller.end_background_work()
            self.session.close_session()
            self.runner.close()
            self.controller.layers.disconnect_viewer()
            controller = self.controller
            # Qt keeps objects alive that are connected to them, and with these the CT; Python cannot collect
            # those.
            for part in (
                controller.finetuning,
                controller.worklist,
                controller.toolbox,
                controller.propagation,
                controller.review,
                controller,
            ):
                part.deleteLater()


class PancreasDock(QWidget):
    """The dock of the product in the napari window of `napari_viewer`.

    A CT that the plugin's reader has opened in this viewer becomes its case. Closing the dock asks about
    unsaved strokes, as closing the window does, and leaves the CT as a plain image layer.

    Args:
        napari_viewer: the viewer, or napari's public proxy of it.

    Raises:
        AttunetError: if this viewer has such a dock already; two would paint on one another's masks.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        _check_only_one(napari_viewer)
        super().__init__()
        start_psygnal_queue()
        runner = InferenceProcess()
        session = CaseSession(runner, offered_bundles())
        layers = CaseLayers(napari_viewer)
        folder = user_data_folder()
        self.controller = MainController(
            session, layers, WindowPreferences(folder / "window.ini"), folder / "journal"
        )
        self.dock = MainDock(self.controller)
        self.dock.show_footer()
        self._viewer = napari_viewer
        self._resources = running = _DockResources(runner, session, self.controller)
        self._docked = False
        self._shortcuts: list[QShortcut] = []
        # napari pads a widget that does not ask for height.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.dock)
        # Not a method: when this signal comes, the Python object of the dock may be gone already.
        self.destroyed.connect(lambda: running.end_all())
        session.case_opened.connect(self._case_opened)
        napari_viewer.layers.events.inserted.connect(self._layer_added)
        napari_viewer.layers.selection.events.active.connect(self._update_shortcuts)

    # Its place in the window

    def event(self, event: QEvent) -> bool:
        """Qt's hook. napari puts the dock into its window, and takes it out, by setting its parent."""
        if event.type() == QEvent.Type.ParentChange:
            QTimer.singleShot(0, self, self._parent_changed)
        return bool(super().event(event))

    def _parent_changed(self) -> None:
        window = _find_main_window(self)
        if window is not None and not self._docked:
            self._docked = True
            self._enter_window(window)
        elif window is None and self._docked and not self._resources.ended:
            self._leave_window()

    def _enter_window(self, window: QMainWindow) -> None:
        """Connect to the window that the dock was put into, and take a CT that is open there."""
        if self.controller.window is not window:
            self.controller.window = window
            # Owned by the dock: the window outlives it and must not be guarded by a dock that is gone.
            CloseGuard(window, self.controller.guard.confirm_close, owner=self)
            shortcuts = bind_commands(window, self.controller, without=_WORKLIST)
            self._shortcuts = [*shortcuts, *bind_tools(window, self.controller.toolbox.press_tool_key)]
            self._update_shortcuts()
            self._open_loaded_ct()

    def _leave_window(self) -> None:
        """End after napari took the dock out of its window, or put it back while strokes are unsaved."""
        self._docked = False
        self.controller.guard.when_safe("close the dock", self.close_dock)
        if not self._resources.ended:
            self._viewer.window.add_dock_widget(self, name=FULL_NAME)

    def close_dock(self) -> None:
        """Close the case and take the dock out of the window; the CT stays as a plain image layer."""
        if self._resources.ended:
            return
        case = self.controller.session.case
        self._viewer.layers.events.inserted.disconnect(self._layer_added)
        self._viewer.layers.selection.events.active.disconnect(self._update_shortcuts)
        self._resources.end_all()
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self.controller.layers.remove_layers()
        if case is not None:
            # The reader's layer was removed when the case was opened, so it is added again.
            self._viewer.add_image(case.volume.hu, **ct_layer_settings(case.volume), name=case.volume.name)
        if self._docked:
            self._docked = False
            self._viewer.window.remove_dock_widget(self)
        self.deleteLater()

    def _update_shortcuts(self) -> None:
        """Enable our keys only while a layer of the case is selected.

        Napari's layers use single letters too.
        """
        active = self._viewer.layers.selection.active
        allowed = active is None or self.controller.layers.layer_set.owns_layer(active)
        for shortcut in self._shortcuts:
            shortcut.setEnabled(allowed)

    # CT that napari opened

    def _open_loaded_ct(self) -> None:
        """Make a CT that is open in the viewer the case; of several, the selected one or the last."""
        cts = [layer for layer in self._viewer.layers if self._is_ct(layer)]
        chosen = [layer for layer in cts if layer in self._viewer.layers.selection]
        if cts and self.controller.session.case is None:
            self._open_layer_as_case(*(chosen or cts)[-1:])

    def _layer_added(self, event: Any) -> None:
        layer = event.value
        # Not at once: napari is still adding the layer, and one of our own is known as such only afterwards.
        QTimer.singleShot(0, self, lambda: self._open_if_ct(layer))

    def _open_if_ct(self, layer: Layer) -> None:
        if not self._resources.ended and layer in self._viewer.layers and self._is_ct(layer):
            self._open_layer_as_case(layer)

    def _is_ct(self, layer: Layer) -> bool:
        """Return whether the plugin's reader made `layer`, and it is none of the case's own layers."""
        return source_volume_of(layer) is not None and not self.controller.layers.layer_set.owns_layer(layer)

    def _open_layer_as_case(self, layer: Layer) -> None:
        """Open the CT of `layer` as the case.

        If the annotator keeps the open case, hide the layer and say so.
        """
        session, volume = self.controller.session, source_volume_of(layer)
        if volume is None:
            return
        self.controller.opener.open_volume(volume)
        # The annotator chose to keep the open case, whose corrections are not saved.
        if session.file_job is None and session.case is not None:
            layer.visible = False
            session.show_message(
                f"{volume.name} is hidden: the mask on screen belongs to {session.case.volume.name}. "
                "Delete that layer, or save the mask and open the CT again."
            )

    def _case_opened(self, case: OpenCase) -> None:
        """Remove the reader's layer of the same CT: the case has a layer of its own for it."""
        for layer in [layer for layer in self._viewer.layers if self._is_ct(layer)]:
            if source_volume_of(layer) is case.volume:
                self._viewer.layers.remove(layer)
        self._update_shortcuts()


def source_volume_of(layer: Layer) -> Volume | None:
    """Return the CT that the plugin's reader put into `layer`; None for every other layer."""
    found = layer.metadata.get(METADATA) if isinstance(layer, Image) else None
    return found if isinstance(found, Volume) else None


def find_docks(viewer: Any) -> Iterator[PancreasDock]:
    """Yield the docks of this plugin in the window of `viewer`."""
    window = getattr(viewer, "window", None)
    docked = () if window is None else window.dock_widgets.values()
    return (widget for widget in docked if isinstance(widget, PancreasDock))


def _check_only_one(viewer: Any) -> None:
    if next(find_docks(viewer), None) is not None:
        raise AttunetError(f"{NAME} is open in this window already: use that dock, or close it first.")


def _find_main_window(widget: QObject) -> QMainWindow | None:
    """Return the main window that `widget` belongs to, also while its dock floats; None without one."""
    above = widget.parent()
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parent()
    return above

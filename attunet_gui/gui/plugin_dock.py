"""The dock in a plain napari window, with a session of its own that ends with the dock or the window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QMainWindow, QSizePolicy, QVBoxLayout, QWidget

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.volume import Volume
from attunet_gui.gui.actions import bind, bind_tools
from attunet_gui.gui.case_layers import METADATA, ct_settings
from attunet_gui.gui.desk import Desk
from attunet_gui.gui.dock import Dock
from attunet_gui.gui.guard import ClosingGuard
from attunet_gui.gui.preferences import Preferences
from attunet_gui.gui.qt import QShortcut, start_signal_queue
from attunet_gui.gui.viewer import CaseLayers
from attunet_gui.jobs.runner import Runner
from attunet_gui.paths import user_data
from attunet_gui.registry.adoption import offered_bundles
from attunet_gui.session import Case, Session

PLUGIN, NAME = "attunet-gui", "Pancreas in CT"
FULL_NAME = f"{NAME} ({PLUGIN})"
"""The name that napari gives the dock, however it is opened."""
_WORKLIST = "worklist."
"""Prefix of actions that are not bound here: a plain napari window has no worklist."""


@dataclass(eq=False)
class _Running:
    """What has to end with the dock: the child process, the threads and the connections to the viewer."""

    runner: Runner
    session: Session
    desk: Desk
    ended: bool = False

    def end(self) -> None:
        """End all of it; a second call does nothing."""
        if not self.ended:
            self.ended = True
            self.desk.end()
            self.session.close()
            self.runner.close()
            self.desk.layers.disconnect()
            desk = self.desk
            # Qt keeps objects alive that are connected to them, and with these the CT; Python cannot collect
            # those.
            for part in (desk.learning, desk.worklist, desk.toolbox, desk.carrying, desk.guide, desk):
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
        start_signal_queue()
        runner = Runner()
        session = Session(runner, offered_bundles())
        layers = CaseLayers(napari_viewer)
        folder = user_data()
        self.desk = Desk(session, layers, Preferences(folder / "window.ini"), folder / "journal")
        self.dock = Dock(self.desk)
        self.dock.show_footer()
        self._viewer = napari_viewer
        self._running = running = _Running(runner, session, self.desk)
        self._docked = False
        self._shortcuts: list[QShortcut] = []
        # napari pads a widget that does not ask for height.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.dock)
        # Not a method: when this signal comes, the Python object of the dock may be gone already.
        self.destroyed.connect(lambda: running.end())
        session.case_opened.connect(self._case_opened)
        napari_viewer.layers.events.inserted.connect(self._layer_added)
        napari_viewer.layers.selection.events.active.connect(self._allow_shortcuts)

    # Its place in the window

    def event(self, event: QEvent) -> bool:
        """Qt's hook. napari puts the dock into its window, and takes it out, by setting its parent."""
        if event.type() == QEvent.Type.ParentChange:
            QTimer.singleShot(0, self, self._parent_changed)
        return bool(super().event(event))

    def _parent_changed(self) -> None:
        window = _main_window(self)
        if window is not None and not self._docked:
            self._docked = True
            self._arrive(window)
        elif window is None and self._docked and not self._running.ended:
            self._leave()

    def _arrive(self, window: QMainWindow) -> None:
        """Connect to the window that the dock was put into, and take a CT that is open there."""
        if self.desk.window is not window:
            self.desk.window = window
            # Owned by the dock: the window outlives it and must not be guarded by a dock that is gone.
            ClosingGuard(window, self.desk.may_close, owner=self)
            shortcuts = bind(window, self.desk, without=_WORKLIST)
            self._shortcuts = [*shortcuts, *bind_tools(window, self.desk.toolbox.press)]
            self._allow_shortcuts()
            self._take_open_ct()

    def _leave(self) -> None:
        """End after napari took the dock out of its window, or put it back while strokes are unsaved."""
        self._docked = False
        self.desk.when_safe("close the dock", self.end)
        if not self._running.ended:
            self._viewer.window.add_dock_widget(self, name=FULL_NAME)

    def end(self) -> None:
        """Close the case and take the dock out of the window; the CT stays as a plain image layer."""
        if self._running.ended:
            return
        case = self.desk.session.case
        self._viewer.layers.events.inserted.disconnect(self._layer_added)
        self._viewer.layers.selection.events.active.disconnect(self._allow_shortcuts)
        self._running.end()
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self.desk.layers.clear()
        if case is not None:
            # The reader's layer was removed when the case was opened, so it is added again.
            self._viewer.add_image(case.volume.hu, **ct_settings(case.volume), name=case.volume.name)
        if self._docked:
            self._docked = False
            self._viewer.window.remove_dock_widget(self)
        self.deleteLater()

    def _allow_shortcuts(self) -> None:
        """Enable our keys only while a layer of the case is selected.

        Napari's layers use single letters too.
        """
        active = self._viewer.layers.selection.active
        allowed = active is None or self.desk.layers.owns(active)
        for shortcut in self._shortcuts:
            shortcut.setEnabled(allowed)

    # CT that napari opened

    def _take_open_ct(self) -> None:
        """Make a CT that is open in the viewer the case; of several, the selected one or the last."""
        cts = [layer for layer in self._viewer.layers if self._is_ct(layer)]
        chosen = [layer for layer in cts if layer in self._viewer.layers.selection]
        if cts and self.desk.session.case is None:
            self._take(*(chosen or cts)[-1:])

    def _layer_added(self, event: Any) -> None:
        layer = event.value
        # Not at once: napari is still adding the layer, and one of our own is known as such only afterwards.
        QTimer.singleShot(0, self, lambda: self._take_if_ct(layer))

    def _take_if_ct(self, layer: Layer) -> None:
        if not self._running.ended and layer in self._viewer.layers and self._is_ct(layer):
            self._take(layer)

    def _is_ct(self, layer: Layer) -> bool:
        """Return whether the plugin's reader made `layer`, and it is none of the case's own layers."""
        return volume_of(layer) is not None and not self.desk.layers.owns(layer)

    def _take(self, layer: Layer) -> None:
        """Open the CT of `layer` as the case.

        If the annotator keeps the open case, hide the layer and say so.
        """
        session, volume = self.desk.session, volume_of(layer)
        if volume is None:
            return
        self.desk.open_volume(volume)
        # The annotator chose to keep the open case, whose corrections are not saved.
        if session.file_job is None and session.case is not None:
            layer.visible = False
            session.say(
                f"{volume.name} is hidden: the mask on screen belongs to {session.case.volume.name}. "
                "Delete that layer, or save the mask and open the CT again."
            )

    def _case_opened(self, case: Case) -> None:
        """Remove the reader's layer of the same CT: the case has a layer of its own for it."""
        for layer in [layer for layer in self._viewer.layers if self._is_ct(layer)]:
            if volume_of(layer) is case.volume:
                self._viewer.layers.remove(layer)
        self._allow_shortcuts()


def volume_of(layer: Layer) -> Volume | None:
    """Return the CT that the plugin's reader put into `layer`; None for every other layer."""
    found = layer.metadata.get(METADATA) if isinstance(layer, Image) else None
    return found if isinstance(found, Volume) else None


def docks_in(viewer: Any) -> Iterator[PancreasDock]:
    """Yield the docks of this plugin in the window of `viewer`."""
    window = getattr(viewer, "window", None)
    docked = () if window is None else window.dock_widgets.values()
    return (widget for widget in docked if isinstance(widget, PancreasDock))


def _check_only_one(viewer: Any) -> None:
    if next(docks_in(viewer), None) is not None:
        raise AttunetError(f"{NAME} is open in this window already: use that dock, or close it first.")


def _main_window(widget: QObject) -> QMainWindow | None:
    """Return the main window that `widget` belongs to, also while its dock floats; None without one."""
    above = widget.parent()
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parent()
    return above

"""The dock in a plain napari window: a session of its own, which ends with the dock or with the window."""

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
"""What napari calls the dock, from wherever it is opened."""
_WORKLIST = "worklist."
"""Methods of the desk that a window without a list of cases has no place for."""


@dataclass(eq=False)
class _Running:
    """What ends with the dock: the child process, the threads, the hold on the viewer."""

    runner: Runner
    session: Session
    desk: Desk
    ended: bool = False

    def end(self) -> None:
        """End all of it, once."""
        if not self.ended:
            self.ended = True
            self.desk.end()
            self.session.close()
            self.runner.close()
            self.desk.layers.disconnect()
            desk = self.desk
            # Qt keeps what is connected to them, and with it the CT: Python would never find that garbage.
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
        # Not a method: Qt does not keep whom it belongs to, and the dock's own parts go before it says so.
        self.destroyed.connect(lambda: running.end())
        session.case_opened.connect(self._case_opened)
        napari_viewer.layers.events.inserted.connect(self._layer_added)
        napari_viewer.layers.selection.events.active.connect(self._allow_shortcuts)

    # Its place in the window

    def event(self, event: QEvent) -> bool:
        """Qt's hook: napari puts the dock into its window, and takes it out, by giving it a parent."""
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
        if self.desk.window is not window:
            self.desk.window = window
            ClosingGuard(window, self.desk.may_close, owner=self)
            shortcuts = bind(window, self.desk, without=_WORKLIST)
            self._shortcuts = [*shortcuts, *bind_tools(window, self.desk.toolbox.press)]
            self._allow_shortcuts()
            self._take_open_ct()

    def _leave(self) -> None:
        """napari took the dock out of the window: end, or come back while something would be lost."""
        self._docked = False
        self.desk.when_safe("close the dock", self.end)
        if not self._running.ended:
            self._viewer.window.add_dock_widget(self, name=FULL_NAME)

    def end(self) -> None:
        """Close the case and take the dock out of the window; the CT stays as a plain layer."""
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
            self._viewer.add_image(case.volume.hu, **ct_settings(case.volume), name=case.volume.name)
        if self._docked:
            self._docked = False
            self._viewer.window.remove_dock_widget(self)
        self.deleteLater()

    def _allow_shortcuts(self) -> None:
        """Single letters are keys of napari's own layers too: ours hold while the case is in hand."""
        active = self._viewer.layers.selection.active
        allowed = active is None or self.desk.layers.owns(active)
        for shortcut in self._shortcuts:
            shortcut.setEnabled(allowed)

    # CT that napari opened

    def _take_open_ct(self) -> None:
        """Make the CT that is open in the viewer the case; the selected one, if there are several."""
        cts = [layer for layer in self._viewer.layers if self._is_ct(layer)]
        chosen = [layer for layer in cts if layer in self._viewer.layers.selection]
        if cts and self.desk.session.case is None:
            self._take(*(chosen or cts)[-1:])

    def _layer_added(self, event: Any) -> None:
        layer = event.value
        # Not at once: napari is in the middle of adding, and a layer of our own is known only afterwards.
        QTimer.singleShot(0, self, lambda: self._take_if_ct(layer))

    def _take_if_ct(self, layer: Layer) -> None:
        if not self._running.ended and layer in self._viewer.layers and self._is_ct(layer):
            self._take(layer)

    def _is_ct(self, layer: Layer) -> bool:
        return volume_of(layer) is not None and not self.desk.layers.owns(layer)

    def _take(self, layer: Layer) -> None:
        session, volume = self.desk.session, volume_of(layer)
        if volume is None:
            return
        self.desk.open_volume(volume)
        if session.file_job is None and session.case is not None:
            layer.visible = False
            session.say(
                f"{volume.name} is hidden: the mask on screen belongs to {session.case.volume.name}. "
                "Delete that layer, or save the mask and open the CT again."
            )

    def _case_opened(self, case: Case) -> None:
        """The case has its own layer of the CT: what the reader made of the same voxels goes."""
        for layer in [layer for layer in self._viewer.layers if self._is_ct(layer)]:
            if volume_of(layer) is case.volume:
                self._viewer.layers.remove(layer)
        self._allow_shortcuts()


def volume_of(layer: Layer) -> Volume | None:
    """The CT that the plugin's reader put into `layer`; None for every other layer."""
    found = layer.metadata.get(METADATA) if isinstance(layer, Image) else None
    return found if isinstance(found, Volume) else None


def docks_in(viewer: Any) -> Iterator[PancreasDock]:
    """The docks of this plugin in the window of `viewer`."""
    window = getattr(viewer, "window", None)
    docked = () if window is None else window.dock_widgets.values()
    return (widget for widget in docked if isinstance(widget, PancreasDock))


def _check_only_one(viewer: Any) -> None:
    if next(docks_in(viewer), None) is not None:
        raise AttunetError(f"{NAME} is open in this window already: use that dock, or close it first.")


def _main_window(widget: QObject) -> QMainWindow | None:
    """The window that `widget` belongs to, also while its dock floats above it."""
    above = widget.parent()
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parent()
    return above

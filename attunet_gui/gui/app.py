"""Builds and runs the application: a napari viewer with dock, worklist and bottom line."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import napari
from napari.settings import get_settings
from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QFrame, QMainWindow, QScrollArea, QWidget

from attunet_gui.gui.actions import add_to_menu, bind, bind_hand, bind_tools
from attunet_gui.gui.desk import Desk
from attunet_gui.gui.dock import WIDTH, Dock
from attunet_gui.gui.guard import ClosingGuard, DropGuard
from attunet_gui.gui.layer_list import HiddenLayerRow
from attunet_gui.gui.preferences import Preferences
from attunet_gui.gui.qt import start_signal_queue
from attunet_gui.gui.state import View
from attunet_gui.gui.viewer import CaseLayers
from attunet_gui.gui.worklist.joined import JoinedPanel
from attunet_gui.gui.worklist.panel import WorklistPanel
from attunet_gui.jobs.runner import Runner
from attunet_gui.network.bundle import Bundle
from attunet_gui.paths import user_data
from attunet_gui.registry.adoption import offered_bundles
from attunet_gui.session import Session

TITLE = "attunet"
_SIZE = (1280, 800)
"""Width and height of the window in pixels, where the screen has room for it."""
_NAPARI_PANELS = ("layer list", "layer controls")
"""Object names of napari's own docks, which an annotator does not need."""
_LEAST_PANEL = (240, 130)
_PANEL_WIDTH = 336
"""In which napari's panels show all that they hold."""
_LEAST_CENTRE = 252
"""What napari's slider under the picture needs, with the handles between the panels."""
_LOW_SCREEN = 800
"""Below so many (logical) pixels of height, see `_stack_or_tabs`."""


@dataclass(frozen=True)
class Application:
    """The parts of one running window, for whoever starts it: the command line, the demo and tests."""

    runner: Runner
    viewer: napari.Viewer
    window: QMainWindow
    session: Session
    desk: Desk
    dock: Dock
    worklist: WorklistPanel

    def window_is_gone(self) -> bool:
        """Return whether the window was closed and Qt has deleted it."""
        alive: bool = isalive(self.window)  # type: ignore[no-untyped-call]
        return not alive


def run(path: Path | None = None) -> None:
    """Open the window, with the CT at `path` if it is given, and return when the window is closed."""
    stay(lambda app: None if path is None else app.desk.open_path(path))


def stay(prepare: Callable[[Application], None]) -> None:
    """Open the window, call `prepare` with it, and return when the window is closed."""
    app = start(Preferences(user_data() / "window.ini"), user_data() / "napari.yaml", user_data() / "journal")
    prepare(app)
    # Only once napari handles events: both may end in a question, which needs a window.
    QTimer.singleShot(0, app.desk.offer_recovery)
    QTimer.singleShot(0, app.desk.worklist.open_last)
    napari.run()
    # In this order: the desk uses the session, and the session the child process.
    app.desk.end()
    app.session.close()
    app.runner.close()


def start(preferences: Preferences, napari_settings: Path | None, journal: Path) -> Application:
    """Return the window with the models of this machine, its child process warming up.

    Args:
        preferences: what the window remembers between sessions.
        napari_settings: file for napari's own settings; None writes them nowhere.
        journal: folder in which the work on each case is kept.
    """
    # A settings file of our own: what is changed here must not change the user's napari.
    settings = get_settings(napari_settings)
    # Our own guard asks, and only where something could be lost.
    settings.application.confirm_close_window = False
    settings.application.first_time = False
    app = build(Runner(), offered_bundles(), preferences, journal)
    # The child process loads the network while the annotator opens a case.
    app.session.warm()
    # napari collects garbage whenever a layer is removed. Frozen objects, such as all modules, are not
    # searched.
    gc.collect()
    gc.freeze()
    return app


def build(
    runner: Runner, bundles: tuple[Bundle, ...], preferences: Preferences, journal: Path
) -> Application:
    """Return the window, shown, with a session of its own.

    Args:
        runner: starts the child process that runs the network.
        bundles: the models on offer, the default first.
        preferences: what the window remembers between sessions.
        journal: folder in which the work on each case is kept.
    """
    session = Session(runner, bundles)
    viewer = napari.Viewer(title=TITLE, show=False, show_welcome_screen=False)
    start_signal_queue()
    desk = Desk(session, CaseLayers(viewer), preferences, journal)
    dock = Dock(desk)
    place = viewer.window.add_dock_widget(dock, name=TITLE, area="right", add_vertical_stretch=False)
    window = dock.window()
    assert isinstance(window, QMainWindow)
    desk.window = window
    _bare(place)
    panel, left = _worklist(viewer, desk, dock)
    _stack_or_tabs(window, left)
    line = viewer.window.add_dock_widget(dock.bottom, name="attunet line", area="bottom")
    _bare(line)
    line.setMinimumHeight(0)
    desk.guide.changed.connect(lambda: line.setMaximumHeight(dock.bottom.sizeHint().height()))
    line.setMaximumHeight(dock.bottom.sizeHint().height())
    _calm(window)
    HiddenLayerRow(window, viewer.layers)
    ClosingGuard(window, desk.may_close, owner=window)
    DropGuard(window, desk.open_dropped)
    desk.claim_commands(viewer)
    desk.session.case_opened.connect(lambda _case: _count_from_one(window))
    bind(window, desk)
    add_to_menu(viewer.window.help_menu, desk)
    bind_hand(window, desk)
    bind_tools(window, desk.toolbox.press)
    _follow(viewer, desk, dock)
    viewer.window.show()
    viewer.window.resize(*_fitting(window))
    window.resizeDocks([place], [WIDTH], Qt.Orientation.Horizontal)
    return Application(runner, viewer, window, session, desk, dock, panel)


def _worklist(viewer: napari.Viewer, desk: Desk, dock: Dock) -> tuple[WorklistPanel, QDockWidget]:
    """Add the worklist at the left, hidden until a project is open; return it and its dock."""
    panel = WorklistPanel(desk.worklist.list)
    place = viewer.window.add_dock_widget(panel, name="Worklist", area="left", add_vertical_stretch=False)
    _bare(place)
    JoinedPanel(desk.worklist, panel, place, desk.window)
    panel.improve_asked.connect(desk.learning.ask)
    dock.case.project.show()
    return panel, place


def _bare(place: QDockWidget) -> None:
    # napari's title bar has a button that removes the dock for good.
    place.setTitleBarWidget(QWidget())
    place.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)


def _calm(window: QMainWindow) -> None:
    """Hide napari's layer list and layer controls; napari's Window menu shows them again."""
    for panel in window.findChildren(QDockWidget):
        if panel.objectName() in _NAPARI_PANELS:
            content = panel.widget()
            if content is not None:
                panel.setWidget(_Scrolled(content))
                panel.setMinimumSize(panel.widget().minimumSizeHint())  # Qt keeps the one of before
            panel.hide()
    window.statusBar().hide()


class _Scrolled(QScrollArea):
    """Scrolls `content`, for which a small screen has too little room."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the smallest size that can still be scrolled by hand (Qt's hook)."""
        beside = room_on_screen(self).width() - WIDTH - _LEAST_CENTRE
        return QSize(max(_LEAST_PANEL[0], min(_PANEL_WIDTH, beside)), _LEAST_PANEL[1])


def _stack_or_tabs(window: QMainWindow, worklist: QDockWidget) -> None:
    """Make the panels at the left tabs on a low screen: one above the other, none would show enough."""
    if room_on_screen(window).height() < _LOW_SCREEN:
        for panel in window.findChildren(QDockWidget):
            if panel.objectName() in _NAPARI_PANELS:
                window.tabifyDockWidget(worklist, panel)


def _count_from_one(window: QMainWindow) -> None:
    """Hide napari's slice numbers, which count from zero: our bottom line counts from one, as viewers do."""
    for name in ("slice_label", "slice_label_sep"):
        for widget in window.findChildren(QWidget, name):
            widget.hide()


def room_on_screen(widget: QWidget) -> QSize:
    """Return what the screen of `widget` has for windows, in logical pixels."""
    return (widget.screen() or QApplication.primaryScreen()).availableGeometry().size()


def _fitting(window: QMainWindow) -> tuple[int, int]:
    """Return the size of the window: 1280 x 800, or less on a smaller screen."""
    room = room_on_screen(window)
    return min(_SIZE[0], room.width()), min(_SIZE[1], room.height())


def _follow(viewer: napari.Viewer, desk: Desk, dock: Dock) -> None:
    """Connect napari's overlays and the bottom line to the state of the window."""
    overlays = viewer.canvas.overlays
    overlays.text.font_size = 14
    overlays.text.position = "top_center"
    overlays.text.box = False
    viewer.cursor.events.position.connect(
        lambda _event: dock.footer.values.setText(desk.layers.under_cursor())
    )

    def show(view: View) -> None:
        overlays.text.visible = bool(view.canvas_hint)
        overlays.text.text = view.canvas_hint
        overlays.scale_bar.visible = view.tools_enabled  # without a case it has no unit

    desk.view_changed.connect(show)
    show(desk.view)

"""Builds and runs the application: a napari viewer with dock, worklist and bottom line."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import napari
from napari.settings import get_settings
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QFrame, QMainWindow, QScrollArea, QWidget

from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.controllers.main_controller import MainController
from attunet_gui.gui.keyboard_shortcuts import add_help_actions, bind_commands, bind_napari_keys, bind_tools
from attunet_gui.gui.main_dock import WIDTH, MainDock
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.napari_overrides import HiddenLayerRow
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_helpers import start_psygnal_queue
from attunet_gui.gui.view_state import WindowView
from attunet_gui.gui.window_event_filters import CloseGuard, FileDropFilter
from attunet_gui.gui.worklist.worklist_panel import WorklistPanel
from attunet_gui.gui.worklist.worklist_presenter import WorklistPresenter
from attunet_gui.model_registry.model_adoption import offered_bundles
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.system.paths import user_data_folder
from attunet_gui.workers.inference_process import InferenceProcess

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
"""Below so many (logical) pixels of height, see `_tabify_on_low_screen`."""


@dataclass(frozen=True)
class RunningApplication:
    """The parts of one running window, for whoever starts it: the command line, the demo and tests."""

    runner: InferenceProcess
    viewer: napari.Viewer
    window: QMainWindow
    session: CaseSession
    controller: MainController
    dock: MainDock
    worklist: WorklistPanel

    def is_window_closed(self) -> bool:
        """Return whether the window was closed and Qt has deleted it."""
        alive: bool = isalive(self.window)  # type: ignore[no-untyped-call]
        return not alive


def run_application(path: Path | None = None) -> None:
    """Open the window, with the CT at `path` if it is given, and return when the window is closed."""
    run_until_closed(lambda app: None if path is None else app.controller.opener.open_path(path))


def run_until_closed(prepare: Callable[[RunningApplication], None]) -> None:
    """Open the window, call `prepare` with it, and return when the window is closed."""
    app = start_application(
        WindowPreferences(user_data_folder() / "window.ini"),
        user_data_folder() / "napari.yaml",
        user_data_folder() / "journal",
    )
    prepare(app)
    # Only once napari handles events: both may end in a question, which needs a window.
    QTimer.singleShot(0, app.controller.recovery.offer_recovery)
    QTimer.singleShot(0, app.controller.worklist.projects.open_last_project)
    napari.run()
    # In this order: the controller uses the session, and the session the child process.
    app.controller.end_background_work()
    app.session.close_session()
    app.runner.close()


def start_application(
    preferences: WindowPreferences, napari_settings: Path | None, journal: Path
) -> RunningApplication:
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
    app = build_window(InferenceProcess(), offered_bundles(), preferences, journal)
    # The child process loads the network while the annotator opens a case.
    app.session.models.load_chosen()
    # napari collects garbage whenever a layer is removed. Frozen objects, such as all modules, are not
    # searched.
    gc.collect()
    gc.freeze()
    return app


def build_window(
    runner: InferenceProcess, bundles: tuple[ModelBundle, ...], preferences: WindowPreferences, journal: Path
) -> RunningApplication:
    """Return the window, shown, with a session of its own.

    Args:
        runner: starts the child process that runs the network.
        bundles: the models on offer, the default first.
        preferences: what the window remembers between sessions.
        journal: folder in which the work on each case is kept.
    """
    session = CaseSession(runner, bundles)
    viewer = napari.Viewer(title=TITLE, show=False, show_welcome_screen=False)
    start_psygnal_queue()
    controller = MainController(session, CaseLayers(viewer), preferences, journal)
    dock = MainDock(controller)
    place = viewer.window.add_dock_widget(dock, name=TITLE, area="right", add_vertical_stretch=False)
    window = dock.window()
    assert isinstance(window, QMainWindow)
    controller.window = window
    _remove_title_bar(place)
    panel, left = _add_worklist_panel(viewer, controller, dock)
    _tabify_on_low_screen(window, left)
    line = viewer.window.add_dock_widget(dock.bottom, name="attunet line", area="bottom")
    _remove_title_bar(line)
    _LineHeight(line, dock.bottom).fit()
    _hide_napari_panels(window)
    HiddenLayerRow(window, viewer.layers)
    CloseGuard(window, controller.guard.confirm_close, owner=window)
    FileDropFilter(window, controller.opener.open_dropped)
    controller.claim_commands(viewer)
    controller.session.case_opened.connect(lambda _case: _hide_napari_slice_labels(window))
    bind_commands(window, controller)
    add_help_actions(viewer.window.help_menu, controller)
    bind_napari_keys(window, controller)
    bind_tools(window, controller.toolbox.press_tool_key)
    _connect_overlays(viewer, controller, dock)
    viewer.window.show()
    viewer.window.resize(*_initial_size(window))
    window.resizeDocks([place], [WIDTH], Qt.Orientation.Horizontal)
    return RunningApplication(runner, viewer, window, session, controller, dock, panel)


def _add_worklist_panel(
    viewer: napari.Viewer, controller: MainController, dock: MainDock
) -> tuple[WorklistPanel, QDockWidget]:
    """Add the worklist at the left, hidden until a project is open; return it and its dock."""
    panel = WorklistPanel(controller.worklist.case_list)
    place = viewer.window.add_dock_widget(panel, name="Worklist", area="left", add_vertical_stretch=False)
    _remove_title_bar(place)
    WorklistPresenter(controller.worklist, panel, place, controller.window)
    panel.improve_asked.connect(controller.finetuning.ask)
    dock.case.project.show()
    return panel, place


def _remove_title_bar(place: QDockWidget) -> None:
    # napari's title bar has a button that removes the dock for good.
    place.setTitleBarWidget(QWidget())
    place.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)


def _hide_napari_panels(window: QMainWindow) -> None:
    """Hide napari's layer list and layer controls; napari's Window menu shows them again."""
    for panel in window.findChildren(QDockWidget):
        if panel.objectName() in _NAPARI_PANELS:
            content = panel.widget()
            if content is not None:
                panel.setWidget(_ScrolledPanel(content))
                panel.setMinimumSize(panel.widget().minimumSizeHint())  # Qt keeps the one of before
            panel.hide()
    window.statusBar().hide()


class _LineHeight(QObject):
    """Keeps a dock as high as its content.

    It is a child of the dock, and follows every part of the content that appears, grows or disappears.
    """

    def __init__(self, dock: QDockWidget, content: QWidget) -> None:
        super().__init__(dock)
        self._dock, self._content = dock, content
        content.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Fit the dock once a part of the content asks for another place (Qt's hook)."""
        if watched is self._content and event.type() == QEvent.Type.LayoutRequest:
            self.fit()
        return False

    def fit(self) -> None:
        """Give the dock the height that the content needs now; Qt does not let it grow by itself."""
        self._dock.setFixedHeight(self._content.sizeHint().height())


class _ScrolledPanel(QScrollArea):
    """Scrolls `content`, for which a small screen has too little room."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the smallest size that can still be scrolled by hand (Qt's hook)."""
        beside = available_screen_size(self).width() - WIDTH - _LEAST_CENTRE
        return QSize(max(_LEAST_PANEL[0], min(_PANEL_WIDTH, beside)), _LEAST_PANEL[1])


def _tabify_on_low_screen(window: QMainWindow, worklist: QDockWidget) -> None:
    """Make the panels at the left tabs on a low screen: one above the other, none would show enough."""
    if available_screen_size(window).height() < _LOW_SCREEN:
        for panel in window.findChildren(QDockWidget):
            if panel.objectName() in _NAPARI_PANELS:
                window.tabifyDockWidget(worklist, panel)


def _hide_napari_slice_labels(window: QMainWindow) -> None:
    """Hide napari's slice numbers, which count from zero: our bottom line counts from one, as viewers do."""
    for name in ("slice_label", "slice_label_sep"):
        for widget in window.findChildren(QWidget, name):
            widget.hide()


def available_screen_size(widget: QWidget) -> QSize:
    """Return what the screen of `widget` has for windows, in logical pixels."""
    return (widget.screen() or QApplication.primaryScreen()).availableGeometry().size()


def _initial_size(window: QMainWindow) -> tuple[int, int]:
    """Return the size of the window: 1280 x 800, or less on a smaller screen."""
    room = available_screen_size(window)
    return min(_SIZE[0], room.width()), min(_SIZE[1], room.height())


def _connect_overlays(viewer: napari.Viewer, controller: MainController, dock: MainDock) -> None:
    """Connect napari's overlays and the bottom line to the state of the window."""
    overlays = viewer.canvas.overlays
    overlays.text.font_size = 14
    overlays.text.position = "top_center"
    overlays.text.box = False
    viewer.cursor.events.position.connect(
        lambda _event: dock.footer.values.setText(controller.layers.appearance.cursor_values_text())
    )

    def show(view: WindowView) -> None:
        overlays.text.visible = bool(view.canvas_hint)
        overlays.text.text = view.canvas_hint
        overlays.scale_bar.visible = view.mode.may_edit  # without a case it has no unit

    controller.view_changed.connect(show)
    show(controller.view_state)

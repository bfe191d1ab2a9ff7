"""The plugin as a person meets it: a real napari window, its menus and keys, and napari's own calls."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import napari
import numpy as np
import pytest
from app_model import Application
from app_model.expressions import Expr
from app_model.types import KeyBinding
from napari.layers import Image, Labels
from npe2 import PluginManager
from npe2.manifest.contributions import ContributionPoints, ReaderContribution
from qtpy.compat import isalive
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMainWindow, QMenu

from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.gui import plugin, plugin_dock
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.plugin_dock import FULL_NAME, NAME, PLUGIN, PancreasDock, find_docks
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.io.result_writing import write_float_map
from attunet_gui.network.model_bundle import find_bundles
from attunet_gui.synthesis.phantom.abdomen_phantom import (
    Phantom,
    PhantomRequest,
    make_phantom,
    phantom_volume,
)
from attunet_gui.system.errors import AttunetError
from tests.support.ct_files import ct_like, write_series, write_source
from tests.support.window_control import DialogAnswer, drag_in_canvas, live, until

pytestmark = [
    pytest.mark.window,
    # What napari's public proxy says of private attributes will be an error in napari 0.10.
    pytest.mark.filterwarnings("error:Private attribute:FutureWarning"),
]
KEY = "Ctrl+Alt+A"
SMALL = PhantomRequest(5, (12, 48, 48), (5.0, 8.0, 8.0))


@pytest.fixture(scope="module")
def activated() -> Iterator[PluginManager]:
    """napari's own plugin manager; what is activated or bound here is gone after these tests.

    Not after each of them: napari activates a plugin once in a process.
    """
    manager = PluginManager.instance()
    napari.plugins._initialize_plugins()
    context = manager.get_context(PLUGIN)
    registered, was_activated = set(context._disposables), context._activated
    yield manager
    # Deactivating would take the menus too, and napari's windows that are gone still listen to those.
    for undo in context._disposables - registered:
        undo()
    context._disposables, context._activated = registered, was_activated
    # Another test may have activated it before these: then the key is bound still.
    assert was_activated or KeyBinding.from_str(KEY) not in napari.Viewer.class_keymap


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path, activated: PluginManager) -> PluginManager:
    """napari's own plugin manager, with a tiny model for the dock."""
    if "tensorflow" in sys.modules:
        pytest.exit("TensorFlow is loaded here and would crash with the canvas; use make test-window", 2)
    monkeypatch.setattr(plugin_dock, "offered_bundles", lambda: find_bundles((tiny_bundle.parent,)))
    return activated


@pytest.fixture
def open_viewer(qapp: QApplication, plugins: PluginManager) -> Iterator[Callable[[], napari.Viewer]]:
    """Opens viewers as `napari` does; all are closed at the end, and nothing of ours outlives them."""
    windows: list[QMainWindow] = []

    def new() -> napari.Viewer:
        viewer = napari.Viewer()
        windows.append(window_of(viewer))
        live(0.3)
        return viewer

    yield new
    for window in windows:
        if isalive(window):
            for dock in window.findChildren(PancreasDock):
                dock.controller.session.mask.edited = False
            window.close()
            until(lambda window=window: not isalive(window))
    until(lambda: ours_running() == [])


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """A small one, made once."""
    return make_phantom(SMALL)


@pytest.fixture
def small(tmp_path: Path, phantom: Phantom) -> Path:
    """A CT of few slices in a file."""
    return _written(tmp_path / "case_one.nii.gz", phantom)


@pytest.fixture
def other(tmp_path: Path, phantom: Phantom) -> Path:
    """Another CT in a file."""
    return _written(tmp_path / "case_two.nii.gz", phantom, brighter=1)


def _written(path: Path, phantom: Phantom, brighter: int = 0) -> Path:
    volume = phantom_volume(phantom)
    write_float_map(path, volume.hu.astype("float32") + np.float32(brighter), volume)
    return path


def ours_running() -> list[str]:
    """Threads and child processes of this product."""
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("attunet")]
    return threads + [child.name for child in multiprocessing.active_children()]


def window_of(viewer: napari.Viewer) -> QMainWindow:
    window = viewer.window.file_menu.window()
    while not isinstance(window, QMainWindow):
        window = window.parent()
    return window


def dock_of(viewer: napari.Viewer) -> PancreasDock:
    (dock,) = find_docks(viewer)
    return dock


def choose(viewer: napari.Viewer, menu_id: str, command: str) -> None:
    """Choose the entry for `command` in napari's menu `menu_id`."""
    menus = [m for m in window_of(viewer).findChildren(QMenu) if getattr(m, "_menu_id", "") == menu_id]
    for menu in menus:
        menu.aboutToShow.emit()
        for action in menu.actions():
            if getattr(action, "_command_id", "") == command:
                action.trigger()
                return
    raise AssertionError(f"{command} is not in the menu {menu_id}")


def press(viewer: napari.Viewer, keys: str) -> None:
    window = window_of(viewer)
    window.activateWindow()
    live(0.1)
    QTest.keySequence(window, QKeySequence(keys))
    live(0.1)


def with_case(viewer: napari.Viewer) -> PancreasDock:
    """The dock of `viewer`, once it has a case."""
    dock = dock_of(viewer)
    until(lambda: dock.controller.session.case is not None and dock.controller.session.mask.tally is not None)
    live(0.2)
    return dock


def stroke(viewer: napari.Viewer, *voxel: int) -> None:
    layer = next(layer for layer in viewer.layers if layer.name == MASK)
    layer.data_setitem(tuple(np.array([index]) for index in voxel), 1)
    live(0.05)


def cross(viewer: napari.Viewer) -> None:
    """Click the cross in the title of the dock."""
    dock_of(viewer).parent().title.close_button.click()
    live(0.3)


def test_a_ct_that_napari_opened_is_drafted_corrected_and_saved_in_the_dock(
    open_viewer: Callable[[], napari.Viewer], small: Path
) -> None:
    viewer = open_viewer()
    (layer,) = viewer.open(small, plugin=PLUGIN)
    assert layer.name == "case_one"
    press(viewer, KEY)
    dock = with_case(viewer)
    controller, session = dock.controller, dock.controller.session
    assert isinstance(controller.layers.viewer, napari.utils._proxies.PublicOnlyProxy)
    assert [one.name for one in viewer.layers if isinstance(one, Image)] == ["CT"]

    dock.dock.next_step.button.click()
    until(lambda: session.inference.draft is not None and session.inference.job.state == "idle")
    until(lambda: session.inference.overlays and not controller.layers.appearance.is_shown("gates"))
    live(0.2)
    press(viewer, "G")
    assert controller.layers.appearance.is_shown("gates")
    assert sum(one.visible and one.name.startswith("Gates") for one in viewer.layers) == 1
    press(viewer, "G")
    assert not controller.layers.appearance.is_shown("gates")

    before = controller.layers.mask.copy()
    dock.dock.tools.tools["erase"].click()
    drag_in_canvas(SimpleNamespace(window=window_of(viewer)))
    erased = controller.layers.mask.copy()
    assert erased.sum() < before.sum()
    press(viewer, "Ctrl+Z")
    np.testing.assert_array_equal(controller.layers.mask, before)
    press(viewer, "Ctrl+Shift+Z")
    np.testing.assert_array_equal(controller.layers.mask, erased)

    dock.dock.save.save.click()
    until(lambda: session.mask.saved_to is not None)
    assert session.mask.saved_to == small.with_name("case_one_pancreas.nii.gz")
    np.testing.assert_array_equal(read_mask(session.mask.saved_to, read_ct_volume(small)), erased)


def test_every_way_in_shows_the_same_dock(open_viewer: Callable[[], napari.Viewer], small: Path) -> None:
    viewer = open_viewer()
    choose(viewer, "napari/plugins", "attunet-gui.dock")
    dock = dock_of(viewer)
    until(dock.isVisible)
    choose(viewer, "napari/plugins", "attunet-gui.dock")
    until(lambda: not dock.isVisible())
    execute = Application.get_app("napari").commands.execute_command
    shows: dict[str, Callable[[], object]] = {
        "Layers > Segment": lambda: choose(viewer, "napari/layers/segment", "attunet-gui.open_dock"),
        "Layers > Annotate": lambda: choose(viewer, "napari/layers/annotate", "attunet-gui.open_dock"),
        "the command that shows": lambda: execute("attunet-gui.open_dock").result(),
        "the command of the dock": lambda: execute("attunet-gui.dock").result(),
        "the key": lambda: press(viewer, KEY),
    }
    for way, show in shows.items():
        dock.parent().close()
        assert not dock.isVisible()
        show()
        until(dock.isVisible)
        assert dock_of(viewer) is dock, way
    assert viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1] is dock
    with pytest.raises(AttunetError, match="is open in this window already"):
        PancreasDock(viewer)


def test_closing_dock_or_window_over_strokes_asks_and_the_dock_comes_back(
    open_viewer: Callable[[], napari.Viewer], small: Path
) -> None:
    viewer = open_viewer()
    callbacks = len(viewer.mouse_drag_callbacks)
    viewer.open(small, plugin=PLUGIN)
    viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    controller = weakref.ref(with_case(viewer).controller)
    stroke(viewer, 3, 3, 3)
    window = window_of(viewer)

    for close in (window.close, lambda: cross(viewer)):
        keeping = DialogAnswer("Keep editing")
        close()
        until(lambda keeping=keeping: keeping.asked is not None)
        live(0.3)
        assert window.isVisible()
        assert dock_of(viewer).isVisible()
        assert dock_of(viewer).controller is controller()
        assert viewer.layers[MASK].data[3, 3, 3] == 1
        stroke(viewer, 4, 4, 4)
        assert controller().edits.work.has_unsaved_strokes

    saving = DialogAnswer("Save")
    cross(viewer)
    until(lambda: saving.asked is not None and not list(find_docks(viewer)))
    until(lambda: ours_running() == [])
    mask = read_mask(small.with_name("case_one_pancreas.nii.gz"), read_ct_volume(small))
    assert mask.sum() == 2
    assert mask[3, 3, 3] == mask[4, 4, 4] == 1
    assert [layer.name for layer in viewer.layers] == ["case_one"]
    assert len(viewer.mouse_drag_callbacks) == callbacks
    live(0.1)
    gc.collect()
    assert controller() is None, "a dock that is closed lets go of its CT"

    choose(viewer, "napari/plugins", "attunet-gui.dock")
    again = with_case(viewer)
    np.testing.assert_array_equal(again.controller.layers.mask, mask)
    assert len(viewer.mouse_drag_callbacks) == callbacks + 1
    stroke(viewer, 5, 5, 5)
    press(viewer, "Ctrl+Z")
    np.testing.assert_array_equal(again.controller.layers.mask, mask)
    until(lambda: not again.controller.session.mask.edited)
    window.close()
    until(lambda: not isalive(window))
    until(lambda: ours_running() == [])


def test_strokes_that_are_discarded_with_the_dock_do_not_come_back(
    open_viewer: Callable[[], napari.Viewer], small: Path
) -> None:
    viewer = open_viewer()
    viewer.open(small, plugin=PLUGIN)
    viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    with_case(viewer)
    stroke(viewer, 3, 3, 3)
    discarding = DialogAnswer("Discard corrections")
    cross(viewer)
    until(lambda: discarding.asked is not None and not list(find_docks(viewer)))
    viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    assert not with_case(viewer).controller.layers.mask.any()


def test_a_ct_that_napari_opens_over_unsaved_strokes_does_not_cover_the_case(
    open_viewer: Callable[[], napari.Viewer], small: Path, other: Path
) -> None:
    viewer = open_viewer()
    viewer.open(small, plugin=PLUGIN)
    viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    session = with_case(viewer).controller.session
    stroke(viewer, 3, 3, 3)
    keeping = DialogAnswer("Keep editing")
    viewer.open(other, plugin=PLUGIN)
    until(lambda: keeping.asked is not None)
    live(0.2)
    assert session.case.volume.name == "case_one"
    assert not viewer.layers["case_two"].visible
    assert session.message.text.startswith("case_two is hidden: the mask on screen belongs to case_one.")
    viewer.layers.remove("case_two")
    discarding = DialogAnswer("Discard corrections")
    viewer.open(other, plugin=PLUGIN)
    until(lambda: discarding.asked is not None and session.case.volume.name == "case_two")
    live(0.2)
    assert [one.name for one in viewer.layers if isinstance(one, Image)] == ["CT"]
    assert not viewer.layers[MASK].data.any()


def test_two_viewers_of_one_process_keep_their_cases_apart(
    open_viewer: Callable[[], napari.Viewer], small: Path, other: Path
) -> None:
    first, second = open_viewer(), open_viewer()
    for viewer, path in ((first, small), (second, other)):
        viewer.open(path, plugin=PLUGIN)
        viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    left, right = with_case(first).controller, with_case(second).controller
    stroke(first, 3, 3, 3)
    assert left.edits.work.has_unsaved_strokes
    assert not right.edits.work.has_unsaved_strokes
    assert not right.layers.mask.any()
    assert right.session.case.volume.name == "case_two"
    press(second, "Ctrl+Z")
    assert left.layers.mask[3, 3, 3] == 1, "a key belongs to the window it is pressed in"

    gone = window_of(second)
    gone.close()
    until(lambda: not isalive(gone))
    assert not gc.isenabled(), "the window that is left still destroys its objects itself"
    assert left.layers.mask[3, 3, 3] == 1
    left.session.inference.request_draft()
    until(lambda: left.session.inference.draft is not None)
    press(first, "Ctrl+Z")


def _grid() -> VoxelGrid:
    return VoxelGrid((40, 40, 8), np.diag([2.0, 2.0, 4.0, 1.0]))


def _file_for(pattern: str, folder: Path) -> Path:
    """A CT whose name fits `pattern`."""
    folder.mkdir()
    if pattern not in ("*", "*.dcm"):
        return write_source(pattern.removeprefix("*."), folder, _grid(), ct_like((40, 40, 8)))
    stored = np.arange(5 * 8 * 8, dtype=np.int16).reshape(5, 8, 8)
    for number, path in enumerate(write_series(folder, stored)):
        last = path.rename(path.with_name(pattern.replace("*", f"IM{number}")))
    return last


class Walk:
    """Uses every contribution of the manifest in `viewer`; `used` are the commands that did their work."""

    def __init__(self, viewer: napari.Viewer, offered: ContributionPoints, folder: Path) -> None:
        self.viewer, self.offered, self.folder = viewer, offered, folder
        self.used: set[str] = set()

    def readers(self) -> None:
        for entry in self.offered.readers or ():
            for pattern in entry.filename_patterns:
                self._read(entry, pattern)
            self.used.add(entry.command)
        self.viewer.layers.clear()

    def _read(self, entry: ReaderContribution, pattern: str) -> None:
        path = _file_for(pattern, self.folder / f"reader{pattern.replace('*', '_')}")
        folder = [path.parent] if entry.accepts_directories and "." not in pattern else []
        for source in (path, *folder):
            (layer,) = self.viewer.open(source, plugin=PLUGIN)
            assert layer.source.reader_plugin == PLUGIN
            assert isinstance(layer.metadata["attunet"], Volume), pattern

    def samples(self) -> None:
        for sample in self.offered.sample_data or ():
            self.viewer.layers.clear()
            choose(self.viewer, f"napari/file/samples/{PLUGIN}", f"{PLUGIN}.{sample.key}")
            made = {layer.name for layer in self.viewer.layers}
            assert f"phantom-{SMALL.seed}" in made
            self.viewer.layers.clear()
            assert self.viewer.open_sample(PLUGIN, sample.key)
            assert {layer.name for layer in self.viewer.layers} == made
            self.used.add(sample.command)

    def writers(self) -> None:
        mask = next(layer for layer in self.viewer.layers if isinstance(layer, Labels))
        self.viewer.layers.selection = {mask}
        for writer in self.offered.writers or ():
            assert writer.layer_types == ["labels"]
            for ending in writer.filename_extensions:
                target = self.folder / f"mask{ending}"
                assert mask.save(str(target), plugin=PLUGIN) == [str(target)]
                written = read_mask(target, mask.metadata["attunet"])
                np.testing.assert_array_equal(written, mask.data != 0)
                target.unlink()
                assert self.viewer.layers.save(str(target), selected=True, plugin=PLUGIN) == [str(target)]
            self.used.add(writer.command)
        self.viewer.layers.clear()

    def menus(self) -> None:
        for menu, entries in (self.offered.menus or {}).items():
            for entry in entries:
                choose(self.viewer, menu, entry.command)
                self._shows_dock(entry.command)

    def keys(self) -> None:
        for binding in self.offered.keybindings or ():
            press(self.viewer, binding.linux or binding.key)
            self._shows_dock(binding.command)

    def widgets(self) -> None:
        for widget in self.offered.widgets or ():
            self.viewer.window.add_plugin_dock_widget(PLUGIN, widget.display_name)[0].show()
            self._shows_dock(widget.command)
            choose(self.viewer, "napari/plugins", widget.command)
            self._shows_dock(widget.command)

    def _shows_dock(self, command: str) -> None:
        live(0.2)
        assert dock_of(self.viewer).isVisible(), command
        dock_of(self.viewer).parent().close()
        self.used.add(command)


def test_no_contribution_of_the_manifest_is_dead(
    open_viewer: Callable[[], napari.Viewer],
    plugins: PluginManager,
    tmp_path: Path,
    phantom: Phantom,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugin, "make_phantom", lambda _request: phantom)
    viewer = open_viewer()
    offered = plugins.get_manifest(PLUGIN).contributions
    walk = Walk(viewer, offered, tmp_path)
    steps = (walk.readers, walk.samples, walk.writers, walk.menus, walk.keys, walk.widgets)
    for step in steps:
        step()
    walked = {step.__name__ for step in steps}
    there = {name for name, value in offered if value}
    named = {"readers", "sample_data", "writers", "menus", "keybindings", "widgets", "commands"}
    assert there == named, "a kind of contribution that nobody walks"
    assert len(walked) == len(named) - 1
    assert {command.id for command in offered.commands or ()} == walk.used
    assert list(viewer.window.dock_widgets) == [FULL_NAME]


def test_the_palette_offers_nothing_that_needs_a_path(
    open_viewer: Callable[[], napari.Viewer],
) -> None:
    open_viewer()
    menus = Application.get_app("napari").menus
    entries = [one.command.id for one in menus.get_menu(menus.COMMAND_PALETTE_ID) if _is_offered(one.when)]
    ours = {name for name in entries if name.startswith(PLUGIN)}
    assert ours == {f"{PLUGIN}.{name}" for name in ("dock", "open_dock", "phantom", "phantom_mask")}


def _is_offered(when: Expr | None) -> bool:
    return when is None or str(when) != "False"

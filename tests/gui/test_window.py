"""The whole window under a display, with the real child process."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import napari
import numpy as np
import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMenu, QWidget

from attunet_gui.core.volume import Volume
from attunet_gui.gui import plugin
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.main_window import RunningApplication
from attunet_gui.gui.napari_adapter.layer_factory import ARRIVING, CT, MASK, OTHER
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.io.result_writing import write_mask
from attunet_gui.workers.inference_process import InferenceProcess
from tests.support.window_control import (
    DialogAnswer,
    canvas_middle,
    drag_in_canvas,
    live,
    mask_of,
    open_and_draft,
    open_ct,
    until,
)

pytestmark = pytest.mark.window


def test_the_picture_of_an_open_case_is_not_black(app: RunningApplication, ct: Path) -> None:
    assert app.controller.view_state.step.button == "Open a CT…"
    assert app.viewer.canvas.overlays.text.visible
    open_ct(app, ct)
    picture = app.viewer.window.screenshot(flash=False, canvas_only=True)
    assert float(picture[..., :3].std()) > 5
    assert not app.viewer.canvas.overlays.text.visible
    assert "case_one" not in app.window.windowTitle()


def test_the_whole_job_open_draft_gates_paint_undo_save(app: RunningApplication, ct: Path) -> None:
    open_and_draft(app, ct)
    assert app.dock.next_step.button.text() == "Check the draft"
    app.controller.next_step()
    app.controller.layers.appearance.toggle_gates()
    assert app.controller.layers.appearance.is_shown("gates")
    live(0.2)
    app.controller.layers.appearance.toggle_gates()

    before = mask_of(app).copy()
    app.dock.tools.tools["erase"].click()
    drag_in_canvas(app)
    erased = mask_of(app).copy()
    assert erased.sum() < before.sum()
    assert app.session.mask.edited
    app.controller.edits.undo()
    np.testing.assert_array_equal(mask_of(app), before)
    until(lambda: not app.session.mask.edited)
    app.controller.edits.redo()
    until(lambda: app.session.mask.edited and app.session.mask.tally.voxels == erased.sum())

    app.dock.save.save.click()
    until(lambda: app.session.mask.saved_to is not None)
    saved = ct.with_name("case_one_pancreas.nii.gz")
    assert app.session.mask.saved_to == saved
    np.testing.assert_array_equal(read_mask(saved, app.session.case.volume), erased)
    record = json.loads(saved.with_name("case_one_pancreas.json").read_text("utf-8"))
    assert record["correction"]["removed_voxels"] == before.sum() - erased.sum()
    until(lambda: not app.session.mask.edited)
    assert app.dock.next_step.button.text() == "Open the next CT…"


def test_a_run_is_cancelled_at_once_and_can_be_run_again(
    app: RunningApplication, ct: Path, runner: InferenceProcess
) -> None:
    open_ct(app, ct)
    assert runner.child_pid is not None
    stopped = runner.child_pid
    os.kill(stopped, signal.SIGSTOP)  # or the draft would be there before it is cancelled
    app.controller.drafting.run_or_cancel()
    until(lambda: app.session.inference.job.state != "idle")
    app.controller.drafting.run_or_cancel()
    assert app.session.inference.job.state == "idle"
    os.kill(stopped, signal.SIGCONT)
    live(0.5)
    assert app.session.inference.draft is None
    assert not mask_of(app).any()
    app.controller.drafting.run_or_cancel()
    until(lambda: app.session.inference.draft is not None)
    assert mask_of(app).any()


def test_a_killed_child_gives_one_sentence_and_a_working_window(
    app: RunningApplication, ct: Path, runner: InferenceProcess
) -> None:
    open_ct(app, ct)
    app.controller.drafting.run_or_cancel()
    assert runner.status.state != "idle"
    assert runner.child_pid is not None
    os.kill(runner.child_pid, signal.SIGKILL)
    until(lambda: app.session.message.problem)
    assert app.session.message.text.count(".") <= 2
    assert app.session.inference.job.state == "idle"
    app.controller.select_tool("paint")
    drag_in_canvas(app)
    assert mask_of(app).any()
    app.controller.session.mask.edited = False
    app.controller.drafting.run_or_cancel()
    until(lambda: app.session.inference.draft is not None)


def test_painting_works_while_the_network_runs_and_is_kept(
    app: RunningApplication, ct: Path, runner: InferenceProcess
) -> None:
    open_ct(app, ct)
    app.controller.select_tool("paint")
    assert runner.child_pid is not None
    os.kill(runner.child_pid, signal.SIGSTOP)  # or the draft would be there before the stroke
    app.controller.drafting.run_or_cancel()
    until(lambda: app.session.inference.job.state != "idle")
    app.controller.layers.slice_view.step_up()
    drag_in_canvas(app)
    painted = mask_of(app).copy()
    assert painted.any()
    step = app.viewer.dims.current_step
    os.kill(runner.child_pid, signal.SIGCONT)
    until(lambda: app.session.inference.draft is not None)
    live(0.3)
    np.testing.assert_array_equal(mask_of(app), painted)
    assert OTHER in [layer.name for layer in app.viewer.layers]
    assert app.viewer.dims.current_step == step
    assert app.controller.layers.tools.current_tool == "paint"


def edit(app: RunningApplication) -> None:
    layer = app.viewer.layers[MASK]
    layer.data_setitem((np.array([3]), np.array([3]), np.array([3])), 1 - int(layer.data[3, 3, 3]))
    assert app.session.mask.edited


@pytest.mark.parametrize(("answer", "kept"), [("Beside my mask", True), ("Replace my mask", False)])
def test_drafting_again_over_corrections_asks(
    app: RunningApplication, ct: Path, answer: str, kept: bool
) -> None:
    open_and_draft(app, ct)
    edit(app)
    edited = mask_of(app).copy()
    first = app.session.inference.draft
    question = DialogAnswer(answer)
    app.controller.drafting.run_or_cancel()
    assert question.default == "Beside my mask"
    until(lambda: app.session.inference.draft is not first)
    live(0.3)
    assert np.array_equal(mask_of(app), edited) is kept
    if not kept:
        app.controller.edits.undo()
        np.testing.assert_array_equal(mask_of(app), edited)


def test_opening_another_case_over_corrections_asks(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    case = app.session.case
    edit(app)
    question = DialogAnswer("Keep editing")
    app.controller.opener.open_path(ct)
    assert question.asked is not None
    assert question.default == "Save"
    live(0.3)
    assert app.session.case is case
    saving = DialogAnswer("Save")
    app.controller.opener.open_path(ct)
    assert saving.asked is not None
    until(lambda: app.session.case is not case)
    assert app.session.case.found is not None
    assert app.session.case.found.mask[3, 3, 3] == 1


def test_strokes_made_while_saving_are_asked_about_before_the_next_case(
    app: RunningApplication, ct: Path
) -> None:
    open_ct(app, ct)
    case = app.session.case
    edit(app)
    saving = DialogAnswer("Save")
    app.controller.opener.open_path(ct)
    assert saving.asked is not None
    layer = app.viewer.layers[MASK]
    layer.data_setitem((np.array([4]), np.array([4]), np.array([4])), 1)
    keeping = DialogAnswer("Keep editing")
    until(lambda: keeping.asked is not None)
    live(0.5)
    assert app.session.case is case
    assert mask_of(app)[4, 4, 4] == 1
    assert app.session.mask.edited


def test_nothing_is_saved_if_another_case_arrives_under_the_save_dialog(
    app: RunningApplication, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ct(app, ct)
    case = app.session.case
    target = ct.with_name("chosen.nii.gz")

    def choose(parent: QWidget, suggestion: Path) -> Path:
        app.session.open_path(ct)
        until(lambda: app.session.case is not case)
        return target

    monkeypatch.setattr(case_dialogs, "choose_target", choose)
    app.controller.saving.save_as()
    live(0.3)
    assert not target.exists()
    assert "nothing was saved" in app.session.message.text


def test_a_draft_waits_for_the_stroke_that_is_being_made(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    app.controller.select_tool("paint")
    widget, middle = canvas_middle(app)
    app.controller.drafting.run_or_cancel()
    QTest.mousePress(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    for step in range(1, 8):
        QTest.mouseMove(widget, middle + QPoint(4 * step, 0))
        live(0.02)
    held = mask_of(app).copy()
    until(lambda: app.session.inference.draft is not None)
    live(0.3)
    if QApplication.mouseButtons() == Qt.MouseButton.NoButton:
        pytest.skip("this platform does not tell that a simulated button is held")
    assert np.array_equal(mask_of(app), held)
    QTest.mouseRelease(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    live(0.5)
    assert np.array_equal(mask_of(app), held)
    assert OTHER in [layer.name for layer in app.viewer.layers]


def test_a_case_after_a_painted_one_takes_its_draft(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    edit(app)
    case = app.session.case
    discarding = DialogAnswer("Discard corrections")
    app.controller.opener.open_path(ct)
    assert discarding.asked is not None
    until(lambda: app.session.case is not case)
    app.session.inference.request_draft()
    until(lambda: app.session.inference.draft is not None and app.session.inference.job.state == "idle")
    assert app.session.inference.draft is not None
    assert np.array_equal(mask_of(app), app.session.inference.draft.mask)
    assert OTHER not in [layer.name for layer in app.viewer.layers]


def test_closing_over_corrections_asks_and_can_save_first(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    edit(app)
    keeping = DialogAnswer("Keep editing")
    app.window.close()
    live(0.2)
    assert keeping.asked is not None
    assert app.window.isVisible()
    saving = DialogAnswer("Save")
    app.window.close()
    until(app.is_window_closed)
    assert saving.default == "Save"
    assert read_mask(ct.with_name("case_one_pancreas.nii.gz"), app.session.case.volume)[3, 3, 3] == 1


def test_closing_without_corrections_asks_nothing(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    app.window.close()
    until(app.is_window_closed)


def test_the_dock_in_plain_napari_drafts_nothing_unasked_and_guards_corrections(
    qapp: QApplication, ct: Path
) -> None:
    viewer = napari.Viewer(show=False)
    dock = plugin.PancreasDock(viewer)
    place = viewer.window.add_dock_widget(dock, name="Pancreas in CT")
    viewer.window.show()
    live(0.2)
    session, layers = dock.controller.session, dock.controller.layers
    dock.controller.opener.open_path(ct)
    until(lambda: session.case is not None)
    live(0.2)
    assert session.inference.draft is None
    viewer.layers[MASK].data_setitem((np.array([3]), np.array([3]), np.array([3])), 1)
    session.mask_touched()
    keeping = DialogAnswer("Keep editing")
    window = place.window()
    window.close()
    live(0.2)
    assert keeping.asked is not None
    assert window.isVisible()
    assert layers.mask is not None
    assert layers.mask[3, 3, 3] == 1
    discarding = DialogAnswer("Discard corrections")
    window.close()
    until(lambda: not isalive(window))
    assert discarding.asked is not None
    session.close_session()


def test_a_file_dropped_anywhere_is_opened_as_a_case(app: RunningApplication, ct: Path) -> None:
    widget, middle = canvas_middle(app)
    handle = app.window.windowHandle()
    assert handle is not None
    place = widget.mapTo(app.window, middle)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(ct))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place, copy, data, left, none)
    QApplication.sendEvent(handle, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(handle, QDropEvent(QPointF(place), copy, data, left, none))
    until(lambda: app.session.case is not None)
    live(0.2)
    assert _of_the_case(app) == [CT, MASK]
    assert app.controller.preferences.recent_paths == [ct]


def test_a_dropped_folder_with_a_ct_and_its_labels_opens_the_ct(
    app: RunningApplication, ct: Path, long_volume: Volume, tmp_path: Path
) -> None:
    folder = tmp_path / "patient"
    folder.mkdir()
    shutil.copy(ct, folder / "ct.nii.gz")
    labels = np.zeros(long_volume.hu.shape, np.uint8)
    labels[100:104, 20:30, 20:30] = 1
    write_mask(folder / "label.nii.gz", labels, long_volume)
    drop(app, folder)
    until(lambda: app.session.case is not None)
    live(0.2)
    assert app.session.case.volume.origin.path == folder / "ct.nii.gz"
    assert _of_the_case(app) == [CT, MASK]


def drop(app: RunningApplication, path: Path) -> None:
    """Drop `path` on the middle of the canvas, as a file manager would."""
    widget, middle = canvas_middle(app)
    place, data = widget.mapTo(app.window, middle), QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(place, *how)
    QApplication.sendEvent(app.window.windowHandle(), enter)
    assert enter.isAccepted()
    QApplication.sendEvent(app.window.windowHandle(), QDropEvent(QPointF(place), *how))


def _of_the_case(app: RunningApplication) -> list[str]:
    """Names of the layers; but the one for a draft on its way comes a moment later."""
    return [layer.name for layer in app.viewer.layers if layer.name != ARRIVING]


def test_a_layer_deleted_in_the_list_comes_back(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    app.viewer.layers.remove(MASK)
    live(0.2)
    assert _of_the_case(app) == [CT, MASK]
    assert "put back" in app.session.message.text


def test_the_keys_do_what_the_table_says(app: RunningApplication, ct: Path) -> None:
    open_and_draft(app, ct)
    app.window.activateWindow()
    live(0.2)
    for key, shown in (("G", True), ("G", False)):
        QTest.keySequence(app.window, QKeySequence(key))
        live(0.05)
        assert app.controller.layers.appearance.is_shown("gates") is shown
    before = app.viewer.dims.current_step[0]
    QTest.keySequence(app.window, QKeySequence("Up"))
    live(0.05)
    assert app.viewer.dims.current_step[0] == before + 1


def test_no_key_is_one_of_naparis_menus(app: RunningApplication) -> None:
    taken = {}
    for menu in app.window.findChildren(QMenu):
        for action in menu.actions():
            if not action.shortcut().isEmpty():
                taken[action.shortcut().toString()] = action.text()
    assert "Ctrl+O" in taken
    assert {a.keys for a in UserCommand if QKeySequence(a.keys).toString() in taken} == set()


def test_a_mask_lies_on_the_source_grid(app: RunningApplication, ct: Path, long_volume: Volume) -> None:
    open_ct(app, ct)
    assert app.session.case.volume.grid.matches_grid(long_volume.grid, 1e-3)
    assert tuple(app.viewer.layers[MASK].scale) == app.session.case.volume.grid.spacing_mm


def test_nothing_is_cut_off_in_the_dock(app: RunningApplication, ct: Path) -> None:
    open_and_draft(app, ct)
    app.viewer.window.resize(1280, 800)
    live(0.2)
    for button in app.dock.findChildren(QWidget):
        if button.isVisible() and button.metaObject().className() == "QPushButton":
            assert button.width() >= button.minimumSizeHint().width(), button.text()

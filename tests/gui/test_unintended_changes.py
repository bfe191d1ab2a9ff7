"""Nothing happens that was not meant: the wheel, napari's own commands, and what a save writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari._app_model import get_app_model
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QKeySequence, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox, QListView, QWidget

from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.dialogs.worklist_dialogs import ExportDialog, SecondReadsDialog
from attunet_gui.gui.finetuning.finetuning_dialog import FinetuningDialog
from attunet_gui.gui.main_window import RunningApplication
from attunet_gui.gui.napari_adapter.layer_factory import ARRIVING, CT, MASK
from attunet_gui.gui.napari_adapter.napari_overrides import (
    NO_SECOND_CASE,
    OURS,
    classify_command,
    refusal_for,
)
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.gui.wheel_guard import widgets_changed_by_wheel
from attunet_gui.io.mask_reading import read_mask
from tests.support.window_control import canvas_middle, live, mask_of, open_ct, until

pytestmark = pytest.mark.window


def value_of(widget: QWidget) -> object:
    return widget.currentIndex() if isinstance(widget, QComboBox) else widget.value()  # type: ignore[attr-defined]


def turned(widget: QWidget) -> None:
    for angle in (120, -240):
        middle = QPointF(widget.rect().center())
        event = QWheelEvent(middle, QPointF(widget.mapToGlobal(middle.toPoint())), QPoint(), QPoint(0, angle),
                            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
                            Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
        QApplication.sendEvent(widget, event)


def test_the_wheel_changes_no_value_without_the_keyboard(
    app: RunningApplication, ct: Path, tmp_path: Path
) -> None:
    open_ct(app, ct)
    dialogs = [
        FinetuningDialog(app.window), ExportDialog(app.window, tmp_path), SecondReadsDialog(app.window)
    ]  # fmt: skip
    widgets = [
        found for root in (app.dock, app.worklist, *dialogs) for found in widgets_changed_by_wheel(root)
    ]
    assert len([found for found in widgets if app.dock.isAncestorOf(found)]) >= 8
    assert len(widgets) > 12
    for box in (found for found in widgets if isinstance(found, QComboBox)):
        box.addItems(["one more", "and another"])
    with_keyboard = 0
    for widget in widgets:
        widget.clearFocus()
        assert widget.focusPolicy() != Qt.FocusPolicy.WheelFocus
        if not hasattr(widget, "value") and not isinstance(widget, QComboBox):
            continue
        before = value_of(widget)
        turned(widget)
        assert value_of(widget) == before, widget
        assert not widget.hasFocus()
    brush = app.dock.tools.brush
    app.window.activateWindow()
    brush.setFocus()
    live(0.1)
    if brush.hasFocus():
        before = brush.value()
        turned(brush)
        with_keyboard += brush.value() != before
        assert with_keyboard, "with the keyboard the wheel is meant"


def test_every_command_of_napari_was_thought_of(app: RunningApplication) -> None:
    undecided = [
        command for command, _registered in get_app_model().commands if not classify_command(command)
    ]
    assert undecided == []
    assert set(OURS) <= {command for command, _registered in get_app_model().commands}


def test_naparis_ways_to_open_and_save_are_ours(
    app: RunningApplication, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ct(app, ct)
    asked: list[str] = []
    monkeypatch.setattr(case_dialogs, "choose_file", lambda *_: asked.append("file"))
    monkeypatch.setattr(case_dialogs, "choose_folder", lambda *_: asked.append("folder"))
    monkeypatch.setattr(case_dialogs, "choose_target", lambda *_: asked.append("target"))
    saved: list[Path] = []
    monkeypatch.setattr(app.session, "save_mask", lambda _mask, path, _record: saved.append(path))
    wanted = {
        UserCommand.OPEN_FILE: "file",
        UserCommand.OPEN_FOLDER: "folder",
        UserCommand.SAVE_AS: "target",
    }
    commands = get_app_model().commands
    for command, ours in OURS.items():
        asked.clear()
        if ours in wanted:
            commands.execute_command(command)
            assert asked == [wanted[ours]], command
    commands.execute_command("napari.window.file.save_layers_dialog.selected")
    assert [path.name for path in saved] == ["case_one_pancreas.nii.gz"]
    asked.clear()
    app.window.activateWindow()
    live(0.2)
    for keys, word in (("Ctrl+O", "file"),):
        QTest.keySequence(app.window, QKeySequence(keys))
        live(0.1)
        assert asked == [word]


def test_what_would_change_the_layers_of_the_case_is_refused(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    before = [layer for layer in app.viewer.layers if layer.name in (CT, MASK)]
    for command, _registered in list(get_app_model().commands):
        if classify_command(command) == "refused":
            app.session.show_message("")
            get_app_model().commands.execute_command(command)
            assert app.session.message.text == refusal_for(command), command
    live(0.1)
    assert [layer for layer in app.viewer.layers if layer.name in (CT, MASK)] == before
    assert app.viewer.layers[MASK].dtype == np.uint8


def test_no_second_ct_or_mask_stays(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    names = {layer.name for layer in app.viewer.layers}
    app.viewer.add_image(np.zeros((4, 4, 4)), name="second CT")
    app.viewer.add_labels(np.zeros((4, 4, 4), np.uint8), name="second mask")
    app.viewer.open(ct, plugin="attunet-gui")
    live(0.3)
    assert {layer.name for layer in app.viewer.layers} <= names | {"Draft on its way"}
    assert app.session.message.text == NO_SECOND_CASE
    app.viewer.layers[MASK].name = "mine"
    assert app.viewer.layers[MASK].name == MASK


def test_what_is_saved_is_what_the_journal_holds(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    work = app.controller.edits.work
    assert work is not None
    mask_of(app)[3, 3:6, 3:6] = 1  # past every tool, as a stroke that napari keeps to itself
    app.controller.saving.save()
    until(lambda: app.session.mask.saved_to is not None and app.session.file_job is None)
    volume = app.session.case.volume  # type: ignore[union-attr]
    file = read_mask(ct.with_name("case_one_pancreas.nii.gz"), volume)
    np.testing.assert_array_equal(file, work.history.recorded_mask)
    np.testing.assert_array_equal(file, mask_of(app))
    assert work.history.undo_stack.undo_text == "change outside the tools, +9 voxels"
    app.controller.edits.undo()
    assert not mask_of(app).any()


def test_another_array_in_the_layer_is_a_stroke(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    voxels = mask_of(app)
    given = np.zeros(voxels.shape, np.int64)
    given[3, 3, 3] = 7
    app.viewer.layers[MASK].data = given
    assert mask_of(app) is voxels
    work = app.controller.edits.work
    assert work is not None
    assert (int(voxels[3, 3, 3]), int(voxels.sum()), work.history.undo_stack.undo_text) == (
        1,
        1,
        "brush, +1 voxel",
    )


def test_a_right_click_leaves_the_left_button_to_the_brush(app: RunningApplication, ct: Path) -> None:
    open_ct(app, ct)
    app.controller.select_tool("paint")
    widget, middle = canvas_middle(app)
    QTest.mouseClick(widget, Qt.MouseButton.RightButton, pos=middle)
    live(0.1)
    assert not mask_of(app).any()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=middle)
    live(0.1)
    work = app.controller.edits.work
    assert work is not None
    assert mask_of(app).any()
    np.testing.assert_array_equal(mask_of(app), work.history.recorded_mask)


def test_the_frame_of_the_window(app: RunningApplication, ct: Path) -> None:
    assert not app.viewer.canvas.overlays.scale_bar.visible
    assert not app.dock.strip.isVisible()
    open_ct(app, ct)
    until(lambda: app.dock.strip.isVisible())
    assert app.viewer.canvas.overlays.scale_bar.visible
    count = app.session.case.volume.grid.shape[0]  # type: ignore[union-attr]
    app.controller.layers.slice_view.go_to_slice(0)
    assert app.dock.footer.slice.text() == f"Slice 1 of {count}"
    app.controller.layers.slice_view.go_to_slice(count - 1)
    assert app.dock.footer.slice.text() == f"Slice {count} of {count}"
    zero_based = app.window.findChildren(QWidget, "slice_label")
    assert zero_based
    assert not any(widget.isVisible() for widget in zero_based)
    app.viewer.window.resize(1280, 720)
    live(0.2)
    save = app.dock.save.save
    assert app.dock.rect().contains(save.mapTo(app.dock, save.rect().bottomRight()))
    places = [made.mapTo(app.dock.tools, QPoint()) for made in app.dock.tools.kinds.values()]
    app.controller.toolbox.select_tool("add-this")
    live(0.1)
    assert app.dock.tools.parameter.isVisible()
    assert [made.mapTo(app.dock.tools, QPoint()) for made in app.dock.tools.kinds.values()] == places


def test_the_layer_that_stands_ready_for_a_draft_is_not_in_the_list(
    app: RunningApplication, ct: Path
) -> None:
    open_ct(app, ct)
    until(lambda: ARRIVING in app.viewer.layers)
    live(0.1)
    (view,) = (one for one in app.window.findChildren(QListView) if type(one).__name__ == "QtLayerList")

    def listed() -> list[str]:
        model = view.model()
        rows = (row for row in range(model.rowCount()) if not view.isRowHidden(row))
        return [model.index(row, 0).data() for row in rows]

    assert listed() == [MASK, CT]
    app.viewer.add_points(name="mine")
    live(0.1)
    assert set(listed()) == {MASK, CT, "mine"}

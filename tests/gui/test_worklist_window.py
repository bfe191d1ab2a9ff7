"""The worklist in the whole window, by keys and clicks. Looked at: the pictures that it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from napari.settings import get_settings
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QWidget

from attunet_gui.gui.dialogs.worklist_dialogs import AnnotatorChecksDialog, ExportDialog
from attunet_gui.gui.main_window import RunningApplication
from attunet_gui.gui.worklist.worklist_view_state import ProjectCommand
from attunet_gui.project.case_commands import assign_cases, reject_case, set_note
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_store import Project
from tests.support.project_cases import drafted_project
from tests.support.window_control import DialogAnswer, live, press_keys, until

pytestmark = pytest.mark.window


def in_project(app: RunningApplication, folder: Path, cases: int = 5) -> Project:
    project = drafted_project(folder, cases)
    set_note(project, project.case_named("case-0002"), "thin slices", actor="anna")
    assign_cases(project, [project.case_named("case-0004")], "Berta", actor="anna")
    reject_case(project, project.case_named("case-0005"), "not the abdomen", actor="anna")
    app.controller.dialogs.set_annotator("anna")
    app.controller.worklist.projects.show_project(project.folder)
    until(lambda: app.controller.worklist.case_list.rowCount() == cases and app.worklist.isVisible())
    live(0.5)
    return project


def shot(app: RunningApplication, path: Path) -> None:
    live(0.5)
    app.window.grab().save(str(path))
    assert path.stat().st_size > 1000


def test_without_a_project_the_list_takes_no_room(app: RunningApplication) -> None:
    assert not app.worklist.isVisible()
    assert app.dock.case.project.isVisible()


def test_a_morning_with_the_keyboard(app: RunningApplication, tmp_path: Path) -> None:
    project = in_project(app, tmp_path)
    app.controller.worklist.cases.set_next_case_strategy("file")
    assert app.dock.next_step.button.text() == "Open the next case"
    press_keys(app, "F6")
    until(lambda: app.session.case is not None and app.controller.review.is_searched)
    assert app.dock.case.name.text() == "case-0001"
    assert "ct0" not in app.window.windowTitle()
    shot(app, tmp_path / "opened.png")
    answer = DialogAnswer("Go on looking")
    press_keys(app, "Shift+A")
    until(lambda: answer.asked is not None and "was not accepted" in app.session.message.text)
    assert answer.default == "Go on looking"
    assert project.case_named("case-0001").status == CaseStatus.IN_PROGRESS
    answer = DialogAnswer("Accept all the same")
    press_keys(app, "Shift+A")
    until(lambda: app.session.case is not None and app.session.case.volume.name == "case-0002")
    assert project.case_named("case-0001").status == CaseStatus.ACCEPTED
    until(lambda: "1 accepted" in app.worklist.summary.text())
    panel = app.worklist
    until(lambda: panel.list.model().rowCount() == 5 and app.session.file_job is None)
    # The list is read anew after an accepted case, and forgets the row that was chosen before.
    live(1.0)
    panel.list.setFocus()
    panel.list.setCurrentIndex(panel.list.model().index(2, 0))
    until(lambda: panel.list.currentIndex().row() == 2)
    QTest.keyClick(panel.list, Qt.Key.Key_Return)
    until(lambda: app.session.case is not None and app.session.case.volume.name == "case-0003")
    shot(app, tmp_path / "third.png")
    project.close()


def test_letters_typed_into_the_search_are_no_shortcuts(app: RunningApplication, tmp_path: Path) -> None:
    project = in_project(app, tmp_path)
    panel = app.worklist
    panel.search.setFocus()
    live(0.1)
    QTest.keyClicks(panel.search, "thin")
    until(lambda: app.controller.worklist.case_list.rowCount() == 1)
    assert panel.search.text() == "thin"
    assert panel.found.text() == "1 of 5 shown"
    panel.search.clear()
    until(lambda: app.controller.worklist.case_list.rowCount() == 5)
    panel.status.setCurrentIndex(panel.status.findData(CaseStatus.REJECTED))
    panel.status.activated.emit(panel.status.currentIndex())
    until(lambda: app.controller.worklist.case_list.rowCount() == 1)
    project.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_is_cut_off_beside_the_list(app: RunningApplication, tmp_path: Path, theme: str) -> None:
    app.viewer.theme = theme
    get_settings().appearance.theme = theme
    project = in_project(app, tmp_path)
    app.viewer.window.resize(1280, 800)
    app.controller.worklist.next_case()
    until(lambda: app.session.case is not None and app.controller.review.is_searched)
    until(lambda: app.controller.worklist.case_list._images)
    live(0.5)
    shot(app, tmp_path / f"{theme}.png")
    for button in (*app.worklist.findChildren(QWidget), *app.dock.findChildren(QWidget)):
        if button.isVisible() and button.metaObject().className() == "QPushButton":
            assert button.width() >= button.minimumSizeHint().width(), button.text()
    centre = app.window.centralWidget()
    assert centre is not None
    assert centre.width() > 500, "the picture is what she works on"
    project.close()


@pytest.mark.parametrize(
    "command", [ProjectCommand.EXPORT, ProjectCommand.SET_CHECKS, ProjectCommand.ASK_SECOND_READS]
)
def test_a_dialogue_says_what_it_does(
    app: RunningApplication, tmp_path: Path, command: ProjectCommand
) -> None:
    project = in_project(app, tmp_path)
    seen: list[QDialog] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QDialog):
            seen.append(dialog)
            dialog.grab().save(str(tmp_path / f"{command.name}.png"))
            if isinstance(dialog, ExportDialog):
                assert not dialog.keep.isChecked()
                dialog.folder.setText(str(tmp_path / "out"))
            if isinstance(dialog, AnnotatorChecksDialog):
                dialog.errors.setValue(20)
            dialog.accept()

    QTimer.singleShot(400, look)
    app.worklist.project_command_asked.emit(command)
    until(lambda: seen and app.session.message.text)
    if command is ProjectCommand.SET_CHECKS:
        until(lambda: project.settings.seeded_errors == 0.2)
    elif command is ProjectCommand.ASK_SECOND_READS:
        until(lambda: "No case is accepted yet" in app.session.message.text)
    else:
        until(lambda: "nothing to export" in app.session.message.text)
    project.close()

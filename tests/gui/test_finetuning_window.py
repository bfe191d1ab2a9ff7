"""A lesson in the whole window. Looked at: the pictures that it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton

from attunet_gui.gui.finetuning.finetuning_dialog import FinetuningDialog
from attunet_gui.gui.main_window import RunningApplication
from attunet_gui.model_registry.model_adoption import offered_bundles
from tests.support.finetuning_doubles import Pupil, accept
from tests.support.project_cases import drafted_project
from tests.support.window_control import live, press_keys, until

pytestmark = pytest.mark.window


def asked(app: RunningApplication, folder: Path, pupil: Pupil) -> FinetuningDialog:
    """The dialog, by its key, over a project of four accepted cases."""
    project = drafted_project(folder, 5)
    for number in range(1, 5):
        accept(project, f"case-{number:04d}")
    project.close()
    learning = app.controller.finetuning
    learning.run_in_child, learning.can_finetune = pupil, True
    app.controller.worklist.projects.show_project(project.folder)
    until(lambda: learning.current_facts.accepted == 4)
    press_keys(app, "F7")
    until(lambda: learning.dialog is not None and learning.dialog.isVisible())
    assert learning.dialog is not None
    return learning.dialog


def click(button: QPushButton) -> None:
    until(lambda: button.isVisible() and button.isEnabled())
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def look(dialog: FinetuningDialog, path: Path) -> None:
    live(0.3)
    dialog.grab().save(str(path))
    for button in dialog.findChildren(QPushButton):
        if button.isVisible():
            assert button.width() >= button.minimumSizeHint().width(), button.text()
    assert dialog.height() <= 780, "it has to fit a small screen"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_from_the_question_to_the_model_and_back(
    app: RunningApplication, tmp_path: Path, tiny_bundle: Path, theme: str
) -> None:
    app.viewer.theme = theme
    get_settings().appearance.theme = theme
    pupil = Pupil(tiny_bundle)
    pupil.goes_on.clear()
    dialog, learning = asked(app, tmp_path, pupil), app.controller.finetuning
    assert "about 3 of 4 accepted cases" in dialog.intro.text()
    look(dialog, tmp_path / f"{theme}_asked.png")
    click(dialog.learn)
    until(lambda: learning.current_facts.curve.last_step == 2)
    assert dialog.stop.isVisible()
    assert not dialog.form.isVisible()
    until(lambda: "Step 2 of 4" in dialog.doing.text())
    look(dialog, tmp_path / f"{theme}_learning.png")
    app.window.grab().save(str(tmp_path / f"{theme}_beside.png"))
    pupil.goes_on.set()
    until(lambda: learning.current_facts.differences is not None)
    look(dialog, tmp_path / f"{theme}_judges.png")
    dialog.results.setCurrentIndex(1)
    worst, loss = dialog.differences.item(0, 0), dialog.differences.item(0, 3)
    assert worst is not None
    assert loss is not None
    assert loss.text() == "-0.100", "the largest loss comes first"
    look(dialog, tmp_path / f"{theme}_accepted.png")
    before = offered_bundles()[0].card.name
    click(dialog.adopt)
    until(
        lambda: (
            app.session.models.chosen is not None
            and app.session.models.chosen.card.name.startswith("tiny-tuned")
        )
    )
    assert "fine-tuned" in app.dock.draft.models.currentText()
    name = worst.text().strip()
    dialog.differences.itemActivated.emit(worst)
    until(lambda: app.session.case is not None and app.session.case.volume.name == name)
    click(dialog.back)
    until(lambda: offered_bundles()[0].card.name == before)
    look(dialog, tmp_path / f"{theme}_back.png")
    dialog.close()


def test_a_lesson_that_is_stopped_can_go_on(
    app: RunningApplication, tmp_path: Path, tiny_bundle: Path
) -> None:
    pupil = Pupil(tiny_bundle, gain=-0.3)
    pupil.goes_on.clear()
    dialog, learning = asked(app, tmp_path, pupil), app.controller.finetuning
    click(dialog.learn)
    until(lambda: learning.current_facts.curve.last_step == 2)
    click(dialog.stop)
    until(lambda: dialog.learn.isVisible() and dialog.learn.text() == "Go on learning")
    look(dialog, tmp_path / "stopped.png")
    pupil.goes_on.set()
    click(dialog.learn)
    until(lambda: "The old model stays" in dialog.verdict.text())
    assert not dialog.adopt.isVisible()
    look(dialog, tmp_path / "held_back.png")
    dialog.close()

"""A window in which somebody's CT is open shows the names of files, and nothing else of the patient."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtWidgets import QApplication, QLabel

from attunet_gui.gui.main_window import TITLE, RunningApplication
from tests.support.patient_identifiers import marks, marks_in, write_patient
from tests.support.window_control import drag_in_canvas, live, until

pytestmark = pytest.mark.window


@pytest.mark.parametrize("name", ["scan", "thin.nii.gz"])
def test_nothing_of_the_patient_is_shown_or_kept(app: RunningApplication, tmp_path: Path, name: str) -> None:
    write_patient(tmp_path / "ct")
    assert marks_in(tmp_path / "ct")
    app.controller.opener.open_path(tmp_path / "ct" / name)
    until(lambda: app.session.case is not None)
    app.session.annotator = "anna"
    app.controller.select_tool("paint")
    app.controller.layers.slice_view.go_to_slice(10)
    drag_in_canvas(app)
    live(0.3)
    app.controller.saving.save()
    until(lambda: app.session.mask.saved_to is not None)
    live(0.3)

    labels = [label.text() for label in app.window.findChildren(QLabel)]
    titles = [widget.windowTitle() for widget in QApplication.topLevelWidgets() if widget.isVisible()]
    layers = [f"{layer.name} {layer.metadata} {layer.source}" for layer in app.viewer.layers]
    tips = [widget.toolTip() for widget in app.window.findChildren(QLabel)]
    said = [app.session.message.text, app.viewer.title]
    assert any(name.split(".")[0] in text for text in labels)
    assert marks("\n".join([*labels, *titles, *layers, *tips, *said]).encode()) == set()
    assert app.window.windowTitle() == TITLE
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert any(each.endswith(".journal") for each in written)
    assert {"window.ini", f"{name.split('.')[0]}_pancreas.nii.gz"} <= written
    assert marks_in(tmp_path, spared=("ct/scan/", "ct/thin.nii.gz")) == set()

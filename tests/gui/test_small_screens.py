"""Small and magnified screens: the window fits, and what matters is wholly in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, QSize
from qtpy.QtWidgets import QApplication, QDockWidget, QPushButton, QScrollArea, QWidget

from attunet_gui.gui import main_window as application
from attunet_gui.io.ct_reading import read_ct_volume
from tests.support.project_cases import drafted_project
from tests.support.window_driver import WindowDriver

pytestmark = pytest.mark.window

SCREENS = {
    "1280 x 720 at 150 %": (853, 480),
    "1400 x 900 at 150 %": (933, 600),
    "1280 x 720": (1280, 720),
    "1400 x 900": (1400, 900),
}


@pytest.fixture(params=SCREENS.values(), ids=list(SCREENS))
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> QSize:
    """The screen, in logical pixels."""
    size = QSize(*request.param)
    monkeypatch.setattr(application, "available_screen_size", lambda _widget: size)
    return size


@pytest.fixture
def driver(qapp: QApplication, room: QSize, tmp_path: Path) -> Iterator[WindowDriver]:
    """A window on that screen, as large as the program opens it."""
    folder = tmp_path / "window"
    folder.mkdir()
    made = WindowDriver(folder, np.random.default_rng(1))
    made.app.viewer.window.resize(min(room.width(), 1280), min(room.height(), 800))
    made.live(0.2)
    yield made
    made.close()


def check_fits(driver: WindowDriver, room: QSize) -> None:
    """The window is no larger than its screen, and everything that is pinned is in it and not cut."""
    driver.live(0.4)
    app, window = driver.app, driver.app.window
    least = window.minimumSizeHint()
    assert (least.width() <= room.width(), least.height() <= room.height()) == (True, True), least
    assert window.size() == QSize(min(room.width(), 1280), min(room.height(), 800))
    pinned = (app.dock.next_step.button, app.dock.save.save, app.dock.save.save_as, app.dock.footer.slice)
    for widget in pinned:
        assert inside(widget, window), widget
    for made in app.dock.findChildren(QPushButton):
        if made.isVisible():
            assert made.width() >= made.minimumSizeHint().width(), made.text()
            assert reachable(made, window), made.text()
    if app.worklist.isVisible():
        for made in (app.worklist.next, app.worklist.accept, app.worklist.case, app.worklist.project):
            assert inside(made, window), made.text()
            assert made.width() >= made.minimumSizeHint().width(), made.text()


def inside(widget: QWidget, window: QWidget) -> bool:
    """Whether all of `widget` is in `window`, and in all that holds it."""
    holder = widget.parentWidget()
    while holder is not None:
        if not holder.rect().contains(QRect(widget.mapTo(holder, QPoint()), widget.size())):
            return False
        holder = None if holder is window else holder.parentWidget()
    return True


def reachable(widget: QWidget, window: QWidget) -> bool:
    """Whether all of `widget` is in `window` once it was scrolled to."""
    holder = widget.parentWidget()
    while holder is not None and not isinstance(holder, QScrollArea):
        holder = holder.parentWidget()
    if holder is not None:
        holder.ensureWidgetVisible(widget)
    return inside(widget, window)


def napari_panels(driver: WindowDriver) -> list[QDockWidget]:
    panels = driver.app.window.findChildren(QDockWidget)
    return [panel for panel in panels if panel.objectName() in ("layer list", "layer controls")]


def test_the_window_fits_the_screen(driver: WindowDriver, room: QSize, tmp_path: Path) -> None:
    check_fits(driver, room)
    driver.app.controller.opener.open_path(driver.cts[0])
    driver.settle()
    check_fits(driver, room)
    # The bottom line is whole although the strip above it has appeared.
    bottom = driver.app.dock.bottom
    for _ in range(100):
        if bottom.height() >= bottom.minimumSizeHint().height():
            break
        driver.live(0.1)
    assert bottom.height() >= bottom.minimumSizeHint().height()
    driver.app.controller.next_step()
    driver.live(0.2)
    driver.answer_draft()
    check_fits(driver, room)
    assert len(napari_panels(driver)) == 2
    for panel in napari_panels(driver):
        panel.show()
    check_fits(driver, room)
    project = drafted_project(tmp_path, 5)
    driver.app.controller.worklist.projects.show_project(project.folder)
    for _ in range(200):
        driver.live(0.05)
        if driver.app.worklist.isVisible():
            break
    check_fits(driver, room)
    assert driver.app.worklist.isVisible()
    assert inside(driver.app.worklist.accept, driver.app.window)
    centre = driver.app.window.centralWidget()
    assert centre is not None
    assert inside(centre, driver.app.window)


def test_why_a_mask_is_not_used_can_be_read_whole(driver: WindowDriver, room: QSize) -> None:
    before = driver.app.dock.bottom.height()
    write_several_labels(driver.cts[0])
    driver.app.controller.opener.open_path(driver.cts[0])
    driver.settle()
    for _ in range(100):  # until the strip has appeared and the bottom line has made room for it
        driver.live(0.1)
        if driver.app.dock.bottom.height() > before and inside(
            driver.app.dock.footer.slice, driver.app.window
        ):
            break
    check_fits(driver, room)
    notes = driver.app.dock.case.notes
    assert inside(notes, driver.app.window)
    assert notes.text() == (
        "⚠ ct0_pancreas.nii.gz holds several labels (1, 3, 7): save the pancreas alone under this name, "
        "then open the CT again."
    )
    # No line of it is cut; the margin may be, where the screen is low.
    assert notes.heightForWidth(notes.width()) - notes.height() < notes.fontMetrics().height() // 2
    assert driver.mask is not None
    assert not driver.mask.any()
    driver.app.controller.next_step()
    driver.answer_draft()
    assert notes.isVisible()  # the message of the opening is gone by now


def write_several_labels(ct: Path) -> None:
    """A mask with three values beside `ct`, under the name that a saved mask would have."""
    volume = read_ct_volume(ct)
    labels = np.zeros(volume.hu.shape, np.uint8)
    labels[3:6, 10:20, 10:20], labels[6:8, 10:20, 10:20], labels[1, 2, 2] = 1, 3, 7
    image = nib.Nifti1Image(volume.placement.to_source(labels), nib.load(ct).affine)
    nib.save(image, ct.with_name(f"{ct.name.partition('.')[0]}_pancreas.nii.gz"))

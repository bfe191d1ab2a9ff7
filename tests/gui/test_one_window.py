"""Nothing but the one window, its menus and its questions ever comes on screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QDialog, QMenu, QWidget

from attunet_gui.gui.main_window import build_window
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.network.model_bundle import find_bundles
from attunet_gui.workers.inference_process import InferenceProcess
from tests.support.window_control import live, until

pytestmark = pytest.mark.window


class Shown(QObject):
    """Notes every widget that is shown as a window of its own."""

    def __init__(self, application: QApplication) -> None:
        super().__init__()
        self.windows: list[str] = []
        self._application = application
        application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
            self._note(watched)
        return False

    def _note(self, window: QWidget) -> None:
        if not isinstance(window, QDialog | QMenu):
            parts = [type(part).__name__ for part in window.children()]
            self.windows.append(f"{type(window).__name__} {window.windowTitle()!r} of {parts}")

    def end(self) -> None:
        self._application.removeEventFilter(self)


@pytest.fixture
def shown(qapp: QApplication) -> Iterator[Shown]:
    made = Shown(qapp)
    yield made
    made.end()


def test_no_part_of_the_window_is_shown_before_it_has_its_place(
    shown: Shown, qapp: QApplication, tmp_path: Path, tiny_bundle: Path, runner: InferenceProcess, ct: Path
) -> None:
    bundles = find_bundles((tiny_bundle.parent,))
    app = build_window(runner, bundles, WindowPreferences(tmp_path / "window.ini"), tmp_path / "journal")
    live(0.3)
    app.controller.opener.open_path(ct)
    until(lambda: app.session.case is not None and app.session.mask.tally is not None)
    app.controller.next_step()
    until(lambda: app.session.inference.draft is not None and app.session.inference.job.state == "idle")
    until(lambda: app.controller.review.is_searched)
    app.controller.layers.appearance.toggle_gates()
    app.controller.toolbox.select_tool("grow")
    app.controller.dialogs.show_shortcuts()
    live(0.3)
    app.controller.session.mask.edited = False
    app.window.close()
    until(app.is_window_closed)
    app.controller.end_background_work()
    app.session.close_session()
    assert [window for window in shown.windows if not window.startswith("_QtMainWindow 'attunet'")] == []
    assert len(shown.windows) == 1

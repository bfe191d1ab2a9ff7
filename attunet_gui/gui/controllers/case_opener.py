"""Opens a CT that the annotator chooses, drops or names, after asking about unsaved corrections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_opening import CtFiles, LoadedCt, PhantomCt
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.volume import Volume
from attunet_gui.gui.controllers.unsaved_work_guard import UnsavedWorkGuard
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.preferences import WindowPreferences

DEMO_SEED = 7
"""Seed of the phantom that the demo opens, so that every demo shows the same abdomen."""


class CaseOpener:
    """Asks which CT is to be opened, and lets the session read it.

    Args:
        session: reads the CT in the background.
        preferences: the paths that were opened last.
        guard: asks about unsaved corrections of the case that is open.
        get_window: returns the window above which dialogs open; it is known only after this object was made.
    """

    def __init__(
        self,
        session: CaseSession,
        preferences: WindowPreferences,
        guard: UnsavedWorkGuard,
        get_window: Callable[[], QWidget],
    ) -> None:
        self._session, self._preferences, self._guard = session, preferences, guard
        self._get_window = get_window
        session.reader.series_needed.connect(self._choose_series)

    def open_file(self) -> None:
        """Ask for a CT file and open it."""
        path = case_dialogs.choose_file(self._get_window(), self._preferences.start_folder)
        if path is not None:
            self.open_path(path)

    def open_folder(self) -> None:
        """Ask for a DICOM folder and open it."""
        path = case_dialogs.choose_folder(
            self._get_window(), "Open a DICOM folder", self._preferences.start_folder
        )
        if path is not None:
            self.open_path(path)

    def open_path(self, path: Path) -> None:
        """Open the CT at `path`, a file or a DICOM folder, after asking about unsaved corrections."""
        self._guard.when_safe("open another CT", lambda: self._session.open_path(path))

    def open_dropped(self, paths: tuple[Path, ...]) -> None:
        """Open the CT among the dropped `paths`, after asking about unsaved corrections."""
        self._guard.when_safe("open another CT", lambda: self._session.open_case(CtFiles(paths)))

    def open_volume(self, volume: Volume) -> None:
        """Open a CT that is in memory already, after asking about unsaved corrections."""
        self._guard.when_safe("open another CT", lambda: self._session.open_case(LoadedCt(volume)))

    def open_demo(self) -> None:
        """Open the phantom of the demo, after asking about unsaved corrections."""
        self._guard.when_safe("open the demo", lambda: self._session.open_case(PhantomCt(DEMO_SEED)))

    def _choose_series(self, path: Path, choices: tuple[tuple[str, str], ...]) -> None:
        # Several CT in one folder: opening the wrong one unasked would be worse than a question.
        key = case_dialogs.choose_series(self._get_window(), choices)
        if key is None:
            self._session.show_message("No series was chosen; nothing was opened.")
        else:
            self._session.open_path(path, series=key)

"""What the window remembers between sessions: paths and choices, nothing of an image."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from qtpy.QtCore import QSettings

from attunet_gui.io.result_writing import make_private_folder, restrict_to_owner
from attunet_gui.system.errors import UnwritableOutput

_RECENT = "recent"
_MOST = 8
"""How many recent paths are kept."""


class WindowPreferences:
    """Settings in an ini file that only its owner can read."""

    def __init__(self, file: Path) -> None:
        # A folder that cannot be written is no reason to fail: the window works without its settings.
        with suppress(OSError, UnwritableOutput):
            make_private_folder(file.parent)
            file.touch(mode=0o600, exist_ok=True)
            # napari and Qt create files with the permissions of the umask, so the folder is closed as well.
            restrict_to_owner(file.parent)
            restrict_to_owner(file)
        self._file = file
        self._settings = QSettings(str(file), QSettings.Format.IniFormat)

    @property
    def recent_paths(self) -> list[Path]:
        """Files and folders that were opened last, newest first; those that are gone are left out."""
        stored = self._settings.value(_RECENT) or []
        # QSettings gives a list with one item back as a string.
        texts = [stored] if isinstance(stored, str) else list(stored)
        return [Path(text) for text in texts if Path(text).exists()]

    @property
    def start_folder(self) -> Path:
        """The folder in which file dialogs begin: that of the CT opened last, or the home folder."""
        recent = self.recent_paths
        return recent[0].parent if recent else Path.home()

    def remember_path(self, path: Path) -> None:
        """Put `path` first in the list of recent paths."""
        path = path.resolve()
        self._store_value(
            _RECENT, [str(p) for p in [path, *(p for p in self.recent_paths if p != path)][:_MOST]]
        )

    def forget_recent(self) -> None:
        """Empty the list of recent paths."""
        self._store_value(_RECENT, [])

    @property
    def draft_on_open(self) -> bool:
        """Whether a CT is drafted as soon as it is open."""
        # An ini file has no booleans: what comes back is text.
        return str(self._settings.value("draft_on_open", "false")).lower() == "true"

    @draft_on_open.setter
    def draft_on_open(self, wanted: bool) -> None:
        self._store_value("draft_on_open", "true" if wanted else "false")

    @property
    def annotator(self) -> str:
        """Name for the record beside a saved mask; "" means the name of the account."""
        return str(self._settings.value("annotator", ""))

    @annotator.setter
    def annotator(self, name: str) -> None:
        self._store_value("annotator", name)

    @property
    def last_project(self) -> Path | None:
        """Folder of the project that was open last; None if it is gone."""
        text = str(self._settings.value("project", ""))
        return Path(text) if text and Path(text).is_dir() else None

    @last_project.setter
    def last_project(self, folder: Path | None) -> None:
        self._store_value("project", "" if folder is None else str(folder))

    @property
    def next_case_strategy(self) -> str:
        """Key of the strategy by which the next case is chosen."""
        return str(self._settings.value("next_by", "effort"))

    @next_case_strategy.setter
    def next_case_strategy(self, key: str) -> None:
        self._store_value("next_by", key)

    def _store_value(self, key: str, value: object) -> None:
        self._settings.setValue(key, value)
        self._settings.sync()
        if self._file.exists():
            # Qt replaces the file by a new one, which has the permissions of the umask.
            os.chmod(self._file, 0o600)  # noqa: PTH101

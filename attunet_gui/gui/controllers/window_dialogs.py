"""Dialogs of the window that change no mask: the model, its card, the shortcuts and the user guide."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QDialog, QWidget

from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.dialogs.user_guide import UserGuideDialog
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.errors import InvalidModelBundle


class WindowDialogs:
    """Chooses the model that drafts, and shows what can be read in the window.

    Args:
        session: drafts with the chosen model.
        preferences: what the window remembers between sessions.
        get_window: returns the window above which dialogs open; it is known only after this object was made.
    """

    def __init__(
        self, session: CaseSession, preferences: WindowPreferences, get_window: Callable[[], QWidget]
    ) -> None:
        self._session, self._preferences, self._get_window = session, preferences, get_window
        # Kept, or the dialog would go with the end of the method that shows it.
        self._dialog: QDialog | None = None

    def set_model(self, name: str) -> None:
        """Use the model with the name `name` for the next draft."""
        self._session.models.choose_model(name)

    def set_draft_on_open(self, wanted: bool) -> None:
        """Set whether a CT is drafted as soon as it is open."""
        self._preferences.draft_on_open = wanted

    def set_annotator(self, name: str) -> None:
        """Set the name for the record of a saved mask. An empty name keeps the session's one."""
        self._session.annotator = name.strip() or self._session.annotator
        self._preferences.annotator = name.strip()

    def show_model_card(self) -> None:
        """Show the model card of the chosen model."""
        if self._session.models.chosen is not None:
            self._dialog = case_dialogs.show_model_card(self._get_window(), self._session.models.chosen.card)

    def choose_model(self) -> None:
        """Ask for the folder of a model and add it to the list."""
        folder = case_dialogs.choose_folder(
            self._get_window(), "Choose a model folder", self._preferences.start_folder
        )
        if folder is None:
            return
        try:
            self._session.models.add_model(read_bundle(folder))
        except InvalidModelBundle as error:
            self._session.show_message(str(error), problem=True)

    def show_shortcuts(self) -> None:
        """Show all keyboard shortcuts."""
        self._dialog = case_dialogs.show_shortcuts(self._get_window())

    def read_guide(self) -> None:
        """Show the user guide that comes with the product."""
        self._dialog = UserGuideDialog(self._get_window())
        self._dialog.show()

"""Asks about unsaved corrections before the case or the window closes, and goes on once they are saved."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.controllers.save_controller import SaveController
from attunet_gui.gui.controllers.work_recovery import WorkRecovery
from attunet_gui.gui.dialogs import case_dialogs


class UnsavedWorkGuard(QObject):
    """Holds back whatever would lose unsaved corrections, until the annotator has decided about them.

    Args:
        session: the open case, and whether its mask holds unsaved corrections.
        saving: saves the mask, if that is the answer.
        recovery: deletes the journal of the case, if its corrections are discarded.
        get_window: returns the window above which questions open, and which is closed.
        parent: owner of this object.

    Attributes:
        closed: whether the annotator agreed that the window closes.
    """

    def __init__(
        self,
        session: CaseSession,
        saving: SaveController,
        recovery: WorkRecovery,
        get_window: Callable[[], QWidget],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._saving, self._recovery = session, saving, recovery
        self._get_window = get_window
        self.closed = False
        self._after_saving: tuple[str, Callable[[], None]] | None = None
        saving.work_saved.connect(self._work_saved)
        saving.save_abandoned.connect(self._save_abandoned)

    def when_safe(self, doing: str, act: Callable[[], None]) -> None:
        """Call `act` if no unsaved correction can be lost, or once the annotator saved or discarded them."""
        if self._confirm_unsaved(doing, act):
            act()

    def _confirm_unsaved(self, doing: str, after_saving: Callable[[], None]) -> bool:
        """Ask about unsaved corrections and return whether nothing can be lost now.

        Args:
            doing: what is about to happen, for the question ("open another CT").
            after_saving: is called after the save if the annotator chooses to save first; the result is then
                False.
        """
        case = self._session.case
        if case is None or not self._session.mask.edited:
            return True
        answer = case_dialogs.ask_unsaved(self._get_window(), case.volume.name, doing)
        if self._session.case is not case:
            return not self._session.mask.edited
        if answer == "save":
            self._after_saving = (doing, after_saving)
            self._saving.save()
        self._recovery.set_discarded(answer == "discard")
        return answer == "discard"

    def _work_saved(self) -> None:
        # Cleared first: what follows may itself wait for a save.
        after, self._after_saving = self._after_saving, None
        if after is not None:
            # Asks again if the mask was corrected while the file was written.
            self.when_safe(*after)

    def _save_abandoned(self) -> None:
        self._after_saving = None

    def confirm_close(self) -> bool:
        """Return whether the window may close now.

        If corrections are saved first, it closes by itself after that.
        """
        if not self.closed:
            # Once the answer was yes, a further close event does not ask again.
            self.closed = not self._is_waiting_for_save() and self._confirm_unsaved(
                "close", self._close_window
            )
        return self.closed

    def _is_waiting_for_save(self) -> bool:
        """Return whether a save is running that the closing of the window has to wait for."""
        job = self._session.file_job
        if self._after_saving is None and job is not None and job.kind == "saving":
            self._after_saving = ("close", self._close_window)
            self._session.show_message("The window closes as soon as the mask is saved.")
        return self._after_saving is not None

    def _close_window(self) -> None:
        self._get_window().close()

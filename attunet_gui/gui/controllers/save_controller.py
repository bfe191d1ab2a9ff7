"""Saves the mask of the open case: in its project, where it was saved before, or where the annotator says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication, QWidget

from attunet_gui.app.case_saving import SaveResult
from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.worklist_controller import WorklistController

STROKE_POLL_MS = 30
"""Pause in ms before it is checked again whether the mouse button is released."""


class SaveController(QObject):
    """Decides where the mask is saved, lets the session write it, and records that it was written.

    Args:
        session: writes the mask in the background.
        edits: the recorded mask.
        worklist: the project of the case, if it has one.
        may_save: tells whether the mask may be saved now.
        get_window: returns the window above which dialogs open; it is known only after this object was made.
        parent: owner of this object.

    Signals:
        work_saved: the mask was written, and the journal says so.
        save_abandoned: nothing was written; whatever waits for it must not go on.
    """

    work_saved = Signal()
    save_abandoned = Signal()

    def __init__(
        self,
        session: CaseSession,
        edits: EditController,
        worklist: WorklistController,
        may_save: Callable[[], bool],
        get_window: Callable[[], QWidget],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._edits, self._worklist = session, edits, worklist
        self._may_save, self._get_window = may_save, get_window
        session.mask_saved.connect(self._mask_saved)
        session.save_failed.connect(self._save_failed)

    def save(self) -> None:
        """Save the mask in the project of the case, else where it was saved before, else beside the CT.

        Asks for another place if a file that we did not write is there already, or the folder is not
        writable.
        """
        if self._worklist.project_case is not None:
            self._save_to(None)
            return
        known = self._session.mask.saved_to
        target = known or self._session.default_mask_path()
        # A file that this session has not written may be somebody else's mask: it is not replaced unasked.
        if target is None or (target != known and target.exists()) or not os.access(target.parent, os.W_OK):
            self.save_as()
        else:
            self._save_to(target)

    def save_accepted(self) -> None:
        """Save the mask in the project of the case, and accept the case."""
        self._save_to(None, accept=True)

    def save_as(self) -> None:
        """Ask where to save, and save there."""
        case = self._session.case
        if case is None:
            return
        suggestion = self._session.default_mask_path() or Path.home() / f"{case.volume.name}_pancreas.nii.gz"
        target = case_dialogs.choose_target(self._get_window(), suggestion)
        if self._session.case is not case:
            self.save_abandoned.emit()
            self._session.show_message("Another CT was opened meanwhile; nothing was saved.", problem=True)
        elif target is None:
            self.save_abandoned.emit()
        else:
            self._save_to(target)

    def _save_to(self, target: Path | None, accept: bool = False) -> None:
        """Save the mask to `target`; None is a new file in the project of the case."""
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            # A stroke that is being made is half in the voxels and not yet in the journal.
            QTimer.singleShot(STROKE_POLL_MS, self, lambda: self._save_to(target, accept))
            return
        work = self._edits.work
        if work is None or not self._may_save() or not self._edits.record_untracked_changes():
            return
        record = self._worklist.acceptance.save_record(target, accept)
        # Without either, the project was closed while the mouse button was held.
        if record is not None or target is not None:
            self._session.save_mask(work.history.recorded_mask, target, record)

    def _mask_saved(self, saved: SaveResult) -> None:
        """Mark the work as saved, and go on with what waited for the save, such as closing the window."""
        if self._edits.work is not None:
            self._edits.work.record_saved(saved.path, saved.mask)
        self.work_saved.emit()
        self._worklist.cases.case_saved(saved)

    def _save_failed(self) -> None:
        self.save_abandoned.emit()

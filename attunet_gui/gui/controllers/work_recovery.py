"""Brings unsaved work back that a crash or a closed window left, and deletes what the annotator discards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_opening import OpenCase
from attunet_gui.app.case_session import CaseSession
from attunet_gui.editing.edit_session import EditSession, PendingJournal, delete_journal, pending_journals
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.worklist.project_case_controller import ProjectCaseController
from attunet_gui.io.journal.journal import journal_path
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted, plural_of


class WorkRecovery:
    """Knows the journal of the open case and those that were left behind.

    Args:
        session: opens the case of a journal that is resumed.
        project_cases: knows the journals of a project, and what was decided of its cases.
        journals: folder with the journals of cases that belong to no project.
        get_window: returns the window above which questions open.
    """

    def __init__(
        self,
        session: CaseSession,
        project_cases: ProjectCaseController,
        journals: Path,
        get_window: Callable[[], QWidget],
    ) -> None:
        self._session, self._project_cases, self._journals = session, project_cases, journals
        self._get_window = get_window
        self._work_to_resume: PendingJournal | None = None
        self._journal_file: Path | None = None
        self._discarded: Path | None = None

    def offer_recovery(self) -> None:
        """Ask whether work that was left unsaved, as by a crash, is to be brought back, and open its case."""
        # What was drawn on a phantom is offered when the demo is opened again: it has no file.
        left = next((one for one in pending_journals(self._journals) if one.identity.kind != "phantom"), None)
        if left is None or self._session.case is not None:
            return
        if self._is_wanted_back(left):
            self._work_to_resume = left
            self._session.open_path(left.identity.path, series=left.identity.series)

    def open_work(self, case: OpenCase) -> EditSession:
        """Return the work on `case`: unsaved earlier work if the annotator wants it back, else a new one.

        A case of a project gets its unsaved work back without a question.
        """
        # Cleared at once: if this case cannot resume that work, a later one must not either.
        wanted, self._work_to_resume = self._work_to_resume, None
        if self._project_cases.project_case is not None:
            wanted = self._project_cases.find_pending_work(case)
        left = wanted or self._find_pending_work(case)
        if left is not None and (wanted or self._is_wanted_back(left)):
            work = self._resume_work(case, left)
            if work is not None:
                return work
        return self._begin_work(case)

    def _is_wanted_back(self, left: PendingJournal) -> bool:
        return case_dialogs.ask_recovery(self._get_window(), left) == "bring back"

    def _find_pending_work(self, case: OpenCase) -> PendingJournal | None:
        """Return unsaved work on the same image as `case`, found by its digest; None if there is none."""
        same = (
            left
            for left in pending_journals(self._project_cases.journal_folder)
            if left.identity.digest == case.identity.digest
        )
        return next(same, None)

    def _resume_work(self, case: OpenCase, left: PendingJournal) -> EditSession | None:
        """Return the work that `left` holds, and say that it is back; None, with a sentence, if it cannot."""
        try:
            work = EditSession.resume_journal(left.path, case.identity, self._session.annotator)
        except AttunetError as error:
            self._session.show_message(str(error), problem=True)
            return None
        self._journal_file = left.path
        back = f"{counted(left.strokes, 'unsaved stroke')} {plural_of(left.strokes, 'is', 'are')} back."
        words = back if left.strokes else "Your work is back."
        self._session.show_message(work.note_on_opening or f"{words} Ctrl+Z still undoes what was done.")
        return work

    def _begin_work(self, case: OpenCase) -> EditSession:
        folder = self._project_cases.journal_folder
        self._journal_file = journal_path(folder, case.identity)
        empty = np.zeros(case.volume.grid.shape, np.uint8)
        mask = empty if case.found is None else case.found.mask
        work = EditSession.begin_session(case.identity, mask, folder, self._session.annotator)
        self._project_cases.restore_decisions(work)
        return work

    def set_discarded(self, discarded: bool) -> None:
        """Note whether the annotator gives up the unsaved work on the open case."""
        self._discarded = self._journal_file if discarded else None

    def delete_discarded(self) -> None:
        """Delete the journal that was discarded, if there is one; its work must be closed already."""
        discarded, self._discarded = self._discarded, None
        if discarded is not None:
            with suppress(AttunetError):
                delete_journal(discarded)

"""What a project records when its open case is saved, and the question before a case is accepted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from attunet_gui.app.case_accepting import not_accepted_message
from attunet_gui.app.case_opening import OpenProjectCase
from attunet_gui.app.case_saving import ProjectRecord, ReviewProgress, make_review_record
from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.controllers.mask_review_controller import MaskReviewController
from attunet_gui.gui.dialogs import worklist_dialogs
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.project_case_controller import ProjectCaseController
from attunet_gui.review.review_progress import unreviewed_text
from attunet_gui.system.plurals import counted, plural_of


class CaseAcceptance(QObject):
    """Asks whether the open case is accepted, and collects what its project records.

    Args:
        session: with the case, and for messages.
        correcting: holds the work on its mask.
        review: how far its review has come.
        cases: the open case of the project.
        window: returns the widget above which dialogs stand.
        parent: owner of this object.

    Attributes:
        confirm_accept: asks whether a case is accepted; takes its name and two sentences, what is left to
            look at and how much was on screen.

    Signals:
        save_accepted_asked: the open case is to be saved and accepted.
    """

    save_accepted_asked = Signal()

    def __init__(
        self,
        session: CaseSession,
        correcting: EditController,
        review: MaskReviewController,
        cases: ProjectCaseController,
        window: Callable[[], QWidget],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._correcting, self._review = session, correcting, review
        self._cases, self._window = cases, window
        self.confirm_accept: Callable[[str, str, str], bool] = self._ask_accept

    def save_record(self, path: Path | None, accept: bool) -> ProjectRecord | None:
        """Return what the project records about the mask of the open case as it is now.

        Args:
            path: the file that is to be written; None for a new one in the project.
            accept: whether the annotator accepts the case.

        Returns:
            None if the case belongs to no project, or is saved outside of its folder.
        """
        listed, work = self._cases.project_case, self._correcting.work
        if listed is None or work is None:
            return None
        if path is not None and not path.is_relative_to(listed.project.folder):
            return None
        review = make_review_record(
            self._session.inference.placed_model, work, _review_progress_of(self._review), accept
        )
        return ProjectRecord(listed.project, listed.case_row, review, accept)

    def accept_case(self) -> None:
        """Save the mask, accept the case and open the next one; asks first if something was not looked at."""
        listed, case = self._cases.project_case, self._session.case
        if listed is None or case is None:
            self._session.show_message("This is for cases of the worklist: open one first.")
        elif not self._cases.is_busy and self._confirm_accept(listed, case.volume.grid.shape[0]):
            self.save_accepted_asked.emit()

    def _confirm_accept(self, listed: OpenProjectCase, slices: int) -> bool:
        """Return whether a case of so many slices may be accepted; asks if something was not looked at."""
        unseen = slices - len(self._review.slices_looked_at)
        left = _remaining_review_text(self._review, unseen)
        if not left:
            return True
        words = f"{unseen} of {counted(slices, 'slice')} {plural_of(unseen, 'was', 'were')} not on screen."
        agreed = self.confirm_accept(listed.case_row.name, left, words)
        if not agreed:
            self._session.show_message(not_accepted_message(listed.case_row.name))
        # While the question was open something else may have been opened, or saved.
        return agreed and self._cases.project_case is listed and not self._cases.is_busy

    def _ask_accept(self, name: str, left: str, unseen: str) -> bool:
        return worklist_dialogs.ask_accept(self._window(), name, left, unseen)


def _review_progress_of(guide: MaskReviewController) -> ReviewProgress:
    if not guide.is_searched:
        return ReviewProgress(guide.review_state, reviewed=False)
    return ReviewProgress(
        guide.review_state, guide.is_reviewed, len(guide.unseen_slices), len(guide.open_places)
    )


def _remaining_review_text(guide: MaskReviewController, unseen: int) -> str:
    """Return what is left to look at in the open case, as a sentence; "" if that is nothing.

    Args:
        guide: the review of the case.
        unseen: number of slices that were not on screen, with mask or without.
    """
    if not guide.is_searched:
        return "The places to check are not known yet."
    if not guide.has_mask and unseen:
        return "There is no mask in it."
    left = unreviewed_text(len(guide.unseen_slices), len(guide.open_places))
    return f"{left}." if left else ""

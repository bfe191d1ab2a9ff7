"""What is kept in the project of a case that was saved: who saw what, and whether it is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.project.events import model_words
from attunet_gui.project.project import Project, Review
from attunet_gui.project.rows import CaseRow
from attunet_gui.project.status import Status
from attunet_gui.review.progress import ReviewState
from attunet_gui.session import Session
from attunet_gui.work import Work


@dataclass(frozen=True)
class Seen:
    """How far the review has come.

    Attributes:
        state: seen and verified slices.
        reviewed: no place is open and every slice with mask was seen.
    """

    state: ReviewState
    reviewed: bool


def review_of(session: Session, work: Work, seen: Seen, accepted: bool) -> Review:
    """What is said of the mask that is being saved.

    A slice counts as verified if a person looked at it, drew in it or said so; all of them do where the
    review is complete. What nobody looked at stays unverified even if the case is accepted.

    Args:
        session: with the case.
        work: on its mask.
        seen: how far the review has come.
        accepted: whether she says that the mask is right.
    """
    verified = None if seen.reviewed else seen.state.seen | work.verified | frozenset(work.locks.hand)
    model = "" if session.model is None else model_words(session.model.name, session.model.sha256)
    return Review.of(work.activity, verified, model, finished=accepted or seen.reviewed)


@dataclass(frozen=True)
class Recorded:
    """What became of a case.

    Attributes:
        case: its line now.
        again: its draft had a seeded error that was left in: it is to be done again.
    """

    case: CaseRow
    again: bool


def record(project: Project, row: CaseRow, mask: Path, review: Review, accept: bool) -> Recorded:
    """Keep that the mask in the file `mask` was saved, and accept it if it may be. Reads files.

    Raises:
        ProjectError: if the project does not allow it.
        UnreadableInput: if a mask is gone.
    """
    project.save_reviewed(row, mask, review)
    now = project.again(row)
    if accept and now.status == Status.REVIEWED:
        now = project.accept(now)
    return Recorded(now, again=review.finished and now.status == Status.IN_PROGRESS)


def told(recorded: Recorded, review: Review, slices: int) -> str:
    """One sentence or two for the person.

    Args:
        recorded: what became of it.
        review: what was said of the mask.
        slices: how many the CT has.
    """
    case = recorded.case
    if recorded.again:
        return (
            f"The draft of {case.name} held a known error, put there to measure how often one is overlooked; "
            "it is still there; correct the draft that opens now."
        )
    words = f"{case.name} is {case.status}; the mask was read back and is identical."
    if review.finished and review.verified is not None:
        words += f" {slices - len(review.verified)} slices that you did not look at stay unverified."
    return words

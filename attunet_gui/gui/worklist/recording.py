"""What is recorded in the project about a saved case: what was seen, and whether it is accepted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from attunet_gui.core.counting import counted, noun_of
from attunet_gui.project.events import model_words
from attunet_gui.project.project import Project, Review
from attunet_gui.project.rows import CaseRow
from attunet_gui.project.status import SavedState, Status
from attunet_gui.review.progress import ReviewState
from attunet_gui.session import Session
from attunet_gui.work import Work


@dataclass(frozen=True)
class Seen:
    """How far the review of the open case has come.

    Attributes:
        state: seen and verified slices.
        reviewed: whether no place is open and every slice with mask was seen.
        unseen: number of slices with mask that were not seen; None while that is not known.
        open_places: number of open places to check; None while that is not known.
    """

    state: ReviewState
    reviewed: bool
    unseen: int | None = None
    open_places: int | None = None


def review_of(session: Session, work: Work, seen: Seen, accepted: bool) -> Review:
    """Return what is recorded about the mask that is being saved.

    A slice counts as verified if the annotator looked at it, drew in it or verified it. One that nobody
    looked at stays unverified even if the case is reviewed or accepted.

    Args:
        session: with the case.
        work: on its mask.
        seen: how far the review has come.
        accepted: whether the annotator accepts the mask.
    """
    looked_at = seen.state.seen | work.verified | work.drawn_in
    slices = work.identity.shape[0]
    # None stands for every slice.
    verified = None if len(looked_at) == slices else looked_at
    model = "" if session.model is None else model_words(session.model.name, session.model.sha256)
    return replace(
        Review.of(work.activity, verified, model, finished=accepted or seen.reviewed),
        declared=work.verified,
        corrected=work.corrected,
        places=work.accepted,
        unseen=seen.unseen,
        open_places=seen.open_places,
        accepted=accepted,
    )


@dataclass(frozen=True)
class Recorded:
    """The result of recording a saved mask.

    Attributes:
        case: the row of the case now.
        again: whether its draft had a seeded error that is still in the mask, so that it is to be done again.
    """

    case: CaseRow
    again: bool


def record(project: Project, row: CaseRow, mask: Path, review: Review, accept: bool) -> Recorded:
    """Record that the mask in the file `mask` was saved, and accept the case if that is asked and allowed.

    Reads files, so it belongs into a background thread.

    Raises:
        ProjectError: if the project does not allow it.
        UnreadableInput: if a mask is gone.
    """
    project.save_reviewed(row, mask, review)
    now = project.again(row)
    if accept and now.status == Status.REVIEWED:
        # What is left to look at was said in a question before the mask was saved.
        now = project.accept(now, anyway=True)
    return Recorded(now, again=review.finished and now.status == Status.IN_PROGRESS)


def told(recorded: Recorded, review: Review, slices: int) -> str:
    """Return the message about a recorded mask, in one or two sentences.

    Args:
        recorded: the result.
        review: what was recorded.
        slices: the number of slices of the CT.
    """
    case = recorded.case
    if recorded.again:
        return (
            f"The draft of {case.name} held a known error, put there to measure how often one is overlooked; "
            "it is still there; correct the draft that opens now."
        )
    words = f"{case.name} is {case.status}; the mask was read back and is identical."
    if review.finished and review.verified is not None:
        unseen = slices - len(review.verified)
        stay = noun_of(unseen, "stays", "stay")
        words += f" {counted(unseen, 'slice')} that you did not look at {stay} unverified."
    return words


def carry_on(work: Work, saved: SavedState) -> None:
    """Restore in `work` what was decided of its mask when it was saved in the project.

    Args:
        work: on a mask that was opened from the project. Nothing happens if it went on after the mask was
            saved, as its journal is newer then.
        saved: what the project keeps of the mask.
    """
    if work.left_at is None or saved.when.timestamp() > work.left_at:
        work.verify(saved.said.declared)
        work.accept(*saved.said.places)

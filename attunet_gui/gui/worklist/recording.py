"""What is kept in the project of a case that was saved: who saw what, and whether it is accepted."""

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
    """How far the review has come.

    Attributes:
        state: seen and verified slices.
        reviewed: no place is open and every slice with mask was seen.
        unseen: slices with mask that were not looked at; None while that is not known.
        open_places: places to check that are open; None while that is not known.
    """

    state: ReviewState
    reviewed: bool
    unseen: int | None = None
    open_places: int | None = None


def review_of(session: Session, work: Work, seen: Seen, accepted: bool) -> Review:
    """What is said of the mask that is being saved.

    A slice counts as verified if a person looked at it, drew in it or said so. What nobody looked at stays
    unverified even if the case is reviewed or accepted.

    Args:
        session: with the case.
        work: on its mask.
        seen: how far the review has come.
        accepted: whether she says that the mask is right.
    """
    looked_at = seen.state.seen | work.verified | work.drawn_in
    slices = work.identity.shape[0]
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
        # What is left was told, and asked, before the mask was saved.
        now = project.accept(now, anyway=True)
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
        unseen = slices - len(review.verified)
        stay = noun_of(unseen, "stays", "stay")
        words += f" {counted(unseen, 'slice')} that you did not look at {stay} unverified."
    return words


def carry_on(work: Work, saved: SavedState) -> None:
    """Let `work`, on a mask that was opened from the project, know what was decided of it there.

    Args:
        work: on that mask; nothing happens if it went on after the mask was saved, and so knows better.
        saved: what the project keeps of the mask.
    """
    if work.left_at is None or saved.when.timestamp() > work.left_at:
        work.verify(saved.said.declared)
        work.accept(*saved.said.places)

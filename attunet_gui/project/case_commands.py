"""What is recorded of a case: each function is one command of a person, whose name is its argument `actor`.

A name is never kept between commands, so two annotators may work through one `Project` at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from attunet_gui.core.case_activity import CaseActivity
from attunet_gui.core.provenance import ModelId
from attunet_gui.project.case_rows import CaseRow, SavedMask
from attunet_gui.project.case_state import (
    CaseState,
    CaseStatus,
    SavedMaskState,
    check_second_reader,
    remaining_before_acceptance,
    with_earlier_corrections,
)
from attunet_gui.project.mask_files import mask_file_sha256, read_mask_without_ct
from attunet_gui.project.project_events import (
    CaseAccepted,
    CaseAssigned,
    CaseRejected,
    CaseReopened,
    EventPayload,
    NoteChanged,
    ProjectSettings,
    SeededErrorChecked,
)
from attunet_gui.project.project_events import MaskSaved as SavedEvent
from attunet_gui.project.project_store import Project, saved_mask_of
from attunet_gui.project.seeded_errors import ACCEPTED_FROM_SHARE, kept_error_share
from attunet_gui.system.errors import AttunetError, ProjectError

# A case in one of these keeps its status if its mask is saved again without a change.
_DECIDED = frozenset({CaseStatus.REVIEWED, CaseStatus.ACCEPTED, CaseStatus.REJECTED})


@dataclass(frozen=True)
class MaskReview:
    """What is recorded about a mask when an annotator saves it.

    Attributes:
        verified: slices (z of the canonical grid) that the annotator has seen; None means every slice.
        model: the model whose draft it came from; None if all was drawn by hand.
        active_seconds: time at work, without pauses.
        edits_by_tool: number of strokes by tool.
        finished: whether the annotator is done with the case; otherwise they will go on later.
        declared: slices that the annotator declared right.
        places: keys of the places to check that the annotator closed.
        corrected: slices in which the annotator changed the mask, or that they declared right; None if that
            is not known.
        unseen: number of slices with mask that nobody had looked at; None if that is not known.
        open_places: number of places to check that are open; None if that is not known.
        accepted: whether the annotator says that the mask is right, whatever is left to look at.
    """

    verified: frozenset[int] | None = None
    model: ModelId | None = None
    active_seconds: float = 0.0
    edits_by_tool: Mapping[str, int] = field(default_factory=dict, hash=False)
    finished: bool = True
    declared: frozenset[int] = frozenset()
    places: frozenset[str] = frozenset()
    corrected: frozenset[int] | None = None
    unseen: int | None = None
    open_places: int | None = None
    accepted: bool = False

    @classmethod
    def from_activity(
        cls, activity: CaseActivity, verified: frozenset[int] | None, model: ModelId | None, finished: bool
    ) -> MaskReview:
        """Make a review that takes the time and the strokes from `activity`."""
        edits = {tool: use.strokes for tool, use in activity.tools.items()}
        return cls(verified, model, activity.seconds, edits, finished)


def assign_cases(project: Project, cases: Iterable[CaseRow], to: str, *, actor: str) -> None:
    """Assign `cases` to the person named `to`; "" is nobody."""
    project.apply_rule_to_all(cases, lambda _state: (CaseAssigned(to=to.strip()),), actor=actor)


def set_note(project: Project, case: CaseRow, text: str, *, actor: str) -> CaseRow:
    """Set the note of `case` to `text`, without spaces around it; "" removes the note."""
    return project.apply_rule(case, lambda _state: (NoteChanged(text=text.strip()),), actor=actor)


def set_settings(project: Project, settings: ProjectSettings, *, actor: str) -> None:
    """Record `settings` as valid from now on; `ProjectError` if the two shares together exceed 1."""
    if settings.without_draft + settings.seeded_errors > 1:
        raise ProjectError("The shares without draft and with a seeded error are more than all cases.")
    project.append_project_event(settings, actor=actor)


def accept_case(project: Project, case: CaseRow, *, actor: str, anyway: bool = False) -> CaseRow:
    """Accept the saved mask of `case` as right.

    If the draft was shown with a seeded error that is not settled yet, it is settled here.

    Args:
        project: the project of the case.
        case: a case with a saved mask.
        actor: name of the person who accepts it.
        anyway: accept it although slices with mask were not looked at, or places are open; see
            `remaining_review`.

    Raises:
        ProjectError: if no mask is saved, something is left to look at and `anyway` is false, or the
            mask still holds a seeded error.
        UnreadableInput: if a mask file is missing or damaged.
    """
    check = _saved_error_outcome(project, project.case_state(case))

    def rule(state: CaseState) -> Sequence[EventPayload]:
        left = remaining_before_acceptance(case.name, state)
        if left and not anyway:
            raise ProjectError(
                f"{case.name} is {state.status} and not reviewed: {left}; look at them, or accept it all "
                "the same."
            )
        # A mask that still holds the seeded error is not accepted: its check returns the case to work.
        settled = () if check is None or state.check is not None else (check,)
        return settled if check is not None and check.accepted else (*settled, CaseAccepted())

    accepted = project.apply_rule(case, rule, actor=actor)
    if accepted.status != CaseStatus.ACCEPTED:
        raise ProjectError(
            f"The draft of {case.name} held a known error, and it is still there: the case is to be done "
            "again."
        )
    return accepted


def remaining_review(project: Project, case: CaseRow) -> str:
    """Describe what nobody has looked at in the saved mask of `case`; "" if nothing is left.

    Raises:
        ProjectError: if the case cannot be accepted at all.
    """
    return remaining_before_acceptance(case.name, project.case_state(case))


def reject_case(project: Project, case: CaseRow, reason: str, *, actor: str) -> CaseRow:
    """Reject `case` as unusable.

    Raises:
        ProjectError: if `reason` is empty.
    """
    if not reason.strip():
        raise ProjectError(f"Say why {case.name} is rejected: the reason is kept with it.")
    return project.apply_rule(case, lambda _state: (CaseRejected(reason=reason.strip()),), actor=actor)


def reopen_case(project: Project, case: CaseRow, *, actor: str) -> CaseRow:
    """Reopen `case` for work, whether it is rejected, accepted or reviewed."""
    return project.apply_rule(case, lambda _state: (CaseReopened(),), actor=actor)


def record_saved_mask(
    project: Project, case: CaseRow, mask: Path, review: MaskReview, *, actor: str
) -> SavedMask:
    """Record that the annotator's mask is in the file `mask`, written by `io.result_writing.write_mask`.

    In a second read it is recorded as the second reader's mask. If the annotator was shown a seeded error
    and is done with the case, the error is settled here: `case_state(case).check` says how, and a case whose
    error was accepted is in progress again and continues from the draft as the model made it. A case that
    is reviewed, accepted or rejected keeps its status if the mask has not changed and the review does not
    accept it.

    One mask file is read, and three more where an error was seeded: call this from the thread that wrote
    the mask.

    Args:
        project: the project of the case.
        case: the case.
        mask: the file.
        review: what is recorded about the mask.
        actor: name of the annotator.

    Returns:
        What was recorded.

    Raises:
        ProjectError: if the first reader saves in a second read.
        UnreadableInput: if the file is missing or damaged.
    """
    saved = _saved_event(project, mask, review)
    before = project.case_state(case)
    same = _is_same_mask(project, before, mask, saved.sha256)
    kept = same and not review.accepted and before.status in _DECIDED
    check = _seeded_error_outcome(project, before, mask) if review.finished and not kept else None

    def rule(state: CaseState) -> Sequence[EventPayload]:
        said = _as_reader(saved, state, actor)
        if same and state.first is not None and state.first == before.first:
            said = with_earlier_corrections(said, state.first.said)
            if kept and state.status == before.status:
                return (said.model_copy(update={"keeps_status": True}),)
        return (said, check) if check is not None and state.check is None and said.read == 1 else (said,)

    project.apply_rule(case, rule, actor=actor, model=review.model)
    return saved_mask_of(SavedMaskState(saved, actor, project.now(), review.model), project.folder)


def _saved_event(project: Project, mask: Path, review: MaskReview) -> SavedEvent:
    """Return the event for a saved mask of the first reader."""
    return SavedEvent(
        mask=project.relative_path(mask),
        sha256=mask_file_sha256(mask),
        verified=None if review.verified is None else tuple(sorted(review.verified)),
        active_seconds=review.active_seconds,
        edits=dict(review.edits_by_tool),
        finished=review.finished,
        declared=tuple(sorted(review.declared)),
        places=tuple(sorted(review.places)),
        corrected=None if review.corrected is None else tuple(sorted(review.corrected)),
        unseen=review.unseen,
        open_places=review.open_places,
    )


def _as_reader(saved: SavedEvent, state: CaseState, actor: str) -> SavedEvent:
    """Return `saved` as the event of the reader whose turn it is.

    Raises:
        ProjectError: if it is a second read, and `actor` may not be the second reader.
    """
    if state.status != CaseStatus.SECOND_READ:
        return saved
    check_second_reader(state, actor)
    return saved.model_copy(update={"read": 2})


def _is_same_mask(project: Project, state: CaseState, mask: Path, sha256: str) -> bool:
    """Whether `mask` equals, voxel by voxel, the mask that the first reader saved last."""
    if state.first is None or state.status == CaseStatus.SECOND_READ:
        return False
    if state.first.said.sha256 == sha256:
        return True
    # Voxels are compared because two files of the same mask need not have the same bytes.
    try:
        old = read_mask_without_ct(project.folder / state.first.said.mask).hu
    except AttunetError:
        return False
    return np.array_equal(old != 0, read_mask_without_ct(mask).hu != 0)


def _saved_error_outcome(project: Project, state: CaseState) -> SeededErrorChecked | None:
    """Return the check of the mask that was saved last; None if there is no seeded error to settle.

    An error is not settled when an annotator saves to go on later, so it is settled at acceptance.
    """
    if state.first is None:
        return None
    return _seeded_error_outcome(project, state, project.folder / state.first.said.mask)


def _seeded_error_outcome(project: Project, state: CaseState, mask: Path) -> SeededErrorChecked | None:
    shown, draft = state.shown, state.draft
    if shown is None or draft is None or shown.shown != "seeded error" or state.check is not None:
        return None
    planes = (read_mask_without_ct(project.folder / name).hu for name in (draft.mask, shown.mask, mask))
    kept = kept_error_share(*planes)  # type: ignore[arg-type]
    return SeededErrorChecked(kept=kept, accepted=kept >= ACCEPTED_FROM_SHARE)

"""Saving a mask: one function that writes it, reads it back and records it in its project.

`save_case` does everything about a save in one call, which belongs into one background job. What it needs
is fixed in its request when the annotator saves, so that a stroke, another case or another annotator that
comes while the file is written changes nothing of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.app.case_accepting import AcceptRequest, accept_case
from attunet_gui.core.draft_correction import (
    SavedMaskRecord,
    compare_with_draft,
    sidecar_content,
    tally_mask,
)
from attunet_gui.core.provenance import ModelId, mask_record_path
from attunet_gui.core.volume import Volume
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.io.result_writing import write_json, write_mask
from attunet_gui.project import case_commands
from attunet_gui.project.case_commands import MaskReview
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_store import Project
from attunet_gui.review.review_progress import ReviewState
from attunet_gui.system.errors import AttunetError, failure_sentence
from attunet_gui.system.plurals import counted, plural_of
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.system.software_versions import software_versions

MaskArray = NDArray[np.uint8]

_LOG = logging.getLogger(__name__)


class MaskNotRecorded(AttunetError):
    """The mask file was written, but the project could not record it; the sentence says why."""


@dataclass(frozen=True, eq=False)
class ProjectRecord:
    """What a project is to record about a mask.

    Attributes:
        project: the project.
        case: the row of the case.
        review: how far the annotator has come with this mask.
        accept: whether the case is accepted if the project allows it.
    """

    project: Project
    case: CaseRow
    review: MaskReview
    accept: bool = False


@dataclass(frozen=True, eq=False)
class SaveRequest:
    """Everything that a save needs, as it was when the annotator saved.

    Attributes:
        volume: the CT.
        mask: (z, y, x) uint8; any non-zero value counts as set. Nobody may change it afterwards.
        path: the mask file to write, with its record beside it; None for a new file in the project.
        annotator: name of the annotator.
        model: the model of the draft that the mask came from; None if it was drawn without a draft.
        draft: (z, y, x), the draft that the mask replaced; None if there is none to compare with.
        record: what the project of the case records; None for a case that belongs to no project.
    """

    volume: Volume
    mask: MaskArray
    path: Path | None
    annotator: str
    model: ModelId | None = None
    draft: MaskArray | None = None
    record: ProjectRecord | None = None


@dataclass(frozen=True)
class RecordedCase:
    """The result of recording a saved mask.

    Attributes:
        case: the row of the case now.
        again: whether its draft had a seeded error that is still in the mask, so that it is to be done again.
    """

    case: CaseRow
    again: bool


@dataclass(frozen=True, eq=False)
class SaveResult:
    """What was saved.

    Attributes:
        path: the mask file.
        mask: (z, y, x) uint8 0/1, as written.
        crc: checksum of `mask`, as in `MaskTally`.
        message: says what was saved, in one or two sentences.
        problem: whether the message needs attention.
        recorded: the case in its project; None for a case that belongs to no project.
        accepted: whether the annotator accepted the case with this save.
    """

    path: Path
    mask: MaskArray
    crc: int
    message: str
    problem: bool = False
    recorded: RecordedCase | None = None
    accepted: bool = False


def save_case(request: SaveRequest, progress: ProgressCallback) -> SaveResult:
    """Write the mask with its record, compare it with what is on the disk, and record it in its project.

    Args:
        request: what is saved.
        progress: is told of the steps of writing.

    Returns:
        What was saved, with the message for the annotator.

    Raises:
        UnwritableOutput: if the file cannot be written, or is not identical when it is read back.
        MaskNotRecorded: if the file was written and the project could not record it.
        WorkCancelled: from `progress`.
    """
    path, record = _target_path(request), request.record
    binary: MaskArray = (request.mask != 0).astype(np.uint8)
    write_mask(path, binary, request.volume, progress)
    write_json(mask_record_path(path), _record_content(request, binary))
    crc = tally_mask(binary).crc
    if record is None:
        message = f"Saved {path.name} in {path.parent}; it was read back and is identical."
        return SaveResult(path, binary, crc, message)
    recorded = _record_mask(record, path, request.annotator)
    message = save_message(recorded, record.review, len(binary))
    return SaveResult(path, binary, crc, message, recorded.again, recorded, record.accept)


def _target_path(request: SaveRequest) -> Path:
    """Return the mask file to write; `UnwritableOutput` if the project is not where it was."""
    if request.path is not None:
        return request.path
    if request.record is None:
        raise ValueError("A save needs a path or a project.")
    return request.record.project.new_mask_path(request.record.case)


def _record_content(request: SaveRequest, mask: MaskArray) -> dict[str, object]:
    """Return the content of the JSON record beside the mask file."""
    signed = SavedMaskRecord(
        annotator=request.annotator,
        when=datetime.now().astimezone(),
        versions=software_versions(),
        model=request.model,
        correction=None if request.draft is None else compare_with_draft(request.draft, mask),
    )
    return sidecar_content(request.volume, int(np.count_nonzero(mask)), signed)


def _record_mask(record: ProjectRecord, path: Path, annotator: str) -> RecordedCase:
    """Record the mask, and accept the case if that is wanted; `MaskNotRecorded` if the project does not."""
    try:
        return record_saved_mask(record, path, annotator)
    except Exception as error:
        # Whatever it was, the annotator must learn that the project does not know the mask.
        raise _not_recorded(error) from error


def _not_recorded(error: Exception) -> MaskNotRecorded:
    if not isinstance(error, AttunetError | MemoryError):
        _LOG.error("recording a mask: unexpected error", exc_info=error)
    reason = failure_sentence(error, "working on the project")
    return MaskNotRecorded(f"{reason} The mask was not recorded; save it again.")


def record_saved_mask(record: ProjectRecord, path: Path, annotator: str) -> RecordedCase:
    """Record that the mask in the file `path` was saved, and accept the case if that is asked and allowed.

    Raises:
        ProjectError: if the project does not allow it.
        UnreadableInput: if a mask is gone.
    """
    project, review = record.project, record.review
    case_commands.record_saved_mask(project, record.case, path, review, actor=annotator)
    now = project.reload_case(record.case)
    if record.accept and now.status == CaseStatus.REVIEWED:
        # What is left to look at was said in a question before the mask was saved.
        now = accept_case(AcceptRequest(project, now, annotator, anyway=True)).case
    return RecordedCase(now, again=review.finished and now.status == CaseStatus.IN_PROGRESS)


def save_message(recorded: RecordedCase, review: MaskReview, slices: int) -> str:
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
        stay = plural_of(unseen, "stays", "stay")
        words += f" {counted(unseen, 'slice')} that you did not look at {stay} unverified."
    return words


@dataclass(frozen=True)
class ReviewProgress:
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


def make_review_record(
    model: ModelId | None, work: EditSession, seen: ReviewProgress, accepted: bool
) -> MaskReview:
    """Return what is recorded about the mask that is being saved.

    A slice counts as verified if the annotator looked at it, drew in it or verified it. One that nobody
    looked at stays unverified even if the case is reviewed or accepted.

    Args:
        model: the model of the draft that the mask came from; None if it was drawn without a draft.
        work: on its mask.
        seen: how far the review has come.
        accepted: whether the annotator accepts the mask.
    """
    looked_at = seen.state.seen | work.decisions.verified_slices | work.decisions.hand_drawn_slices
    slices = work.identity.shape[0]
    # None stands for every slice.
    verified = None if len(looked_at) == slices else looked_at
    drafted_by = None if model is None else model.without_engine
    return replace(
        MaskReview.from_activity(
            work.case_activity, verified, drafted_by, finished=accepted or seen.reviewed
        ),
        declared=work.decisions.verified_slices,
        corrected=work.decisions.corrected_slices,
        places=work.accepted_keys,
        unseen=seen.unseen,
        open_places=seen.open_places,
        accepted=accepted,
    )

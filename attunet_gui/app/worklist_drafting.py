"""Drafting all cases of a project, one after the other, for the window and the command line alike.

A run that was stopped is resumed by the next one, and a case that fails does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from attunet_gui.app.case_drafting import CaseDrafter, ChildProcessDrafter, not_drafted_message
from attunet_gui.app.case_opening import CtFiles, OpenRequest, open_case
from attunet_gui.app.project_messages import count_cases_text, joined_report
from attunet_gui.core.provenance import ModelId
from attunet_gui.io.case_discovery import CaseRef
from attunet_gui.io.result_writing import write_mask
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.project.case_rows import CaseQuery, CaseRow
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.ct_fingerprint import ct_fingerprint
from attunet_gui.project.mask_files import mask_file_sha256
from attunet_gui.project.project_events import CaseDrafted, DraftFailed, EventPayload
from attunet_gui.project.project_store import PROGRAM_ACTOR, Project
from attunet_gui.project.thumbnails import write_thumbnail
from attunet_gui.project.triage_metrics import triage_metrics_of
from attunet_gui.system.errors import (
    ProjectError,
    UnreadableInput,
    UnwritableOutput,
    WorkCancelled,
)
from attunet_gui.system.file_lock import LockHeldElsewhere, acquire_file_lock
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.workers.inference_process import InferenceProcess

_LOCK_FILE = "drafting.lock"
DrafterFactory = Callable[["ModelBundle"], CaseDrafter]

# Digits of the model's sha256 in the name of a draft, so that drafts of two models lie side by side.
_MARK = 8


@dataclass
class DraftedCases:
    """The result of drafting a list. It is filled while the list is being drafted.

    Attributes:
        done: names of the cases that have a new draft now.
        failed: for each case that could not be drafted, its name and a sentence that says why.
    """

    done: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def make_child_drafter(bundle: ModelBundle) -> CaseDrafter:
    """Return a drafter with a child process of its own, so that the open case need not wait for the list."""
    return ChildProcessDrafter(InferenceProcess(), bundle.folder, bundle.card.model_id)


@dataclass(frozen=True, eq=False)
class WorklistDraftRequest:
    """Which cases are drafted, and by which model.

    Attributes:
        project: the project whose cases are drafted.
        bundle: the model.
        again: whether to replace the drafts of other models.
        make_drafter: makes the drafter, which is closed after the list.
    """

    project: Project
    bundle: ModelBundle
    again: bool = False
    make_drafter: DrafterFactory = make_child_drafter


@dataclass(frozen=True)
class WorklistDraftResult:
    """What was drafted and what was not, in sentences.

    Attributes:
        sentences: how many cases were drafted, and by which model.
        not_drafted: a sentence for each case that could not be drafted.
    """

    sentences: tuple[str, ...]
    not_drafted: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """All of it in one text, with the first of the cases that were not drafted."""
        return joined_report(self.sentences, self.not_drafted, "case")


def draft_worklist(
    request: WorklistDraftRequest, progress: ProgressCallback = no_progress
) -> WorklistDraftResult:
    """Draft every case that has no draft and that nobody has begun. This is slow: call it from a thread.

    Raises:
        ProjectError: if another process is drafting this project.
        UnwritableOutput: if the folder of the project cannot be written to.
        WorkCancelled: from `progress`.
    """
    drafter = request.make_drafter(request.bundle)
    try:
        drafted = draft_waiting_cases(request.project, drafter, progress, request.again)
    finally:
        drafter.close()
    done = f"{count_cases_text(len(drafted.done))} drafted by {request.bundle.card.title}."
    failed = tuple(f"{name} was not drafted: {reason}" for name, reason in drafted.failed)
    return WorklistDraftResult((done,), failed)


def waiting_for_draft(project: Project, model: ModelId, again: bool = False) -> tuple[CaseRow, ...]:
    """Return the cases that `draft_waiting_cases` would draft, in the order in which they were added.

    These are the cases without a draft that nobody has begun; with `again`, also those that nobody has begun
    and that a model other than `draft_model` drafted.
    """
    wanted = {CaseStatus.NEW, CaseStatus.DRAFTED} if again else {CaseStatus.NEW}
    found = project.list_cases(CaseQuery(status=frozenset(wanted)))
    return tuple(case for case in found if case.model != model)


def draft_waiting_cases(
    project: Project, drafter: CaseDrafter, progress: ProgressCallback = no_progress, again: bool = False
) -> DraftedCases:
    """Draft every case that `waiting_for_draft` returns. This is slow: call it from a thread.

    A draft is written to the disk, read back and recorded before the next case begins, so a run that was
    stopped or killed goes on where it was. A case that fails is recorded as failed, and the next run tries it
    again.

    Args:
        project: the project whose cases are drafted.
        drafter: the model.
        progress: called for slices and for cases; it may raise `WorkCancelled`.
        again: whether to replace the drafts of other models.

    Returns:
        Which cases were drafted and which failed.

    Raises:
        ProjectError: if another process is drafting this project.
        UnwritableOutput: if the folder of the project cannot be written to.
    """
    outcome = DraftedCases()
    with _drafting_lock(project):
        cases = waiting_for_draft(project, drafter.draft_model, again)
        for number, case in enumerate(cases):
            progress(number, len(cases), "cases")
            failure = _draft_and_record(project, case, drafter, partial(_case_progress, progress, case.name))
            if failure is None:
                outcome.done.append(case.name)
            else:
                outcome.failed.append((case.name, failure))
        progress(len(cases), len(cases), "cases")
    return outcome


def _case_progress(progress: ProgressCallback, name: str, done: int, total: int, stage: str) -> None:
    progress(done, total, f"{stage} of {name}")


@contextmanager
def _drafting_lock(project: Project) -> Iterator[None]:
    try:
        held = acquire_file_lock(project.folder / _LOCK_FILE)
    except LockHeldElsewhere as error:
        raise ProjectError("Another program drafts this project already: let it finish.") from error
    except OSError as error:
        raise UnwritableOutput(f"The project's folder cannot be written to ({error.strerror}).") from error
    try:
        yield
    finally:
        held.release()


def _draft_and_record(
    project: Project, case: CaseRow, drafter: CaseDrafter, progress: ProgressCallback
) -> str | None:
    """Draft one case and record the result; return why it failed, or None if it did not."""
    payload: EventPayload
    try:
        payload, failure = _draft_case(project, case, drafter, progress), None
    except WorkCancelled:
        raise
    except Exception as error:
        # Whatever one CT provokes, the other cases of a night's run are still to be drafted.
        failure = not_drafted_message(error)
    if failure is not None:
        # The name of the file may be the patient's, and this sentence is shown everywhere.
        failure = failure.replace(case.file_name, case.name)
        payload = DraftFailed(reason=failure)
    project.apply_rule(case, lambda _state: (payload,), actor=PROGRAM_ACTOR, model=drafter.draft_model)
    return failure


def _draft_case(
    project: Project, case: CaseRow, drafter: CaseDrafter, progress: ProgressCallback
) -> CaseDrafted:
    """Draft one case, write draft and thumbnail, and return the event to record."""
    since = perf_counter()
    _check_ct_unchanged(project, case)
    ct = CtFiles((case.path,), case.series)
    volume = open_case(OpenRequest(ct, with_mask=False), progress).volume
    draft = drafter.draft(volume, progress)
    path = project.new_draft_path(case, drafter.draft_model.sha256[:_MARK])
    write_mask(path, draft.mask, volume)
    with suppress(UnwritableOutput):  # a picture more or less stops nothing
        write_thumbnail(project.thumbnail_path(case), volume)
    seen = triage_metrics_of(volume, draft.prediction, draft.mask)
    return CaseDrafted(
        mask=project.relative_path(path),
        sha256=mask_file_sha256(path),
        slices=volume.grid.shape[0],
        volume_ml=seen.volume_ml,
        uncertainty=seen.uncertainty,
        effort=seen.effort,
        places=seen.places,
        visible=seen.visible,
        seconds=perf_counter() - since,
    )


def _check_ct_unchanged(project: Project, case: CaseRow) -> None:
    """Raise `UnreadableInput` if the CT of `case` is missing or is no longer the one that was added."""
    if not case.path.exists():
        raise UnreadableInput(f"The CT of {case.name} is not where it was: add its folder again.")
    if ct_fingerprint(CaseRef(case.path, case.series, case.name)) != project.stored_fingerprint(case):
        raise UnreadableInput(f"The file of {case.name} holds another image now: put the first one back.")

"""What the window shows, as a pure function from facts to a view.

There is no Qt and no napari in it, so every state of the window is a line in a test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from attunet_gui.app.case_opening import OpenCase
from attunet_gui.app.case_session import CaseSession
from attunet_gui.app.status_message import FileTask, StatusMessage
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.system.plurals import counted, plural_of
from attunet_gui.system.progress import ADAPTATION_STAGE
from attunet_gui.workers.inference_messages import JobStatus

StepCommand = Literal[
    "open", "stop_reading", "choose_model", "run", "cancel", "check", "next_place", "next_unseen", "save",
    "accept", "next_case", "nothing",
]  # fmt: skip
"""Keys of what the big button can do; each is mapped to one method."""


@dataclass(frozen=True)
class ReviewStatus:
    """How far the annotator has reviewed the mask.

    Attributes:
        checked: the annotator has gone to the draft since it arrived.
        places: number of open places to check; None while they are not known.
        unseen: number of slices with mask that were not on screen yet.
    """

    checked: bool = False
    places: int | None = None
    unseen: int = 0


@dataclass(frozen=True)
class WorklistStatus:
    """The state of the worklist, as far as the next step depends on it.

    Attributes:
        is_open: whether a project is open.
        status: of the open case in the project; "" if it does not belong to it.
        blind: whether the case has to be drawn without a draft.
    """

    is_open: bool = False
    status: str = ""
    blind: bool = False


@dataclass(frozen=True)
class WindowFacts:
    """What is known of the session, as plain values.

    Attributes:
        case: name of the open case; "" if nothing is open.
        details: its size and spacing, as text.
        notes: what is unusual about the CT, or why the mask beside it is not used; "" if nothing is.
        volume_ml: volume of the mask in ml; None while it is being counted.
        model: title of the chosen model; "" if there is none.
        drafted: whether there is a draft of the case, made now or stored in the project.
        nothing_found: whether that draft is empty.
        review: how far the annotator has reviewed the mask.
        edited: whether the mask holds edits that are in no file.
        saved_to: file name of the saved mask; "" if there is none.
        job: state and progress of the child process that runs the network.
        file_job: the file that is being read or written; None if there is none.
        message: the last message to the annotator.
        listing: the state of the worklist.
        looking: whether the network evaluates a mask that was drafted in advance; nobody has to wait for it.
    """

    case: str = ""
    details: str = ""
    notes: str = ""
    volume_ml: float | None = None
    model: str = ""
    drafted: bool = False
    nothing_found: bool = False
    review: ReviewStatus = field(default_factory=ReviewStatus)
    edited: bool = False
    saved_to: str = ""
    job: JobStatus = field(default_factory=JobStatus)
    file_job: FileTask | None = None
    message: StatusMessage = field(default_factory=lambda: StatusMessage(""))
    listing: WorklistStatus = field(default_factory=WorklistStatus)
    looking: bool = False


ModeName = Literal["no case", "opening", "drafting", "saving", "blind second read", "editing"]


@dataclass(frozen=True)
class WindowMode:
    """What the window is at, under one name, and what may be done meanwhile.

    Attributes:
        name: of the mode; what is going on comes before what the case is.
        may_edit: whether the mask may be drawn on.
        may_draft: whether a draft may be asked for.
        may_cancel: whether the network runs, which can always be cancelled.
        may_save: whether the mask may be saved.
    """

    name: ModeName
    may_edit: bool = False
    may_draft: bool = False
    may_cancel: bool = False
    may_save: bool = False

    @property
    def may_run(self) -> bool:
        """Whether the button that drafts or cancels does something."""
        return self.may_draft or self.may_cancel


def decide_mode(facts: WindowFacts) -> WindowMode:
    """Return the mode of the window for `facts`."""
    is_open, name = bool(facts.case), _mode_name(facts)
    return WindowMode(
        name=name,
        may_edit=is_open,
        # A second reader must see no draft.
        may_draft=is_open and bool(facts.model) and not facts.listing.blind,
        may_cancel=facts.job.state != "idle",
        may_save=is_open and name != "saving",
    )


def _mode_name(facts: WindowFacts) -> ModeName:
    if facts.file_job is not None:
        return "saving" if facts.file_job.kind == "saving" else "opening"
    if not facts.case:
        return "no case"
    if facts.job.state != "idle":
        return "drafting"
    return "blind second read" if facts.listing.blind else "editing"


@dataclass(frozen=True)
class NextStep:
    """The next step: text and command of the big button, and the sentence below it."""

    button: str
    command: StepCommand
    hint: str


@dataclass(frozen=True)
class ProgressBarState:
    """A progress bar of `done` out of `total`; `total` 0 means that the end is not known."""

    done: int
    total: int
    text: str


@dataclass(frozen=True)
class WindowView:
    """Everything that the panels show. They apply it and decide nothing themselves."""

    mode: WindowMode
    case: str
    details: str
    notes: str
    volume: str
    unsaved: bool
    step: NextStep
    run_button: str
    bar: ProgressBarState | None
    drafted: bool
    save_hint: str
    message: StatusMessage
    canvas_hint: str


def _opening_notes(case: OpenCase | None) -> str:
    """Return what a person should know of the files of `case`, as long as it is open."""
    if case is None:
        return ""
    return " ".join(filter(None, (case.unusable, case.label_maps, *case.volume.notes)))


def collect_facts(session: CaseSession, review: ReviewStatus, listing: WorklistStatus) -> WindowFacts:
    """Return the state of the session as plain values."""
    # A count that is out of date is not shown: the volume would be that of an earlier mask.
    case, counted = session.case, None if session.mask.recounting else session.mask.tally
    grid = None if case is None else case.volume.grid
    ml = None if grid is None or counted is None else counted.voxels * grid.voxel_volume_ml
    return WindowFacts(
        case="" if case is None else case.volume.name,
        details="" if grid is None else _grid_text(grid),
        notes="" if case is None else _opening_notes(case),
        volume_ml=ml,
        model="" if session.models.chosen is None else session.models.chosen.card.title,
        drafted=session.inference.draft is not None or _has_stored_draft(case),
        nothing_found=ml == 0 and _is_draft_empty(session),
        review=review,
        edited=session.mask.edited,
        saved_to=session.mask.saved_to.name
        if session.mask.saved_to is not None and session.mask.is_saved_to_disk
        else "",
        job=session.inference.job,
        file_job=session.file_job,
        message=session.message,
        listing=listing,
        looking=session.inference.is_mapping_evidence,
    )


def _is_draft_empty(session: CaseSession) -> bool:
    """Return whether the draft of the session, or the stored draft that the case began with, is empty."""
    if session.inference.draft is not None:
        return not session.inference.draft.mask.any()
    case = session.case
    return (
        case is not None and case.found is not None and _has_stored_draft(case) and not case.found.mask.any()
    )


def _has_stored_draft(case: OpenCase | None) -> bool:
    """Return whether the case was opened with a mask that is a draft and was never saved."""
    return case is not None and case.found is not None and not case.found.saved


def _grid_text(grid: VoxelGrid) -> str:
    """Return size and spacing as text, columns first, as annotators read sizes of pictures."""
    z, y, x = grid.shape
    slice_mm, row_mm, column_mm = grid.spacing_mm
    return f"{counted(z, 'slice')}, {x} x {y}, {column_mm:.2f} x {row_mm:.2f} x {slice_mm:.2f} mm"


def decide_view(facts: WindowFacts) -> WindowView:
    """Return what the panels show for `facts`."""
    is_open = bool(facts.case)
    return WindowView(
        mode=decide_mode(facts),
        case=facts.case or "No CT is open",
        details=facts.details or "NIfTI, NRRD, MetaImage or a DICOM folder",
        notes=facts.notes,
        volume=_volume_text(facts),
        unsaved=facts.edited,
        step=_next_step(facts),
        run_button=_run_button_text(facts),
        bar=_progress_bar(facts),
        drafted=facts.drafted,
        save_hint=_save_hint_text(facts),
        message=facts.message,
        canvas_hint="" if is_open or facts.file_job else "Drop a CT file or a DICOM folder here",
    )


def _volume_text(facts: WindowFacts) -> str:
    if not facts.case:
        return ""
    if facts.volume_ml is None:
        return "counting…"
    return f"Pancreas {facts.volume_ml:.1f} ml" if facts.volume_ml else "No mask yet"


def _run_button_text(facts: WindowFacts) -> str:
    if facts.job.state != "idle":
        return "Cancel the run"
    return "Draft again" if facts.drafted else "Draft the pancreas"


def _save_hint_text(facts: WindowFacts) -> str:
    if not facts.case:
        return "Open a CT first."
    if facts.edited:
        return "There are corrections that are in no file yet."
    return f"Saved as {facts.saved_to}." if facts.saved_to else "Nothing is written until you save."


def _next_step(facts: WindowFacts) -> NextStep:
    """Return the next step; what is going on comes first, then what the case lacks."""
    if facts.file_job is not None:
        return _file_step(facts.file_job)
    if not facts.case and facts.listing.is_open:
        return NextStep(
            "Open the next case", "next_case", "The worklist chooses it. Or double-click one in it."
        )
    if not facts.case:
        return NextStep(
            "Open a CT…",
            "open",
            "Or drop a file or a DICOM folder on the window. No CT at hand? Try the demo.",
        )
    # A network that only looks for places must not take the big button from the next step.
    if facts.job.state != "idle" and not facts.looking:
        return _job_step(facts.job)
    if facts.listing.status:
        return _listed_step(facts)
    if facts.drafted and facts.volume_ml and not facts.saved_to:
        left = _review_step(facts.review)
        if left is not None:
            return left
    return _finished_step(facts)


def _listed_step(facts: WindowFacts) -> NextStep:
    """Return the next step for a case of a project, where saving and opening the next case are one step."""
    accepted = facts.listing.status == "accepted" and not facts.edited
    if accepted:
        return NextStep("Open the next case", "next_case", "This case is accepted.")
    if not facts.volume_ml:
        return _unmarked_step(facts)
    left = _review_step(facts.review)
    if left is not None:
        return left
    # Until the places are known, the slice with the most pancreas is the best place to begin.
    if facts.review.places is None and not facts.review.checked:
        return NextStep(
            "Check the mask", "check", "Goes to the slice with the most pancreas and takes the brush."
        )
    if facts.looking:
        return NextStep("Accept, open the next", "accept", "The network still looks for doubtful places.")
    return NextStep(
        "Accept, open the next", "accept", "Saves the mask, keeps that it is right, opens the next case."
    )


def _unmarked_step(facts: WindowFacts) -> NextStep:
    if facts.listing.blind:
        return NextStep(
            "Draw it by hand", "check", "This case is drawn without a draft. Paint it with the brush."
        )
    return _drafted_step(facts) if facts.drafted else _undrafted_step(facts)


def _finished_step(facts: WindowFacts) -> NextStep:
    if facts.edited:
        return NextStep("Save the mask", "save", "You have corrections that are not saved yet.")
    if facts.saved_to:
        return NextStep("Open the next CT…", "open", f"Saved as {facts.saved_to}, read back and compared.")
    if facts.drafted:
        return _drafted_step(facts)
    return _undrafted_step(facts)


def _file_step(job: FileTask) -> NextStep:
    if job.kind == "saving":
        return NextStep("Saving…", "nothing", f"{job.name} is written, read back and compared.")
    return NextStep("Stop opening", "stop_reading", f"Opening {job.name}.")


def _job_step(job: JobStatus) -> NextStep:
    if job.state == "loading":
        return NextStep(
            "Cancel the run", "cancel", "The network is starting. You can scroll and paint meanwhile."
        )
    doing = "learns from your corrections" if job.stage == ADAPTATION_STAGE else "is drafting"
    return NextStep("Cancel the run", "cancel", f"The network {doing}. You can scroll and paint meanwhile.")


def _review_step(review: ReviewStatus) -> NextStep | None:
    """Return the step for what is left to look at; None if that is nothing, or not known yet."""
    if review.places:
        words = f"{counted(review.places, 'place')} {plural_of(review.places, 'looks', 'look')}"
        return NextStep(
            "Go to the next place",
            "next_place",
            f"{words} doubtful. Correct it, or say with A that it is right.",
        )
    # Doubtful places first; slices that were not seen are named when none is left.
    if review.places == 0 and review.unseen:
        words = f"{counted(review.unseen, 'slice')} {plural_of(review.unseen, 'has', 'have')}"
        return NextStep(
            "Look at what is unseen", "next_unseen", f"{words} mask that you have not looked at yet."
        )
    return None


def _drafted_step(facts: WindowFacts) -> NextStep:
    """Return the next step for a case with a draft."""
    if facts.volume_ml == 0:
        found = "The network found no pancreas here." if facts.nothing_found else "The mask is empty."
        return NextStep("Draw it by hand", "check", f"{found} Paint it with the brush.")
    if facts.review.places == 0:
        return NextStep(
            "Save the mask", "save", "Reviewed: no place is open, every slice with mask was seen."
        )
    if facts.review.checked:
        return NextStep(
            "Save the mask", "save", "Scroll through, paint or erase where it is wrong, then save."
        )
    return NextStep(
        "Check the draft", "check", "Goes to the slice with the most pancreas and takes the brush."
    )


def _undrafted_step(facts: WindowFacts) -> NextStep:
    """Return the next step for a case without a draft."""
    if not facts.model:
        return NextStep(
            "Choose a model folder…",
            "choose_model",
            "No model was found. You can also draw by hand with the brush.",
        )
    # The last attempt has failed; the sentence about it is in the bottom line.
    if facts.message.problem:
        return NextStep("Draft the pancreas", "run", "There is no draft yet. Your mask is untouched.")
    return NextStep("Draft the pancreas", "run", f"With {facts.model}. You will correct it afterwards.")


def _progress_bar(facts: WindowFacts) -> ProgressBarState | None:
    """Return the progress of a file or of the network; None if neither is at work."""
    if facts.file_job is not None:
        job = facts.file_job
        words = "Saving" if job.kind == "saving" else "Opening"
        return ProgressBarState(job.done, job.total, f"{words}: {job.stage or 'starting'}")
    if facts.job.state == "idle":
        return None
    if facts.job.state == "loading":
        return ProgressBarState(0, 0, "Starting the network")
    return ProgressBarState(facts.job.done, facts.job.total, _job_progress_text(facts.job))


def _job_progress_text(job: JobStatus) -> str:
    words = f"{'Step' if job.stage == ADAPTATION_STAGE else 'Slice'} {job.done} of {job.total}"
    return words if job.seconds_left is None else f"{words}, {time_left_text(job.seconds_left)}"


def time_left_text(seconds: float) -> str:
    """Return a rough time as text: "about 40 s left", "about 3 min left"."""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 90:
        return f"about {5 * round(seconds / 5)} s left"
    return f"about {round(seconds / 60)} min left"

"""Accepting the saved mask of a project's case, for the window and the command line alike."""

from __future__ import annotations

from dataclasses import dataclass

from attunet_gui.project import case_commands
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.project_store import Project


@dataclass(frozen=True, eq=False)
class AcceptRequest:
    """Which case is accepted, and by whom.

    Attributes:
        project: the project.
        case: the row of the case.
        annotator: name of who accepts it.
        anyway: whether it is accepted although something of it was not reviewed.
    """

    project: Project
    case: CaseRow
    annotator: str
    anyway: bool = False


@dataclass(frozen=True)
class AcceptResult:
    """The accepted case.

    Attributes:
        case: the row of the case now.
    """

    case: CaseRow


def accept_case(request: AcceptRequest) -> AcceptResult:
    """Accept the saved mask of a case.

    Raises:
        ProjectError: if no mask is saved, something is left to look at and `anyway` is false, or the mask
            still holds a seeded error.
        UnreadableInput: if a mask file is missing or damaged.
    """
    return AcceptResult(
        case_commands.accept_case(
            request.project, request.case, actor=request.annotator, anyway=request.anyway
        )
    )


def not_accepted_message(name: str) -> str:
    """Return the message for the case called `name` after the annotator answered "no" to the question."""
    return f"{name} was not accepted."

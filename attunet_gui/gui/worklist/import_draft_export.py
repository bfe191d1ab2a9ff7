"""Drafting the list as a function of a `ProgressCallback` that returns a sentence."""

from __future__ import annotations

from collections.abc import Callable

from attunet_gui.app.project_messages import count_cases_text
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.project.batch_drafting import CaseDrafter, ChildProcessDrafter, draft_waiting_cases
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.workers.inference_process import InferenceProcess

DrafterFactory = Callable[[ModelBundle], "ClosingDrafter"]


class ClosingDrafter(CaseDrafter):
    """A drafter that holds resources, and is closed after the list."""

    def close(self) -> None:
        """Release what the drafter holds, such as its child process."""


def make_child_drafter(bundle: ModelBundle) -> ClosingDrafter:
    """Return a drafter with a child process of its own, so that the open case need not wait for the list."""
    drafter: ClosingDrafter = ChildProcessDrafter(  # type: ignore[assignment]
        InferenceProcess(), bundle.folder, bundle.card.model_id
    )
    return drafter


def _failure_message(what: str, failed: list[tuple[str, str]]) -> str:
    name, reason = failed[0]
    more = f" And {count_cases_text(len(failed) - 1)} more." if len(failed) > 1 else ""
    return f"{name} {what}: {reason}{more}"


def draft_worklist(
    project: Project, bundle: ModelBundle, drafting: DrafterFactory, progress: ProgressCallback
) -> str:
    """Draft every case that has no draft and that nobody has begun.

    Raises:
        AttunetError: after the list, if one or more cases could not be drafted.
        WorkCancelled: from `progress`.
    """
    drafter = drafting(bundle)
    try:
        outcome = draft_waiting_cases(project, drafter, progress)
    finally:
        drafter.close()
    words = f"{count_cases_text(len(outcome.done))} drafted by {bundle.card.title}."
    if outcome.failed:
        # Raised last: every other case is drafted.
        raise AttunetError(f"{words} {_failure_message('was not drafted', outcome.failed)}")
    return words

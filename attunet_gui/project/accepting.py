"""The conditions under which a case can be accepted, shared by the window and the command line."""

from __future__ import annotations

from attunet_gui.core.counting import counted
from attunet_gui.project.errors import ProjectError
from attunet_gui.project.status import CaseState, Status
from attunet_gui.review.progress import left_words


def check_acceptable(name: str, state: CaseState) -> str:
    """Describe what nobody has looked at yet in the case called `name`.

    Args:
        name: of the case, for the message.
        state: the case, folded from its events.

    Returns:
        A clause for a message; "" if nothing is left to look at.

    Raises:
        ProjectError: if the case has no saved mask, or is neither in progress nor reviewed.
    """
    if state.first is None or state.status not in (Status.IN_PROGRESS, Status.REVIEWED):
        raise ProjectError(
            f"{name} is {state.status}: only a case with a saved mask that is in progress or reviewed can be "
            "accepted; save its mask first."
        )
    said = state.first.said
    words = left_words(said.unseen or 0, said.open_places or 0)
    if words or state.status == Status.REVIEWED:
        return words
    # No slice and no place is open, but the annotator saved the mask to go on later.
    seen = "every slice" if said.verified is None else counted(len(said.verified), "slice")
    return f"{seen} looked at, and nobody has said that this is all of it"

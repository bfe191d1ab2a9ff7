"""The state of a case, which is a fold over its events and nothing else.

new -> drafted -> in progress -> reviewed -> accepted <-> second read
                      ^-- reopened --+----------+   any -> rejected -> reopened
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import reduce

from attunet_gui.core.provenance import ModelId
from attunet_gui.project.project_events import (
    CaseAccepted,
    CaseAdded,
    CaseAssigned,
    CaseDrafted,
    CaseOpened,
    CaseRejected,
    CaseReopened,
    DraftFailed,
    MaskSaved,
    NoteChanged,
    ProjectEvent,
    SecondReadAsked,
    SeededErrorChecked,
)
from attunet_gui.review.review_progress import unreviewed_text
from attunet_gui.system.errors import AttunetError, ProjectError
from attunet_gui.system.plurals import counted


class CaseStatus(StrEnum):
    """The stages of a case."""

    NEW = "new"
    DRAFTED = "drafted"
    IN_PROGRESS = "in progress"
    REVIEWED = "reviewed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SECOND_READ = "second read"


def parse_status(name: str) -> CaseStatus:
    """Return the status for what was typed, such as "in-progress" for "in progress".

    Raises:
        AttunetError: if there is no such status; the message names those there are.
    """
    try:
        return CaseStatus(name.replace("-", " ").lower())
    except ValueError:
        known = ", ".join(status.value.replace(" ", "-") for status in CaseStatus)
        raise AttunetError(f"There is no status {name!r}; there is {known}.") from None


WAITING_STATUSES = frozenset({CaseStatus.NEW, CaseStatus.DRAFTED, CaseStatus.IN_PROGRESS})
"""The statuses from which the next case is chosen."""


@dataclass(frozen=True)
class SavedMaskState:
    """A saved mask.

    Attributes:
        said: what was recorded with it.
        who: name of the annotator.
        when: when it was saved, in UTC.
        model: the model whose draft it came from; None for none.
    """

    said: MaskSaved
    who: str
    when: datetime
    model: ModelId | None


@dataclass(frozen=True)
class CaseState:
    """The state of a case after some events.

    Attributes:
        status: the stage of the case.
        assignee: name of the person it is assigned to; "" for nobody.
        note: the note of the case.
        reason: why it is rejected; "" if it is not.
        failure: why the last draft failed; "" if it did not.
        draft, model: the last draft and the model that made it.
        first, second: the last saved mask of either reader.
        reader: who was asked for the second reading; "" for anybody.
        asked: whether a second reading was ever asked for.
        shown, shown_to: what was shown to the last person who opened it, and that person's name.
        check: how the last seeded error was settled; None if there was none, or it is not settled.
        changed: time of the last event in UTC.
    """

    status: CaseStatus = CaseStatus.NEW
    assignee: str = ""
    note: str = ""
    reason: str = ""
    failure: str = ""
    draft: CaseDrafted | None = None
    draft_model: ModelId | None = None
    first: SavedMaskState | None = None
    second: SavedMaskState | None = None
    reader: str = ""
    asked: bool = False
    shown: CaseOpened | None = None
    shown_to: str = ""
    check: SeededErrorChecked | None = None
    changed: datetime | None = None

    def after_event(self, event: ProjectEvent) -> CaseState:
        """Return the state after one more event."""
        state = replace(self, changed=event.when)
        match event.payload:
            case CaseAdded():
                return state
            case CaseAssigned(to=to):
                return replace(state, assignee=to)
            case NoteChanged(text=text):
                return replace(state, note=text)
            case CaseDrafted() | DraftFailed():
                return state._after_draft(event)
            case CaseOpened() | MaskSaved() | SeededErrorChecked():
                return state._after_work(event)
            case _:
                return state._after_decision(event)

    def _after_draft(self, event: ProjectEvent) -> CaseState:
        """Return the state after a draft was made or failed; a case that was begun keeps its status."""
        if isinstance(event.payload, DraftFailed):
            return replace(self, failure=event.payload.reason)
        if not isinstance(event.payload, CaseDrafted):
            return self
        status = CaseStatus.DRAFTED if self.status == CaseStatus.NEW else self.status
        return replace(self, status=status, draft=event.payload, draft_model=event.model, failure="")

    def _after_work(self, event: ProjectEvent) -> CaseState:
        """Return the state after an annotator opened or saved the case, or a seeded error was settled."""
        match event.payload:
            case CaseOpened() as opened:
                begun = self.status in (CaseStatus.NEW, CaseStatus.DRAFTED)
                status = CaseStatus.IN_PROGRESS if begun else self.status
                return replace(self, status=status, shown=opened, shown_to=event.who)
            case MaskSaved() as saved:
                return self._after_save(SavedMaskState(saved, event.who, event.when, event.model))
            case SeededErrorChecked(accepted=accepted) as check:
                # The draft without the error is what the person goes on from.
                return (
                    replace(self, status=CaseStatus.IN_PROGRESS, check=check, first=None)
                    if accepted
                    else (replace(self, check=check))
                )
        return self

    def _after_save(self, saved: SavedMaskState) -> CaseState:
        """Return the state after the first or the second reader saved a mask."""
        # The same mask saved again neither ends a review nor reopens an accepted case.
        if saved.said.keeps_status and self.first is not None:
            return replace(self, first=_with_slices_of_both(self.first, saved))
        if saved.said.read == 2:
            # A second reading is compared with the first and never replaces it: the first stays accepted.
            done = saved.said.finished and self.status == CaseStatus.SECOND_READ
            return replace(self, second=saved, status=CaseStatus.ACCEPTED if done else self.status)
        if self.status == CaseStatus.SECOND_READ:
            # A saved mask of the first reader does not end the second read that was asked for.
            return replace(self, first=saved)
        status = CaseStatus.REVIEWED if saved.said.finished else CaseStatus.IN_PROGRESS
        return replace(self, first=saved, status=status, reason="")

    def _after_decision(self, event: ProjectEvent) -> CaseState:
        """Return the state after a case was accepted, rejected, reopened or given to a second reader."""
        match event.payload:
            case CaseAccepted():
                return replace(self, status=CaseStatus.ACCEPTED, reason="")
            case CaseRejected(reason=reason):
                return replace(self, status=CaseStatus.REJECTED, reason=reason)
            case CaseReopened():
                return replace(self, status=self._reopened_status, reason="")
            case SecondReadAsked(reader=reader):
                return replace(self, status=CaseStatus.SECOND_READ, reader=reader, asked=True)
        return self

    @property
    def _reopened_status(self) -> CaseStatus:
        if self.first is not None:
            return CaseStatus.IN_PROGRESS
        return CaseStatus.NEW if self.draft is None else CaseStatus.DRAFTED


def with_earlier_corrections(said: MaskSaved, before: MaskSaved) -> MaskSaved:
    """Return `said` with the slices that were corrected in the same mask when `before` was recorded.

    They are still corrected, although the annotator did not touch them this time.
    """
    known = said.corrected is not None and before.corrected is not None
    both = tuple(sorted({*(said.corrected or ()), *(before.corrected or ())}))
    corrected = both if known or both else None
    return said.model_copy(update={"corrected": corrected})


def _with_slices_of_both(first: SavedMaskState, again: SavedMaskState) -> SavedMaskState:
    """Return the state of a mask that was saved once more without a change.

    It remains the mask of the annotator who drew it, and the slices that either of the two has seen count as
    verified.
    """
    before, said = first.said, again.said
    known = before.verified is not None and said.verified is not None
    seen = tuple(sorted({*(before.verified or ()), *(said.verified or ())})) if known else None
    said = said.model_copy(update={"verified": seen, "finished": before.finished, "keeps_status": False})
    if first.who != again.who:
        said = said.model_copy(update={"active_seconds": before.active_seconds, "edits": before.edits})
    return replace(first, said=said, when=again.when)


def fold_events(events: Iterable[ProjectEvent]) -> CaseState:
    """Return the state of a case after all of its `events`, oldest first."""
    return reduce(CaseState.after_event, events, CaseState())


def remaining_before_acceptance(name: str, state: CaseState) -> str:
    """Describe what nobody has looked at yet in the case called `name`.

    Args:
        name: of the case, for the message.
        state: the case, folded from its events.

    Returns:
        A clause for a message; "" if nothing is left to look at.

    Raises:
        ProjectError: if the case has no saved mask, or is neither in progress nor reviewed.
    """
    if state.first is None or state.status not in (CaseStatus.IN_PROGRESS, CaseStatus.REVIEWED):
        raise ProjectError(
            f"{name} is {state.status}: only a case with a saved mask that is in progress or reviewed can be "
            "accepted; save its mask first."
        )
    said = state.first.said
    words = unreviewed_text(said.unseen or 0, said.open_places or 0)
    if words or state.status == CaseStatus.REVIEWED:
        return words
    # No slice and no place is open, but the annotator saved the mask to go on later.
    seen = "every slice" if said.verified is None else counted(len(said.verified), "slice")
    return f"{seen} looked at, and nobody has said that this is all of it"


def check_second_reader(state: CaseState, actor: str) -> None:
    """Raise `ProjectError` if `actor` may not be the second reader of a case in `state`."""
    if state.first is not None and state.first.who == actor:
        raise ProjectError("You annotated this case yourself: its second reader must be somebody else.")
    if state.reader not in ("", actor):
        raise ProjectError(f"The second read of this case was given to {state.reader}: choose another case.")

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

from attunet_gui.core.errors import AttunetError
from attunet_gui.project.events import (
    Accepted,
    Added,
    Assigned,
    Checked,
    Drafted,
    DraftFailed,
    Event,
    Noted,
    Opened,
    Rejected,
    Reopened,
    Saved,
    SecondReadAsked,
)


class Status(StrEnum):
    """The stages of a case."""

    NEW = "new"
    DRAFTED = "drafted"
    IN_PROGRESS = "in progress"
    REVIEWED = "reviewed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SECOND_READ = "second read"


def status_called(name: str) -> Status:
    """Return the status for what was typed, such as "in-progress" for "in progress".

    Raises:
        AttunetError: if there is no such status; the message names those there are.
    """
    try:
        return Status(name.replace("-", " ").lower())
    except ValueError:
        known = ", ".join(status.value.replace(" ", "-") for status in Status)
        raise AttunetError(f"There is no status {name!r}; there is {known}.") from None


WAITING = frozenset({Status.NEW, Status.DRAFTED, Status.IN_PROGRESS})
"""The statuses from which the next case is chosen."""


@dataclass(frozen=True)
class SavedState:
    """A saved mask.

    Attributes:
        said: what was recorded with it.
        who: name of the annotator.
        when: when it was saved, in UTC.
        model: the model whose draft it came from, as `events.model_words` formats it; "" for none.
    """

    said: Saved
    who: str
    when: datetime
    model: str


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

    status: Status = Status.NEW
    assignee: str = ""
    note: str = ""
    reason: str = ""
    failure: str = ""
    draft: Drafted | None = None
    model: str = ""
    first: SavedState | None = None
    second: SavedState | None = None
    reader: str = ""
    asked: bool = False
    shown: Opened | None = None
    shown_to: str = ""
    check: Checked | None = None
    changed: datetime | None = None

    def after(self, event: Event) -> CaseState:
        """Return the state after one more event."""
        state = replace(self, changed=event.when)
        match event.payload:
            case Added():
                return state
            case Assigned(to=to):
                return replace(state, assignee=to)
            case Noted(text=text):
                return replace(state, note=text)
            case Drafted() | DraftFailed():
                return state._drafted(event)
            case Opened() | Saved() | Checked():
                return state._worked(event)
            case _:
                return state._decided(event)

    def _drafted(self, event: Event) -> CaseState:
        """Return the state after a draft was made or failed; a case that was begun keeps its status."""
        if isinstance(event.payload, DraftFailed):
            return replace(self, failure=event.payload.reason)
        if not isinstance(event.payload, Drafted):
            return self
        status = Status.DRAFTED if self.status == Status.NEW else self.status
        return replace(self, status=status, draft=event.payload, model=event.model, failure="")

    def _worked(self, event: Event) -> CaseState:
        """Return the state after an annotator opened or saved the case, or a seeded error was settled."""
        match event.payload:
            case Opened() as opened:
                begun = self.status in (Status.NEW, Status.DRAFTED)
                status = Status.IN_PROGRESS if begun else self.status
                return replace(self, status=status, shown=opened, shown_to=event.who)
            case Saved() as saved:
                return self._saved(SavedState(saved, event.who, event.when, event.model))
            case Checked(accepted=accepted) as check:
                # The draft without the error is what the person goes on from.
                return (
                    replace(self, status=Status.IN_PROGRESS, check=check, first=None)
                    if accepted
                    else (replace(self, check=check))
                )
        return self

    def _saved(self, saved: SavedState) -> CaseState:
        """Return the state after the first or the second reader saved a mask."""
        # The same mask saved again neither ends a review nor reopens an accepted case.
        if saved.said.keeps_status and self.first is not None:
            return replace(self, first=_with_more_seen(self.first, saved))
        if saved.said.read == 2:
            # A second reading is compared with the first and never replaces it: the first stays accepted.
            done = saved.said.finished and self.status == Status.SECOND_READ
            return replace(self, second=saved, status=Status.ACCEPTED if done else self.status)
        if self.status == Status.SECOND_READ:
            # A saved mask of the first reader does not end the second read that was asked for.
            return replace(self, first=saved)
        status = Status.REVIEWED if saved.said.finished else Status.IN_PROGRESS
        return replace(self, first=saved, status=status, reason="")

    def _decided(self, event: Event) -> CaseState:
        """Return the state after a case was accepted, rejected, reopened or given to a second reader."""
        match event.payload:
            case Accepted():
                return replace(self, status=Status.ACCEPTED, reason="")
            case Rejected(reason=reason):
                return replace(self, status=Status.REJECTED, reason=reason)
            case Reopened():
                return replace(self, status=self._resumed, reason="")
            case SecondReadAsked(reader=reader):
                return replace(self, status=Status.SECOND_READ, reader=reader, asked=True)
        return self

    @property
    def _resumed(self) -> Status:
        if self.first is not None:
            return Status.IN_PROGRESS
        return Status.NEW if self.draft is None else Status.DRAFTED


def with_corrections_of(said: Saved, before: Saved) -> Saved:
    """Return `said` with the slices that were corrected in the same mask when `before` was recorded.

    They are still corrected, although the annotator did not touch them this time.
    """
    known = said.corrected is not None and before.corrected is not None
    both = tuple(sorted({*(said.corrected or ()), *(before.corrected or ())}))
    corrected = both if known or both else None
    return said.model_copy(update={"corrected": corrected})


def _with_more_seen(first: SavedState, again: SavedState) -> SavedState:
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


def fold(events: Iterable[Event]) -> CaseState:
    """Return the state of a case after all of its `events`, oldest first."""
    return reduce(CaseState.after, events, CaseState())

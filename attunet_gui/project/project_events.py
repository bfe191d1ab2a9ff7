"""The events of a project: one frozen pydantic model for each kind, and the event that carries it.

Events are only ever added. The state of a case is a fold over its events (`project.case_state`). The values
of `kind` and the names of all fields are stored in the database and must stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from attunet_gui.core.provenance import ModelId
from attunet_gui.system.plurals import counted

Share = Annotated[float, Field(ge=0, le=1)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]
_Text = Annotated[str, Field(min_length=1)]


class _EventPayload(BaseModel):
    # An unknown field means that a newer version wrote the event: it is refused, not read in part.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CaseAdded(_EventPayload):
    """The CT was added to the list.

    Attributes:
        copied: whether the project keeps a copy of it.
    """

    kind: Literal["added"] = "added"
    copied: bool = False

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return "added, as a copy" if self.copied else "added, where it lies"


class CaseMoved(_EventPayload):
    """The same CT was found in another place and no longer exists in the old one."""

    kind: Literal["moved"] = "moved"

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return "found in another folder"


class CaseDrafted(_EventPayload):
    """A model drafted the case.

    Attributes:
        mask: path of the draft's file, relative to the project's folder.
        sha256: of that file.
        slices: number of slices of the CT.
        volume_ml, uncertainty, effort, places, visible: as in `attunet_gui.project.triage_metrics`.
        seconds: wall time of drafting.
    """

    kind: Literal["drafted"] = "drafted"
    mask: str
    sha256: _Sha256
    slices: Annotated[int, Field(ge=1)]
    volume_ml: Annotated[float, Field(ge=0)]
    uncertainty: Share
    effort: Annotated[float, Field(ge=0)]
    places: _Count
    visible: Share
    seconds: Annotated[float, Field(ge=0)] = 0.0

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        slices = f"about {self.effort:.0f} of {counted(self.slices, 'slice')} to correct"
        return f"drafted: {self.volume_ml:.1f} ml, {counted(self.places, 'place')} to check, {slices}"


class DraftFailed(_EventPayload):
    """The case could not be drafted; `reason` is a sentence that says why."""

    kind: Literal["draft failed"] = "draft failed"
    reason: _Text

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return f"could not be drafted: {self.reason}"


class CaseSuggested(_EventPayload):
    """The case was suggested as the next one.

    Attributes:
        strategy: key of a strategy in `attunet_gui.project.case_ordering.STRATEGIES`.
        score: the score by which it came first; None where the strategy gives none.
        reason: why it comes next, for a person to read.
    """

    kind: Literal["suggested"] = "suggested"
    strategy: str
    score: float | None
    reason: str

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return f"named as the next case: {self.reason}"


ShownKind = Literal["draft", "saved", "nothing", "seeded error"]
"""The mask an annotator begins with; "nothing" is a blind reading, or a case shown without its draft."""


class CaseOpened(_EventPayload):
    """An annotator opened the case to begin it or to go on.

    Attributes:
        shown: the mask they were shown.
        mask: file of the draft with a seeded error, relative to the project's folder; "" if none was shown.
        error: kind of the seeded error, a key of `attunet_gui.project.seeded_errors.SEEDED_ERRORS`; "" for
            none.
    """

    kind: Literal["opened"] = "opened"
    shown: ShownKind
    mask: str = ""
    error: str = ""

    @property
    def history_text(self) -> str:
        """One line for the history, which does not disclose a seeded error before it is settled."""
        shown = {"saved": "the saved mask", "nothing": "no mask"}.get(self.shown, "the draft")
        return f"opened with {shown}"


class MaskSaved(_EventPayload):
    """An annotator saved a mask to a file.

    Attributes:
        mask: path of the file, relative to the project's folder if it lies there.
        sha256: of that file.
        verified: slices (z of the canonical grid) that the annotator has seen; None is every slice.
        active_seconds: time at work, without pauses.
        edits: number of strokes by tool.
        finished: whether the annotator is done with the case.
        read: 1 for the first reading, 2 for the second, blind one.
        declared: slices that the annotator declared right; part of `verified`.
        places: keys of the places to check that the annotator closed.
        corrected: slices in which the annotator changed the mask, or that they declared right; None if that
            is not known, as in older projects.
        unseen: number of slices with mask that nobody had looked at; None if that is not known, as in older
            projects.
        open_places: number of places to check that were still open; None if that is not known.
        keeps_status: whether the mask equals, voxel by voxel, the one that was saved before, so that the
            status of the case does not change.
    """

    kind: Literal["saved"] = "saved"
    mask: str
    sha256: _Sha256
    verified: tuple[_Count, ...] | None
    active_seconds: Annotated[float, Field(ge=0)]
    edits: dict[str, int] = Field(default_factory=dict)
    finished: bool = True
    read: Literal[1, 2] = 1
    declared: tuple[_Count, ...] = ()
    places: tuple[_Text, ...] = ()
    # The following fields are missing in events of older versions, which are still read.
    corrected: tuple[_Count, ...] | None = None
    unseen: _Count | None = None
    open_places: _Count | None = None
    keeps_status: bool = False

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        seen = "all slices" if self.verified is None else counted(len(self.verified), "slice")
        second = " as second reader" if self.read == 2 else ""
        same = " without a change" if self.keeps_status else ""
        strokes = counted(sum(self.edits.values()), "stroke")
        return f"saved{second}{same}: {seen} verified, {strokes}, {self.active_seconds / 60:.1f} min"


class CaseAccepted(_EventPayload):
    """The saved mask was accepted as right."""

    kind: Literal["accepted"] = "accepted"

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return "accepted"


class CaseRejected(_EventPayload):
    """The case was rejected as unusable; `reason` says why."""

    kind: Literal["rejected"] = "rejected"
    reason: _Text

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return f"rejected: {self.reason}"


class CaseReopened(_EventPayload):
    """The case was opened again for further work."""

    kind: Literal["reopened"] = "reopened"

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return "reopened"


class CaseAssigned(_EventPayload):
    """The case was assigned to the person named `to`; "" is nobody."""

    kind: Literal["assigned"] = "assigned"
    to: str

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return f"assigned to {self.to}" if self.to else "assigned to nobody"


class NoteChanged(_EventPayload):
    """The note of the case was changed to `text`; "" removes it."""

    kind: Literal["noted"] = "noted"
    text: str

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return f"note: {self.text}" if self.text else "note taken away"


class SecondReadAsked(_EventPayload):
    """Another annotator was asked to draw the case again without seeing the first mask.

    Attributes:
        reader: name of the second reader; "" is anybody but the first.
        share, seed: share of the cases and seed of the draw by which the case was chosen.
    """

    kind: Literal["second read asked"] = "second read asked"
    reader: str
    share: Share
    seed: int

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return f"chosen for a second read by {self.reader or 'another annotator'}"


class SeededErrorChecked(_EventPayload):
    """A mask was saved for a case whose draft had been shown with a seeded error.

    Attributes:
        kept: share of the wrong voxels that are still wrong in the saved mask, 0 to 1.
        accepted: whether the error counts as accepted.
    """

    kind: Literal["checked"] = "checked"
    kept: Share
    accepted: bool

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        found = "was accepted: the case is to be done again" if self.accepted else "was corrected"
        return f"the draft had a seeded error, which {found} ({self.kept:.0%} of it stayed)"


class ProjectSettings(_EventPayload):
    """Settings of the whole project. They are an event, so that the log says since when they hold.

    Attributes:
        without_draft: share of the cases that are opened without their draft, 0 to 1.
        seeded_errors: share of the cases whose draft is shown with a known error, 0 to 1.
        second_reader_sees_draft: whether a second reader begins with the draft instead of an empty mask.
        seed: seed of the draws that choose these cases.
    """

    kind: Literal["settings"] = "settings"
    without_draft: Share = 0.0
    seeded_errors: Share = 0.0
    second_reader_sees_draft: bool = False
    seed: int = 1

    @property
    def history_text(self) -> str:
        """One line for the history of the case."""
        return f"{self.without_draft:.0%} without draft, {self.seeded_errors:.0%} with a seeded error"


EventPayload = (
    CaseAdded
    | CaseMoved
    | CaseDrafted
    | DraftFailed
    | CaseSuggested
    | CaseOpened
    | MaskSaved
    | CaseAccepted
    | CaseRejected
    | CaseReopened
    | CaseAssigned
    | NoteChanged
    | SecondReadAsked
    | SeededErrorChecked
    | ProjectSettings
)

PAYLOAD_ADAPTER: TypeAdapter[EventPayload] = TypeAdapter(Annotated[EventPayload, Field(discriminator="kind")])
"""Validates a payload of any kind from what `model_dump` returned for it."""


@dataclass(frozen=True)
class ProjectEvent:
    """Something that happened in a project.

    Attributes:
        who: name of the person; "attunet" for what the program did by itself.
        when: time in UTC.
        model: the model that was involved; None for none.
        payload: what happened.
    """

    who: str
    when: datetime
    model: ModelId | None
    payload: EventPayload

"""What can happen in a project: one frozen model a kind, and the event that carries it.

Events are only ever added. Everything that is known of a case is a fold over its events (`status`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from attunet_gui.core.counting import counted

Share = Annotated[float, Field(ge=0, le=1)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]
_Text = Annotated[str, Field(min_length=1)]


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Added(_Payload):
    """The CT came into the list."""

    kind: Literal["added"] = "added"
    copied: bool = False

    @property
    def words(self) -> str:
        """For the history."""
        return "added, as a copy" if self.copied else "added, where it lies"


class Moved(_Payload):
    """The same CT was found in another place, and was gone from the old one."""

    kind: Literal["moved"] = "moved"

    @property
    def words(self) -> str:
        """For the history."""
        return "found in another folder"


class Drafted(_Payload):
    """A model drafted the case.

    Attributes:
        mask: the file, relative to the project's folder.
        volume_ml, uncertainty, effort, places, visible: as in `attunet_gui.project.outlook`.
        seconds: wall time.
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
    def words(self) -> str:
        """For the history."""
        slices = f"about {self.effort:.0f} of {counted(self.slices, 'slice')} to correct"
        return f"drafted: {self.volume_ml:.1f} ml, {counted(self.places, 'place')} to check, {slices}"


class DraftFailed(_Payload):
    """The case could not be drafted; `reason` is a sentence."""

    kind: Literal["draft failed"] = "draft failed"
    reason: _Text

    @property
    def words(self) -> str:
        """For the history."""
        return f"could not be drafted: {self.reason}"


class Suggested(_Payload):
    """The case was named as the next one.

    Attributes:
        strategy: key of `attunet_gui.project.ordering.STRATEGIES`.
        score: by which it came first; None where the order needs none.
        reason: for a person.
    """

    kind: Literal["suggested"] = "suggested"
    strategy: str
    score: float | None
    reason: str

    @property
    def words(self) -> str:
        """For the history."""
        return f"named as the next case: {self.reason}"


ShownKind = Literal["draft", "saved", "nothing", "seeded error"]
"""What an annotator begins with; "nothing" is a blind reading, or a case shown without its draft."""


class Opened(_Payload):
    """A person began or went on.

    Attributes:
        shown: what she was shown.
        mask: of a draft with a seeded error the file, relative to the project's folder; "" otherwise.
        error: which seeded error, a key of `attunet_gui.project.seeded_errors.ERRORS`; "" for none.
    """

    kind: Literal["opened"] = "opened"
    shown: ShownKind
    mask: str = ""
    error: str = ""

    @property
    def words(self) -> str:
        """For the history; says nothing of a seeded error before it is settled."""
        shown = {"saved": "the saved mask", "nothing": "no mask"}.get(self.shown, "the draft")
        return f"opened with {shown}"


class Saved(_Payload):
    """A person's mask is in a file.

    Attributes:
        mask: the file, relative to the project's folder if it lies there.
        verified: slices of the canonical grid that she has seen; None is every slice.
        edits: strokes by tool.
        finished: whether she is done with the case.
        read: 1, or 2 for the second, blind reading.
        declared: slices that she said are right; part of `verified`.
        places: keys of the places to check that she closed.
        corrected: slices in which she changed the mask, or that she declared right; None if that is not
            known, as in older projects.
        unseen: slices with mask that nobody had looked at; None if that is not known, as in older projects.
        open_places: places to check that were open, likewise.
        keeps_status: the mask is, voxel by voxel, the one that was saved before: nothing follows from it.
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
    corrected: tuple[_Count, ...] | None = None
    unseen: _Count | None = None
    open_places: _Count | None = None
    keeps_status: bool = False

    @property
    def words(self) -> str:
        """For the history."""
        seen = "all slices" if self.verified is None else counted(len(self.verified), "slice")
        second = " as second reader" if self.read == 2 else ""
        same = " without a change" if self.keeps_status else ""
        strokes = counted(sum(self.edits.values()), "stroke")
        return f"saved{second}{same}: {seen} verified, {strokes}, {self.active_seconds / 60:.1f} min"


class Accepted(_Payload):
    """The mask is right as it is."""

    kind: Literal["accepted"] = "accepted"

    @property
    def words(self) -> str:
        """For the history."""
        return "accepted"


class Rejected(_Payload):
    """The case is of no use; `reason` says why."""

    kind: Literal["rejected"] = "rejected"
    reason: _Text

    @property
    def words(self) -> str:
        """For the history."""
        return f"rejected: {self.reason}"


class Reopened(_Payload):
    """The case is to be worked on again."""

    kind: Literal["reopened"] = "reopened"

    @property
    def words(self) -> str:
        """For the history."""
        return "reopened"


class Assigned(_Payload):
    """The case is `to` somebody; "" is to nobody."""

    kind: Literal["assigned"] = "assigned"
    to: str

    @property
    def words(self) -> str:
        """For the history."""
        return f"assigned to {self.to}" if self.to else "assigned to nobody"


class Noted(_Payload):
    """The note of the case is `text` from now on."""

    kind: Literal["noted"] = "noted"
    text: str

    @property
    def words(self) -> str:
        """For the history."""
        return f"note: {self.text}" if self.text else "note taken away"


class SecondReadAsked(_Payload):
    """Another annotator shall draw the case again, without the first mask.

    Attributes:
        reader: who; "" for anybody but the first.
        share, seed: by which the case was drawn.
    """

    kind: Literal["second read asked"] = "second read asked"
    reader: str
    share: Share
    seed: int

    @property
    def words(self) -> str:
        """For the history."""
        return f"chosen for a second read by {self.reader or 'another annotator'}"


class Checked(_Payload):
    """A draft with a seeded error came back.

    Attributes:
        kept: share of the wrong voxels that are still wrong in the mask.
        accepted: whether the error counts as accepted.
    """

    kind: Literal["checked"] = "checked"
    kept: Share
    accepted: bool

    @property
    def words(self) -> str:
        """For the history."""
        found = "was accepted: the case is to be done again" if self.accepted else "was corrected"
        return f"the draft had a seeded error, which {found} ({self.kept:.0%} of it stayed)"


class ProjectSettings(_Payload):
    """What holds for the whole project; an event, so that it is known since when.

    Attributes:
        without_draft: share of the cases that are opened without their draft.
        seeded_errors: share of the cases whose draft is shown with a known error.
        second_reader_sees_draft: whether a second reader begins with the draft, or with nothing.
        seed: by which cases are drawn.
    """

    kind: Literal["settings"] = "settings"
    without_draft: Share = 0.0
    seeded_errors: Share = 0.0
    second_reader_sees_draft: bool = False
    seed: int = 1

    @property
    def words(self) -> str:
        """For the history."""
        return f"{self.without_draft:.0%} without draft, {self.seeded_errors:.0%} with a seeded error"


Payload = (
    Added
    | Moved
    | Drafted
    | DraftFailed
    | Suggested
    | Opened
    | Saved
    | Accepted
    | Rejected
    | Reopened
    | Assigned
    | Noted
    | SecondReadAsked
    | Checked
    | ProjectSettings
)

PAYLOADS: TypeAdapter[Payload] = TypeAdapter(Annotated[Payload, Field(discriminator="kind")])
"""Reads any payload back from what its `model_dump` gave."""


@dataclass(frozen=True)
class Event:
    """What happened.

    Attributes:
        who: the person; "attunet" for what happens by itself.
        when: UTC.
        model: name and sha256 of the model that had a part in it, as `model_words` puts them; "" for none.
        payload: what it was.
    """

    who: str
    when: datetime
    model: str
    payload: Payload


def model_words(name: str, sha256: str) -> str:
    """A model in one line: enough to find it again and to prove it unchanged."""
    return f"{name} {sha256}"

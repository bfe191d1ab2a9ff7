"""The entries of a case's journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.core.edit_stroke import EditStroke


@dataclass(frozen=True)
class StrokeUndone:
    """The last stroke, made with `tool`, was undone."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class StrokeRedone:
    """The stroke that was undone last, made with `tool`, was redone."""

    user: str
    when: float
    tool: str


@dataclass(frozen=True)
class SlicesVerified:
    """From now on `slices`, and no others, are verified; each stays so until its mask changes."""

    user: str
    when: float
    slices: frozenset[int]


@dataclass(frozen=True)
class FindingsAccepted:
    """From now on the places of the review list with these `keys`, and no others, are accepted."""

    user: str
    when: float
    keys: frozenset[str]


@dataclass(frozen=True)
class MaskWritten:
    """A mask was written to a file.

    Attributes:
        path: the file.
        crc: CRC-32 of the saved mask, computed as for `Tally.crc`.
        current: whether the saved mask is the mask as it was at this entry. It is not where the annotator
            went on editing while a background thread wrote the file.
    """

    user: str
    when: float
    path: Path
    crc: int
    current: bool


@dataclass(frozen=True)
class SessionOpened:
    """The case was shown on screen."""

    user: str
    when: float


@dataclass(frozen=True)
class SessionClosed:
    """The case was closed normally. The entry is missing after a crash."""

    user: str
    when: float


JournalEntry = (
    EditStroke
    | StrokeUndone
    | StrokeRedone
    | SlicesVerified
    | FindingsAccepted
    | MaskWritten
    | SessionOpened
    | SessionClosed
)
"""Any entry of a journal. The field `when` is in seconds since the epoch in all of them."""

"""What a session says of its work: the last message, and the file that is read or saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FileTask:
    """The progress of reading or saving a file: `done` of `total` steps of `stage`."""

    kind: Literal["reading", "saving"]
    name: str
    done: int = 0
    total: int = 0
    stage: str = ""


@dataclass(frozen=True)
class StatusMessage:
    """The sentence about the last action that the window shows; `problem` says that it needs attention."""

    text: str
    problem: bool = False

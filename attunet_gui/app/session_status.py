"""What a session says of its work: the last message, the file that is read or saved, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

_PROGRESS_INTERVAL_S = 0.1


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


class ProgressThrottle:
    """Calls `report` for progress at most every `_PROGRESS_INTERVAL_S` seconds.

    Redrawing takes as long as the network takes for a slice, and slices arrive by the hundred.
    """

    def __init__(self, report: Callable[[], None]) -> None:
        self._report, self._reported_at = report, float("-inf")

    def progressed(self) -> None:
        """Report, unless that was done a moment ago."""
        if monotonic() - self._reported_at > _PROGRESS_INTERVAL_S:
            self._reported_at = monotonic()
            self._report()

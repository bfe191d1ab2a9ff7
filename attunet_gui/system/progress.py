"""Reporting and cancelling of long work by one callable that is passed down to it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Protocol


class StageTimer:
    """A stop watch that adds the time between two laps to a named stage.

    Attributes:
        seconds: name of the stage -> wall time so far, in seconds.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = perf_counter()

    def record_stage(self, stage: str) -> None:
        """Add the time since the last lap, or since the start, to `stage`."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @property
    def total_seconds(self) -> float:
        """Wall time of all stages together, in seconds."""
        return sum(self.seconds.values())


class ProgressCallback(Protocol):
    """A callable that long work calls between its steps.

    An implementation may raise `WorkCancelled`. The work must then leave nothing half done.
    """

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Report that `done` of `total` steps are finished.

        Args:
            done, total: numbers of steps.
            stage: name of the stage for the user, such as "reading" or "slices".
        """


ADAPTATION_STAGE = "learning"
"""The stage in which a network adapts to corrected slices."""


def no_progress(done: int, total: int, stage: str) -> None:
    """Do nothing; the `ProgressCallback` of work that nobody watches."""


_PROGRESS_INTERVAL_S = 0.1


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

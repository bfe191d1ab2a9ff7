"""Measurement of wall time by stage."""

from __future__ import annotations

from time import perf_counter


class Clock:
    """A stop watch that adds the time between two laps to a named stage.

    Attributes:
        seconds: name of the stage -> wall time so far, in seconds.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap, or since the start, to `stage`."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @property
    def total(self) -> float:
        """Wall time of all stages together, in seconds."""
        return sum(self.seconds.values())

"""Wall time a stage."""

from __future__ import annotations

from time import perf_counter


class Clock:
    """Adds the seconds since the last lap to the named stage.

    Attributes:
        seconds: stage -> wall seconds so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = perf_counter()

    def lap(self, stage: str) -> None:
        """Charge the time since the last lap to `stage`."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @property
    def total(self) -> float:
        """Seconds over all stages."""
        return sum(self.seconds.values())

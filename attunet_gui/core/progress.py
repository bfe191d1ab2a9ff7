"""Reporting and cancelling of long work by one callable that is passed down to it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A callable that long work calls between its steps.

    An implementation may raise `Cancelled`. The work must then leave nothing half done.
    """

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Report that `done` of `total` steps are finished.

        Args:
            done, total: numbers of steps.
            stage: name of the stage for the user, such as "reading" or "slices".
        """


LEARNING = "learning"
"""The stage in which a network adapts to corrected slices."""


def silent(done: int, total: int, stage: str) -> None:
    """Do nothing; the `Progress` of work that nobody watches."""

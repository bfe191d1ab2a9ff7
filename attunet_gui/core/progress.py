"""How long work reports and is cancelled: one callable, passed down."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called between steps of long work.

    An implementation may raise `Cancelled`; the work must then leave nothing half done.
    """

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Report `done` of `total` steps of `stage` (a word for the user: "reading", "slices")."""


LEARNING = "learning"
"""Stage of a job in which a network adapts to corrected slices."""


def silent(done: int, total: int, stage: str) -> None:
    """A `Progress` that nobody watches."""

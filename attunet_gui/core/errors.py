"""Errors a user may see. Each message is one sentence or two: what was expected, what came, what to do."""

from __future__ import annotations


class AttunetError(Exception):
    """An expected failure whose message is fit for the person at the screen."""


class UnreadableInput(AttunetError):
    """A file or folder that cannot be opened as CT."""


class ChooseSeries(UnreadableInput):
    """A DICOM folder holds several series and the caller must name one.

    Attributes:
        choices: one `(key, description)` pair a series; pass the key back as `series`.
    """

    def __init__(self, message: str, choices: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message)
        self.choices = choices


class UnwritableOutput(AttunetError):
    """A result that could not be written, or that read back differently from what was meant."""


class BadModel(AttunetError):
    """A model bundle that is incomplete, changed or of an unknown kind."""


class WorkerDied(AttunetError):
    """The child process that runs the network ended without an answer."""


class Cancelled(Exception):
    """The user asked long work to stop. Not an error: nothing is reported."""

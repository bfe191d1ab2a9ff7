"""Errors that a user may see.

Each message is one or two sentences that say what was expected, what was found, and what to do.
"""

from __future__ import annotations


class AttunetError(Exception):
    """An expected failure whose message may be shown to the user as it is."""


class UnreadableInput(AttunetError):
    """A file or folder cannot be read as what it should be, such as CT or a mask."""


class SeriesChoiceNeeded(UnreadableInput):
    """A DICOM folder holds several series, and the caller must name one of them.

    Attributes:
        choices: a pair (key, description) for each series; the key is passed back as `series`.
    """

    def __init__(self, message: str, choices: tuple[tuple[str, str], ...]) -> None:
        # Both are arguments, so that a child process can send the error.
        super().__init__(message, choices)
        self.choices = choices

    def __str__(self) -> str:
        return str(self.args[0])


class UnwritableOutput(AttunetError):
    """A result could not be written, or differed from what was meant when it was read back."""


class InvalidModelBundle(AttunetError):
    """A model bundle is incomplete, was changed, or is of an unknown kind."""


class InferenceProcessDied(AttunetError):
    """The child process that runs the network ended without a result."""


class WorkCancelled(Exception):
    """The user asked long work to stop. This is not an error, so nothing is reported.

    It is no `AttunetError`, so code that turns those into messages does not swallow it.
    """


class ProjectError(AttunetError):
    """A project cannot be opened, or the state of a project or case does not allow what was asked."""


def failure_sentence(error: Exception, doing: str) -> str:
    """Return the message for the annotator about `error`, which ended `doing`, such as "exporting"."""
    if isinstance(error, AttunetError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"There was not enough memory while {doing}; close other programs and try again."
    return f"An unexpected {type(error).__name__} came up while {doing}; try again."

"""Sentences about decisions in a project, for the window and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence

from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.system.plurals import abbreviated_list

_MOST_NAMES = 10


def first_names_text(names: Sequence[str]) -> str:
    """Return the first ten of `names`, and how many more there are."""
    return abbreviated_list(names, _MOST_NAMES)


def assigned_message(names: Sequence[str], to: str) -> str:
    """Return what was assigned to the annotator `to`; "" is nobody."""
    return f"{first_names_text(names)}: {f'assigned to {to}' if to else 'nobody has it'}."


def second_reads_message(names: Sequence[str], reader: str) -> str:
    """Return which cases are drawn again by `reader`; "" is anybody but their first annotator."""
    if not names:
        return "So many cases are read twice already: none was added."
    return f"To be drawn again by {reader or 'anybody but their first annotator'}: {first_names_text(names)}."


def settings_message(settings: ProjectSettings) -> str:
    """Return which settings are valid from now on."""
    return f"From now on {settings.history_text}."

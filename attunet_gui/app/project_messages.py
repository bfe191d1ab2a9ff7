"""Sentences about decisions in a project, for the window and the command line alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.system.plurals import abbreviated_list, counted, plural_of

_MOST_NAMES = 10


def first_names_text(names: Sequence[str]) -> str:
    """Return the first ten of `names`, and how many more there are."""
    return abbreviated_list(names, _MOST_NAMES)


def count_cases_text(count: int) -> str:
    """Return a number of cases as text, with spaces between thousands: "1 case", "12 000 cases"."""
    return f"{count:,} {plural_of(count, 'case')}".replace(",", " ")


def statuses_text(statuses: Iterable[CaseStatus]) -> str:
    """Return the statuses by which cases are chosen: "accepted or reviewed"."""
    return " or ".join(sorted(statuses))


def joined_report(sentences: Sequence[str], failures: Sequence[str], noun: str) -> str:
    """Return `sentences` in one text, followed by the first of `failures` and how many more there are.

    Args:
        sentences: what was done.
        failures: a sentence for each that failed.
        noun: what failed, such as "file".
    """
    more = [f"And {counted(len(failures) - 1, noun)} more."] if len(failures) > 1 else []
    return " ".join((*sentences, *failures[:1], *more))


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

"""`attunet export`: write the cases of a project as a data set for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.counting import counted, noun_of
from attunet_gui.core.errors import AttunetError
from attunet_gui.io.exports import Identity, Order, Report, export, export_format, read_key
from attunet_gui.project.exporting import export_cases, key_path
from attunet_gui.project.project import Project
from attunet_gui.project.rows import CaseQuery, CaseRow
from attunet_gui.project.status import Status, status_called


@dataclass(frozen=True)
class Wanted:
    """What to export.

    Attributes:
        format: name of the data set's format.
        status: names of the statuses whose cases are exported.
        keep_identifiers: keep file names, annotators' names and UIDs of the source.
    """

    format: str
    status: Sequence[str] = (Status.ACCEPTED,)
    keep_identifiers: bool = False


def export_project(project: Project, output: Path, wanted: Wanted) -> None:
    """Export the cases of a project into the folder `output`, and print what was done.

    Raises:
        AttunetError: no case has the status, or some could not be exported; all others are exported then.
    """
    form = export_format(wanted.format)
    rows = _rows(project, wanted.status)
    cases = export_cases(project, rows)
    identity = Identity(read_key(key_path(project)), wanted.keep_identifiers)
    with progress_bar("exporting") as progress:
        report = export(cases, Order(output, form, identity), progress)
    unsaved = {row.name for row in rows} - {case.name for case in cases}
    _tell(report, output, form.title)
    for name in sorted(unsaved):
        console.print(f"{name} was not exported: nobody has saved a mask of it.")
    missing = len(report.refused) + len(unsaved)
    if missing:
        raise AttunetError(f"{_cases(missing)} of {len(rows)} could not be exported; see above.")


def _rows(project: Project, names: Sequence[str]) -> tuple[CaseRow, ...]:
    """Return the rows of all cases with one of the statuses; `AttunetError` if there are none."""
    wanted = frozenset(status_called(name) for name in names)
    rows = project.cases(CaseQuery(status=wanted))
    if not rows:
        said = " or ".join(sorted(wanted))
        raise AttunetError(f"No case of the project is {said}: accept some, or name another --status.")
    return rows


def _tell(report: Report, output: Path, title: str) -> None:
    """Print what was exported, what lies there from before, and what was refused and why."""
    done = len(report.added) + len(report.replaced) + len(report.unchanged)
    if done:
        console.print(
            f"{_cases(done)} in {output} ({title}): {len(report.added)} added, {len(report.replaced)} "
            f"replaced, {len(report.unchanged)} unchanged; every label was read back and compared."
        )
    if report.others:
        console.print(f"From earlier exports there {_are(len(report.others))}: {', '.join(report.others)}.")
    for name, reason in report.refused.items():
        console.print(f"{name} was not exported: {reason}")


def _cases(count: int) -> str:
    """Return "1 case" or "N cases"."""
    return counted(count, "case")


def _are(count: int) -> str:
    """Return "is 1 other case" or "are N other cases"."""
    return f"{noun_of(count, 'is', 'are')} {counted(count, 'other case')}"

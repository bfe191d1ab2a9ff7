"""`attunet export`: write the cases of a project as a data set for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.export import (
    ExportOptions,
    ExportReport,
    Pseudonymizer,
    export_dataset,
    export_format_named,
    read_export_key,
)
from attunet_gui.project.case_rows import CaseQuery, CaseRow
from attunet_gui.project.case_state import CaseStatus, parse_status
from attunet_gui.project.project_export import export_cases_of, export_key_path
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted, plural_of


@dataclass(frozen=True)
class ExportCommandOptions:
    """What to export.

    Attributes:
        format: name of the data set's format.
        status: names of the statuses whose cases are exported.
        keep_identifiers: keep file names, annotators' names and UIDs of the source.
    """

    format: str
    status: Sequence[str] = (CaseStatus.ACCEPTED,)
    keep_identifiers: bool = False


def export_project(project: Project, output: Path, wanted: ExportCommandOptions) -> None:
    """Export the cases of a project into the folder `output`, and print what was done.

    Raises:
        AttunetError: no case has the status, or some could not be exported; all others are exported then.
    """
    form = export_format_named(wanted.format)
    rows = _select_rows(project, wanted.status)
    cases = export_cases_of(project, rows)
    identity = Pseudonymizer(read_export_key(export_key_path(project)), wanted.keep_identifiers)
    with progress_bar("exporting") as progress:
        report = export_dataset(cases, ExportOptions(output, form, identity), progress)
    unsaved = {row.name for row in rows} - {case.name for case in cases}
    _print_report(report, output, form.title)
    for name in sorted(unsaved):
        console.print(f"{name} was not exported: nobody has saved a mask of it.")
    missing = len(report.refused) + len(unsaved)
    if missing:
        raise AttunetError(f"{_count_of_cases(missing)} of {len(rows)} could not be exported; see above.")


def _select_rows(project: Project, names: Sequence[str]) -> tuple[CaseRow, ...]:
    """Return the rows of all cases with one of the statuses; `AttunetError` if there are none."""
    wanted = frozenset(parse_status(name) for name in names)
    rows = project.list_cases(CaseQuery(status=wanted))
    if not rows:
        said = " or ".join(sorted(wanted))
        raise AttunetError(f"No case of the project is {said}: accept some, or name another --status.")
    return rows


def _print_report(report: ExportReport, output: Path, title: str) -> None:
    """Print what was exported, what lies there from before, and what was refused and why."""
    done = len(report.added) + len(report.replaced) + len(report.unchanged)
    if done:
        console.print(
            f"{_count_of_cases(done)} in {output} ({title}): {len(report.added)} added, "
            f"{len(report.replaced)} "
            f"replaced, {len(report.unchanged)} unchanged; every label was read back and compared."
        )
    if report.others:
        console.print(
            f"From earlier exports there {_count_of_other_cases(len(report.others))}: "
            f"{', '.join(report.others)}."
        )
    for name, reason in report.refused.items():
        console.print(f"{name} was not exported: {reason}")


def _count_of_cases(count: int) -> str:
    """Return "1 case" or "N cases"."""
    return counted(count, "case")


def _count_of_other_cases(count: int) -> str:
    """Return "is 1 other case" or "are N other cases"."""
    return f"{plural_of(count, 'is', 'are')} {counted(count, 'other case')}"

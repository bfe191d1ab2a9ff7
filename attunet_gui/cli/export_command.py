"""`attunet export`: write the cases of a project as a data set for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attunet_gui.app.dataset_exporting import ExportRequest, export_cases
from attunet_gui.cli.console import console, progress_bar
from attunet_gui.export import export_format_named
from attunet_gui.project.case_state import CaseStatus, parse_status
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted


def parse_export_request(
    project: Project,
    output: Path,
    format_name: str,
    status: Sequence[str] = (CaseStatus.ACCEPTED,),
    keep_identifiers: bool = False,
) -> ExportRequest:
    """Return what was typed as a request.

    Args:
        project: whose cases are exported.
        output: folder of the data set.
        format_name: name of the data set's format.
        status: names of the statuses whose cases are exported.
        keep_identifiers: keep file names, annotators' names and UIDs of the source.

    Raises:
        AttunetError: there is no format or status of this name.
    """
    return ExportRequest(
        project,
        output,
        export_format_named(format_name),
        frozenset(parse_status(name) for name in status),
        keep_identifiers,
    )


def export_project(request: ExportRequest) -> None:
    """Export the cases of a project, and print what was done.

    Raises:
        AttunetError: no case has the status, or some could not be exported; all others are exported then.
    """
    with progress_bar("exporting") as progress:
        result = export_cases(request, progress)
    for sentence in (*result.sentences, *result.refused):
        console.print(sentence)
    missing = len(result.refused) + len(result.unsaved)
    if missing:
        report = result.report
        asked = missing + len(report.added) + len(report.replaced) + len(report.unchanged)
        raise AttunetError(f"{counted(missing, 'case')} of {asked} could not be exported; see above.")

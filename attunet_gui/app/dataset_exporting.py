"""Exporting cases of a project as a data set, for the window, the command line and fine-tuning alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.app.project_messages import count_cases_text, first_names_text, joined_report, statuses_text
from attunet_gui.export import (
    ExportOptions,
    ExportReport,
    Pseudonymizer,
    export_dataset,
    read_export_key,
)
from attunet_gui.export.export_format import ExportFormat
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_export import export_cases_of, export_key_path
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted, plural_of
from attunet_gui.system.progress import ProgressCallback, no_progress


@dataclass(frozen=True, eq=False)
class ExportRequest:
    """Which cases are exported, as what, and where to.

    Attributes:
        project: the project.
        folder: of the data set; new, empty, or with an earlier export of the same kind.
        format: one of `export.format_registry.EXPORT_FORMATS`.
        status: the cases with one of these are exported.
        keep_identifiers: whether names and UIDs of the source are written too.
    """

    project: Project
    folder: Path
    format: ExportFormat
    status: frozenset[CaseStatus] = frozenset({CaseStatus.ACCEPTED})
    keep_identifiers: bool = False


@dataclass(frozen=True)
class ExportResult:
    """What was exported and what was not.

    Attributes:
        report: the names of the cases, by what became of them.
        unsaved: names of the cases of which no mask is saved.
        sentences: what was exported, what lies there from before, and what has no mask.
        refused: a sentence for each case that could not be exported.
    """

    report: ExportReport
    unsaved: tuple[str, ...]
    sentences: tuple[str, ...]
    refused: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """All of it in one text, with the first of the cases that were refused."""
        return joined_report(self.sentences, self.refused, "case")


def export_cases(request: ExportRequest, progress: ProgressCallback = no_progress) -> ExportResult:
    """Write the cases with their last masks as a data set, or bring the one that is there up to date.

    Raises:
        AttunetError: if no case has one of the statuses, or something else is in the folder.
        UnwritableOutput: if the data set cannot be written; the next export reuses what was done.
        WorkCancelled: from `progress`; the folder is as before then.
    """
    project = request.project
    rows = project.list_cases(CaseQuery(status=request.status))
    if not rows:
        raise AttunetError(
            f"No case of the project is {statuses_text(request.status)}: accept some, or choose another "
            "status; there is nothing to export yet."
        )
    cases = export_cases_of(project, rows)
    identity = Pseudonymizer(read_export_key(export_key_path(project)), request.keep_identifiers)
    report = export_dataset(cases, ExportOptions(request.folder, request.format, identity), progress)
    unsaved = tuple(sorted({row.name for row in rows} - {case.name for case in cases}))
    return ExportResult(
        report,
        unsaved,
        tuple(_export_sentences(request, report, unsaved)),
        tuple(f"{name} was not exported: {reason}" for name, reason in report.refused.items()),
    )


def _export_sentences(request: ExportRequest, report: ExportReport, unsaved: tuple[str, ...]) -> list[str]:
    sentences = []
    done = len(report.added) + len(report.replaced) + len(report.unchanged)
    if done:
        sentences.append(
            f"{count_cases_text(done)} in {request.folder} ({request.format.title}): {len(report.added)} "
            f"added, {len(report.replaced)} replaced, {len(report.unchanged)} unchanged; every label was "
            "read back and compared."
        )
    if report.others:
        there = plural_of(len(report.others), "is", "are")
        others = counted(len(report.others), "other case")
        sentences.append(f"From earlier exports there {there} {others}: {first_names_text(report.others)}.")
    if unsaved:
        were, them = plural_of(len(unsaved), "was", "were"), plural_of(len(unsaved), "it", "them")
        sentences.append(
            f"{first_names_text(unsaved)} {were} not exported: nobody has saved a mask of {them}."
        )
    return sentences

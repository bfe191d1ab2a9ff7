"""Turning the cases of a project into the cases that `export` writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attunet_gui.export import ExportCase
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.project_store import Project


def export_key_path(project: Project) -> Path:
    """Return the path of the key of the pseudonyms.

    The key is kept in the project, so that everybody who exports from it maps names and UIDs alike.
    """
    return project.folder / "export.key"


def export_cases_of(project: Project, rows: Iterable[CaseRow]) -> tuple[ExportCase, ...]:
    """Return each of `rows` with the first reader's last mask; cases without a saved mask are left out."""
    found = (export_case_of(project, row) for row in rows)
    return tuple(case for case in found if case is not None)


def export_case_of(project: Project, row: CaseRow) -> ExportCase | None:
    """Return the case of `row` with the first reader's last mask; None if no mask is saved."""
    saved = project.saved_mask(row)
    if saved is None:
        return None
    return ExportCase(
        name=row.name,
        image=row.path,
        mask=saved.mask,
        verified=saved.verified,
        annotator=saved.annotator,
        model=str(saved.model or ""),
        edits=saved.edits_by_tool,
        seconds=saved.active_seconds,
        time=saved.time,
        series=row.series,
        mask_sha256=saved.sha256,
        corrected=saved.corrected,
    )

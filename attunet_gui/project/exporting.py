"""Cases of a project as the exports take them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attunet_gui.io.exports import ExportCase
from attunet_gui.project.project import Project
from attunet_gui.project.rows import CaseRow


def key_path(project: Project) -> Path:
    """Of the key by which names and UIDs are mapped alike for all who work here; it stays in the project."""
    return project.folder / "export.key"


def export_cases(project: Project, rows: Iterable[CaseRow]) -> tuple[ExportCase, ...]:
    """The first reader's last mask of each of `rows`; those without a saved mask are left out."""
    found = (export_case(project, row) for row in rows)
    return tuple(case for case in found if case is not None)


def export_case(project: Project, row: CaseRow) -> ExportCase | None:
    """`row` with the first reader's last mask; None if nothing is saved."""
    saved = project.saved(row)
    if saved is None:
        return None
    return ExportCase(
        name=row.name,
        image=row.path,
        mask=saved.mask,
        verified=saved.verified,
        annotator=saved.annotator,
        model=saved.model,
        edits=saved.edits_by_tool,
        seconds=saved.active_seconds,
        time=saved.time,
        series=row.series,
        mask_sha256=saved.sha256,
        corrected=saved.corrected,
    )

"""Texts about a case in the list, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from attunet_gui.app.project_messages import count_cases_text
from attunet_gui.core.provenance import ModelId
from attunet_gui.project.case_rows import CaseRow, HistoryLine
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.system.plurals import counted

_TOLD_FIRST = (
    *(CaseStatus.ACCEPTED, CaseStatus.REVIEWED, CaseStatus.IN_PROGRESS, CaseStatus.DRAFTED, CaseStatus.NEW),
    *(CaseStatus.SECOND_READ, CaseStatus.REJECTED),
)


def case_line_text(row: CaseRow) -> str:
    """Return the second line of a row: what is to correct, whose case it is, note and volume."""
    parts = [row.reason or row.failure]
    if row.effort is not None:
        parts.append(f"{row.effort:.0f} to correct")
    parts += [row.assignee and f"@{row.assignee}", row.note and f"“{row.note}”"]
    if row.volume_ml is not None:
        parts.append(f"{row.volume_ml:.0f} ml")
    return "  ·  ".join(part for part in parts if part) or "no draft yet"


def case_tooltip_text(row: CaseRow) -> str:
    """Return all that the list knows of a case. It may name the source file, so it is for the window only."""
    told = [
        f"{row.name}: {row.status}",
        f"File: {row.file_name}",
        _draft_text(row),
        row.assignee and f"Assigned to {row.assignee}",
        row.annotator and f"Annotated by {row.annotator}, {row.active_seconds / 60:.1f} min",
        row.note and f"Note: {row.note}",
        row.reason and f"Rejected: {row.reason}",
        row.failure and f"Not drafted: {row.failure}",
    ]
    return "\n".join(filter(None, told))


def _draft_text(row: CaseRow) -> str:
    if row.volume_ml is None or row.effort is None or row.uncertainty is None:
        return ""
    return (
        f"Draft: {row.volume_ml:.1f} ml, about {counted(round(row.effort), 'slice')} to correct, "
        f"uncertainty {row.uncertainty:.2f}, {counted(row.places or 0, 'place')} to check"
    )


def status_counts_text(counts: Mapping[CaseStatus, int]) -> str:
    """Return the number of cases by status: "120 cases: 12 accepted, 3 in progress, 105 new"."""
    total = sum(counts.values())
    if not total:
        return "No case yet: import a folder of CT."
    told = ", ".join(f"{counts[status]} {status}" for status in _TOLD_FIRST if counts.get(status))
    return f"{count_cases_text(total)}: {told}"


def history_table_rows(lines: Sequence[HistoryLine]) -> list[tuple[str, str, str]]:
    """Return (local time, who, what) for each line of the history, newest first."""
    return [
        (_local_time_text(one.when), one.who, one.words + _by_model_text(one.model))
        for one in reversed(lines)
    ]


def _local_time_text(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M}"


def _by_model_text(model: ModelId | None) -> str:
    return "" if model is None else f" (by {model.name})"

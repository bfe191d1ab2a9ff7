"""Scores as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from attunet_gui.cli.console import console, print_empty_note
from attunet_gui.evaluation.case_scores import SCORE_MEASURES, MeanEstimate, ScoreSummary, ScoreTable

if TYPE_CHECKING:
    from attunet_gui.evaluation.model_guard import GuardVerdict


def print_verdict(verdict: GuardVerdict) -> None:
    """Print one row per case, the mean change of each group of cases, and the outcome in a sentence."""
    table = Table("judged by", "case", "DSC before", "after", "NSD before", "after")
    for group in verdict.groups:
        for row in (row for row in verdict.cases if row.group == group.group):
            scores = (row.dsc_before, row.dsc_after, row.nsd_before, row.nsd_after)
            table.add_row(row.group, row.case, *(f"{score:.3f}" for score in scores))
        table.add_row(group.group, "mean change", "", f"{group.dsc.mean:+.3f}", "", f"{group.nsd.mean:+.3f}")
        table.add_section()
    console.print(table)
    print_empty_note(verdict.empty_truths_note)
    console.print(verdict.sentence)


SCORE_HEADINGS = ("DSC", "precision", "recall")
"""Titles of the measures, in their order."""


def score_table(scores: ScoreTable, variants: Mapping[str, ScoreTable]) -> Table:
    """Return a table with one row per patient, the means, and the mean over patients of each variant.

    Args:
        scores: of the model.
        variants: scores under other assumptions, by title.
    """
    table = Table("patient", "cases", *SCORE_HEADINGS)
    for row in scores.patients:
        table.add_row(row.patient, str(row.cases), *(f"{getattr(row, name):.3f}" for name in SCORE_MEASURES))
    add_summary_rows(table, "mean of patients", len(scores.patients), scores.by_patient)
    add_summary_rows(table, "mean of cases", len(scores.cases), scores.by_case)
    for title, other in variants.items():
        add_summary_rows(table, title, len(other.patients), other.by_patient)
    return table


def add_summary_rows(table: Table, title: str, count: int, summary: ScoreSummary) -> None:
    """Add a row of means ± standard deviations over `count` cases, and below it their 95 % intervals."""
    estimates = [getattr(summary, name) for name in SCORE_MEASURES]
    table.add_section()
    table.add_row(title, str(count), *(f"{found.mean:.3f} ± {found.deviation:.3f}" for found in estimates))
    if summary.dsc.interval is not None:
        table.add_row("  95 % interval", "", *(interval_text(found) for found in estimates))


def interval_text(found: MeanEstimate) -> str:
    """Return the interval of the mean in words, "unknown" for a single patient."""
    return "unknown" if found.interval is None else "{:.3f} to {:.3f}".format(*found.interval)

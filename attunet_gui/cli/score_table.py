"""Scores as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from attunet_gui.evaluation.scores import MEASURES, Estimate, Scores, Summary

HEADINGS = ("DSC", "precision", "recall")
"""Titles of the measures, in their order."""


def score_table(scores: Scores, variants: Mapping[str, Scores]) -> Table:
    """Return a table with one row per patient, the means, and the mean over patients of each variant.

    Args:
        scores: of the model.
        variants: scores under other assumptions, by title.
    """
    table = Table("patient", "cases", *HEADINGS)
    for row in scores.patients:
        table.add_row(row.patient, str(row.cases), *(f"{getattr(row, name):.3f}" for name in MEASURES))
    add_summary(table, "mean of patients", len(scores.patients), scores.by_patient)
    add_summary(table, "mean of cases", len(scores.cases), scores.by_case)
    for title, other in variants.items():
        add_summary(table, title, len(other.patients), other.by_patient)
    return table


def add_summary(table: Table, title: str, count: int, summary: Summary) -> None:
    """Add a row of means ± standard deviations over `count` cases, and below it their 95 % intervals."""
    estimates = [getattr(summary, name) for name in MEASURES]
    table.add_section()
    table.add_row(title, str(count), *(f"{found.mean:.3f} ± {found.deviation:.3f}" for found in estimates))
    if summary.dsc.interval is not None:
        table.add_row("  95 % interval", "", *(interval(found) for found in estimates))


def interval(found: Estimate) -> str:
    """Return the interval of the mean in words, "unknown" for a single patient."""
    return "unknown" if found.interval is None else "{:.3f} to {:.3f}".format(*found.interval)

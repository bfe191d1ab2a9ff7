"""The comparison of two models as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from attunet_gui.cli.console import console, say_empty

if TYPE_CHECKING:
    from attunet_gui.evaluation.guard import Verdict


def print_verdict(verdict: Verdict) -> None:
    """Print one row per case, the mean change of each group of cases, and the outcome in a sentence."""
    table = Table("judged by", "case", "DSC before", "after", "NSD before", "after")
    for group in verdict.groups:
        for row in (row for row in verdict.cases if row.group == group.group):
            scores = (row.dsc_before, row.dsc_after, row.nsd_before, row.nsd_after)
            table.add_row(row.group, row.case, *(f"{score:.3f}" for score in scores))
        table.add_row(group.group, "mean change", "", f"{group.dsc.mean:+.3f}", "", f"{group.nsd.mean:+.3f}")
        table.add_section()
    console.print(table)
    say_empty(verdict.about_empty)
    console.print(verdict.sentence)

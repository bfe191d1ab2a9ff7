"""`attunet evaluate --pred DIR --truth DIR`: compare masks with true masks, whoever or whatever drew them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar, say_empty
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.provenance import now, versions
from attunet_gui.evaluation.pair_files import PairOrder, compared_pairs
from attunet_gui.evaluation.pair_report import Compared, as_html
from attunet_gui.evaluation.pair_table import MEASURES, PairRow, about_empty, as_csv, summarise_pairs
from attunet_gui.evaluation.pictures import figure
from attunet_gui.evaluation.views import View
from attunet_gui.io.writing import make_folder, write_json, write_text

JSON_FILE, CSV_FILE, HTML_FILE = "pairs.json", "pairs.csv", "report.html"
_WORST = 12


def folders_to_compare(
    model: str | None, drafts: Path | None, truths: Path | None
) -> tuple[Path, Path] | None:
    """Return the folders of drafts and truths; None if a model is to be measured instead.

    Raises:
        AttunetError: neither a model nor both folders are named, or a model and a folder.
    """
    if model and not (drafts or truths):
        return None
    if drafts and truths and not model:
        return drafts, truths
    raise AttunetError("Name either a model, or masks with --pred FOLDER and --truth FOLDER.")


def evaluate_pairs(order: PairOrder, output: Path | None) -> None:
    """Compare pairs of masks, print a table, and write table, record and report if a folder is given."""
    if output:
        figure(1, 1)  # without matplotlib it is better to stop now than after the work
        make_folder(output)
    rows: list[PairRow] = []
    worst: list[View] = []
    with progress_bar("evaluate") as progress:
        for pair in compared_pairs(order, progress):
            rows.append(pair.row)
            # Only the worst views are kept: those of all cases would fill the memory.
            worst = sorted([*worst, pair.view], key=lambda view: view.dsc)[:_WORST]
    console.print(_table(rows))
    say_empty(about_empty(rows))
    if output:
        compared = Compared(f"{order.drafts.name} against {order.truths.name}", tuple(rows), tuple(worst))
        write_json(output / JSON_FILE, _record(rows))
        write_text(output / CSV_FILE, as_csv(rows))
        write_text(output / HTML_FILE, as_html(compared))
        console.print(f"Written to {output}.")


def _table(rows: list[PairRow]) -> Table:
    """Return a row per case, then means and their 95 % intervals; "-" where a measure is undefined."""
    table = Table("case", *(measure.title for measure in MEASURES))
    for row in rows:
        table.add_row(row.name, *(row.text(measure) for measure in MEASURES))
    table.add_section()
    found = [summary.estimate for summary in summarise_pairs(rows)]
    digits = [measure.digits for measure in MEASURES]
    table.add_row(
        f"mean of {len(rows)}",
        *("-" if one is None else f"{one.mean:.{n}f}" for one, n in zip(found, digits, strict=True)),
    )
    table.add_row(
        "  95 % interval",
        *(
            "-" if one is None or one.interval is None else "{:.{n}f} to {:.{n}f}".format(*one.interval, n=n)
            for one, n in zip(found, digits, strict=True)
        ),
    )
    return table


def _record(rows: list[PairRow]) -> dict[str, Any]:
    """Return the content of pairs.json: every case, the empty truths, and the summary of each measure."""
    return {
        "made_by": "attunet evaluate --pred --truth",
        "cases": [
            {"case": row.name, "person": row.person}
            | {measure.name: row.value(measure) for measure in MEASURES}
            | {"draft_ml": row.scores.draft_ml, "truth_ml": row.scores.truth_ml}
            for row in rows
        ],
        "empty_truths": [row.name for row in rows if not row.scores.truth_ml],
        "summary": {
            found.measure.name: {
                "undefined": found.undefined,
                **(found.estimate.model_dump() if found.estimate else {}),
            }
            for found in summarise_pairs(rows)
        },
        "made": now(),
        "versions": versions(),
    }

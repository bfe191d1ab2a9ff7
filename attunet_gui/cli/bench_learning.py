"""`attunet bench learning`: what corrections of a few cases are worth to the next model."""

from __future__ import annotations

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.provenance import now, versions
from attunet_gui.io.writing import make_folder, write_json, write_text
from attunet_gui.network.bundle import read_bundle
from attunet_gui.recipes.learning import HEADINGS, Proof, as_markdown, cells, prove

RESULT_FILE, TABLE_FILE = "learning.json", "table.md"


def measure_learning(proof: Proof) -> None:
    """Run everything, print the table, write it."""
    make_folder(proof.output)
    with progress_bar("learning") as progress:
        found = prove(proof, progress)
    table = Table(*HEADINGS)
    for row in cells(found):
        table.add_row(*row)
    console.print(table)
    for each in found[1:]:
        console.print(f"{each.corrected} corrected: {each.sentence}")
    card = read_bundle(proof.parent).card
    record = {
        "made_by": "attunet bench learning",
        "model": {"name": card.name, "sha256": card.sha256},
        "runs": [each.model_dump(mode="json") for each in found],
        "made": now(),
        "versions": versions(),
    }
    write_json(proof.output / RESULT_FILE, record)
    write_text(proof.output / TABLE_FILE, as_markdown(found))
    console.print(f"Written to {proof.output}.")

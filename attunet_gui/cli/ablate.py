"""`attunet ablate`: what the gates are worth, and what real and synthetic CT are."""

from __future__ import annotations

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.evaluation.ablation import (
    DIFFERENCE_HEADINGS,
    HEADINGS,
    cells,
    difference_cells,
    notes,
)
from attunet_gui.recipes.ablation import TABLE_FILE, Extent, ablate
from attunet_gui.recipes.run import Order


def ablate_by_recipe(order: Order, extent: Extent) -> None:
    """Train and score every arm, and print both tables."""
    with progress_bar(order.recipe.stem) as progress:
        found = ablate(order, extent, progress)
    arms, gains = Table(*HEADINGS), Table(*DIFFERENCE_HEADINGS)
    for result in found.results:
        arms.add_row(*cells(result))
    for difference in found.differences:
        gains.add_row(*difference_cells(difference))
    console.print(arms, gains, *notes(found), sep="\n")
    console.print(f"the same as Markdown: {order.output / TABLE_FILE}")

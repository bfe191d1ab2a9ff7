"""What the gates are worth, and what real and synthetic CT are: six trainings that differ in two things.

python -m benchmarks.ablation resources/recipes/ablation.toml --data NAME=FOLDER -o OUT
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from attunet_gui.cli import run_command_line
from attunet_gui.cli.command_line import DataOption, RestartOption, RunOption
from attunet_gui.cli.console import console, progress_bar
from attunet_gui.training.training_run import TrainingOptions
from benchmarks.ablation.ablation_run import TABLE_FILE, Extent, ablate
from benchmarks.ablation.arm_comparison import (
    DIFFERENCE_HEADINGS,
    HEADINGS,
    cells,
    difference_cells,
    notes,
)
from benchmarks.command_line import command_of

app = command_of("benchmarks.ablation")


def ablate_by_recipe(order: TrainingOptions, extent: Extent) -> None:
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


@app.command()
def bench_ablation(
    recipe: Annotated[Path, typer.Argument(help="A recipe with [crossvalidation] and several sources.")],
    output: RunOption,
    data: DataOption = None,
    fold: Annotated[
        list[int] | None, typer.Option(min=0, help="Only this fold, counted from 0; may be repeated.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each run; else the recipe's.")] = None,
    label: Annotated[
        int | None, typer.Option(metavar="VALUE", help="Of the pancreas in labels; else the one beside 0.")
    ] = None,
    restart: RestartOption = False,
) -> None:
    """Compare six trainings: with gates and without, from real CT, synthetic CT and both."""
    from attunet_gui.cli.training_commands import parse_named_folders

    order = TrainingOptions(recipe, output, parse_named_folders(data or []), None, restart, label)
    ablate_by_recipe(order, Extent(tuple(fold or ()), steps))


if __name__ == "__main__":
    run_command_line(app)

"""What helps? Variants of one recipe, trained and drafted fold by fold on the same people: one table.

python -m benchmarks.experiments RECIPE VARIANTS --data NAME=FOLDER -o OUT
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from attunet_gui.cli import run_command_line
from attunet_gui.cli.command_line import DataOption, RunOption
from attunet_gui.cli.console import console, progress_bar
from attunet_gui.training.training_run import TrainingOptions
from benchmarks.ablation.ablation_run import Extent
from benchmarks.command_line import command_of
from benchmarks.experiments.experiment_run import HEADINGS, TABLE_FILE, run_experiments
from benchmarks.experiments.variants import read_variants

app = command_of("benchmarks.experiments")


@app.command()
def bench_experiments(
    recipe: Annotated[Path, typer.Argument(help="A recipe with [crossvalidation].")],
    variants: Annotated[
        Path, typer.Argument(help="A file of [[variant]] tables; the first is compared with.")
    ],
    output: RunOption,
    data: DataOption = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Bundle to start from, which has seen none of the people.")
    ] = None,
    fold: Annotated[
        list[int] | None, typer.Option(min=0, help="Only this fold, counted from 0; may be repeated.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each run; else the recipe's.")] = None,
) -> None:
    """Compare variants of one recipe on the people of its folds."""
    from attunet_gui.cli.training_commands import parse_named_folders

    order = TrainingOptions(recipe, output, parse_named_folders(data or []), start)
    with progress_bar(recipe.stem) as progress:
        results = run_experiments(order, read_variants(variants), Extent(tuple(fold or ()), steps), progress)
    table = Table(*HEADINGS)
    for row in results:
        table.add_row(*row.cells)
    console.print(table)
    console.print(f"the same as Markdown: {output / TABLE_FILE}")


if __name__ == "__main__":
    run_command_line(app)

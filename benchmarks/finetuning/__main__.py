"""What corrections of a few cases are worth to the next model.

python -m benchmarks.finetuning --model starter-2 --unseen 6 -o OUT
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from attunet_gui.cli import run_command_line
from attunet_gui.cli.command_line import ModelOption
from attunet_gui.cli.console import console, progress_bar
from attunet_gui.io.result_writing import make_folder, write_json, write_text
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.software_versions import software_versions, utc_timestamp
from benchmarks.command_line import command_of
from benchmarks.finetuning.finetune_benchmark import (
    HEADINGS,
    FinetuneBenchmark,
    as_markdown,
    cells,
    run_benchmark,
)

RESULT_FILE, TABLE_FILE = "learning.json", "table.md"

app = command_of("benchmarks.finetuning")


def measure_learning(benchmark: FinetuneBenchmark) -> None:
    """Run everything, print the table, write it."""
    make_folder(benchmark.output)
    with progress_bar("learning") as progress:
        found = run_benchmark(benchmark, progress)
    table = Table(*HEADINGS)
    for row in cells(found):
        table.add_row(*row)
    console.print(table)
    for each in found[1:]:
        console.print(f"{each.corrected} corrected: {each.sentence}")
    card = read_bundle(benchmark.parent).card
    record = {
        "made_by": "python -m benchmarks.finetuning",
        "model": {"name": card.name, "sha256": card.weights_sha256},
        "runs": [each.model_dump(mode="json") for each in found],
        "made": utc_timestamp(),
        "versions": software_versions(),
    }
    write_json(benchmark.output / RESULT_FILE, record)
    write_text(benchmark.output / TABLE_FILE, as_markdown(found))
    console.print(f"Written to {benchmark.output}.")


@app.command()
def bench_learning(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Folder for everything.")],
    model: ModelOption = None,
    corrected: Annotated[
        list[int] | None, typer.Option("-k", min=2, help="Cases that are corrected; repeatable.")
    ] = None,
    unseen: Annotated[int, typer.Option(min=2, help="Cases of either kind to measure on.")] = 8,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each run; else as attunet finetune.")] = None,
    wrong: Annotated[bool, typer.Option(help="Also learn from labels that are wrong on purpose.")] = True,
) -> None:
    """Correct phantoms of a kind the model does badly on, learn from them, and measure on unseen ones."""
    from attunet_gui.cli.model_commands import choose_model
    from attunet_gui.training.finetuning.finetune_config import FinetuneBudget

    counts = tuple(corrected or FinetuneBenchmark.counts)
    effort = FinetuneBudget(steps or FinetuneBudget.steps)
    frozen = FinetuneBenchmark.frozen if wrong else 0
    measure_learning(FinetuneBenchmark(choose_model(model).folder, output, counts, unseen, frozen, effort))


if __name__ == "__main__":
    run_command_line(app)

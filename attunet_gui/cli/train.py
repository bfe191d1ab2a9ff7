"""`attunet train`: a recipe becomes a run with a bundle."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.errors import AttunetError
from attunet_gui.recipes.run import Order, run_recipe


def train_by_recipe(order: Order) -> None:
    """Train, measure, write, and say what came out."""
    with progress_bar(order.recipe.stem) as progress:
        done = run_recipe(order, progress)
    console.print(
        f"{done.bundle.folder}: {done.seconds / 60:.1f} min in {done.precision}, "
        f"{100 * done.waiting_share:.1f} % of it waiting for data"
    )
    for result in done.bundle.card.results:
        spread = f" ± {result.spread:.3f}" if result.spread is not None else ""
        console.print(f"{result.measure}; {result.data}: {result.value:.3f}{spread} ({result.cases} cases)")


def named_folders(options: list[str]) -> dict[str, Path]:
    """`NAME=FOLDER` options as a dict; `AttunetError` if one is something else."""
    folders: dict[str, Path] = {}
    for option in options:
        name, equals, folder = option.partition("=")
        if not (name and equals and folder):
            raise AttunetError(f"--data takes NAME=FOLDER, got {option!r}.")
        folders[name] = Path(folder)
    return folders

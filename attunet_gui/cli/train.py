"""`attunet train` and `attunet crossvalidate`: train one model by a recipe, or one model per fold."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar, say_empty
from attunet_gui.cli.score_table import score_table
from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.evaluation.article import HEADINGS, cells
from attunet_gui.paths import shipped_recipe
from attunet_gui.recipes.comparison import TABLE_FILE, run_and_compare
from attunet_gui.recipes.folds import SCORES_FILE, crossvalidate
from attunet_gui.recipes.run import Finished, Order, run_recipe

COLLECTIONS = ("nih-pancreas-ct",)
"""Public collections that `--dataset` knows; each has a recipe of that name."""


def train_by_recipe(order: Order) -> None:
    """Train a model by a recipe, measure it, write its bundle, and print the outcome."""
    with progress_bar(order.recipe.stem) as progress:
        done = run_recipe(order, progress)
    _say(done)


def train_on_collection(order: Order) -> None:
    """Train, test on the patients that were held out, and print the scores beside the article's."""
    with progress_bar(order.recipe.stem) as progress:
        compared = run_and_compare(order, progress)
    _say(compared.finished)
    table = Table(*HEADINGS)
    for row in compared.table.rows:
        table.add_row(*cells(row))
    console.print(table)
    for note in compared.table.notes:
        console.print(note)
    console.print(f"each patient: {order.output / TABLE_FILE}")


def recipe_for(recipe: Path | None, collection: tuple[str, Path] | None) -> Path:
    """Return the named recipe, or else the one that comes with the collection.

    Args:
        recipe: file of a recipe.
        collection: name and folder of a public collection.

    Raises:
        AttunetError: the collection is not known, or neither is given.
    """
    if collection is not None and collection[0] not in COLLECTIONS:
        raise AttunetError(
            f"--dataset knows {', '.join(COLLECTIONS)}, not {collection[0]!r}; name a recipe and its --data."
        )
    if recipe is not None:
        return recipe
    if collection is None:
        raise AttunetError("Name a recipe, or a collection with --dataset NAME DIR.")
    return shipped_recipe(collection[0])


def _say(done: Finished) -> None:
    """Print where the bundle is, how long the training took, and the results in its card."""
    say_empty(done.about_empty)
    console.print(
        f"{done.bundle.folder}: {done.seconds / 60:.1f} min in {done.precision}, "
        f"{100 * done.waiting_share:.1f} % of it waiting for data"
    )
    for result in done.bundle.card.results:
        spread = f" ± {result.spread:.3f}" if result.spread is not None else ""
        console.print(
            f"{result.measure}; {result.data}: {result.value:.3f}{spread} ({counted(result.cases, 'case')})"
        )


def crossvalidate_by_recipe(order: Order) -> None:
    """Train and score one model per fold, and print the scores of all held-out patients."""
    with progress_bar(order.recipe.stem) as progress:
        scores = crossvalidate(order, progress)
    console.print(score_table(scores, {}))
    say_empty(scores.about_empty)
    console.print(f"each patient and slice: {order.output / SCORES_FILE}")


def named_folders(options: list[str]) -> dict[str, Path]:
    """Return options of the form NAME=FOLDER as a dictionary.

    Raises:
        AttunetError: an option has another form.
    """
    folders: dict[str, Path] = {}
    for option in options:
        name, equals, folder = option.partition("=")
        if not (name and equals and folder):
            raise AttunetError(f"--data takes NAME=FOLDER, got {option!r}.")
        folders[name] = Path(folder)
    return folders

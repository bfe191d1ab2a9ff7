"""Cross-validation: a run for each fold, and one table in which everyone is scored by a model that never saw
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.drafting import score_drafts
from attunet_gui.evaluation.scores import CaseScore, Scores, summarise
from attunet_gui.evaluation.splits import write_folds
from attunet_gui.io.writing import make_private_folder, write_json
from attunet_gui.network.predict import load_model
from attunet_gui.network.sampling import Source
from attunet_gui.recipes.run import Order, fingerprint, start_bundle, train_run
from attunet_gui.recipes.schema import Folding, Recipe, ValidationData
from attunet_gui.recipes.sources import cases_of, load_sources
from attunet_gui.recipes.split import folds_of

FOLDS_FILE = "folds.json"
SCORES_FILE = "scores.json"


def crossvalidate(order: Order, progress: Progress = silent) -> Scores:
    """Train a model for each fold of the recipe's people and score the people of the fold with it.

    Each fold is a run in `output`/fold-K, which goes on where it was stopped; a fold that has scores is not
    done again. The people of a fold do not influence its training: the last weights are kept and no run ends
    early, whatever the recipe says. The drafts are made as the program makes them, on the grid of the CT.
    `output` gets folds.json and scores.json.

    Raises:
        AttunetError: as for `run_recipe`; or the recipe has no folds.
    """
    recipe = order.read_recipe()
    folding = folding_of(recipe, order.recipe)
    # Checked now: reading the data takes minutes.
    start_bundle(order, recipe)  # now, not after the data are read
    make_private_folder(order.output)
    sources = load_sources(recipe, order.folders, progress)
    folds = folds_of(sources, folding)
    write_folds(order.output / FOLDS_FILE, folds)
    scores: list[CaseScore] = []
    for number, people in enumerate(folds):
        part = without_fold(recipe, folding, number)
        here = replace(order, output=order.output / f"fold-{number}")
        scores += scored_run(here, part, sources, people, named(progress, f"fold {number}"))
    table = summarise(scores)
    write_json(order.output / SCORES_FILE, table.model_dump(mode="json"))
    return table


def folding_of(recipe: Recipe, path: Path) -> Folding:
    """Return how the people of `recipe` are divided into folds; `AttunetError` if it does not say."""
    wanted = recipe.crossvalidation or recipe.validation
    if wanted is None:
        raise AttunetError(f"{path} has no folds; give it [crossvalidation] with a source.")
    return wanted


def without_fold(recipe: Recipe, folding: Folding, number: int) -> Recipe:
    """Return `recipe` with the people of fold `number` held out."""
    held_out = ValidationData(source=folding.source, folds=folding.folds, seed=folding.seed, fold=number)
    return steered_by_nobody(recipe, held_out)


def steered_by_nobody(recipe: Recipe, held_out: ValidationData) -> Recipe:
    """Return `recipe` with these people held out, keeping its last weights whatever they score.

    If the best validation were kept, the held-out people would choose the model that they are to measure.
    """
    training = recipe.training.model_copy(update={"keep": "last", "patience": 0})
    return recipe.model_copy(update={"validation": held_out, "training": training})


def scored_run(
    order: Order, recipe: Recipe, sources: tuple[Source, ...], people: Iterable[str], progress: Progress
) -> tuple[CaseScore, ...]:
    """Train in `order.output` and score the program's drafts of the held-out `people`; a run with scores is
    kept.

    Raises:
        AttunetError: as for `run_recipe`.
    """
    assert recipe.validation is not None
    make_private_folder(order.output)
    start = start_bundle(order, recipe)
    path, run = order.output / SCORES_FILE, fingerprint(recipe, sources, start)
    # A fold that has scores is not trained again: this is how an interrupted cross-validation goes on.
    found = None if order.restart else _scores_of(path, run)
    if found is None:
        done = train_run(order, recipe, start, sources, progress)
        cases = cases_of(recipe, recipe.validation.source, order.folders, people)
        found = score_drafts(load_model(done.bundle), cases, progress).cases
        write_json(path, {"run": run, "cases": [row.model_dump() for row in found]})
    return found


def _scores_of(path: Path, run: str) -> tuple[CaseScore, ...] | None:
    """Return the scores of a completed run with this fingerprint; None if there are none.

    Raises:
        AttunetError: the file cannot be read.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        return tuple(map(CaseScore.model_validate, content["cases"])) if content["run"] == run else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AttunetError(f"{path} cannot be read ({error}); begin anew with --restart.") from error


def named(progress: Progress, name: str) -> Progress:
    """Return `progress` with `name` before each stage."""

    def told(done: int, total: int, stage: str) -> None:
        progress(done, total, f"{name} {stage}")

    return told

"""Cross-validation: a run a fold, and one table over everyone, scored by the model that never saw them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.prediction import draft_mask
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.scores import CaseScore, Scores, score_case, summarise
from attunet_gui.evaluation.splits import write_folds
from attunet_gui.io.writing import make_folder, write_json
from attunet_gui.network.bundle import Bundle
from attunet_gui.network.predict import load_model, predict
from attunet_gui.recipes.run import Order, fingerprint, start_bundle, train_run
from attunet_gui.recipes.schema import Folding, Recipe, ValidationData, read_recipe
from attunet_gui.recipes.sources import entries, load_sources
from attunet_gui.recipes.split import folds_of

FOLDS_FILE = "folds.json"
SCORES_FILE = "scores.json"


def crossvalidate(order: Order, progress: Progress = silent) -> Scores:
    """Train a model for each fold of the recipe's people and score the people of the fold with it.

    Each fold is a run in `output`/fold-K that goes on where it was; a fold with scores is not done again. Its
    people steer nothing: the last weights are kept and no run ends early, whatever the recipe says. The
    drafts are those of the product, on the grid of the CT. `output` gets folds.json and scores.json.

    Raises:
        AttunetError: as for `run_recipe`; or the recipe has no folds.
    """
    recipe = read_recipe(order.recipe)
    folding = _folding(recipe, order.recipe)
    start = start_bundle(order, recipe)
    make_folder(order.output)
    sources = load_sources(recipe, order.folders, progress)
    folds = folds_of(sources, folding)
    write_folds(order.output / FOLDS_FILE, folds)
    scores: list[CaseScore] = []
    for number, people in enumerate(folds):
        part = _of_fold(recipe, folding, number)
        here = replace(order, output=order.output / f"fold-{number}")
        make_folder(here.output)
        run = fingerprint(part, sources, start)
        found = None if order.restart else _scores_of(here.output / SCORES_FILE, run)
        if found is None:
            watch = _named(progress, f"fold {number}")
            done = train_run(here, part, start, sources, watch)
            found = _scored(done.bundle, part, order.folders.get(folding.source), set(people), watch)
            rows = [row.model_dump() for row in found]
            write_json(here.output / SCORES_FILE, {"run": run, "cases": rows})
        scores += found
    table = summarise(scores)
    write_json(order.output / SCORES_FILE, table.model_dump(mode="json"))
    return table


def _folding(recipe: Recipe, path: Path) -> Folding:
    wanted = recipe.crossvalidation or recipe.validation
    if wanted is None:
        raise AttunetError(f"{path} has no folds; give it [crossvalidation] with a source.")
    return wanted


def _of_fold(recipe: Recipe, folding: Folding, number: int) -> Recipe:
    held_out = ValidationData(source=folding.source, folds=folding.folds, seed=folding.seed, fold=number)
    training = recipe.training.model_copy(update={"keep": "last", "patience": 0})
    return recipe.model_copy(update={"validation": held_out, "training": training})


def _scores_of(path: Path, run: str) -> list[CaseScore] | None:
    """The scores of a fold that is done; None if it is not, or was done by another run."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        return [CaseScore.model_validate(row) for row in content["cases"]] if content["run"] == run else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AttunetError(f"{path} cannot be read ({error}); begin anew with --restart.") from error


def _scored(
    bundle: Bundle, recipe: Recipe, folder: Path | None, people: set[str], progress: Progress
) -> list[CaseScore]:
    """Scores of the product's drafts of everyone in `people`."""
    assert recipe.validation is not None
    (data,) = (data for data in recipe.data if data.name == recipe.validation.source)
    wanted = [entry for entry in entries(data, folder) if entry.people[0] in people]
    model = load_model(bundle)
    rows: list[CaseScore] = []
    for entry in wanted:
        volume, mask = entry.read()
        draft = draft_mask(predict(volume, model))
        rows.append(score_case(entry.people[0], entry.name, draft, mask))
        progress(len(rows), len(wanted), "scoring")
    return rows


def _named(progress: Progress, name: str) -> Progress:
    def told(done: int, total: int, stage: str) -> Any:
        progress(done, total, f"{name} {stage}")

    return told

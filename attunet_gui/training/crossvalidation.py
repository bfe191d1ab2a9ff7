"""Cross-validation: a run for each fold, and one table in which everyone is scored by a model that never saw
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from attunet_gui.evaluation.case_scores import CaseScore, ScoreTable, summarise_scores
from attunet_gui.evaluation.model_drafts import score_drafts
from attunet_gui.evaluation.patient_splits import write_folds
from attunet_gui.io.result_writing import make_private_folder, write_json
from attunet_gui.network.batch_sampling import TrainingSource
from attunet_gui.network.inference import load_model
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.recipe_schema import FoldConfig, TrainingRecipe, ValidationData
from attunet_gui.training.recipe_sources import load_sources, source_cases
from attunet_gui.training.train_validation_split import deal_folds
from attunet_gui.training.training_run import TrainingOptions, read_start_bundle, run_fingerprint, train_run

FOLDS_FILE = "folds.json"
SCORES_FILE = "scores.json"


def run_crossvalidation(order: TrainingOptions, progress: ProgressCallback = no_progress) -> ScoreTable:
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
    read_start_bundle(order, recipe)  # now, not after the data are read
    make_private_folder(order.output)
    sources = load_sources(recipe, order.folders, progress)
    folds = deal_folds(sources, folding)
    write_folds(order.output / FOLDS_FILE, folds)
    scores: list[CaseScore] = []
    for number, people in enumerate(folds):
        part = without_fold(recipe, folding, number)
        here = replace(order, output=order.output / f"fold-{number}")
        scores += train_and_score(here, part, sources, people, prefix_stages(progress, f"fold {number}"))
    table = summarise_scores(scores)
    write_json(order.output / SCORES_FILE, table.model_dump(mode="json"))
    return table


def folding_of(recipe: TrainingRecipe, path: Path) -> FoldConfig:
    """Return how the people of `recipe` are divided into folds; `AttunetError` if it does not say."""
    wanted = recipe.crossvalidation or recipe.validation
    if wanted is None:
        raise AttunetError(f"{path} has no folds; give it [crossvalidation] with a source.")
    return wanted


def without_fold(recipe: TrainingRecipe, folding: FoldConfig, number: int) -> TrainingRecipe:
    """Return `recipe` with the people of fold `number` held out."""
    held_out = ValidationData(source=folding.source, folds=folding.folds, seed=folding.seed, fold=number)
    return without_early_stopping(recipe, held_out)


def without_early_stopping(recipe: TrainingRecipe, held_out: ValidationData) -> TrainingRecipe:
    """Return `recipe` with these people held out, keeping its last weights whatever they score.

    If the best validation were kept, the held-out people would choose the model that they are to measure.
    """
    training = recipe.training.model_copy(update={"keep": "last", "patience": 0})
    return recipe.model_copy(update={"validation": held_out, "training": training})


def train_and_score(
    order: TrainingOptions,
    recipe: TrainingRecipe,
    sources: tuple[TrainingSource, ...],
    people: Iterable[str],
    progress: ProgressCallback,
) -> tuple[CaseScore, ...]:
    """Train in `order.output` and score the program's drafts of the held-out `people`; a run with scores is
    kept.

    Raises:
        AttunetError: as for `run_recipe`.
    """
    assert recipe.validation is not None
    make_private_folder(order.output)
    start = read_start_bundle(order, recipe)
    path, run = order.output / SCORES_FILE, run_fingerprint(recipe, sources, start)
    # A fold that has scores is not trained again: this is how an interrupted cross-validation goes on.
    found = None if order.restart else _read_scores(path, run)
    if found is None:
        done = train_run(order, recipe, start, sources, progress)
        cases = source_cases(recipe, recipe.validation.source, order.folders, people)
        found = score_drafts(load_model(done.bundle), cases, progress).cases
        write_json(path, {"run": run, "cases": [row.model_dump() for row in found]})
    return found


def _read_scores(path: Path, run: str) -> tuple[CaseScore, ...] | None:
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


def prefix_stages(progress: ProgressCallback, name: str) -> ProgressCallback:
    """Return `progress` with `name` before each stage."""

    def told(done: int, total: int, stage: str) -> None:
        progress(done, total, f"{name} {stage}")

    return told

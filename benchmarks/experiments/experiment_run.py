"""Trains what a file of variants asks for, fold by fold, drafts with it and compares it by patient."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from attunet_gui.evaluation.case_scores import (
    SCORE_MEASURES,
    CaseScore,
    ScoreSummary,
    ScoreTable,
    paired_difference,
    summarise_scores,
)
from attunet_gui.evaluation.model_drafts import draft_cases
from attunet_gui.evaluation.patient_splits import PatientFolds, write_folds
from attunet_gui.io.result_writing import make_folder, write_json, write_text
from attunet_gui.network.batch_sampling import TrainingSource
from attunet_gui.network.inference import (
    LoadedModel,
    average_models,
    load_model,
    with_test_time_transforms,
)
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.crossvalidation import (
    FOLDS_FILE,
    SCORES_FILE,
    folding_of,
    prefix_stages,
    train_and_score,
    without_fold,
)
from attunet_gui.training.recipe_schema import TrainingRecipe
from attunet_gui.training.recipe_sources import check_folders, load_sources, source_cases
from attunet_gui.training.train_validation_split import deal_folds
from attunet_gui.training.training_run import BUNDLE_FOLDER, TrainingOptions, read_start_bundle
from benchmarks.ablation.ablation_run import Extent, chosen_folds, shortened_recipe
from benchmarks.ablation.arm_comparison import estimate_text, markdown_table
from benchmarks.experiments.drafting_choice import Tried, choose_by_others, score_every_way
from benchmarks.experiments.variants import Variant, changed_recipe

RESULTS_FILE, TABLE_FILE = "experiments.json", "table.md"
HEADINGS = ("variant", "DSC", "precision", "recall", "missed", "DSC against the first", "trained, min a fold")


class VariantResult(BaseModel):
    """One row.

    Attributes:
        variant: what was tried.
        scores: of people whom no model of it has seen.
        gain: by how much it is better than the first variant, by patient; None for that one.
        minutes: of training a fold, mean; 0 if nothing was trained for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Variant
    scores: ScoreTable
    gain: ScoreSummary | None
    minutes: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, under `HEADINGS`."""
        missed = sum(row.dsc == 0 for row in self.scores.cases)
        return (
            self.variant.title,
            *(estimate_text(getattr(self.scores.by_patient, name), ".3f") for name in SCORE_MEASURES),
            f"{missed} of {len(self.scores.cases)}",
            estimate_text(self.gain.dsc, "+.3f") if self.gain else "",
            f"{self.minutes:.0f}" if self.minutes else "",
        )


@dataclass(frozen=True)
class _Fold:
    """A fold: its number, and the people in it."""

    number: int
    people: tuple[str, ...]


class _Bench:
    """Folders, recipe and folds of all variants, and the data that were loaded last."""

    def __init__(self, order: TrainingOptions, extent: Extent, progress: ProgressCallback) -> None:
        self.order, self.progress = order, progress
        self.recipe = shortened_recipe(order.read_recipe(), extent.steps)
        self.folding = folding_of(self.recipe, order.recipe)
        self._wanted = chosen_folds(extent.folds, self.folding.folds)
        self.folds: tuple[_Fold, ...] = ()
        self._loaded: tuple[str, tuple[TrainingSource, ...]] = ("", ())

    def sources(self, recipe: TrainingRecipe) -> tuple[TrainingSource, ...]:
        """Return the data of `recipe`; they are read anew only where they lie on another grid or differ."""
        said = recipe.model_dump_json(include={"preprocessing", "data"})
        if self._loaded[0] != said:
            # What was there before goes first: two grids of a thousand volumes need not fit into memory.
            self._loaded = ("", ())
            self._loaded = (said, load_sources(recipe, self.order.folders, self.progress))
        if not self.folds:
            self._deal(self._loaded[1])
        return self._loaded[1]

    def _deal(self, sources: tuple[TrainingSource, ...]) -> None:
        dealt: PatientFolds = deal_folds(sources, self.folding)
        write_folds(self.order.output / FOLDS_FILE, dealt)
        self.folds = tuple(_Fold(number, tuple(dealt[number])) for number in self._wanted)

    def run_folder(self, variant: str, fold: _Fold) -> Path:
        """Return the folder of one run."""
        return self.order.output / variant / f"fold-{fold.number}"


def run_experiments(
    order: TrainingOptions,
    variants: tuple[Variant, ...],
    extent: Extent,
    progress: ProgressCallback = no_progress,
) -> tuple[VariantResult, ...]:
    """Train and score every variant; `order.output` gets table.md and experiments.json after each.

    What is done is not done again, and a run that was stopped goes on.

    Raises:
        AttunetError: as for `run_crossvalidation`; a fold that is none; or a variant that is no valid recipe.
    """
    bench = _Bench(order, extent, progress)
    recipes = {each.name: changed_recipe(bench.recipe, each) for each in variants if not each.drafted_by}
    check_folders(bench.recipe, order.folders)
    for each in variants:
        if each.name in recipes:
            # Before hours of training, not between them.
            read_start_bundle(_started(order, each), recipes[each.name])
    make_folder(order.output)
    results: list[VariantResult] = []
    for each in variants:
        scores, minutes = (
            _drafted(bench, each) if each.drafted_by else _trained(bench, each, recipes[each.name])
        )
        first = results[0].scores if results else None
        results.append(
            VariantResult(
                variant=each,
                scores=scores,
                gain=paired_difference(scores, first) if first else None,
                minutes=minutes,
            )
        )
        write_json(order.output / RESULTS_FILE, [row.model_dump(mode="json") for row in results])
        write_text(order.output / TABLE_FILE, as_markdown(bench.recipe, results))
    return tuple(results)


def as_markdown(recipe: TrainingRecipe, results: list[VariantResult]) -> str:
    """Return the table with what has to be known to read it."""
    first, training = results[0].scores, recipe.training
    note = (
        f"- Recipe {recipe.name}, {training.steps} steps of {training.batch} slices unless a row says "
        f"otherwise; {len(first.cases)} cases of {len(first.patients)} people, none of whom the model "
        "of their fold had seen. Means over people with a 95 % bootstrap interval over people; one seed."
    )
    return "\n".join([*markdown_table(HEADINGS, [row.cells for row in results]), "", note, ""])


def _started(order: TrainingOptions, variant: Variant) -> TrainingOptions:
    return replace(order, start=None) if variant.fresh else order


def _trained(bench: _Bench, variant: Variant, recipe: TrainingRecipe) -> tuple[ScoreTable, float]:
    """Return the scores of a variant that trains, and its minutes a fold."""
    sources = bench.sources(recipe)
    scores: list[CaseScore] = []
    minutes = 0.0
    for fold in bench.folds:
        here = replace(_started(bench.order, variant), output=bench.run_folder(variant.name, fold))
        part = without_fold(recipe, bench.folding, fold.number)
        watch = prefix_stages(bench.progress, f"{variant.name} fold {fold.number}")
        scores += train_and_score(here, part, sources, fold.people, watch)
        seconds = read_bundle(here.output / BUNDLE_FOLDER).card.training.seconds
        minutes += seconds / 60 / len(bench.folds)
    return summarise_scores(scores), minutes


def _drafted(bench: _Bench, variant: Variant) -> tuple[ScoreTable, float]:
    """Return the scores of a variant that drafts with what others trained."""
    tried = [row for fold in bench.folds for row in _drafted_fold(bench, variant, fold)]
    scores = choose_by_others(tried) if variant.chosen_drafting else (row[0] for row in tried)
    return summarise_scores(scores), 0.0


def _drafted_fold(bench: _Bench, variant: Variant, fold: _Fold) -> tuple[Tried, ...]:
    """Return the scores of the drafts of one fold, one a case or one a way of drafting; made once."""
    path = bench.run_folder(variant.name, fold) / SCORES_FILE
    model = _model(bench, variant, fold)
    made = {"models": str(model.id), "variant": variant.model_dump(mode="json", exclude={"title"})}
    if path.is_file() and (content := json.loads(path.read_text("utf-8")))["made"] == made:
        return tuple(tuple(map(CaseScore.model_validate, row)) for row in content["cases"])
    cases = source_cases(bench.recipe, bench.folding.source, bench.order.folders, fold.people)
    watch = prefix_stages(bench.progress, f"{variant.name} fold {fold.number}")
    rows = tuple(
        score_every_way(drafted) if variant.chosen_drafting else (drafted.draft_score,)
        for drafted in draft_cases(model, cases, watch)
    )
    make_folder(path.parent)
    said = [[score.model_dump(mode="json") for score in row] for row in rows]
    write_json(path, {"made": made, "cases": said})
    return rows


def _model(bench: _Bench, variant: Variant, fold: _Fold) -> LoadedModel:
    """Return the model that drafts the people of `fold`: of runs that held them out."""
    models = [
        load_model(read_bundle(bench.run_folder(name, fold) / BUNDLE_FOLDER)) for name in variant.drafted_by
    ]
    if variant.looks:
        models = [with_test_time_transforms(model) for model in models]
    return average_models(models[0], *models[1:]) if len(models) > 1 else models[0]

"""Six arms of one recipe, alike in all but two things: whether there are gates, and what is learnt from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from attunet_gui.evaluation.attention_gate_report import GateReport
from attunet_gui.evaluation.case_scores import CaseScore, summarise_scores
from attunet_gui.evaluation.evaluation_figures import draw_maps
from attunet_gui.evaluation.model_measurement import measure_model
from attunet_gui.evaluation.patient_splits import PatientFolds, write_folds
from attunet_gui.io.result_writing import make_folder, write_json, write_text
from attunet_gui.network.batch_sampling import TrainingSource
from attunet_gui.network.inference import load_model
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.crossvalidation import (
    FOLDS_FILE,
    folding_of,
    prefix_stages,
    train_and_score,
    without_early_stopping,
    without_fold,
)
from attunet_gui.training.recipe_schema import FoldConfig, TrainingRecipe, ValidationData
from attunet_gui.training.recipe_sources import check_folders, load_sources, source_cases
from attunet_gui.training.train_validation_split import deal_folds
from attunet_gui.training.training_run import BUNDLE_FOLDER, TrainingOptions
from benchmarks.ablation.arm_comparison import ARMS, Ablation, Arm, ArmResult, as_markdown, differences

ARMS_FILE, TABLE_FILE = "arms.json", "table.md"
_SHOWN = 3


@dataclass(frozen=True)
class Extent:
    """How much of it is done.

    Attributes:
        folds: which folds, counted from 0; () takes all.
        steps: of each run; None takes the recipe's.
    """

    folds: tuple[int, ...] = ()
    steps: int | None = None


@dataclass(frozen=True, eq=False)
class _Material:
    """What all arms share."""

    order: TrainingOptions
    recipe: TrainingRecipe
    folding: FoldConfig
    sources: tuple[TrainingSource, ...]
    folds: PatientFolds
    chosen: tuple[int, ...]


@dataclass(frozen=True)
class _Part:
    """One run of an arm: its folder within the arm's, its recipe, and who is scored."""

    name: str
    recipe: TrainingRecipe
    people: tuple[str, ...]


def ablate(order: TrainingOptions, extent: Extent, progress: ProgressCallback = no_progress) -> Ablation:
    """Train and score every arm; `order.output` gets table.md, arms.json and a picture of the gates an arm.

    Real is the source whose people are cross-validated, synthetic is every other. Without real CT there is
    one run for all folds, from which everybody is held out. What is done is not done again.

    Raises:
        AttunetError: as for `run_crossvalidation`; a fold that is none; a recipe that learns from one kind
            only; or a start, which would bring into an arm what it must not know.
    """
    material = _material(order, extent, progress)
    results = tuple(_result(material, arm, progress) for arm in ARMS)
    training = material.recipe.training
    found = Ablation(
        recipe=material.recipe.name,
        folds=material.chosen,
        of_folds=len(material.folds),
        steps=training.steps,
        batch=training.batch,
        seed=training.seed,
        results=results,
        differences=differences(results),
    )
    write_json(order.output / ARMS_FILE, found.model_dump(mode="json"))
    write_text(order.output / TABLE_FILE, as_markdown(found))
    return found


def _material(order: TrainingOptions, extent: Extent, progress: ProgressCallback) -> _Material:
    if order.start is not None:
        raise AttunetError("An ablation starts from fresh weights: others may know what an arm must not.")
    recipe = shortened_recipe(order.read_recipe(), extent.steps)
    folding = folding_of(recipe, order.recipe)
    _check_kinds(recipe, folding)
    chosen = chosen_folds(extent.folds, folding.folds)
    check_folders(recipe, order.folders)
    make_folder(order.output)
    sources = load_sources(recipe, order.folders, progress)
    folds = deal_folds(sources, folding)
    write_folds(order.output / FOLDS_FILE, folds)
    return _Material(order, recipe, folding, sources, folds, chosen)


def shortened_recipe(recipe: TrainingRecipe, steps: int | None) -> TrainingRecipe:
    """Return `recipe` with so many steps, if not None, and without a measurement on phantoms."""
    settings = recipe.training if steps is None else recipe.training.model_copy(update={"steps": steps})
    return recipe.model_copy(update={"training": settings, "phantom_check": None})


def _check_kinds(recipe: TrainingRecipe, folding: FoldConfig) -> None:
    kinds = {source.name == folding.source for source in recipe.data if source.weight}
    if len(kinds) < 2:
        raise AttunetError(
            f"An ablation compares real with synthetic CT: {folding.source!r} and another source of the "
            "recipe need a weight above 0."
        )


def chosen_folds(wanted: tuple[int, ...], folds: int) -> tuple[int, ...]:
    """Return the numbers of the wanted folds, or of all `folds`; `AttunetError` if there is no such fold."""
    for number in wanted:
        if not 0 <= number < folds:
            raise AttunetError(f"The recipe has the folds 0 to {folds - 1}, not {number}.")
    return tuple(sorted(set(wanted))) or tuple(range(folds))


def _result(material: _Material, arm: Arm, progress: ProgressCallback) -> ArmResult:
    recipe = _of_arm(material.recipe, material.folding, arm)
    weighted = zip(material.sources, recipe.data, strict=True)
    sources = tuple(replace(source, weight=data.weight) for source, data in weighted)
    wanted = {person for number in material.chosen for person in material.folds[number]}
    scores: list[CaseScore] = []
    for part in _parts(material, recipe, arm):
        here = replace(material.order, output=material.order.output / arm.key / part.name)
        watch = prefix_stages(progress, f"{arm.key} {part.name}")
        scores += train_and_score(here, part.recipe, sources, part.people, watch)
    found = summarise_scores(row for row in scores if row.patient in wanted)
    return ArmResult(arm=arm, scores=found, gates=_gates(material, arm, progress) if arm.gates else ())


def _of_arm(recipe: TrainingRecipe, folding: FoldConfig, arm: Arm) -> TrainingRecipe:
    data = tuple(
        source
        if _learns_from(arm, source.name == folding.source)
        else source.model_copy(update={"weight": 0.0})
        for source in recipe.data
    )
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-{arm.key}",
            "title": f"{recipe.title}: {arm.network}, {arm.taught}",
            "config": {**recipe.config, "gates": arm.gates},
            "data": data,
        }
    )


def _learns_from(arm: Arm, real: bool) -> bool:
    return arm.taught == "both" or real == (arm.taught == "real")


def _parts(material: _Material, recipe: TrainingRecipe, arm: Arm) -> tuple[_Part, ...]:
    folding, folds = material.folding, material.folds
    if arm.taught == "synthetic":
        everyone = tuple(sorted(person for people in folds for person in people))
        held_out = ValidationData(source=folding.source, subjects=everyone)
        return (_Part("everyone", without_early_stopping(recipe, held_out), everyone),)
    return tuple(
        _Part(f"fold-{number}", without_fold(recipe, folding, number), folds[number])
        for number in material.chosen
    )


def _gates(material: _Material, arm: Arm, progress: ProgressCallback) -> tuple[GateReport, ...]:
    """What the gates of the arm's first run do to the people of the first fold; drawn too."""
    order, first = material.order, material.chosen[0]
    run = "everyone" if arm.taught == "synthetic" else f"fold-{first}"
    model = load_model(read_bundle(order.output / arm.key / run / BUNDLE_FOLDER))
    people = material.folds[first]
    cases = source_cases(material.recipe, material.folding.source, order.folders, people)
    measured = measure_model(model, cases, prefix_stages(progress, f"{arm.key} gates"))
    draw_maps(order.output / f"{arm.key}.png", measured.shown[:_SHOWN])
    return measured.gates

"""Six arms of one recipe, alike in all but two things: whether there are gates, and what is learnt from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.gates import GateReport
from attunet_gui.evaluation.measuring import measure
from attunet_gui.evaluation.pictures import draw_maps
from attunet_gui.evaluation.scores import CaseScore, summarise
from attunet_gui.evaluation.splits import Folds, write_folds
from attunet_gui.io.writing import make_folder, write_json, write_text
from attunet_gui.network.bundle import read_bundle
from attunet_gui.network.predict import load_model
from attunet_gui.network.sampling import Source
from attunet_gui.recipes.folds import (
    FOLDS_FILE,
    folding_of,
    named,
    scored_run,
    steered_by_nobody,
    without_fold,
)
from attunet_gui.recipes.run import BUNDLE_FOLDER, Order
from attunet_gui.recipes.schema import Folding, Recipe, ValidationData
from attunet_gui.recipes.sources import cases_of, check_folders, load_sources
from attunet_gui.recipes.split import folds_of
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

    order: Order
    recipe: Recipe
    folding: Folding
    sources: tuple[Source, ...]
    folds: Folds
    chosen: tuple[int, ...]


@dataclass(frozen=True)
class _Part:
    """One run of an arm: its folder within the arm's, its recipe, and who is scored."""

    name: str
    recipe: Recipe
    people: tuple[str, ...]


def ablate(order: Order, extent: Extent, progress: Progress = silent) -> Ablation:
    """Train and score every arm; `order.output` gets table.md, arms.json and a picture of the gates an arm.

    Real is the source whose people are cross-validated, synthetic is every other. Without real CT there is
    one run for all folds, from which everybody is held out. What is done is not done again.

    Raises:
        AttunetError: as for `crossvalidate`; a fold that is none; a recipe that learns from one kind only; or
            a start, which would bring into an arm what it must not know.
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


def _material(order: Order, extent: Extent, progress: Progress) -> _Material:
    if order.start is not None:
        raise AttunetError("An ablation starts from fresh weights: others may know what an arm must not.")
    recipe = _shortened(order.read_recipe(), extent.steps)
    folding = folding_of(recipe, order.recipe)
    _check_kinds(recipe, folding)
    chosen = _chosen(extent.folds, folding.folds)
    check_folders(recipe, order.folders)
    make_folder(order.output)
    sources = load_sources(recipe, order.folders, progress)
    folds = folds_of(sources, folding)
    write_folds(order.output / FOLDS_FILE, folds)
    return _Material(order, recipe, folding, sources, folds, chosen)


def _shortened(recipe: Recipe, steps: int | None) -> Recipe:
    settings = recipe.training if steps is None else recipe.training.model_copy(update={"steps": steps})
    return recipe.model_copy(update={"training": settings, "phantom_check": None})


def _check_kinds(recipe: Recipe, folding: Folding) -> None:
    kinds = {source.name == folding.source for source in recipe.data if source.weight}
    if len(kinds) < 2:
        raise AttunetError(
            f"An ablation compares real with synthetic CT: {folding.source!r} and another source of the "
            "recipe need a weight above 0."
        )


def _chosen(wanted: tuple[int, ...], folds: int) -> tuple[int, ...]:
    for number in wanted:
        if not 0 <= number < folds:
            raise AttunetError(f"The recipe has the folds 0 to {folds - 1}, not {number}.")
    return tuple(sorted(set(wanted))) or tuple(range(folds))


def _result(material: _Material, arm: Arm, progress: Progress) -> ArmResult:
    recipe = _of_arm(material.recipe, material.folding, arm)
    weighted = zip(material.sources, recipe.data, strict=True)
    sources = tuple(replace(source, weight=data.weight) for source, data in weighted)
    wanted = {person for number in material.chosen for person in material.folds[number]}
    scores: list[CaseScore] = []
    for part in _parts(material, recipe, arm):
        here = replace(material.order, output=material.order.output / arm.key / part.name)
        watch = named(progress, f"{arm.key} {part.name}")
        scores += scored_run(here, part.recipe, sources, part.people, watch)
    found = summarise(row for row in scores if row.patient in wanted)
    return ArmResult(arm=arm, scores=found, gates=_gates(material, arm, progress) if arm.gates else ())


def _of_arm(recipe: Recipe, folding: Folding, arm: Arm) -> Recipe:
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


def _parts(material: _Material, recipe: Recipe, arm: Arm) -> tuple[_Part, ...]:
    folding, folds = material.folding, material.folds
    if arm.taught == "synthetic":
        everyone = tuple(sorted(person for people in folds for person in people))
        held_out = ValidationData(source=folding.source, subjects=everyone)
        return (_Part("everyone", steered_by_nobody(recipe, held_out), everyone),)
    return tuple(
        _Part(f"fold-{number}", without_fold(recipe, folding, number), folds[number])
        for number in material.chosen
    )


def _gates(material: _Material, arm: Arm, progress: Progress) -> tuple[GateReport, ...]:
    """What the gates of the arm's first run do to the people of the first fold; drawn too."""
    order, first = material.order, material.chosen[0]
    run = "everyone" if arm.taught == "synthetic" else f"fold-{first}"
    model = load_model(read_bundle(order.output / arm.key / run / BUNDLE_FOLDER))
    people = material.folds[first]
    cases = cases_of(material.recipe, material.folding.source, order.folders, people)
    measured = measure(model, cases, named(progress, f"{arm.key} gates"))
    draw_maps(order.output / f"{arm.key}.png", measured.shown[:_SHOWN])
    return measured.gates

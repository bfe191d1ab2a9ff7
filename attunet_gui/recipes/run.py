"""A training run: a folder with the recipe, the log, the checkpoint and in the end the bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attunet_gui.core.card import Result, Training
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.provenance import versions
from attunet_gui.io.writing import make_folder, write_json
from attunet_gui.network.bundle import Bundle, add_results, read_bundle, write_bundle
from attunet_gui.network.predict import load_model
from attunet_gui.network.sampling import Source
from attunet_gui.recipes.phantoms import measure_on_phantoms
from attunet_gui.recipes.schema import PhantomCheck, Recipe, card_fields, card_source, read_recipe
from attunet_gui.recipes.sources import check_folders, load_sources

BUNDLE_FOLDER = "bundle"
RECIPE_FILE = "recipe.toml"
HELD_OUT_FILE = "held-out.json"
CHECKPOINT_FILE = "checkpoint.safetensors"
LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class Order:
    """What the command line says of a run.

    Attributes:
        recipe: the recipe's file.
        output: the run's folder.
        folders: where the sources of the recipe lie.
        start: folder of the bundle to start from.
        restart: forget what an earlier run left in `output`.
    """

    recipe: Path
    output: Path
    folders: Mapping[str, Path] = field(default_factory=dict)
    start: Path | None = None
    restart: bool = False


@dataclass(frozen=True)
class Finished:
    """A run that is done.

    Attributes:
        bundle: the model.
        seconds: time spent training.
        waiting_share: share of it spent waiting for batches; None if it was not trained just now.
        precision: what it was computed with.
    """

    bundle: Bundle
    seconds: float
    waiting_share: float
    precision: str


def run_recipe(order: Order, progress: Progress = silent) -> Finished:
    """Train what a recipe says, or go on where an earlier run of it stopped, and write `output`/bundle.

    Raises:
        AttunetError: the recipe, its data, the start or what is in the folder do not fit.
    """
    recipe = read_recipe(order.recipe)
    check_folders(recipe, order.folders)
    start = _start(order, recipe)
    make_folder(order.output)
    sources = load_sources(recipe, order.folders, progress)
    return train_run(order, recipe, start, sources, progress)


def train_run(
    order: Order, recipe: Recipe, start: Bundle | None, sources: tuple[Source, ...], progress: Progress
) -> Finished:
    """`run_recipe` once its data are in memory."""
    # TensorFlow, which a wrong recipe need not wait for.
    from attunet_gui.network.train import Job, RunFolder, TrainingData, train
    from attunet_gui.recipes.split import held_out_people, split

    _prepare(order)
    data = TrainingData(sources)
    if recipe.validation:
        people = held_out_people(sources, recipe.validation)
        write_json(order.output / HELD_OUT_FILE, {"people": people})
        data = split(sources, people, recipe.validation.source)
    job = Job(recipe.family, recipe.config, recipe.preprocessing, recipe.training, recipe.threshold, start)
    keep = RunFolder(order.output, _fingerprint(recipe, sources, start))
    trained = train(job, data, keep, progress)
    training = Training(
        command=_command(order),
        seed=recipe.training.seed,
        steps=trained.standing.step,
        seconds=round(trained.standing.seconds, 1),
        data=tuple(
            card_source(described, len(source.cases))
            for described, source in zip(recipe.data, data.sources, strict=True)
        ),
        settings=_settings(recipe, trained.precision, start),
    )
    fields = card_fields(recipe, training) | {"versions": versions()}
    bundle = write_bundle(order.output / BUNDLE_FOLDER, trained.network, fields)
    results = []
    if trained.standing.best_step:
        results.append(_validation_result(recipe, trained.standing.best_score, len(data.held_out), training))
    if recipe.phantom_check:
        results.append(_phantom_result(bundle, recipe.phantom_check, progress))
    if results:
        bundle = add_results(bundle, tuple(results))
    return Finished(bundle, trained.standing.seconds, trained.waiting_share, trained.precision)


def _start(order: Order, recipe: Recipe) -> Bundle | None:
    if order.start is None:
        return None
    bundle = read_bundle(order.start)
    from attunet_gui.network.families import parse_config

    found = bundle.card.family, parse_config(bundle.card.family, bundle.card.config)
    if found != (recipe.family, parse_config(recipe.family, recipe.config)):
        raise AttunetError(
            f"{bundle.card.name} is another network than the recipe's; start from one with its [config]."
        )
    return bundle


def _prepare(order: Order) -> None:
    if order.restart:
        for name in (CHECKPOINT_FILE, LOG_FILE):
            (order.output / name).unlink(missing_ok=True)
    if not (order.output / CHECKPOINT_FILE).is_file():
        (order.output / RECIPE_FILE).write_bytes(order.recipe.read_bytes())


def _fingerprint(recipe: Recipe, sources: tuple[Source, ...], start: Bundle | None) -> str:
    """What must be the same for a run to go on."""
    content = {
        "recipe": recipe.model_dump(mode="json", exclude={"title", "description", "intended_use", "limits"}),
        "cases": [[case.name for case in source.cases] for source in sources],
        "start": start.card.sha256 if start else None,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _command(order: Order) -> str:
    parts = ["attunet train", order.recipe.name, "-o RUN"]
    parts += [f"--data {name}=FOLDER" for name in sorted(order.folders)]
    parts += ["--from BUNDLE"] if order.start else []
    return " ".join(parts)


def _settings(recipe: Recipe, precision: str, start: Bundle | None) -> dict[str, object]:
    return {
        **recipe.training.model_dump(),
        "computed_in": precision,
        "sources": [source.model_dump() for source in recipe.data],
        "validation": recipe.validation.model_dump() if recipe.validation else None,
        "started_from": {"name": start.card.name, "sha256": start.card.sha256} if start else None,
    }


def _validation_result(recipe: Recipe, score: float, cases: int, training: Training) -> Result:
    assert recipe.validation is not None
    return Result(
        measure="DSC, mean of slices that show the organ, on the network's grid; chose the weights",
        data=f"{recipe.validation.source}, people held out of training",
        cases=cases,
        value=round(score, 4),
        command=training.command,
    )


def _phantom_result(bundle: Bundle, check: PhantomCheck, progress: Progress) -> Result:
    measured = measure_on_phantoms(load_model(bundle), check.seeds, progress)
    return Result(
        measure="DSC, whole volume",
        data=f"phantoms, seeds {check.seeds[0]} to {check.seeds[-1]}",
        cases=len(measured.dsc),
        value=round(measured.mean, 4),
        spread=round(measured.deviation, 4),
        command=f"attunet models measure {bundle.card.name} --first-seed {check.first_seed} "
        f"--cases {check.cases}",
    )

"""A training run: a folder with the recipe, the log, the checkpoint and in the end the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.io.result_writing import make_private_folder, write_json
from attunet_gui.network.batch_sampling import TrainingCase, TrainingData, TrainingSource
from attunet_gui.network.families.family_registry import parse_config
from attunet_gui.network.inference import load_model
from attunet_gui.network.model_bundle import ModelBundle, read_bundle, set_results, write_bundle
from attunet_gui.network.patch_blending import patch_layout
from attunet_gui.network.training_checkpoint import CHECKPOINT_FILE, RunFolder
from attunet_gui.network.training_log import LOG_FILE, read_log
from attunet_gui.network.validation_scores import InferFunction, predict_case
from attunet_gui.prediction.model_card import MeasuredResult, TrainingDataSource, TrainingRecord
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.hashing import sha256_of_json
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.system.software_versions import software_versions
from attunet_gui.training.phantom_cases import measure_on_phantoms
from attunet_gui.training.recipe_schema import (
    PhantomCheck,
    TrainingRecipe,
    card_fields,
    card_source,
    read_recipe,
    with_label,
)
from attunet_gui.training.recipe_sources import check_folders, empty_cases_note, load_sources
from attunet_gui.training.train_validation_split import held_out_people, split_cases
from attunet_gui.training.training_figures import DraftExample, draw_curves, draw_examples

if TYPE_CHECKING:
    from attunet_gui.network.training_loop import TrainingResult

BUNDLE_FOLDER = "bundle"
RECIPE_FILE = "recipe.toml"
HELD_OUT_FILE = "held-out.json"
CURVES_FILE = "curve.png"
OVERLAYS_FILE = "overlays.png"
_MAX_EXAMPLES = 16
# Fields of the recipe that make it another run; names and texts for the card may change in between.
_FINGERPRINTED_FIELDS = {"family", "config", "preprocessing", "threshold", "data", "validation", "training"}
# Options that came later. A run that does without them goes on from a checkpoint that did not know them.
_LATER_OPTIONS: dict[str, dict[str, object]] = {
    "preprocessing": {"neighbour_distance_mm": None},
    "training": {"average_share": 0.0, "deep_supervision": 0.0},
}


@dataclass(frozen=True)
class TrainingOptions:
    """What the command line says about a run.

    Attributes:
        recipe: path of the recipe.
        output: folder of the run.
        folders: folder of each data source of the recipe, by its name.
        start: folder of the bundle to start from; None starts with random weights.
        restart: forget what an earlier run left in `output`.
        label: the value of the organ in pairs of CT and label, where the recipe names none.
    """

    recipe: Path
    output: Path
    folders: Mapping[str, Path] = field(default_factory=dict)
    start: Path | None = None
    restart: bool = False
    label: int | None = None

    def read_recipe(self) -> TrainingRecipe:
        """Return the recipe with `label` applied; `AttunetError` names its first fault."""
        return with_label(read_recipe(self.recipe), self.label)


@dataclass(frozen=True)
class FinishedRun:
    """A completed run.

    Attributes:
        bundle: the model.
        seconds: time spent training.
        waiting_share: share of it spent waiting for batches.
        precision: the number format it was computed with.
        about_empty: a sentence about cases without any organ; "" if there are none.
    """

    bundle: ModelBundle
    seconds: float
    waiting_share: float
    precision: str
    about_empty: str = ""


def run_recipe(order: TrainingOptions, progress: ProgressCallback = no_progress) -> FinishedRun:
    """Train as a recipe says, or go on where an earlier run stopped, and write the bundle into the output
    folder.

    Raises:
        AttunetError: the recipe, its data, the start or the contents of the folder do not fit.
    """
    recipe = order.read_recipe()
    check_folders(recipe, order.folders)
    start = read_start_bundle(order, recipe)
    make_private_folder(order.output)
    sources = load_sources(recipe, order.folders, progress)
    return train_run(order, recipe, start, sources, progress)


def train_run(
    order: TrainingOptions,
    recipe: TrainingRecipe,
    start: ModelBundle | None,
    sources: tuple[TrainingSource, ...],
    progress: ProgressCallback,
) -> FinishedRun:
    """Train with data that are already in memory; otherwise as `run_recipe`."""
    # Imported here, so that a message about a wrong recipe does not wait for TensorFlow.
    from attunet_gui.network.training_loop import TrainingJob, train_network

    _prepare_folder(order)
    data = _hold_out_people(order, recipe, sources)
    job = TrainingJob(
        recipe.family, recipe.config, recipe.preprocessing, recipe.training, recipe.threshold, start
    )
    folder = RunFolder(order.output, run_fingerprint(recipe, sources, start))
    trained = train_network(
        job, data, folder, with_curve(order.output, recipe.training.validate_every, progress)
    )
    training = _training_record(order, recipe, data, start, trained)
    fields = card_fields(recipe, training) | {"versions": software_versions()}
    bundle = write_bundle(order.output / BUNDLE_FOLDER, trained.network, fields)
    # Measured with the bundle as it was written, like a user would draft with it.
    results = _measured_results(recipe, bundle, data, trained, progress)
    bundle = set_results(bundle, results) if results else bundle
    _draw_figures(order, recipe, data, trained)
    standing, empty = trained.standing, empty_cases_note(sources)
    return FinishedRun(bundle, standing.seconds, trained.waiting_share, trained.precision, empty)


def with_curve(folder: Path, every: int, progress: ProgressCallback) -> ProgressCallback:
    """Return `progress` that also draws the curve of the run in `folder` every `every` steps."""

    def told(done: int, total: int, stage: str) -> None:
        if done and done % every == 0:
            draw_curves(folder / CURVES_FILE, read_log(folder / LOG_FILE))
        progress(done, total, stage)

    return told


def read_start_bundle(order: TrainingOptions, recipe: TrainingRecipe) -> ModelBundle | None:
    """Return the bundle that training starts from; None for random weights.

    Its slices may have another size, because the weights are the same.

    Raises:
        AttunetError: its network is not that of the recipe.
    """
    if order.start is None:
        return None
    bundle = read_bundle(order.start)
    size = {"size": recipe.preprocessing.size}
    found = bundle.card.family, parse_config(bundle.card.family, bundle.card.config | size)
    if found != (recipe.family, parse_config(recipe.family, recipe.config | size)):
        raise AttunetError(
            f"{bundle.card.name} is another network than the recipe's; start from one with its [config]."
        )
    return bundle


def _hold_out_people(
    order: TrainingOptions, recipe: TrainingRecipe, sources: tuple[TrainingSource, ...]
) -> TrainingData:
    """Hold out the people that the recipe names and write down who they are."""
    if recipe.validation is None:
        return TrainingData(sources)
    people = held_out_people(sources, recipe.validation)
    write_json(order.output / HELD_OUT_FILE, {"people": people})
    return split_cases(sources, people, recipe.validation.source)


def _training_record(
    order: TrainingOptions,
    recipe: TrainingRecipe,
    data: TrainingData,
    start: ModelBundle | None,
    trained: TrainingResult,
) -> TrainingRecord:
    """Return what the card says about the training."""
    learnt_from = tuple(
        card_source(described, len(source.cases))
        for described, source in zip(recipe.data, data.sources, strict=True)
        # A source without weight is never learnt from; it only validates.
        if source.weight and source.cases
    )
    return TrainingRecord(
        command=_command_line(order),
        seed=recipe.training.seed,
        steps=trained.standing.step,
        seconds=round(trained.standing.seconds, 1),
        data=(*learnt_from, *_earlier_sources(start, learnt_from)),
        settings=_recorded_settings(recipe, trained, start),
    )


def _earlier_sources(
    start: ModelBundle | None, learnt_from: tuple[TrainingDataSource, ...]
) -> tuple[TrainingDataSource, ...]:
    """Return the data that the starting weights had learnt from, without those that are learnt from now."""
    names = {source.name for source in learnt_from}
    return tuple(source for source in start.card.training.data if source.name not in names) if start else ()


def _prepare_folder(order: TrainingOptions) -> None:
    """Remove an earlier run if a restart is wanted, and copy the recipe at the start of a run."""
    if order.restart:
        for name in (CHECKPOINT_FILE, LOG_FILE):
            (order.output / name).unlink(missing_ok=True)
    # A run that is resumed keeps the recipe it was begun with.
    if not (order.output / CHECKPOINT_FILE).is_file():
        (order.output / RECIPE_FILE).write_bytes(order.recipe.read_bytes())


def run_fingerprint(
    recipe: TrainingRecipe, sources: tuple[TrainingSource, ...], start: ModelBundle | None
) -> str:
    """Return a sha256 of everything that must be equal for a run to be resumed."""
    said = recipe.model_dump(mode="json", include=_FINGERPRINTED_FIELDS)
    for table, options in _LATER_OPTIONS.items():
        said[table] = {name: value for name, value in said[table].items() if options.get(name, ...) != value}
    content = {
        "recipe": said,
        "cases": [[case.name for case in source.cases] for source in sources],
        "start": start.card.weights_sha256 if start else None,
    }
    return sha256_of_json(content)


def _command_line(order: TrainingOptions) -> str:
    """Return the command that repeats the run, with placeholders instead of the user's folders."""
    parts = ["attunet train", order.recipe.name, "-o RUN"]
    parts += [f"--data {name}=FOLDER" for name in sorted(order.folders)]
    parts += ["--from BUNDLE"] if order.start else []
    return " ".join(parts)


def _recorded_settings(
    recipe: TrainingRecipe, trained: TrainingResult, start: ModelBundle | None
) -> dict[str, object]:
    """Return the settings that the card records."""
    return {
        **recipe.training.model_dump(),
        "computed_in": trained.precision,
        "waiting_share": round(trained.waiting_share, 4),
        "sources": [source.model_dump() for source in recipe.data],
        "validation": recipe.validation.model_dump() if recipe.validation else None,
        "started_from": {"name": start.card.name, "sha256": start.card.weights_sha256} if start else None,
    }


def _measured_results(
    recipe: TrainingRecipe,
    bundle: ModelBundle,
    data: TrainingData,
    trained: TrainingResult,
    progress: ProgressCallback,
) -> tuple[MeasuredResult, ...]:
    """Return the scores for the card: of the validation, and of phantoms if the recipe asks for them."""
    results = []
    if recipe.validation and trained.held_out_score is not None:
        results.append(_validation_result(bundle, recipe, trained.held_out_score, len(data.held_out)))
    if recipe.phantom_check:
        results.append(_phantom_result(bundle, recipe.phantom_check, progress))
    return tuple(results)


def _validation_result(
    bundle: ModelBundle, recipe: TrainingRecipe, score: float, cases: int
) -> MeasuredResult:
    """Return the score of the validation for the card."""
    assert recipe.validation is not None
    chose = ", the best of the run" if recipe.training.keep == "best" else ""
    return MeasuredResult(
        measure=f"DSC, mean of slices that show the organ, on the network's grid{chose}",
        data=f"{recipe.validation.source}, people held out of training",
        cases=cases,
        value=round(score, 4),
        command=bundle.card.training.command,
    )


def _phantom_result(bundle: ModelBundle, check: PhantomCheck, progress: ProgressCallback) -> MeasuredResult:
    """Draft the phantoms of `check` and return their mean DSC for the card."""
    measured = measure_on_phantoms(load_model(bundle), check.seeds, progress)
    return MeasuredResult(
        measure="DSC, whole volume",
        data=f"phantoms, seeds {check.seeds[0]} to {check.seeds[-1]}",
        cases=len(measured.dsc),
        value=round(measured.mean_dsc, 4),
        spread=round(measured.dsc_deviation, 4),
        command=f"attunet models measure {bundle.card.name} --first-seed {check.first_seed} "
        f"--cases {check.cases}",
    )


def _draw_figures(
    order: TrainingOptions, recipe: TrainingRecipe, data: TrainingData, trained: TrainingResult
) -> None:
    """Draw the curves, and drafts of held-out slices if there are any."""
    from attunet_gui.network.training_loop import inference_function

    draw_curves(order.output / CURVES_FILE, read_log(order.output / LOG_FILE))
    if data.held_out:
        infer = inference_function(trained.network)
        examples = _pick_examples(data.held_out, recipe, infer)
        draw_examples(order.output / OVERLAYS_FILE, examples)


def _pick_examples(
    held_out: tuple[TrainingCase, ...], recipe: TrainingRecipe, infer: InferFunction
) -> list[DraftExample]:
    """Return the slice with most organ of cases that are spread evenly over `held_out`."""
    with_organ = [case for case in held_out if (case.truth == 1).any()]
    numbers = np.linspace(0, len(with_organ) - 1, min(_MAX_EXAMPLES, len(with_organ))).astype(int)
    examples = []
    for case in (with_organ[number] for number in numbers):
        z = int((case.truth == 1).sum(axis=(1, 2)).argmax())
        probability = _predict_slice(case, z, recipe, infer)
        # A case of one slice needs no number.
        name = case.name if len(case.images) == 1 else f"{case.name}, slice {z + 1}"
        examples.append(
            DraftExample(name, case.images[z], case.truth[z] == 1, probability >= recipe.threshold)
        )
    return examples


def _predict_slice(
    case: TrainingCase, z: int, recipe: TrainingRecipe, infer: InferFunction
) -> NDArray[np.floating[Any]]:
    """Return (rows, columns), the probability in slice `z`."""
    neighbours, spacing = recipe.preprocessing.neighbours, recipe.preprocessing.spacing_mm
    layout = patch_layout(parse_config(recipe.family, recipe.config), spacing)
    if layout is not None:
        probability: NDArray[np.floating[Any]] = predict_case(case, neighbours, infer, layout)[z]
        return probability
    # The network is given the channels that it will be given in prediction.
    around = case.neighbour_stack(z, np.arange(-neighbours, neighbours + 1))
    answered: NDArray[np.floating[Any]] = infer(np.ascontiguousarray(np.moveaxis(around, 0, -1))[None])[0]
    return answered

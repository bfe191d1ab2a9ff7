"""A training run on NIH Pancreas-CT whose drafts of test patients are compared with those of the article."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attunet_gui.evaluation.article_table import (
    ArticleTable,
    VolumeScore,
    article_table_markdown,
    compare_with_article,
)
from attunet_gui.evaluation.model_drafts import DraftedCase, draft_cases
from attunet_gui.evaluation.surface_distances import mean_surface_distance_mm
from attunet_gui.io.datasets.tcia_pancreas_ct import CollectionPatient, find_collection_patients
from attunet_gui.io.result_writing import make_folder, write_json, write_text
from attunet_gui.network.inference import LoadedModel, load_model
from attunet_gui.network.model_bundle import ModelBundle, set_results
from attunet_gui.prediction.model_card import MeasuredResult
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.nih_pancreas_split import (
    ARTICLE_PATIENTS,
    ARTICLE_TESTED,
    PatientSplit,
    patient_cases,
    split_patients,
)
from attunet_gui.training.recipe_schema import NihPancreasData, TrainingRecipe
from attunet_gui.training.recipe_sources import check_folders
from attunet_gui.training.training_run import FinishedRun, TrainingOptions, run_recipe

SPLIT_FILE = "split.json"
TABLE_FILE = "table.json"
MARKDOWN_FILE = "table.md"


@dataclass(frozen=True)
class ArticleComparison:
    """A run that was tested.

    Attributes:
        finished: the run; the card of its model holds the scores.
        table: scores of the test patients, beside those of the article.
    """

    finished: FinishedRun
    table: ArticleTable


def run_and_compare(order: TrainingOptions, progress: ProgressCallback = no_progress) -> ArticleComparison:
    """Train, draft every test patient, and write table.json, table.md and split.json into the output folder.

    Raises:
        AttunetError: as for `run_recipe`; or the recipe does not use NIH Pancreas-CT.
    """
    recipe = order.read_recipe()
    data = _nih_pancreas_data(recipe, order.recipe)
    # Checked here too, before the patients are searched for and anything is written.
    check_folders(recipe, order.folders)
    parts = split_patients(find_collection_patients(order.folders[data.name]), data.split_seed)
    make_folder(order.output)
    _write_split(order.output / SPLIT_FILE, parts, data.split_seed)
    finished = run_recipe(order, progress)
    scores = score_patients(load_model(finished.bundle), parts.tested, progress)
    table = compare_with_article(f"{finished.bundle.card.title}, this run", scores, [_split_note(parts)])
    write_json(order.output / TABLE_FILE, table.model_dump(mode="json"))
    write_text(order.output / MARKDOWN_FILE, article_table_markdown(table))
    bundle = _add_article_results(finished.bundle, table, _dataset_command(finished.bundle, data.name))
    return ArticleComparison(replace(finished, bundle=bundle), table)


def score_patients(
    model: LoadedModel, patients: Sequence[CollectionPatient], progress: ProgressCallback = no_progress
) -> tuple[VolumeScore, ...]:
    """Return the scores of the program's drafts of `patients` against their labels, on the grid of the CT."""
    return tuple(_score_volume(drafted) for drafted in draft_cases(model, patient_cases(patients), progress))


def _score_volume(drafted: DraftedCase) -> VolumeScore:
    """Return the scores of one draft with its mean surface distance in mm."""
    spacing = drafted.volume.grid.spacing_mm
    distance = mean_surface_distance_mm(drafted.draft, drafted.truth, spacing)
    return VolumeScore(**drafted.draft_score.model_dump(), surface_mm=distance)


def _nih_pancreas_data(recipe: TrainingRecipe, path: Path) -> NihPancreasData:
    """Return the first data of the recipe that are NIH Pancreas-CT; `AttunetError` if there are none."""
    for data in recipe.data:
        if isinstance(data, NihPancreasData) and data.kind == "nih-pancreas-ct":
            return data
    raise AttunetError(f"The recipe {path} does not learn from NIH Pancreas-CT: it needs data of that kind.")


def _write_split(path: Path, parts: PatientSplit, seed: int) -> None:
    """Write which patients were trained on and tested on, with the seed that chose them."""
    names = {
        "trained": [patient.folder_name for patient in parts.trained],
        "tested": [patient.folder_name for patient in parts.tested],
    }
    write_json(path, {"seed": seed, **names})


def _split_note(parts: PatientSplit) -> str:
    """Return the sentence below the table that says how many scans were used here and in the article."""
    trained, tested = len(parts.trained), len(parts.tested)
    return (
        f"This run: trained on {trained} and tested on {tested} of {trained + tested} scans; the article: on "
        f"{ARTICLE_PATIENTS - ARTICLE_TESTED} and {ARTICLE_TESTED} of {ARTICLE_PATIENTS}, of which TCIA has "
        "since removed two."
    )


def _dataset_command(bundle: ModelBundle, name: str) -> str:
    """Return the command that repeats run and test: with --dataset the test patients are drafted too."""
    return bundle.card.training.command.replace(f"--data {name}=FOLDER", f"--dataset {name} DIR")


def _add_article_results(bundle: ModelBundle, table: ArticleTable, command: str) -> ModelBundle:
    """Write the mean scores of `table` into the card of `bundle`, with the command that prints them."""
    ours, patients = table.our_row, len(table.volumes)
    # An empty draft has no surface and so no distance.
    with_surface = sum(volume.surface_mm is not None for volume in table.volumes)
    figures = (
        ("DSC, whole volume", ours.dsc, patients),
        ("precision, whole volume", ours.precision, patients),
        ("recall, whole volume", ours.recall, patients),
        ("mean surface distance of drafts that are not empty, mm", ours.surface_mm, with_surface),
    )
    results = tuple(
        MeasuredResult(
            measure=measure,
            data="NIH Pancreas-CT, patients put aside",
            cases=cases,
            value=round(figure.mean, 4),
            spread=round(figure.deviation, 4),
            command=command,
        )
        for measure, figure, cases in figures
        if figure is not None
    )
    return set_results(bundle, (*bundle.card.results, *results))

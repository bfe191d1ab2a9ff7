"""`attunet train` and `attunet crossvalidate`: train one model by a recipe, or one model per fold."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from attunet_gui.app.model_finetuning import FinetuneRequest, adopt_finetuned_model, finetune_model
from attunet_gui.cli.console import console, print_empty_note, progress_bar
from attunet_gui.cli.score_tables import (
    SCORE_HEADINGS,
    add_summary_rows,
    interval_text,
    print_verdict,
    score_table,
)
from attunet_gui.evaluation.article_table import TABLE_HEADINGS, row_cells
from attunet_gui.evaluation.calibration_fit import UNCERTAIN_RANGE, reliability_curve
from attunet_gui.evaluation.case_scores import SCORE_MEASURES, MeanEstimate
from attunet_gui.evaluation.crossvalidated_calibration import (
    CalibrationFold,
    CrossValidatedCalibration,
    crossvalidate_calibration,
)
from attunet_gui.evaluation.evaluation_figures import draw_failures, draw_reliability
from attunet_gui.evaluation.labelled_cases import slice_cases
from attunet_gui.evaluation.patient_splits import read_folds
from attunet_gui.io.result_writing import make_folder, write_json
from attunet_gui.network.inference import load_model
from attunet_gui.network.model_bundle import read_bundle, set_calibration, set_results
from attunet_gui.prediction.model_card import MeasuredResult
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.paths import shipped_recipe_path
from attunet_gui.system.plurals import counted
from attunet_gui.training.article_comparison import TABLE_FILE, run_and_compare
from attunet_gui.training.crossvalidation import FOLDS_FILE, SCORES_FILE, run_crossvalidation
from attunet_gui.training.finetuning.finetune_config import FinetuneConfig
from attunet_gui.training.finetuning.finetune_run import run_finetuning
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel
from attunet_gui.training.training_run import BUNDLE_FOLDER, FinishedRun, TrainingOptions, run_recipe


def calibrate_model(run: Path, model: Path, slices: Path, output: Path) -> None:
    """Measure the folds of a cross-validation and put calibration, threshold and results into a model's card.

    Args:
        run: folder of the cross-validation.
        model: folder of the bundle whose card is changed.
        slices: folder of the slices that the folds were made of.
        output: folder for figures and pictures.

    Raises:
        AttunetError: a fold cannot be read, or has none of the slices.
    """
    bundle = read_bundle(model)
    folds = read_fold_models(run, slices)
    make_folder(output)
    with progress_bar(run.name) as progress:
        found = crossvalidate_calibration(folds, progress)
    set_calibration(bundle, found.suggestion.calibration, found.suggestion.threshold)
    set_results(read_bundle(model), _card_results(found, len(folds)))
    _write_calibration(output, found)
    _print_calibration(found)
    console.print(
        f"{model}: threshold {found.suggestion.threshold:.2f}, slope "
        f"{found.suggestion.calibration.slope:.3f}, offset {found.suggestion.calibration.offset:.3f}"
    )


def read_fold_models(run: Path, slices: Path) -> list[CalibrationFold]:
    """Load each model of the cross-validation in `run` with the slices of the patients that it never saw.

    Raises:
        AttunetError: a fold cannot be read, or has none of the slices.
    """
    cases = slice_cases(slices)
    folds = []
    for number, people in enumerate(read_folds(run / FOLDS_FILE)):
        model = load_model(read_bundle(run / f"fold-{number}" / BUNDLE_FOLDER))
        own = [case for case in cases if case.patient_name in people]
        if not own:
            raise AttunetError(f"None of the patients of fold {number} of {run} is in {slices}.")
        folds.append(CalibrationFold(model, own))
    return folds


def _card_results(found: CrossValidatedCalibration, folds: int) -> tuple[MeasuredResult, ...]:
    """Return the card's results: each measure as mean of slices and as mean of patients."""
    # The mended scores are those with the calibration of the other folds, so each is measured on held-out
    # patients, as the card says.
    slices, patients = found.mended.cases, found.mended.patients
    data = f"{folds}-fold cross-validation over {counted(len(patients), 'patient')}, slices held out"
    results = []
    for name, title in zip(SCORE_MEASURES, SCORE_HEADINGS, strict=True):
        by_slice, by_patient = getattr(found.mended.by_case, name), getattr(found.mended.by_patient, name)
        sure = f"(95 % interval {interval_text(by_patient)})"
        results.append(_card_result(f"{title}, mean of slices", data, len(slices), by_slice))
        results.append(_card_result(f"{title}, mean of patients {sure}", data, len(patients), by_patient))
    return tuple(results)


def _card_result(measure: str, data: str, cases: int, found: MeanEstimate) -> MeasuredResult:
    """Return one result of the card, with the command that made it."""
    return MeasuredResult(
        measure=measure,
        data=data,
        cases=cases,
        value=round(found.mean, 4),
        spread=round(found.deviation, 4),
        command="attunet calibrate FOLDS BUNDLE --slices SLICES -o OUT",
    )


def _write_calibration(output: Path, found: CrossValidatedCalibration) -> None:
    """Write the reliability diagram, the worst cases and the record of a calibration into `output`."""
    low, high = UNCERTAIN_RANGE
    curves = {
        "as trained": reliability_curve(found.before.within_range(low, high)),
        "calibrated on the other folds": reliability_curve(found.after.within_range(low, high)),
    }
    draw_reliability(output / "reliability.png", curves)
    draw_failures(output / "failures.png", found.worst)
    record = {
        "plain": found.plain.model_dump(),
        "mended": found.mended.model_dump(),
        "reliability": {title: curve.model_dump() for title, curve in curves.items()},
        "error_in_body": {
            "before": reliability_curve(found.before).error,
            "after": reliability_curve(found.after).error,
        },
        "chosen": [choice.model_dump() for choice in found.chosen],
        "suggestion": found.suggestion.model_dump(),
    }
    write_json(output / "crossvalidated.json", record)


def _print_calibration(found: CrossValidatedCalibration) -> None:
    """Print the scores with the calibration as trained and with that of the other folds."""
    table = Table("", "cases", *SCORE_HEADINGS)
    for title, scores in (("as trained", found.plain), ("calibrated on the other folds", found.mended)):
        add_summary_rows(table, f"{title}, mean of slices", len(scores.cases), scores.by_case)
        add_summary_rows(table, f"{title}, mean of patients", len(scores.patients), scores.by_patient)
    console.print(table)
    print_empty_note(found.plain.empty_truths_note)


_TIME_LIMIT_NOTE = (
    "{minutes:g} minutes are for learning and its validation. What no time can bound comes on top: all cases "
    "are read before, and afterwards the old and the new model draft each case that judges, for without that "
    "nobody knows which of them is better."
)


def finetune_and_print(order: FinetuneConfig, *, wanted: bool) -> int:
    """Fine-tune a model, compare it with the one before, and print the outcome.

    Args:
        order: what to learn from and for how long.
        wanted: make the new model the default if it passes the comparison.

    Returns:
        The exit code: 1 if the comparison holds the model back.
    """
    if order.effort.minutes is not None:
        console.print(_TIME_LIMIT_NOTE.format(minutes=order.effort.minutes))
    with progress_bar("finetune") as progress:
        done = finetune_model(FinetuneRequest(order), run_finetuning, progress)
    _print_finetuned(done)
    if not done.verdict.passed:
        return 1
    if wanted:
        # The person chose the folder of the run, and may type the same command again.
        adopt_finetuned_model(done, keep_checkpoint=True)
        console.print(f"{done.name} is the default now; `attunet models rollback` undoes it.")
    else:
        console.print(f"`attunet models adopt {done.bundle.folder}` makes it the default.")
    return 0


def _print_finetuned(done: FinetunedModel) -> None:
    """Print how the training went, which cases were left out and why, and the comparison."""
    console.print(f"{done.bundle.folder}: {done.training_sentence}")
    if done.left_out_sentence:
        console.print(done.left_out_sentence)
    print_empty_note(done.about_empty)
    print_verdict(done.verdict)


KNOWN_COLLECTIONS = ("nih-pancreas-ct",)
"""Public collections that `--dataset` knows; each has a recipe of that name."""


def train_by_recipe(order: TrainingOptions) -> None:
    """Train a model by a recipe, measure it, write its bundle, and print the outcome."""
    with progress_bar(order.recipe.stem) as progress:
        done = run_recipe(order, progress)
    _print_training_run(done)


def train_on_collection(order: TrainingOptions) -> None:
    """Train, test on the patients that were held out, and print the scores beside the article's."""
    with progress_bar(order.recipe.stem) as progress:
        compared = run_and_compare(order, progress)
    _print_training_run(compared.finished)
    table = Table(*TABLE_HEADINGS)
    for row in compared.table.rows:
        table.add_row(*row_cells(row))
    console.print(table)
    for note in compared.table.notes:
        console.print(note)
    console.print(f"each patient: {order.output / TABLE_FILE}")


def choose_recipe(recipe: Path | None, collection: tuple[str, Path] | None) -> Path:
    """Return the named recipe, or else the one that comes with the collection.

    Args:
        recipe: file of a recipe.
        collection: name and folder of a public collection.

    Raises:
        AttunetError: the collection is not known, or neither is given.
    """
    if collection is not None and collection[0] not in KNOWN_COLLECTIONS:
        raise AttunetError(
            f"--dataset knows {', '.join(KNOWN_COLLECTIONS)}, not {collection[0]!r}; name a recipe and its "
            "--data."
        )
    if recipe is not None:
        return recipe
    if collection is None:
        raise AttunetError("Name a recipe, or a collection with --dataset NAME DIR.")
    return shipped_recipe_path(collection[0])


def _print_training_run(done: FinishedRun) -> None:
    """Print where the bundle is, how long the training took, and the results in its card."""
    print_empty_note(done.about_empty)
    console.print(
        f"{done.bundle.folder}: {done.seconds / 60:.1f} min in {done.precision}, "
        f"{100 * done.waiting_share:.1f} % of it waiting for data"
    )
    for result in done.bundle.card.results:
        spread = f" ± {result.spread:.3f}" if result.spread is not None else ""
        console.print(
            f"{result.measure}; {result.data}: {result.value:.3f}{spread} ({counted(result.cases, 'case')})"
        )


def crossvalidate_by_recipe(order: TrainingOptions) -> None:
    """Train and score one model per fold, and print the scores of all held-out patients."""
    with progress_bar(order.recipe.stem) as progress:
        scores = run_crossvalidation(order, progress)
    console.print(score_table(scores, {}))
    print_empty_note(scores.empty_truths_note)
    console.print(f"each patient and slice: {order.output / SCORES_FILE}")


def parse_named_folders(options: list[str]) -> dict[str, Path]:
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

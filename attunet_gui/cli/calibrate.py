"""`attunet calibrate`: choose calibration and threshold by cross-validation and write them into a card."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar, say_empty
from attunet_gui.cli.score_table import HEADINGS, add_summary, interval
from attunet_gui.core.card import Result
from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.evaluation.calibration import UNCERTAIN, reliability
from attunet_gui.evaluation.cases import slice_cases
from attunet_gui.evaluation.crossvalidated import CrossValidated, Fold, crossvalidated
from attunet_gui.evaluation.pictures import draw_failures, draw_reliability
from attunet_gui.evaluation.scores import MEASURES, Estimate
from attunet_gui.evaluation.splits import read_folds
from attunet_gui.io.writing import make_folder, write_json
from attunet_gui.network.bundle import add_results, read_bundle, recalibrate
from attunet_gui.network.predict import load_model
from attunet_gui.recipes.folds import FOLDS_FILE
from attunet_gui.recipes.run import BUNDLE_FOLDER


def calibrate(run: Path, model: Path, slices: Path, output: Path) -> None:
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
    folds = read_folded(run, slices)
    make_folder(output)
    with progress_bar(run.name) as progress:
        found = crossvalidated(folds, progress)
    recalibrate(bundle, found.suggestion.calibration, found.suggestion.threshold)
    add_results(read_bundle(model), _results(found, len(folds)))
    _write(output, found)
    _print(found)
    console.print(
        f"{model}: threshold {found.suggestion.threshold:.2f}, slope "
        f"{found.suggestion.calibration.slope:.3f}, offset {found.suggestion.calibration.offset:.3f}"
    )


def read_folded(run: Path, slices: Path) -> list[Fold]:
    """Load each model of the cross-validation in `run` with the slices of the patients that it never saw.

    Raises:
        AttunetError: a fold cannot be read, or has none of the slices.
    """
    cases = slice_cases(slices)
    folds = []
    for number, people in enumerate(read_folds(run / FOLDS_FILE)):
        model = load_model(read_bundle(run / f"fold-{number}" / BUNDLE_FOLDER))
        own = [case for case in cases if case.patient in people]
        if not own:
            raise AttunetError(f"None of the patients of fold {number} of {run} is in {slices}.")
        folds.append(Fold(model, own))
    return folds


def _results(found: CrossValidated, folds: int) -> tuple[Result, ...]:
    """Return the card's results: each measure as mean of slices and as mean of patients."""
    # The mended scores are those with the calibration of the other folds, so each is measured on held-out
    # patients, as the card says.
    slices, patients = found.mended.cases, found.mended.patients
    data = f"{folds}-fold cross-validation over {counted(len(patients), 'patient')}, slices held out"
    results = []
    for name, title in zip(MEASURES, HEADINGS, strict=True):
        by_slice, by_patient = getattr(found.mended.by_case, name), getattr(found.mended.by_patient, name)
        sure = f"(95 % interval {interval(by_patient)})"
        results.append(_result(f"{title}, mean of slices", data, len(slices), by_slice))
        results.append(_result(f"{title}, mean of patients {sure}", data, len(patients), by_patient))
    return tuple(results)


def _result(measure: str, data: str, cases: int, found: Estimate) -> Result:
    """Return one result of the card, with the command that made it."""
    return Result(
        measure=measure,
        data=data,
        cases=cases,
        value=round(found.mean, 4),
        spread=round(found.deviation, 4),
        command="attunet calibrate FOLDS BUNDLE --slices SLICES -o OUT",
    )


def _write(output: Path, found: CrossValidated) -> None:
    """Write the reliability diagram, the worst cases and the record of a calibration into `output`."""
    low, high = UNCERTAIN
    curves = {
        "as trained": reliability(found.before.between(low, high)),
        "calibrated on the other folds": reliability(found.after.between(low, high)),
    }
    draw_reliability(output / "reliability.png", curves)
    draw_failures(output / "failures.png", found.worst)
    record = {
        "plain": found.plain.model_dump(),
        "mended": found.mended.model_dump(),
        "reliability": {title: curve.model_dump() for title, curve in curves.items()},
        "error_in_body": {
            "before": reliability(found.before).error,
            "after": reliability(found.after).error,
        },
        "chosen": [choice.model_dump() for choice in found.chosen],
        "suggestion": found.suggestion.model_dump(),
    }
    write_json(output / "crossvalidated.json", record)


def _print(found: CrossValidated) -> None:
    """Print the scores with the calibration as trained and with that of the other folds."""
    table = Table("", "cases", *HEADINGS)
    for title, scores in (("as trained", found.plain), ("calibrated on the other folds", found.mended)):
        add_summary(table, f"{title}, mean of slices", len(scores.cases), scores.by_case)
        add_summary(table, f"{title}, mean of patients", len(scores.patients), scores.by_patient)
    console.print(table)
    say_empty(found.plain.about_empty)

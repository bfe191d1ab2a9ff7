"""`attunet evaluate`: measure a model on labelled CT, as a table, figures and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar, say_empty
from attunet_gui.cli.models import choose_model
from attunet_gui.cli.score_table import score_table
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress
from attunet_gui.core.provenance import now, versions
from attunet_gui.evaluation.calibration import UNCERTAIN, Reliability, reliability
from attunet_gui.evaluation.cases import Case, pair_cases, slice_cases
from attunet_gui.evaluation.drafting import score_drafts
from attunet_gui.evaluation.gates import GateReport
from attunet_gui.evaluation.measuring import Measured, hold_gates, measure, suggest
from attunet_gui.evaluation.pictures import draw_failures, draw_maps, draw_reliability, figure
from attunet_gui.evaluation.scores import Scores
from attunet_gui.evaluation.splits import read_folds
from attunet_gui.io.writing import make_folder, write_json
from attunet_gui.network.engines import KERAS
from attunet_gui.network.predict import Model, load_model, looking_again


@dataclass(frozen=True)
class Data:
    """The labelled data that a model is measured on.

    Attributes:
        folder: of slices, or of pairs of CT and label.
        slices: whether the folder holds slices.
        fold: a file of folds and the number of one, counted from 0; None takes all patients.
        label: value of the pancreas in the labels of pairs; None finds it in the files.
    """

    folder: Path
    slices: bool
    fold: tuple[Path, int] | None = None
    label: int | None = None

    def cases(self, spacing_mm: float) -> tuple[Case, ...]:
        """Read the cases.

        Args:
            spacing_mm: assumed pixel size of slices, whose files do not say it.

        Raises:
            AttunetError: there are no cases.
        """
        found = slice_cases(self.folder, spacing_mm) if self.slices else pair_cases(self.folder, self.label)
        return found if self.fold is None else _of_fold(found, *self.fold)


@dataclass(frozen=True)
class Wanted:
    """How thoroughly to measure.

    Attributes:
        output: folder for figures and pictures; None prints only.
        spacing_mm: assumed pixel sizes of slices; the first is reported in full, others by their scores only.
        held: also measure with each attention gate held, which shows what the gate contributes.
        looks: also measure with test-time augmentation, which shows what it contributes.
    """

    output: Path | None
    spacing_mm: tuple[float, ...]
    held: bool
    looks: bool


def data_from(slices: Path | None, pairs: Path | None, folds: Path | None, fold: int) -> Data:
    """Return the data that the command line names.

    Raises:
        AttunetError: neither or both of `slices` and `pairs` are given.
    """
    folder = slices or pairs
    if folder is None or (slices and pairs):
        raise AttunetError("Say what to measure on: either --slices FOLDER or --pairs FOLDER.")
    return Data(folder, slices is not None, (folds, fold) if folds else None)


def evaluate(model_name: str, data: Data, wanted: Wanted) -> None:
    """Measure a model, print the tables, and write figures and pictures if a folder is given.

    Raises:
        AttunetError: there is no such model, or no case to measure on.
    """
    # Data and folder are checked before the model is loaded, which takes seconds.
    cases = data.cases(wanted.spacing_mm[0])
    bundle = choose_model(model_name)
    if wanted.output:
        figure(1, 1)  # without matplotlib it is better to stop now than after the work
        make_folder(wanted.output)
    # Gates are held in the Keras graph, so another engine cannot be used for that.
    with console.status(f"loading {bundle.card.name}"):
        model = load_model(bundle, KERAS if wanted.held else None)
    with progress_bar(bundle.card.name) as progress:
        measured = measure(model, cases, progress)
        gates = hold_gates(model, cases, measured, progress) if wanted.held else measured.gates
        variants = _variants(model, data, wanted, measured, progress)
    console.print(score_table(measured.scores, variants))
    say_empty(measured.scores.about_empty)
    _print_gates(gates)
    _print_calibration(measured, model)
    if wanted.output:
        _draw(wanted.output, measured)
        write_json(wanted.output / "gates.json", [gate.model_dump() for gate in gates])
        write_json(wanted.output / "scores.json", _record(model, data, measured, variants))
        console.print(f"Written to {wanted.output}.")


def _of_fold(cases: Sequence[Case], path: Path, fold: int) -> tuple[Case, ...]:
    """Return the cases of the patients of one fold; `AttunetError` if there is no such fold, or no case."""
    folds = read_folds(path)
    if fold >= len(folds):
        raise AttunetError(f"{path} has the folds 0 to {len(folds) - 1}, not {fold}.")
    left = tuple(case for case in cases if case.patient in folds[fold])
    if not left:
        raise AttunetError(f"None of the patients of fold {fold} in {path} is in the data.")
    return left


def _variants(
    model: Model, data: Data, wanted: Wanted, plain: Measured, progress: Progress
) -> dict[str, Scores]:
    """Measure with other pixel sizes and with test-time augmentation; return the scores by title."""
    found = {}
    for spacing in wanted.spacing_mm[1:] if data.slices else ():
        found[f"{spacing:g} mm pixels"] = score_drafts(model, data.cases(spacing), progress)
    if wanted.looks:
        again = measure(looking_again(model), data.cases(wanted.spacing_mm[0]), progress)
        found[f"five looks, {again.seconds / plain.seconds:.1f} times as slow"] = again.scores
    return found


def _print_gates(gates: Sequence[GateReport]) -> None:
    """Print what each attention gate does inside and outside the organ, and what holding it changes."""
    if not gates:
        return
    table = Table("gate", "organ", "rest", "separates", "deviation", "held at 1", "at mean", "fault")
    for level, gate in enumerate(gates, start=1):
        figures = (gate.inside, gate.outside, gate.separation, gate.deviation)
        changes = (gate.held_open, gate.held_at_mean)
        table.add_row(
            str(level),
            *("-" if figure is None else f"{figure:.3f}" for figure in figures),
            *("-" if change is None else f"{change:+.4f}" for change in changes),
            gate.fault or "",
        )
    console.print(table)


def _print_calibration(measured: Measured, model: Model) -> None:
    """Print the calibration error, and the calibration and threshold that these cases would choose."""
    body, uncertain = _reliabilities(measured).values()
    console.print(
        f"Expected calibration error: {body.error:.4f} in the body, {uncertain.error:.3f} where unsure."
    )
    if not measured.has_organ:
        console.print("Without any pancreas these cases choose no calibration and no threshold.")
        return
    found = suggest(measured, model.card.calibration)
    slope, offset = found.calibration.slope, found.calibration.offset
    console.print(
        f"These cases would choose slope {slope:.3f}, offset {offset:.3f}, threshold {found.threshold:.2f}."
    )


def _reliabilities(measured: Measured) -> dict[str, Reliability]:
    """Return the reliability over the whole body, and over uncertain voxels only."""
    # Most of the body is surely no pancreas, and makes the error over all voxels look small.
    low, high = UNCERTAIN
    counted = measured.tally
    return {
        "body": reliability(counted),
        f"{low} to {high}": reliability(counted.between(low, high)),
    }


def _draw(output: Path, measured: Measured) -> None:
    """Draw reliability, the worst cases and the gates' maps into `output`."""
    draw_reliability(output / "reliability.png", _reliabilities(measured))
    draw_failures(output / "failures.png", measured.worst)
    draw_maps(output / "gates.png", measured.shown)


def _record(model: Model, data: Data, measured: Measured, variants: dict[str, Scores]) -> dict[str, Any]:
    """Return the content of scores.json, with what is needed to repeat the measurement."""
    return {
        "made_by": "attunet evaluate",
        "model": {"name": model.id.name, "sha256": model.id.sha256, "engine": model.id.engine},
        "data": data.folder.name,
        "fold": None if data.fold is None else [data.fold[0].name, data.fold[1]],
        "scores": measured.scores.model_dump(),
        "variants": {title: scores.by_patient.model_dump() for title, scores in variants.items()},
        "reliability": {title: curve.model_dump() for title, curve in _reliabilities(measured).items()},
        "suggestion": suggest(measured, model.card.calibration).model_dump() if measured.has_organ else None,
        "threshold": model.card.threshold,
        "calibration": model.card.calibration.model_dump(),
        "seconds": round(measured.seconds, 3),
        "made": now(),
        "versions": versions(),
    }

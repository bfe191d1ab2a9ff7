"""`attunet evaluate`: measure a model on labelled CT, as a table, figures and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from attunet_gui.cli.console import console, print_empty_note, progress_bar
from attunet_gui.cli.model_commands import choose_model
from attunet_gui.cli.score_tables import score_table
from attunet_gui.evaluation.attention_gate_report import GateReport
from attunet_gui.evaluation.calibration_fit import UNCERTAIN_RANGE, ReliabilityCurve, reliability_curve
from attunet_gui.evaluation.case_scores import ScoreTable
from attunet_gui.evaluation.evaluation_figures import draw_failures, draw_maps, draw_reliability, new_figure
from attunet_gui.evaluation.labelled_cases import LabelledCase, pair_cases, slice_cases
from attunet_gui.evaluation.model_drafts import score_drafts
from attunet_gui.evaluation.model_measurement import (
    ModelMeasurement,
    measure_held_gates,
    measure_model,
    suggest_calibration,
)
from attunet_gui.evaluation.pair_matching import PairComparisonOptions, compare_pair_files
from attunet_gui.evaluation.pair_report import PairReport, pair_report_html
from attunet_gui.evaluation.pair_table import (
    PAIR_MEASURES,
    PairRow,
    empty_truths_of_pairs,
    pair_table_csv,
    summarise_pairs,
)
from attunet_gui.evaluation.patient_splits import read_folds
from attunet_gui.evaluation.slice_excerpts import SliceExcerpt
from attunet_gui.io.result_writing import make_folder, write_json, write_text
from attunet_gui.network.engines.engine_registry import KERAS
from attunet_gui.network.inference import LoadedModel, load_model, with_test_time_transforms
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.system.software_versions import software_versions, utc_timestamp

PAIRS_JSON_FILE, PAIRS_CSV_FILE, PAIRS_HTML_FILE = "pairs.json", "pairs.csv", "report.html"
_WORST_PAIR_COUNT = 12


def folders_to_compare(
    model: str | None, drafts: Path | None, truths: Path | None
) -> tuple[Path, Path] | None:
    """Return the folders of drafts and truths; None if a model is to be measured instead.

    Raises:
        AttunetError: neither a model nor both folders are named, or a model and a folder.
    """
    if model and not (drafts or truths):
        return None
    if drafts and truths and not model:
        return drafts, truths
    raise AttunetError("Name either a model, or masks with --pred FOLDER and --truth FOLDER.")


def evaluate_pairs(order: PairComparisonOptions, output: Path | None) -> None:
    """Compare pairs of masks, print a table, and write table, record and report if a folder is given."""
    if output:
        new_figure(1, 1)  # without matplotlib it is better to stop now than after the work
        make_folder(output)
    rows: list[PairRow] = []
    worst: list[SliceExcerpt] = []
    with progress_bar("evaluate") as progress:
        for pair in compare_pair_files(order, progress):
            rows.append(pair.row)
            # Only the worst views are kept: those of all cases would fill the memory.
            worst = sorted([*worst, pair.view], key=lambda view: view.dsc)[:_WORST_PAIR_COUNT]
    console.print(_pair_score_table(rows))
    print_empty_note(empty_truths_of_pairs(rows))
    if output:
        compared = PairReport(f"{order.drafts.name} against {order.truths.name}", tuple(rows), tuple(worst))
        write_json(output / PAIRS_JSON_FILE, _pairs_record(rows))
        write_text(output / PAIRS_CSV_FILE, pair_table_csv(rows))
        write_text(output / PAIRS_HTML_FILE, pair_report_html(compared))
        console.print(f"Written to {output}.")


def _pair_score_table(rows: list[PairRow]) -> Table:
    """Return a row per case, then means and their 95 % intervals; "-" where a measure is undefined."""
    table = Table("case", *(measure.title for measure in PAIR_MEASURES))
    for row in rows:
        table.add_row(row.name, *(row.text(measure) for measure in PAIR_MEASURES))
    table.add_section()
    found = [summary.estimate for summary in summarise_pairs(rows)]
    digits = [measure.digits for measure in PAIR_MEASURES]
    table.add_row(
        f"mean of {len(rows)}",
        *("-" if one is None else f"{one.mean:.{n}f}" for one, n in zip(found, digits, strict=True)),
    )
    table.add_row(
        "  95 % interval",
        *(
            "-" if one is None or one.interval is None else "{:.{n}f} to {:.{n}f}".format(*one.interval, n=n)
            for one, n in zip(found, digits, strict=True)
        ),
    )
    return table


def _pairs_record(rows: list[PairRow]) -> dict[str, Any]:
    """Return the content of pairs.json: every case, the empty truths, and the summary of each measure."""
    return {
        "made_by": "attunet evaluate --pred --truth",
        "cases": [
            {"case": row.name, "person": row.person}
            | {measure.name: row.score_of(measure) for measure in PAIR_MEASURES}
            | {"draft_ml": row.scores.draft_ml, "truth_ml": row.scores.truth_ml}
            for row in rows
        ],
        "empty_truths": [row.name for row in rows if not row.scores.truth_ml],
        "summary": {
            found.measure.name: {
                "undefined": found.undefined,
                **(found.estimate.model_dump() if found.estimate else {}),
            }
            for found in summarise_pairs(rows)
        },
        "made": utc_timestamp(),
        "versions": software_versions(),
    }


@dataclass(frozen=True)
class LabelledCasesSource:
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

    def read_cases(self, spacing_mm: float) -> tuple[LabelledCase, ...]:
        """Read the cases.

        Args:
            spacing_mm: assumed pixel size of slices, whose files do not say it.

        Raises:
            AttunetError: there are no cases.
        """
        found = slice_cases(self.folder, spacing_mm) if self.slices else pair_cases(self.folder, self.label)
        return found if self.fold is None else _cases_of_fold(found, *self.fold)


@dataclass(frozen=True)
class EvaluateCommandOptions:
    """How thoroughly to measure.

    Attributes:
        output: folder for figures and pictures; None prints only.
        spacing_mm: assumed pixel sizes of slices; the first is reported in full, others by their scores only.
        also_hold_gates: also measure with each attention gate held, which shows what the gate contributes.
        use_tta: also measure with test-time augmentation, which shows what it contributes.
    """

    output: Path | None
    spacing_mm: tuple[float, ...]
    also_hold_gates: bool
    use_tta: bool


def source_from_options(
    slices: Path | None, pairs: Path | None, folds: Path | None, fold: int
) -> LabelledCasesSource:
    """Return the data that the command line names.

    Raises:
        AttunetError: neither or both of `slices` and `pairs` are given.
    """
    folder = slices or pairs
    if folder is None or (slices and pairs):
        raise AttunetError("Say what to measure on: either --slices FOLDER or --pairs FOLDER.")
    return LabelledCasesSource(folder, slices is not None, (folds, fold) if folds else None)


def evaluate_model(model_name: str, data: LabelledCasesSource, wanted: EvaluateCommandOptions) -> None:
    """Measure a model, print the tables, and write figures and pictures if a folder is given.

    Raises:
        AttunetError: there is no such model, no case to measure on, or no gate to hold.
    """
    # Data and folder are checked before the model is loaded, which takes seconds.
    cases = data.read_cases(wanted.spacing_mm[0])
    bundle = choose_model(model_name)
    if wanted.also_hold_gates:
        bundle.family.require_gates(bundle.config)
    if wanted.output:
        new_figure(1, 1)  # without matplotlib it is better to stop now than after the work
        make_folder(wanted.output)
    # Gates are held in the Keras graph, so another engine cannot be used for that.
    with console.status(f"loading {bundle.card.name}"):
        model = load_model(bundle, KERAS if wanted.also_hold_gates else None)
    with progress_bar(bundle.card.name) as progress:
        measured = measure_model(model, cases, progress)
        gates = (
            measure_held_gates(model, cases, measured, progress) if wanted.also_hold_gates else measured.gates
        )
        variants = _score_variants(model, data, wanted, measured, progress)
    console.print(score_table(measured.scores, variants))
    print_empty_note(measured.scores.empty_truths_note)
    _print_gates(gates)
    _print_calibration(measured, model)
    if wanted.output:
        _draw_pictures(wanted.output, measured)
        write_json(wanted.output / "gates.json", [gate.model_dump() for gate in gates])
        write_json(wanted.output / "scores.json", _scores_record(model, data, measured, variants))
        console.print(f"Written to {wanted.output}.")


def _cases_of_fold(cases: Sequence[LabelledCase], path: Path, fold: int) -> tuple[LabelledCase, ...]:
    """Return the cases of the patients of one fold; `AttunetError` if there is no such fold, or no case."""
    folds = read_folds(path)
    if fold >= len(folds):
        raise AttunetError(f"{path} has the folds 0 to {len(folds) - 1}, not {fold}.")
    left = tuple(case for case in cases if case.patient_name in folds[fold])
    if not left:
        raise AttunetError(f"None of the patients of fold {fold} in {path} is in the data.")
    return left


def _score_variants(
    model: LoadedModel,
    data: LabelledCasesSource,
    wanted: EvaluateCommandOptions,
    plain: ModelMeasurement,
    progress: ProgressCallback,
) -> dict[str, ScoreTable]:
    """Measure with other pixel sizes and with test-time augmentation; return the scores by title."""
    found = {}
    for spacing in wanted.spacing_mm[1:] if data.slices else ():
        found[f"{spacing:g} mm pixels"] = score_drafts(model, data.read_cases(spacing), progress)
    if wanted.use_tta:
        again = measure_model(
            with_test_time_transforms(model), data.read_cases(wanted.spacing_mm[0]), progress
        )
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


def _print_calibration(measured: ModelMeasurement, model: LoadedModel) -> None:
    """Print the calibration error, and the calibration and threshold that these cases would choose."""
    body, uncertain = _reliability_curves(measured).values()
    console.print(
        f"Expected calibration error: {body.error:.4f} in the body, {uncertain.error:.3f} where unsure."
    )
    if not measured.has_organ:
        console.print("Without any pancreas these cases choose no calibration and no threshold.")
        return
    found = suggest_calibration(measured, model.card.calibration)
    slope, offset = found.calibration.slope, found.calibration.offset
    console.print(
        f"These cases would choose slope {slope:.3f}, offset {offset:.3f}, threshold {found.threshold:.2f}."
    )


def _reliability_curves(measured: ModelMeasurement) -> dict[str, ReliabilityCurve]:
    """Return the reliability over the whole body, and over uncertain voxels only."""
    # Most of the body is surely no pancreas, and makes the error over all voxels look small.
    low, high = UNCERTAIN_RANGE
    counted = measured.pooled_histogram
    return {
        "body": reliability_curve(counted),
        f"{low} to {high}": reliability_curve(counted.within_range(low, high)),
    }


def _draw_pictures(output: Path, measured: ModelMeasurement) -> None:
    """Draw reliability, the worst cases and the gates' maps into `output`."""
    draw_reliability(output / "reliability.png", _reliability_curves(measured))
    draw_failures(output / "failures.png", measured.worst)
    draw_maps(output / "gates.png", measured.shown)


def _scores_record(
    model: LoadedModel, data: LabelledCasesSource, measured: ModelMeasurement, variants: dict[str, ScoreTable]
) -> dict[str, Any]:
    """Return the content of scores.json, with what is needed to repeat the measurement."""
    return {
        "made_by": "attunet evaluate",
        "model": {"name": model.id.name, "sha256": model.id.sha256, "engine": model.id.engine},
        "data": data.folder.name,
        "fold": None if data.fold is None else [data.fold[0].name, data.fold[1]],
        "scores": measured.scores.model_dump(),
        "variants": {title: scores.by_patient.model_dump() for title, scores in variants.items()},
        "reliability": {title: curve.model_dump() for title, curve in _reliability_curves(measured).items()},
        "suggestion": suggest_calibration(measured, model.card.calibration).model_dump()
        if measured.has_organ
        else None,
        "threshold": model.card.threshold,
        "calibration": model.card.calibration.model_dump(),
        "seconds": round(measured.seconds, 3),
        "made": utc_timestamp(),
        "versions": software_versions(),
    }

"""`attunet synthesize`: render synthetic CT with pancreas labels from label maps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.cli.model_commands import choose_model
from attunet_gui.core.metrics import mask_volume_ml
from attunet_gui.evaluation.ct_kind_scores import (
    REQUIRED_KIND_DSC,
    REQUIRED_MEAN_DSC,
    KindCases,
    KindScores,
    failing_kinds,
    kind_table_markdown,
    mean_dsc_of_kinds,
    measure_kind,
)
from attunet_gui.evaluation.labelled_cases import pair_cases
from attunet_gui.io.label_maps import LabelMapSource
from attunet_gui.io.result_writing import make_folder, write_ct, write_json, write_mask, write_text
from attunet_gui.network.inference import LoadedModel, load_model
from attunet_gui.synthesis.label_map_ct.ct_kinds import CT_KINDS, CTKind, find_kind
from attunet_gui.synthesis.label_map_ct.render_settings import USUAL_SETTINGS
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.plurals import counted
from attunet_gui.system.software_versions import software_versions, utc_timestamp
from attunet_gui.training.kind_test_sets import find_kind_test_sets, write_kind_test_sets
from attunet_gui.training.synthetic_dataset import write_synthetic_pairs

KINDS_RESULT_FILE, KINDS_TABLE_FILE = "kinds.json", "kinds.md"


def list_kinds() -> None:
    """Print one row per kind: its name, what it is, and which settings it changes."""
    table = Table("name", "what it is", "changes")
    setting_of = {type(getattr(USUAL_SETTINGS, field.name)): field.name for field in fields(USUAL_SETTINGS)}
    for kind in CT_KINDS:
        table.add_row(kind.name, kind.title, ", ".join(setting_of[type(group)] for group in kind.groups))
    console.print(table)


def choose_kinds(names: Sequence[str]) -> tuple[CTKind, ...]:
    """Return the kinds of these names, or all kinds if there are no names."""
    return tuple(find_kind(name) for name in names) or CT_KINDS


def make_kind_sets(
    sources: tuple[LabelMapSource, ...], output: Path, kinds: Sequence[CTKind], count: int
) -> None:
    """Write the test sets of `kinds` below `output`, each of `count` volumes, and print their number."""
    with progress_bar("test sets") as progress:
        sets = write_kind_test_sets(sources, output, kinds, count, progress)
    console.print(f"{output}: {counted(len(sets), 'test set')} of {count} synthetic CT")


def measure_kinds(
    names: Sequence[str], folder: Path, kinds: Sequence[str], most: int | None, output: Path
) -> None:
    """Draft every volume of the test sets with every model, and print and write the table.

    Args:
        names: of models, or folders of bundles; one or two.
        folder: of the test sets.
        kinds: names of the kinds to measure; all if empty.
        most: number of volumes of each set; None takes all.
        output: folder for the record and the table.

    Raises:
        AttunetError: a number of models other than one or two, two of one name, or no test set.
    """
    models = _load_models(names)
    wanted = _find_kind_cases(folder, kinds, most)
    make_folder(output)
    rows: list[KindScores] = []
    with progress_bar(", ".join(models)) as progress:
        for kind in wanted:
            rows.append(measure_kind(kind, models, progress))
            # As soon as a kind is done: all of them take an hour.
            _write_kind_scores(output, models, rows, folder)
    console.print(_kind_score_table(rows))
    for name in models:
        _print_mean_of_kinds(rows, name)
    console.print(f"Written to {output}.")


def _load_models(names: Sequence[str]) -> dict[str, LoadedModel]:
    """Load one or two models, by the names in their cards."""
    if len(names) not in (1, 2):
        raise AttunetError(f"One model is measured, or two side by side; {len(names)} were named.")
    bundles = [choose_model(name) for name in names]
    titles = [bundle.card.name for bundle in bundles]
    if len(set(titles)) < len(titles):
        raise AttunetError(f"Both models are called {titles[0]}: name two that have names of their own.")
    return {title: load_model(bundle) for title, bundle in zip(titles, bundles, strict=True)}


def _find_kind_cases(folder: Path, kinds: Sequence[str], most: int | None) -> list[KindCases]:
    """Find the test sets in `folder` of the named kinds, with up to `most` volumes each."""
    # An unknown name is refused here; otherwise it would only be said that its set is missing.
    for name in kinds:
        find_kind(name)
    titles = {kind.name: kind.title for kind in CT_KINDS}
    found = [
        KindCases(each.kind, titles[each.kind], pair_cases(each.folder)[:most])
        for each in find_kind_test_sets(folder)
        if not kinds or each.kind in kinds
    ]
    if not found:
        raise AttunetError(f"None of the kinds {', '.join(kinds)} has a test set in {folder}.")
    return found


def _write_kind_scores(
    output: Path, models: dict[str, LoadedModel], rows: Sequence[KindScores], folder: Path
) -> None:
    """Write the record (JSON) and the table (Markdown) of the kinds measured so far."""
    told = {
        "made_by": "attunet kinds measure",
        "models": {
            name: {"sha256": model.id.sha256, "engine": model.id.engine} for name, model in models.items()
        },
        "data": folder.name,
        "kinds": [row.model_dump(mode="json") for row in rows],
        "made": utc_timestamp(),
        "versions": software_versions(),
    }
    write_json(output / KINDS_RESULT_FILE, told)
    write_text(output / KINDS_TABLE_FILE, kind_table_markdown(rows))


def _kind_score_table(rows: Sequence[KindScores]) -> Table:
    """Return one row per kind with mean and standard deviation of the DSC of every model."""
    table = Table("kind", "volumes", *rows[0].scores)
    for row in rows:
        cells = [f"{row.mean_dsc(name).mean:.3f} ± {row.mean_dsc(name).deviation:.3f}" for name in row.scores]
        table.add_row(row.name, str(len(next(iter(row.scores.values())).cases)), *cells)
    return table


def _print_mean_of_kinds(rows: Sequence[KindScores], name: str) -> None:
    """Print a model's mean over the kinds, and the kinds on which it does badly."""
    mean, low = mean_dsc_of_kinds(rows, name).mean, failing_kinds(rows, name)
    console.print(
        f"{name}: {mean:.3f} on average over {counted(len(rows), 'kind')} (wanted: {REQUIRED_MEAN_DSC:.2f}); "
        "under "
        f"{REQUIRED_KIND_DSC:.2f}: {', '.join(low) or 'none'}."
    )


_MAX_VOXELS = 400_000_000


def write_phantom(
    output: Path, seed: int, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    """Write `phantom-<seed>.nii.gz` and `phantom-<seed>_label.nii.gz` into `output`.

    Args:
        output: folder; it is created if needed.
        seed: names the phantom patient.
        shape: voxels along z, y, x.
        spacing: voxel size along z, y, x, mm.

    Raises:
        AttunetError: the request is too large, or makes no sense.
    """
    # A phantom takes some tens of bytes per voxel while it is painted: refused before memory runs out.
    if math.prod(shape) > _MAX_VOXELS:
        raise AttunetError(
            f"A phantom of {math.prod(shape):.1e} voxels is too large; ask for up to {_MAX_VOXELS:.0e}."
        )
    try:
        request = PhantomRequest(seed, shape, spacing)
    except ValueError as error:
        raise AttunetError(f"This phantom cannot be made: {error}.") from error
    make_folder(output)
    with progress_bar(f"phantom {seed}") as progress:
        phantom = make_phantom(request, progress)
        volume = phantom_volume(phantom)
        write_ct(output / f"{volume.name}.nii.gz", volume)
        write_mask(output / f"{volume.name}_label.nii.gz", phantom.pancreas_mask, volume)
    size = mask_volume_ml(phantom.pancreas_mask, volume.grid)
    console.print(f"{output / volume.name}.nii.gz and its label: pancreas {size:.1f} ml")


def write_synthetic_ct(
    sources: tuple[LabelMapSource, ...], output: Path, count: int, seed: int, kinds: Mapping[str, float]
) -> None:
    """Write pairs of CT and label, and print how many there are of each phase and kind.

    Args:
        sources: the label maps.
        output: folder for images/ and labels/.
        count: number of CT.
        seed: equal seeds give equal CT.
        kinds: weights of the kinds of CT, by name.

    Raises:
        UnreadableInput: a label map does not exist, or cannot be read.
    """
    for source in sources:
        if not source.path.exists():
            raise UnreadableInput(f"There is no label map at {source.path}.")
    with progress_bar("synthetic CT") as progress:
        cases = write_synthetic_pairs(sources, output, count, seed, progress, kinds=kinds)
    subjects = len({case.subject for case in cases})
    phases = ", ".join(f"{number} {name}" for name, number in Counter(case.uptake for case in cases).items())
    console.print(f"{output}: {len(cases)} synthetic CT of {counted(subjects, 'subject')} ({phases})")
    shown = Counter(name for case in cases for name in case.kinds)
    if shown:
        console.print(", ".join(f"{number} {name}" for name, number in shown.most_common()))


def map_sources(paths: Sequence[Path], codings: Sequence[str]) -> tuple[LabelMapSource, ...]:
    """Return the label maps at `paths`, each with the last coding whose pattern fits the file's name.

    Args:
        paths: of the label maps.
        codings: "NAME:PATTERN", a name for the meaning of codes and a shell pattern of file names.

    Raises:
        UnreadableInput: a coding is not of this form, or fits none of the maps.
    """
    fitting = [_paths_of_coding(told, paths) for told in codings]
    known = {path: name for part in fitting for path, name in part.items()}
    return tuple(LabelMapSource(path, known.get(path)) for path in paths)


def _paths_of_coding(told: str, paths: Sequence[Path]) -> Mapping[Path, str]:
    """Return the coding's name for each path that its pattern fits."""
    name, colon, pattern = told.partition(":")
    found = {path: name for path in paths if fnmatch(path.name, pattern)}
    if not colon or not found:
        raise UnreadableInput(
            f"--coding {told} fits none of the label maps: write a coding and the files it is for, "
            "such as hra:HRA_*."
        )
    return found

"""`attunet kinds`: list the kinds of CT, make their test sets, and measure models on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.cli.models import choose_model
from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.provenance import now, versions
from attunet_gui.evaluation.cases import pair_cases
from attunet_gui.evaluation.kinds import (
    WANTED_LEAST,
    WANTED_MEAN,
    KindCases,
    KindScores,
    as_markdown,
    failing,
    mean_of_kinds,
    measure_kind,
)
from attunet_gui.io.label_maps import MapSource
from attunet_gui.io.writing import make_folder, write_json, write_text
from attunet_gui.network.predict import Model, load_model
from attunet_gui.recipes.kind_sets import find_kind_sets, write_kind_sets
from attunet_gui.synthesis.kinds import KINDS, Kind, kind_named
from attunet_gui.synthesis.settings import USUAL

RESULT, TABLE = "kinds.json", "kinds.md"


def list_kinds() -> None:
    """Print one row per kind: its name, what it is, and which settings it changes."""
    table = Table("name", "what it is", "changes")
    setting_of = {type(getattr(USUAL, field.name)): field.name for field in fields(USUAL)}
    for kind in KINDS:
        table.add_row(kind.name, kind.title, ", ".join(setting_of[type(group)] for group in kind.groups))
    console.print(table)


def chosen(names: Sequence[str]) -> tuple[Kind, ...]:
    """Return the kinds of these names, or all kinds if there are no names."""
    return tuple(kind_named(name) for name in names) or KINDS


def make_sets(sources: tuple[MapSource, ...], output: Path, kinds: Sequence[Kind], count: int) -> None:
    """Write the test sets of `kinds` below `output`, each of `count` volumes, and print their number."""
    with progress_bar("test sets") as progress:
        sets = write_kind_sets(sources, output, kinds, count, progress)
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
    models = _models(names)
    wanted = _cases(folder, kinds, most)
    make_folder(output)
    rows: list[KindScores] = []
    with progress_bar(", ".join(models)) as progress:
        for kind in wanted:
            rows.append(measure_kind(kind, models, progress))
            # As soon as a kind is done: all of them take an hour.
            _write(output, models, rows, folder)
    console.print(_table(rows))
    for name in models:
        _tell(rows, name)
    console.print(f"Written to {output}.")


def _models(names: Sequence[str]) -> dict[str, Model]:
    """Load one or two models, by the names in their cards."""
    if len(names) not in (1, 2):
        raise AttunetError(f"One model is measured, or two side by side; {len(names)} were named.")
    bundles = [choose_model(name) for name in names]
    titles = [bundle.card.name for bundle in bundles]
    if len(set(titles)) < len(titles):
        raise AttunetError(f"Both models are called {titles[0]}: name two that have names of their own.")
    return {title: load_model(bundle) for title, bundle in zip(titles, bundles, strict=True)}


def _cases(folder: Path, kinds: Sequence[str], most: int | None) -> list[KindCases]:
    """Find the test sets in `folder` of the named kinds, with up to `most` volumes each."""
    # An unknown name is refused here; otherwise it would only be said that its set is missing.
    for name in kinds:
        kind_named(name)
    titles = {kind.name: kind.title for kind in KINDS}
    found = [
        KindCases(each.kind, titles[each.kind], pair_cases(each.folder)[:most])
        for each in find_kind_sets(folder)
        if not kinds or each.kind in kinds
    ]
    if not found:
        raise AttunetError(f"None of the kinds {', '.join(kinds)} has a test set in {folder}.")
    return found


def _write(output: Path, models: dict[str, Model], rows: Sequence[KindScores], folder: Path) -> None:
    """Write the record (JSON) and the table (Markdown) of the kinds measured so far."""
    told = {
        "made_by": "attunet kinds measure",
        "models": {
            name: {"sha256": model.id.sha256, "engine": model.id.engine} for name, model in models.items()
        },
        "data": folder.name,
        "kinds": [row.model_dump(mode="json") for row in rows],
        "made": now(),
        "versions": versions(),
    }
    write_json(output / RESULT, told)
    write_text(output / TABLE, as_markdown(rows))


def _table(rows: Sequence[KindScores]) -> Table:
    """Return one row per kind with mean and standard deviation of the DSC of every model."""
    table = Table("kind", "volumes", *rows[0].scores)
    for row in rows:
        cells = [f"{row.mean(name).mean:.3f} ± {row.mean(name).deviation:.3f}" for name in row.scores]
        table.add_row(row.name, str(len(next(iter(row.scores.values())).cases)), *cells)
    return table


def _tell(rows: Sequence[KindScores], name: str) -> None:
    """Print a model's mean over the kinds, and the kinds on which it does badly."""
    mean, low = mean_of_kinds(rows, name).mean, failing(rows, name)
    console.print(
        f"{name}: {mean:.3f} on average over {counted(len(rows), 'kind')} (wanted: {WANTED_MEAN:.2f}); under "
        f"{WANTED_LEAST:.2f}: {', '.join(low) or 'none'}."
    )

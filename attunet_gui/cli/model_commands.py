"""`attunet models`: list, compare, verify, adopt, import and export models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.cli.score_tables import print_verdict
from attunet_gui.model_registry.model_adoption import (
    adopt_bundle,
    check_adoptable,
    offered_bundles,
    roll_back_model,
)
from attunet_gui.model_registry.model_archive import export_model, import_model
from attunet_gui.network.model_bundle import (
    CARD_FILE,
    ModelBundle,
    bundle_folders_in,
    read_bundle,
    verify_weights,
)
from attunet_gui.prediction.model_card import ModelCard
from attunet_gui.system.errors import InvalidModelBundle
from attunet_gui.system.paths import model_folders, user_data_folder
from attunet_gui.system.plurals import counted


def choose_model(name: str | None) -> ModelBundle:
    """Return the bundle that is named `name`, or that lies in the folder `name`; for None, the default.

    Raises:
        InvalidModelBundle: there is no such model, or the only one of that name is damaged.
    """
    if name is not None and (Path(name) / CARD_FILE).is_file():
        return read_bundle(Path(name))
    found = offered_bundles()
    for bundle in found:
        if name in (None, bundle.card.name):
            return bundle
    # A damaged bundle is not offered: reading it raises the error that says what is wrong with it.
    for folder in bundle_folders():
        if name in (None, folder.name):
            return read_bundle(folder)
    if name is None:
        folders = " or ".join(str(folder) for folder in model_folders())
        raise InvalidModelBundle(f"There is no model in {folders}; copy a bundle there.")
    names = ", ".join(bundle.card.name for bundle in found) or "none at all"
    raise InvalidModelBundle(f"There is no model called {name!r}; there is {names}.")


def list_models() -> None:
    """Print one row per model, the default first."""
    table = Table("name", "default", "family", "from", "guard", "MB", "best result", "folder")
    for number, bundle in enumerate(offered_bundles()):
        card = bundle.card
        best = f"{card.results[0].measure} {card.results[0].value:.3f}" if card.results else "-"
        table.add_row(
            card.name,
            "" if number else "yes",
            card.family,
            _parent_name(card),
            _gate_outcome(card),
            f"{card.weights.bytes / 1e6:.1f}",
            best,
            str(bundle.folder),
        )
    console.print(table)


def _parent_name(card: ModelCard) -> str:
    """Return the name of the model that this one was fine-tuned from, or "-"."""
    return card.lineage.parent.name if card.lineage else "-"


def _gate_outcome(card: ModelCard) -> str:
    """Return the outcome of the comparison with the parent model, or "-" for a model without a parent."""
    if card.lineage is None:
        return "-"
    if card.lineage.guard is None:
        return "not compared"
    return "passed" if card.lineage.guard.passed else "held back"


def _data_digest(card: ModelCard) -> str:
    """Return the first digits of the digest of the corrected cases that the model learnt from, or "-"."""
    return card.lineage.data_sha256[:12] if card.lineage else "-"


_COMPARED_ROWS: tuple[tuple[str, Callable[[ModelCard], str]], ...] = (
    ("weights", lambda card: card.weights_sha256[:12]),
    ("from", _parent_name),
    ("learnt from", lambda card: ", ".join(f"{each.cases} {each.name}" for each in card.training.data)),
    ("corrected cases", _data_digest),
    ("steps", lambda card: str(card.training.steps)),
    ("guard", _gate_outcome),
)


def compare_models(first: str, second: str, dataset: Path | None, label: int | None = None) -> None:
    """Print the cards of two models side by side, and compare the models on a data set if one is given.

    Args:
        first, second: names of models, or folders of bundles.
        dataset: labelled CT on which both draft; None compares the cards only.
        label: value of the pancreas in the labels; None finds it in the files.
    """
    old, new = choose_model(first), choose_model(second)
    table = Table("", old.card.name, new.card.name)
    for title, of in _COMPARED_ROWS:
        table.add_row(title, of(old.card), of(new.card))
    results = (*old.card.results, *new.card.results)
    for key in dict.fromkeys((result.measure, result.data) for result in results):
        table.add_row("; ".join(key), _card_result_text(old.card, key), _card_result_text(new.card, key))
    console.print(table)
    if dataset is not None:
        _compare_on_dataset(dataset, label, old, new)


def _card_result_text(card: ModelCard, key: tuple[str, str]) -> str:
    """Return the card's value of a measure on some data, or "-"."""
    found = [each.value for each in card.results if (each.measure, each.data) == key]
    return f"{found[0]:.3f}" if found else "-"


def _compare_on_dataset(dataset: Path, label: int | None, old: ModelBundle, new: ModelBundle) -> None:
    """Draft every case of a data set with both models, and print whether the new one is worse."""
    # Imported here: a listing of models needs neither an engine nor the evaluation.
    from attunet_gui.evaluation.model_comparison import ComparisonCase, compare_models
    from attunet_gui.evaluation.model_guard import judge_model
    from attunet_gui.io.datasets.dataset_layouts import find_dataset_cases, read_labelled_ct
    from attunet_gui.network.inference import load_model

    found = find_dataset_cases(dataset, label)
    # A mask that nobody corrected is the draft of some model: it cannot judge another one.
    drafts = [case.name for case in found if case.is_draft]
    cases = [
        ComparisonCase("data set", case.name, case.people[0], partial(read_labelled_ct, case))
        for case in found
        if not case.is_draft
    ]
    with progress_bar("compare") as progress:
        changes = compare_models(load_model(old), load_model(new), cases, progress)
    verdict = judge_model(changes, left_out=drafts)
    print_verdict(verdict)


def adopt_model(name: str, *, anyway: bool) -> None:
    """Make a model the default of this user; a model that lies elsewhere is imported first.

    Args:
        name: of a model, or the folder of a bundle.
        anyway: adopt it even if the comparison with its parent held it back.
    """
    bundle = choose_model(name)
    check_adoptable(bundle, anyway=anyway)
    if bundle.folder.parent not in model_folders():
        bundle = import_model(bundle.folder, model_folders()[0])
    adopt_bundle(bundle, user_data_folder(), anyway=anyway)
    console.print(f"{bundle.card.name} is the default now; `attunet models rollback` undoes it.")


def rollback_model() -> None:
    """Make the previous default the default again."""
    roll_back_model(user_data_folder())
    console.print(f"{choose_model(None).card.name} is the default now.")


def import_model_file(source: Path) -> None:
    """Copy a model, an archive or a bundle's folder, into this user's folder of models."""
    bundle = import_model(source, model_folders()[0])
    console.print(f"{bundle.card.name} is in {bundle.folder}; `attunet models adopt` makes it the default.")


def export_model_file(name: str, output: Path) -> None:
    """Write a model as one archive; `output` is the file, or a folder for it."""
    console.print(f"Written to {export_model(choose_model(name), output)}.")


def show_model(name: str) -> None:
    """Print a model's card as JSON."""
    console.print_json(choose_model(name).card.model_dump_json())


def verify_models(name: str | None) -> int:
    """Check one model, or all for None, and print each outcome; the exit code is 1 if any is damaged."""
    folders = [folder for folder in bundle_folders() if name in (None, folder.name)]
    if not folders:
        folders = [choose_model(name).folder]
    failures = 0
    for folder in folders:
        fault = find_bundle_fault(folder)
        failures += fault is not None
        console.print(f"{folder.name}: {fault or 'unchanged'}")
    return int(failures > 0)


def find_bundle_fault(folder: Path) -> str | None:
    """Return what is wrong with the bundle in `folder`; None if nothing is."""
    try:
        verify_weights(read_bundle(folder))
    except InvalidModelBundle as error:
        return str(error)
    return None


def bundle_folders() -> list[Path]:
    """Return every folder of models that holds a card, whether the bundle is valid or not."""
    return [place for folder in model_folders() for place in bundle_folders_in(folder)]


def measure_model(name: str, seeds: range) -> None:
    """Print the DSC of a model on the phantoms of `seeds`, and their mean and standard deviation."""
    from attunet_gui.network.inference import load_model
    from attunet_gui.training.phantom_cases import measure_on_phantoms

    with progress_bar(name) as progress:
        measured = measure_on_phantoms(load_model(choose_model(name)), seeds, progress)
    for seed, score in measured.dsc.items():
        console.print(f"phantom {seed}: DSC {score:.3f}")
    console.print(
        f"mean {measured.mean_dsc:.3f} ± {measured.dsc_deviation:.3f} over {counted(len(seeds), 'phantom')}"
    )

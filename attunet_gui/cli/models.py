"""`attunet models`: which models there are and whether they are what their cards say."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.errors import BadModel
from attunet_gui.network.bundle import CARD_FILE, Bundle, find_bundles, read_bundle, verify
from attunet_gui.paths import model_folders


def choose_model(wish: str | None) -> Bundle:
    """The bundle named `wish`, or in the folder `wish`; for None the first that is found.

    Raises:
        BadModel: there is none; or the only one of that name is damaged, with what is wrong with it.
    """
    if wish is not None and (Path(wish) / CARD_FILE).is_file():
        return read_bundle(Path(wish))
    found = find_bundles(model_folders())
    for bundle in found:
        if wish in (None, bundle.card.name):
            return bundle
    for folder in bundle_folders():
        if wish in (None, folder.name):
            return read_bundle(folder)
    if wish is None:
        folders = " or ".join(str(folder) for folder in model_folders())
        raise BadModel(f"There is no model in {folders}; copy a bundle there.")
    names = ", ".join(bundle.card.name for bundle in found) or "none at all"
    raise BadModel(f"There is no model called {wish!r}; there is {names}.")


def list_models() -> None:
    """Print a row a model."""
    table = Table("name", "family", "MB", "best result", "folder")
    for bundle in find_bundles(model_folders()):
        card = bundle.card
        best = f"{card.results[0].measure} {card.results[0].value:.3f}" if card.results else "-"
        table.add_row(card.name, card.family, f"{card.weights.bytes / 1e6:.1f}", best, str(bundle.folder))
    console.print(table)


def show_model(name: str) -> None:
    """Print a model's card as JSON."""
    console.print_json(choose_model(name).card.model_dump_json())


def verify_models(name: str | None) -> int:
    """Check one model or all; exit code 1 if any is damaged."""
    folders = [folder for folder in bundle_folders() if name in (None, folder.name)]
    if not folders:
        folders = [choose_model(name).folder]
    failures = 0
    for folder in folders:
        fault = fault_of(folder)
        failures += fault is not None
        console.print(f"{folder.name}: {fault or 'unchanged'}")
    return int(failures > 0)


def fault_of(folder: Path) -> str | None:
    """What is wrong with the bundle in `folder`, None if nothing is."""
    try:
        verify(read_bundle(folder))
    except BadModel as error:
        return str(error)
    return None


def bundle_folders() -> list[Path]:
    """Every folder that holds a card, valid or not."""
    return [card.parent for folder in model_folders() for card in sorted(folder.glob(f"*/{CARD_FILE}"))]


def measure_model(name: str, seeds: range) -> None:
    """Print the DSC of a model on phantoms."""
    from attunet_gui.network.predict import load_model
    from attunet_gui.recipes.phantoms import measure_on_phantoms

    with progress_bar(name) as progress:
        measured = measure_on_phantoms(load_model(choose_model(name)), seeds, progress)
    for seed, score in measured.dsc.items():
        console.print(f"phantom {seed}: DSC {score:.3f}")
    console.print(f"mean {measured.mean:.3f} ± {measured.deviation:.3f} over {len(seeds)} phantoms")

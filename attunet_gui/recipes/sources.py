"""The cases of a recipe's sources, read from where the command line says they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.preprocess import Preprocessing
from attunet_gui.core.progress import Progress, silent
from attunet_gui.io.masks import read_mask
from attunet_gui.io.reading import read
from attunet_gui.network.sampling import Source, TrainingCase, training_case
from attunet_gui.recipes.children import in_children
from attunet_gui.recipes.phantoms import phantom_cases
from attunet_gui.recipes.schema import Data, PairData, PhantomData, Recipe

MANIFEST_FILE = "manifest.json"
_ENDING = ".nii.gz"


def check_folders(recipe: Recipe, folders: Mapping[str, Path]) -> None:
    """Whether each source that needs a folder has one; `AttunetError` names the first that has none."""
    names = {source.name for source in recipe.data if not isinstance(source, PhantomData)}
    for name in sorted(set(folders) - names):
        raise AttunetError(
            f"The recipe has no source {name!r} with a folder; it has {', '.join(sorted(names)) or 'none'}."
        )
    for name in sorted(names):
        if name not in folders:
            raise AttunetError(f"The recipe needs the data {name!r}: say where with --data {name}=FOLDER.")
        if not folders[name].is_dir():
            raise AttunetError(
                f"The data {name!r} should be in {folders[name]}, but there is no such folder."
            )


def load_sources(
    recipe: Recipe, folders: Mapping[str, Path], progress: Progress = silent
) -> tuple[Source, ...]:
    """Every source of `recipe` with its cases in memory.

    Raises:
        AttunetError: a folder is missing, empty or holds something else.
        UnreadableInput: a file in it cannot be read.
    """
    check_folders(recipe, folders)
    return tuple(
        Source(data.name, data.weight, _cases(data, folders.get(data.name), recipe.preprocessing, progress))
        for data in recipe.data
    )


def _cases(
    data: Data, folder: Path | None, wanted: Preprocessing, progress: Progress
) -> tuple[TrainingCase, ...]:
    if isinstance(data, PhantomData):
        return phantom_cases(data.seeds, wanted, progress)
    assert folder is not None  # check_folders has seen to it
    if isinstance(data, PairData):
        return pair_cases(folder, data.label, wanted, progress)
    return slice_cases(folder, wanted, progress)


@dataclass(frozen=True)
class _Pair:
    image: Path
    label: Path
    people: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.image.name.removesuffix(_ENDING)


def pair_cases(
    folder: Path, label: int, wanted: Preprocessing, progress: Progress = silent
) -> tuple[TrainingCase, ...]:
    """The cases of a folder of pairs, read in as many processes as there are cores."""
    people = _people(folder / MANIFEST_FILE)
    pairs = [
        _Pair(image, folder / "labels" / image.name, people.get(image.name.removesuffix(_ENDING), ()))
        for image in sorted((folder / "images").glob(f"*{_ENDING}"))
    ]
    if not pairs:
        raise AttunetError(f"There is no images/NAME{_ENDING} in {folder}; name a folder of pairs.")
    work = partial(_pair_case, label=label, wanted=wanted)
    return in_children(work, pairs, f"reading {folder.name}", progress)


def _pair_case(pair: _Pair, label: int, wanted: Preprocessing) -> TrainingCase:
    volume = read(pair.image)
    mask = read_mask(pair.label, volume, label=label)
    return training_case(volume, mask, wanted, pair.name, pair.people or (pair.name,))


def _people(manifest: Path) -> dict[str, tuple[str, ...]]:
    """Who is in each case: the subject, then the donors. Empty without a manifest."""
    if not manifest.is_file():
        return {}
    try:
        cases = json.loads(manifest.read_text("utf-8"))["cases"]
        return {
            str(case["name"]): (str(case["subject"]), *map(str, case.get("donors") or ())) for case in cases
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AttunetError(
            f"{manifest} is not a manifest: expected a list 'cases' of objects with name, subject and "
            f"donors ({type(error).__name__}: {error})."
        ) from error


def slice_cases(folder: Path, wanted: Preprocessing, progress: Progress = silent) -> tuple[TrainingCase, ...]:
    """The cases of a folder of labelled single slices."""
    from attunet_gui.io.slice_collection import read_slices

    found = read_slices(folder)
    cases = []
    for labelled in found:
        cases.append(
            training_case(labelled.volume, labelled.mask, wanted, labelled.name, (labelled.patient,))
        )
        progress(len(cases), len(found), f"reading {folder.name}")
    return tuple(cases)

"""The labelled CT of a recipe's sources, read from where the command line says they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.preprocess import Preprocessing
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Volume
from attunet_gui.io.masks import read_mask
from attunet_gui.io.nih_pancreas_ct import find_patients, read_patient
from attunet_gui.io.reading import read
from attunet_gui.io.slice_collection import read_slices
from attunet_gui.network.sampling import Source, TrainingCase, training_case
from attunet_gui.recipes.children import in_children
from attunet_gui.recipes.nih_pancreas_ct import check_labels, divide
from attunet_gui.recipes.phantoms import labelled_phantom
from attunet_gui.recipes.schema import Data, NihPancreasData, PairData, PhantomData, Recipe

MANIFEST_FILE = "manifest.json"
_ENDING = ".nii.gz"
LabelledVolume = tuple[Volume, NDArray[np.uint8]]
"""A CT and its canonical (z, y, x) mask."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A labelled CT that has not been read yet.

    Attributes:
        name: what it is called in tables.
        people: whose body is in it, the patient first.
        read: reads or makes it; can be sent to a child process.
    """

    name: str
    people: tuple[str, ...]
    read: Callable[[], LabelledVolume]


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
    """Every source of `recipe` with its cases in memory, read in as many processes as there are cores.

    Raises:
        AttunetError: a folder is missing, empty or holds something else.
        UnreadableInput: a file in it cannot be read.
    """
    check_folders(recipe, folders)
    return tuple(
        _source(data, folders.get(data.name), recipe.preprocessing, progress) for data in recipe.data
    )


def _source(data: Data, folder: Path | None, wanted: Preprocessing, progress: Progress) -> Source:
    found = entries(data, folder)
    if isinstance(data, NihPancreasData):
        check_labels({entry.name: entry.read for entry in found}, progress)
    cases = in_children(partial(_case, wanted=wanted), found, f"loading {data.name}", progress)
    return Source(data.name, data.weight, cases)


def _case(entry: Entry, wanted: Preprocessing) -> TrainingCase:
    volume, mask = entry.read()
    return training_case(volume, mask, wanted, entry.name, entry.people)


def entries(data: Data, folder: Path | None) -> tuple[Entry, ...]:
    """What there is of `data` in `folder`.

    Raises:
        AttunetError: `folder` does not hold such data.
    """
    if isinstance(data, PhantomData):
        return tuple(
            Entry(f"phantom {seed}", (f"phantom {seed}",), partial(labelled_phantom, seed))
            for seed in data.seeds
        )
    if folder is None:
        raise AttunetError(f"The data {data.name!r} lie in a folder, and none was named.")
    if isinstance(data, PairData):
        return _pairs(folder, data.label)
    if isinstance(data, NihPancreasData):
        patients = divide(find_patients(folder), data.split_seed).trained
        return tuple(Entry(each.name, (each.person,), partial(read_patient, each)) for each in patients)
    return _slices(folder)


def _slices(folder: Path) -> tuple[Entry, ...]:
    found = read_slices(folder)
    return tuple(Entry(each.name, (each.patient,), partial(_held, each.volume, each.mask)) for each in found)


def _held(volume: Volume, mask: NDArray[np.uint8]) -> LabelledVolume:
    return volume, mask


def _pairs(folder: Path, label: int) -> tuple[Entry, ...]:
    images = sorted((folder / "images").glob(f"*{_ENDING}"))
    if not images:
        raise AttunetError(f"There is no images/NAME{_ENDING} in {folder}; name a folder of pairs.")
    people = _people(folder / MANIFEST_FILE)
    names = [image.name.removesuffix(_ENDING) for image in images]
    return tuple(
        Entry(name, people.get(name, (name,)), partial(_pair, image, folder / "labels" / image.name, label))
        for name, image in zip(names, images, strict=True)
    )


def _pair(image: Path, label_path: Path, label: int) -> LabelledVolume:
    volume = read(image)
    return volume, read_mask(label_path, volume, label=label)


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

"""Labelled cases to measure on, from the two folder layouts the product knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.volume import Volume
from attunet_gui.io.masks import read_mask
from attunet_gui.io.reading import read
from attunet_gui.io.slice_collection import LabelledSlice, read_slices

Labelled = tuple[Volume, NDArray[np.uint8]]
_ENDING = ".nii.gz"
_PANCREAS = 1


@dataclass(frozen=True, eq=False)
class Case:
    """One CT with its true mask (z, y, x) uint8 0/1, read when it is wanted.

    Attributes:
        patient: whose it is.
        name: its name.
        load: gives volume and mask; may raise `UnreadableInput`.
    """

    patient: str
    name: str
    load: Callable[[], Labelled]


def slice_cases(folder: Path, spacing_mm: float = 0.8) -> tuple[Case, ...]:
    """A case a slice of a folder that `io.slice_collection` reads; errors as there."""
    return tuple(
        Case(slice_.patient, slice_.name, partial(_both, slice_))
        for slice_ in read_slices(folder, spacing_mm)
    )


def _both(slice_: LabelledSlice) -> Labelled:
    return slice_.volume, slice_.mask


def pair_cases(folder: Path) -> tuple[Case, ...]:
    """A case a file in a folder of images/NAME.nii.gz and labels/NAME.nii.gz of one grid, label 1 = pancreas.

    The patient is the `subject` that manifest.json gives the case; without one each case is a patient.

    Raises:
        AttunetError: no cases, an image without label, or a manifest that is none.
    """
    images = sorted((folder / "images").glob(f"*{_ENDING}"))
    if not images:
        raise AttunetError(f"There are no CTs in {folder / 'images'}: NAME{_ENDING} were expected there.")
    subjects = _subjects(folder / "manifest.json")
    cases = []
    for image in images:
        label, name = folder / "labels" / image.name, image.name.removesuffix(_ENDING)
        if not label.is_file():
            raise AttunetError(f"{image.name} has no label: {label} was expected.")
        cases.append(Case(subjects.get(name, name), name, partial(_read_pair, image, label)))
    return tuple(cases)


def _read_pair(image: Path, label: Path) -> Labelled:
    volume = read(image)
    return volume, read_mask(label, volume, label=_PANCREAS)


def _subjects(manifest: Path) -> dict[str, str]:
    if not manifest.is_file():
        return {}
    try:
        cases = json.loads(manifest.read_text("utf-8"))["cases"]
        return {str(case["name"]): str(case["subject"]) for case in cases}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AttunetError(f"{manifest} is not a manifest: its cases need a name and a subject.") from error

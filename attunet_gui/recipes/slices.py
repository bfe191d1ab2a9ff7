"""Labelled single slices as training cases: one for each patient, with neighbours where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.counting import counted
from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.preprocess import Preprocessing
from attunet_gui.io.slice_collection import LabelledSlice, SliceFile, find_slices, read_slice
from attunet_gui.network.sampling import TrainingCase, training_case

# Slices whose numbers differ by no more than this are neighbours: 1.5 to 3 mm.
_APART = 3
Files = tuple[SliceFile, ...]


def patients_in(folder: Path) -> tuple[Files, ...]:
    """Return the slices of each patient in `folder`, from the feet to the head; errors as in
    `attunet_gui.io.slice_collection`.
    """
    # Slices are numbered from the head to the feet, and volumes go the other way.
    files = sorted(find_slices(folder), key=lambda file: (file.patient, -file.number))
    return tuple(tuple(group) for _patient, group in groupby(files, lambda file: file.patient))


def patient_case(files: Files, wanted: Preprocessing) -> TrainingCase:
    """Return the slices of one patient, from the feet to the head, as a training case.

    Slices that are neighbours lie on one grid, as in a volume. A slice whose border is missing cannot say
    where the patient lies: that is taken from the whole slices beside it, or else from the nearest whole
    slice. The missing border teaches nothing.

    Raises:
        UnreadableInput: a slice cannot be read, or none of the patient's slices is whole.
    """
    slices = [read_slice(file) for file in files]
    stretches = _stretches(files)
    made = [
        training_case(
            each.volume,
            each.mask,
            wanted,
            judged=each.known,
            outline=_outline(files, slices, [n for n, found in enumerate(stretches) if found == stretch]),
        )
        for each, stretch in zip(slices, stretches, strict=True)
    ]
    return TrainingCase(
        images=np.concatenate([case.images for case in made]),
        truth=np.concatenate([case.truth for case in made]),
        name=f"patient {files[0].patient}, {counted(len(files), 'slice')}",
        people=(files[0].patient,),
        stretches=stretches,
        cut=any(file.margin_px for file in files),
    )


def _outline(files: Files, slices: Sequence[LabelledSlice], stretch: Sequence[int]) -> NDArray[np.int16]:
    """Return (n, y, x) HU of the whole slices of a stretch, or of the whole slice nearest to it."""
    plane = slices[stretch[0]].volume.hu.shape
    whole = [n for n, file in enumerate(files) if not file.margin_px and slices[n].volume.hu.shape == plane]
    if not whole:
        raise UnreadableInput(
            f"{files[stretch[0]].image.name} is cut at its border, and no whole slice of its size says where "
            f"patient {files[stretch[0]].patient} lies: add one, or leave this one out."
        )
    middle = np.mean([files[n].number for n in stretch])
    found = sorted(set(whole) & set(stretch)) or [min(whole, key=lambda n: abs(files[n].number - middle))]
    return np.concatenate([slices[n].volume.hu for n in found])


def _stretches(files: Files) -> tuple[int, ...]:
    """Return for each slice the number of its stretch; a new one begins where a slice has no neighbour before
    it.
    """
    found = [0]
    for first, second in pairwise(files):
        found.append(found[-1] + (abs(second.number - first.number) > _APART))
    return tuple(found)

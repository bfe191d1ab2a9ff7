"""Single labelled slices become training cases: one a patient, with neighbours where there are any."""

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

_APART = 3
"""Slice numbers up to so far apart are neighbours: 1.5 to 3 mm."""
Files = tuple[SliceFile, ...]


def patients_in(folder: Path) -> tuple[Files, ...]:
    """The slices of each patient in a folder that `io.slice_collection` reads; errors as there."""
    files = sorted(find_slices(folder), key=lambda file: (file.patient, -file.number))
    return tuple(tuple(group) for _patient, group in groupby(files, lambda file: file.patient))


def patient_case(files: Files, wanted: Preprocessing) -> TrainingCase:
    """The slices of one patient, from the feet to the head, as a case.

    Slices that lie side by side are laid on one frame. A slice whose border is unknown cannot say where the
    patient lies: the whole ones beside it say it, else the nearest whole one. The border teaches nothing.

    Raises:
        UnreadableInput: one cannot be read, or none of the patient's is whole.
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
    """(n, y, x) HU of the whole slices of a stretch, or of the whole slice nearest to it."""
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
    found = [0]
    for first, second in pairwise(files):
        found.append(found[-1] + (abs(second.number - first.number) > _APART))
    return tuple(found)

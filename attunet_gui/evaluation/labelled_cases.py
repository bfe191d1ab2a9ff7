"""Labelled CT for training or evaluation. Cases are listed at once and read only when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.io.datasets.dataset_layouts import read_label_values
from attunet_gui.io.datasets.jpeg_slices import SliceFile, find_slice_files, read_labelled_slice
from attunet_gui.io.datasets.pair_dataset import find_labelled_pairs, read_labelled_pair
from attunet_gui.io.label_values import with_chosen_label

LabelledVolume = tuple[Volume, NDArray[np.uint8]]
"""A CT and its true mask, (z, y, x) uint8 0/1 on the grid of the CT."""


@dataclass(frozen=True, eq=False)
class LabelledCase:
    """One CT with its true mask.

    Attributes:
        name: name of the case in tables.
        people: the patient first, followed by the donors of organs in synthetic CT. None of them may be in
            both training and test data.
        load: reads or makes volume and mask. It can be sent to a child process and may raise
            `UnreadableInput`.
    """

    name: str
    people: tuple[str, ...]
    load: Callable[[], LabelledVolume]

    @property
    def patient_name(self) -> str:
        """The identifier of the patient."""
        return self.people[0]


def slice_cases(folder: Path, spacing_mm: float = 0.8) -> tuple[LabelledCase, ...]:
    """Return one case for each whole slice of a folder of slice images.

    Slices that are cut at their border are left out, because a draft cannot be judged there.

    Args:
        folder: the folder of slice images.
        spacing_mm: size of a pixel in mm, which the images do not hold.

    Raises:
        UnreadableInput: if there are no slices, or if one has no mask or does not name its patient.
    """
    # `partial` and not a lambda, which cannot be sent to a child process.
    return tuple(
        LabelledCase(file.image.stem, (file.patient,), partial(_load_slice, file, spacing_mm))
        for file in find_slice_files(folder)
        if not file.margin_px
    )


def _load_slice(file: SliceFile, spacing_mm: float) -> LabelledVolume:
    found = read_labelled_slice(file, spacing_mm)
    return found.volume, found.mask


def pair_cases(folder: Path, label: int | None = None) -> tuple[LabelledCase, ...]:
    """Return one case for each pair of CT and label file of a data set.

    Args:
        folder: the folder of the data set.
        label: the value of the organ in the label files; None uses the description of the data set.

    Raises:
        AttunetError: if there is no CT, a CT has no label file, or a description of the data set is damaged.
    """
    meant = with_chosen_label(label, read_label_values(folder))
    return tuple(
        LabelledCase(pair.name, pair.people, partial(read_labelled_pair, pair, meant))
        for pair in find_labelled_pairs(folder)
    )

"""Labelled CT, to learn from or to measure on: listed at once, read when wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.io.datasets import label_values
from attunet_gui.io.label_values import chosen_label
from attunet_gui.io.pair_collection import find_pairs, read_pair
from attunet_gui.io.slice_collection import SliceFile, find_slices, read_slice

Labelled = tuple[Volume, NDArray[np.uint8]]
"""A CT and its mask (z, y, x) uint8 0/1 on its grid."""


@dataclass(frozen=True, eq=False)
class Case:
    """One CT with its true mask.

    Attributes:
        name: what it is called in tables.
        people: whose body is in it, the patient first; then whoever lent an organ.
        load: reads or makes volume and mask; can be sent to a child process; may raise `UnreadableInput`.
    """

    name: str
    people: tuple[str, ...]
    load: Callable[[], Labelled]

    @property
    def patient(self) -> str:
        """Whose it is."""
        return self.people[0]


def slice_cases(folder: Path, spacing_mm: float = 0.8) -> tuple[Case, ...]:
    """A case a whole slice of a folder that `io.slice_collection` reads; errors as there.

    Where slices are cut at their border nobody knows what a draft there is worth: they are left out.
    """
    return tuple(
        Case(file.image.stem, (file.patient,), partial(_both, file, spacing_mm))
        for file in find_slices(folder)
        if not file.margin_px
    )


def _both(file: SliceFile, spacing_mm: float) -> Labelled:
    found = read_slice(file, spacing_mm)
    return found.volume, found.mask


def pair_cases(folder: Path, label: int | None = None) -> tuple[Case, ...]:
    """A case a pair of a folder that `io.pair_collection` lists.

    `label` is the value of the organ; None goes by `io.datasets.label_values`. Errors as there.
    """
    meant = chosen_label(label, label_values(folder))
    return tuple(Case(pair.name, pair.people, partial(read_pair, pair, meant)) for pair in find_pairs(folder))

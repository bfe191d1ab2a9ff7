"""DSC of a network on held-out cases, on the network's own grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.network.batch_sampling import IGNORED_LABEL, TrainingCase
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.patch_blending import PatchLayout, blend_volume

InferFunction = Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]]
"""From (n, rows, columns, channels) uint8 to probability (n, rows, columns); for a 3-D network the channels
are the slices of a patch, and the probability is (n, slices, rows, columns)."""
_BATCH = 12


@dataclass(frozen=True)
class ValidationScores:
    """Scores at one step. The log stores them under these names.

    Attributes:
        slices: mean DSC of the slices that show the organ.
        volumes: mean DSC of the volumes that show it; for single slices the two are equal.
    """

    slices: float
    volumes: float


def validate_cases(
    cases: tuple[TrainingCase, ...],
    neighbours: int,
    threshold: float,
    infer: InferFunction,
    layout: PatchLayout | None = None,
) -> ValidationScores:
    """Return the scores of the drafts of `cases`; pixels that nobody judged do not count.

    Args:
        cases: held-out cases.
        neighbours: slices on each side that are channels.
        threshold: probability from which a pixel belongs to the draft.
        infer: the network.
        layout: how a 3-D network sees a volume; None for a 2-D network.
    """
    by_slice: list[float] = []
    by_volume: list[float] = []
    for case in cases:
        draft = (predict_case(case, neighbours, infer, layout) >= threshold) & (case.truth != IGNORED_LABEL)
        truth = case.truth == 1
        # Slices without the organ have no DSC and do not count.
        organ = np.flatnonzero(truth.any(axis=(1, 2)))
        by_slice += [dice_coefficient(draft[z], truth[z]) for z in organ]
        if len(organ):
            by_volume.append(dice_coefficient(draft, truth))
    return ValidationScores(_mean_or_zero(by_slice), _mean_or_zero(by_volume))


def predict_case(
    case: TrainingCase, neighbours: int, infer: InferFunction, layout: PatchLayout | None = None
) -> NDArray[np.floating[Any]]:
    """Return (z, rows, columns), the probability of the organ; arguments are those of `validate_cases`."""
    if layout is not None:
        return _predict_by_patches(case, infer, layout)
    count, offsets = len(case.images), np.arange(-neighbours, neighbours + 1)
    found = []
    for part in _batch_indices(count):
        # Full batches, since TensorFlow compiles each size anew; single slices would be computed 12 times.
        whole = np.pad(part, (0, _BATCH - len(part)), mode="edge") if count > 1 else part
        around = np.stack([case.neighbour_stack(int(z), offsets) for z in whole])
        found.append(infer(np.ascontiguousarray(np.moveaxis(around, 1, -1)))[: len(part)])
    return np.concatenate(found)


def _predict_by_patches(
    case: TrainingCase, infer: InferFunction, layout: PatchLayout
) -> NDArray[np.floating[Any]]:
    """Return (z, rows, columns), the blended probability of a 3-D network on the slices of the case."""
    assert case.slice_mm is not None, "single slices make no volume"
    _slices, rows, columns = case.images.shape
    resampling = layout.slice_resampling(len(case.images), case.slice_mm)

    def read(wanted: NDArray[np.intp]) -> NDArray[np.float32]:
        return resampling.take_slices(case.images.__getitem__, wanted)

    def run(patches: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        whole = (patches + np.float32(0.5)).astype(np.uint8)
        return {PROBABILITY: infer(np.ascontiguousarray(np.moveaxis(whole, 1, -1)))}

    # One patch at a time, since TensorFlow compiles each size of a batch anew.
    blender = blend_volume(read, layout.patch_grid(resampling.count, (rows, columns)), run, batch=1)
    return blender.take_answers(PROBABILITY, resampling.positions_of(np.arange(len(case.images))))


def _batch_indices(count: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, count, _BATCH):
        yield np.arange(start, min(start + _BATCH, count))


def _mean_or_zero(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0

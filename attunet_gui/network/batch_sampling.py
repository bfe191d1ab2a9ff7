"""Training slices: which cases are held in memory, and how a batch is drawn from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.slice_resampling import filter_weights, mix_slices
from attunet_gui.core.volume import Volume
from attunet_gui.network.patch_blending import PatchLayout
from attunet_gui.network.training_config import CropSize, SamplingConfig
from attunet_gui.prediction.preprocess import (
    PreprocessingConfig,
    nearest_slices,
    network_grid_for,
    network_slices,
)

IGNORED_LABEL = 2
"""Value in the truth of a case for a pixel that nobody has judged; such a pixel teaches nothing."""


_FULLY_JUDGED = 1 - 1e-4
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One labelled volume on the network's grid.

    Attributes:
        images: (z, rows, columns) uint8, the HU window mapped to 0..255.
        truth: (z, rows, columns) uint8: 1 in the organ, 0 outside, `IGNORED_LABEL` where it is unknown.
        name: of the case, for tables.
        people: whose body is in it: the patient first, then the donors of organs.
        stretches: for each slice the number of the contiguous stretch it belongs to, ascending; slices are
            neighbours only within a stretch. () if all slices belong to one.
        cut: whether pixels that are unknown are missing from the images as well. There a neighbour repeats
            the middle slice.
        positions: of each slice, rising within a stretch, in units of the distance of neighbouring channels;
            () if the next slices are the neighbours whatever their distance. See `slice_positions`.
        slice_mm: distance of neighbouring slices in mm; None for single slices, which make no volume.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    name: str = ""
    people: tuple[str, ...] = ()
    stretches: tuple[int, ...] = ()
    cut: bool = False
    positions: tuple[float, ...] = ()
    slice_mm: float | None = None

    def neighbour_stack(self, z: int, offsets: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return (n, rows, columns) uint8, the slices `offsets` channels away from `z`; beyond an end the
        last slice repeats.
        """
        first, last = 0, len(self.images) - 1
        if self.stretches:
            first = self.stretches.index(self.stretches[z])
            last = first + self.stretches.count(self.stretches[z]) - 1
        around = np.clip(z + offsets, first, last)
        if self.positions:
            within = np.array(self.positions[first : last + 1])
            around = first + nearest_slices(within, np.array([z - first]), offsets)[0]
        images = self.images[around]
        if self.cut:
            hidden = self.truth[around] == IGNORED_LABEL
            images[hidden] = np.broadcast_to(self.images[z], images.shape)[hidden]
        return images

    def slab_around(
        self, z: float, slices: int, spacing_mm: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return images and truth of slices `spacing_mm` apart, each (slices, rows, columns) uint8.

        Args:
            z: where the middle one lies, number `slices` // 2.
            slices: how many; beyond an end the last slice repeats.
            spacing_mm: their distance.
        """
        assert self.slice_mm is not None, "single slices make no volume"
        step = spacing_mm / self.slice_mm
        weights = filter_weights(z + step * (np.arange(slices) - slices // 2), len(self.images), step)
        images = mix_slices(self.images.__getitem__, weights)
        organ = mix_slices(lambda at: self.truth[at] == 1, weights) >= _HALF
        truth = organ.astype(np.uint8)
        truth[mix_slices(lambda at: self.truth[at] == IGNORED_LABEL, weights) > 1 - _FULLY_JUDGED] = (
            IGNORED_LABEL
        )
        return (images + np.float32(_HALF)).astype(np.uint8), truth

    @property
    def is_partial(self) -> bool:
        """Whether any pixel of the case was never judged."""
        return bool((self.truth == IGNORED_LABEL).any())


@dataclass(frozen=True, eq=False)
class TrainingSource:
    """Cases of one origin. A slice is drawn from this source with a probability proportional to `weight`."""

    name: str
    weight: float
    cases: tuple[TrainingCase, ...]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The cases to train on, and cases that are in no batch, to validate on."""

    sources: tuple[TrainingSource, ...]
    held_out: tuple[TrainingCase, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether any case to train on has pixels that were never judged."""
        return any(case.is_partial for source in self.sources for case in source.cases)


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """The slices of one step.

    Attributes:
        images: (batch, rows, columns, channels) uint8; for a 3-D network the channels are slices.
        truth: (batch, rows, columns, 1) uint8, with the values of `TrainingCase.truth`; for a 3-D network one
            for each slice.
        centres: (batch, 2) float32, row and column of the centre of the part to learn from, where only a part
            is wanted.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    centres: NDArray[np.float32]


def make_training_case(
    volume: Volume,
    mask: NDArray[np.uint8],
    wanted: PreprocessingConfig,
    name: str = "",
    people: tuple[str, ...] = (),
    judged: NDArray[np.bool_] | None = None,
    outline: NDArray[np.int16] | None = None,
) -> TrainingCase:
    """Return `volume` and its canonical (z, y, x) `mask` on the grid that prediction would use.

    Args:
        volume: the CT.
        mask: (z, y, x) uint8 0/1.
        wanted: how the network wants its input.
        name, people: as in `TrainingCase`.
        judged: (z, y, x), true where the mask is known. A pixel is `IGNORED_LABEL` as soon as one voxel that
            contributes to it is not known. None if all is known.
        outline: (n, y, x) HU that say where the patient lies; None takes those of `volume`.
    """
    frame = network_grid_for(volume, wanted, outline)
    slices = np.arange(volume.grid.shape[0])
    images = network_slices(volume, frame, wanted, slices)
    truth = (frame.resample_to_network(mask.astype(np.float32), fill=0.0) >= 0.5).astype(np.uint8)
    if judged is not None:
        # Resampling is linear, so the value is below 1 wherever an unknown voxel contributes.
        truth[frame.resample_to_network(judged.astype(np.float32), fill=1.0) < _FULLY_JUDGED] = IGNORED_LABEL
    return TrainingCase(
        (images * 255 + 0.5).astype(np.uint8),
        truth,
        name,
        people,
        positions=slice_positions(volume.grid.spacing_mm[0] * slices, wanted),
        slice_mm=volume.grid.spacing_mm[0],
    )


def slice_positions(positions_mm: NDArray[Any], wanted: PreprocessingConfig) -> tuple[float, ...]:
    """Return `TrainingCase.positions` of slices at (z,) `positions_mm`."""
    if wanted.neighbour_distance_mm is None:
        return ()
    return tuple((positions_mm / wanted.neighbour_distance_mm).tolist())


class BatchSampler:
    """Draws batches. A batch depends only on the seed and its number, so a stopped run can go on anywhere.

    Args:
        sources: where slices come from; within a source each case is equally likely. Slices without any
            judged pixel are never drawn, nor are cases without another slice.
        neighbours: number of slices on each side that become channels.
        settings: shares of the kinds of slices.
        seed: the same seed gives the same batches.
        layout: of a 3-D network, which gets a stack of slices around the drawn one; all cases then are
            volumes. `settings` only says how many of them are drawn for the organ. None for a 2-D network.
    """

    def __init__(
        self,
        sources: tuple[TrainingSource, ...],
        neighbours: int,
        settings: SamplingConfig,
        seed: int,
        layout: PatchLayout | None = None,
    ) -> None:
        taught = (_without_unjudged(source) for source in sources)
        self._sources = tuple(source for source in taught if source.weight > 0 and source.cases)
        weights = np.array([source.weight for source in self._sources])
        self._chances = weights / weights.sum()
        self._organ = [
            [np.flatnonzero((case.truth == 1).any(axis=(1, 2))) for case in source.cases]
            for source in self._sources
        ]
        self._judged = [[_judged_slices(case) for case in source.cases] for source in self._sources]
        self._offsets = np.arange(-neighbours, neighbours + 1)
        self._settings, self._seed, self._layout = settings, seed, layout

    def draw_batch(self, number: int, count: int, view: CropSize | None = None) -> TrainingBatch:
        """Return `count` slices as batch `number`, with the centres of parts of the size `view`."""
        random = np.random.default_rng([self._seed, number])
        drawn = [self._draw_slice(random) for _ in range(count)]
        images = np.stack([image for image, _truth in drawn])
        truth = np.stack([truth for _image, truth in drawn])
        # A generator of its own, so that the slices of a batch do not depend on the size of the part.
        places = np.random.default_rng([self._seed, number, 1])
        centres = np.stack([_crop_centre(one, view or one.shape[1:], places) for one in truth])
        return TrainingBatch(_slices_last(images), _slices_last(truth), centres)

    def _draw_slice(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the channels and the truth of one random slice or stack, each (n, rows, columns)."""
        source = int(random.choice(len(self._sources), p=self._chances))
        number = int(random.integers(len(self._sources[source].cases)))
        case, organ = self._sources[source].cases[number], self._organ[source][number]
        wants_organ = len(organ) > 0 and random.random() < self._settings.foreground_share
        judged = self._judged[source][number]
        z = int(random.choice(organ) if wants_organ else judged[random.integers(len(judged))])
        if self._layout is not None:
            return _draw_slab(case, z, self._layout, random)
        return case.neighbour_stack(z, self._neighbour_offsets(random)), case.truth[z][None]

    def _neighbour_offsets(self, random: np.random.Generator) -> NDArray[np.intp]:
        """Return the offsets of the channels from the slice: 0 for a single slice, else strided and perhaps
        reversed.
        """
        if random.random() < self._settings.single_slice_share:
            return 0 * self._offsets
        direction = -1 if random.random() < self._settings.reversed_share else 1
        return direction * int(random.integers(1, self._settings.neighbour_stride_max + 1)) * self._offsets


def _draw_slab(
    case: TrainingCase, z: int, layout: PatchLayout, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images and truth of a stack in whose inner half slice `z` lies."""
    assert case.slice_mm is not None, "single slices make no volume"
    slices = layout.patch[0]
    aside = int(random.integers(-(slices // 4), slices // 4 + 1)) * layout.spacing_mm / case.slice_mm
    return case.slab_around(z + aside, slices, layout.spacing_mm)


def _slices_last(stacks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (batch, n, rows, columns) as (batch, rows, columns, n)."""
    return np.ascontiguousarray(np.moveaxis(stacks, 1, -1))


def _crop_centre(
    truth: NDArray[np.uint8], view: tuple[int, ...], random: np.random.Generator
) -> NDArray[np.float32]:
    """Return row and column of the centre of a part of size `view` within `truth` (n, rows, columns).

    If the slice shows the organ, a random pixel of it lies in the inner half of the part; else the part is
    anywhere.
    """
    room = np.array(truth.shape[1:]) - view
    anywhere, within = random.random(2), random.random(2) - 0.5
    organ = np.argwhere((truth == 1).any(axis=0))
    if len(organ):
        start = organ[random.integers(len(organ))] - np.array(view) * (0.5 + 0.5 * within)
    else:
        start = anywhere * room
    middle: NDArray[np.float64] = np.clip(start, 0, room) + (np.array(view) - 1) / 2
    return middle.astype(np.float32)


def _without_unjudged(source: TrainingSource) -> TrainingSource:
    """Return `source` without cases of which no slice has a judged pixel."""
    return replace(source, cases=tuple(case for case in source.cases if len(_judged_slices(case))))


def _judged_slices(case: TrainingCase) -> NDArray[np.intp]:
    """Return the indices of the slices that have at least one judged pixel."""
    return np.flatnonzero((case.truth != IGNORED_LABEL).any(axis=(1, 2)))

"""Training slices: what is held in memory and how a batch is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.preprocess import Preprocessing, frame_for, network_slices
from attunet_gui.core.volume import Volume
from attunet_gui.network.settings import Sampling, View

IGNORED = 2
"""In the truth of a case: nobody has judged this pixel, and it teaches nothing."""


_WHOLLY = 1 - 1e-4


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One labelled volume as the network sees it.

    Attributes:
        images: (z, rows, columns) uint8, the HU window mapped to 0..255.
        truth: (z, rows, columns) uint8, 1 in the organ, 0 outside, `IGNORED` where nobody knows.
        name: what it is called in tables.
        people: whose body is in it, the patient first; then whoever gave an organ to it.
        stretches: number of the stretch that each slice belongs to, rising; slices are neighbours only within
            one. () if all are.
        cut: what is `IGNORED` is not in the images either: there a neighbour repeats the middle slice.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    name: str = ""
    people: tuple[str, ...] = ()
    stretches: tuple[int, ...] = ()
    cut: bool = False

    def seen(self, z: int, offsets: NDArray[np.intp]) -> NDArray[np.uint8]:
        """(n, rows, columns): the slices `offsets` away from `z`; beyond an end the last one repeats."""
        first, last = 0, len(self.images) - 1
        if self.stretches:
            first = self.stretches.index(self.stretches[z])
            last = first + self.stretches.count(self.stretches[z]) - 1
        around = np.clip(z + offsets, first, last)
        images = self.images[around]
        if self.cut:
            hidden = self.truth[around] == IGNORED
            images[hidden] = np.broadcast_to(self.images[z], images.shape)[hidden]
        return images

    @property
    def is_partial(self) -> bool:
        """Whether some of it was never judged."""
        return bool((self.truth == IGNORED).any())


@dataclass(frozen=True, eq=False)
class Source:
    """Cases of one origin; a slice comes from this source with a probability proportional to `weight`."""

    name: str
    weight: float
    cases: tuple[TrainingCase, ...]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Cases to train on, and cases no batch has seen to validate on."""

    sources: tuple[Source, ...]
    held_out: tuple[TrainingCase, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether a case that is trained on is."""
        return any(case.is_partial for source in self.sources for case in source.cases)


@dataclass(frozen=True, eq=False)
class Batch:
    """Slices for one step.

    Attributes:
        images: (batch, rows, columns, channels) uint8.
        truth: (batch, rows, columns, 1) uint8, as in `TrainingCase`.
        centres: (batch, 2) float32, row and column around which a part of the slice is worth looking at.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    centres: NDArray[np.float32]


def training_case(
    volume: Volume,
    mask: NDArray[np.uint8],
    wanted: Preprocessing,
    name: str = "",
    people: tuple[str, ...] = (),
    judged: NDArray[np.bool_] | None = None,
    outline: NDArray[np.int16] | None = None,
) -> TrainingCase:
    """`volume` and its canonical (z, y, x) `mask` on the frame that `predict` would use.

    A pixel is `IGNORED` as soon as a voxel it is made of is not in `judged` (z, y, x). `outline` is that of
    `frame_for`.
    """
    frame = frame_for(volume, wanted, outline)
    slices = np.arange(volume.grid.shape[0])
    images = network_slices(volume, frame, wanted, slices)
    truth = (frame.to_network(mask.astype(np.float32), fill=0.0) >= 0.5).astype(np.uint8)
    if judged is not None:
        truth[frame.to_network(judged.astype(np.float32), fill=1.0) < _WHOLLY] = IGNORED
    return TrainingCase((images * 255 + 0.5).astype(np.uint8), truth, name, people)


class Sampler:
    """Draws batches; batch `number` depends on the seed and on `number` only, so a run can go on anywhere.

    Args:
        sources: where slices come from; within a source each case is equally likely. Slices that are
            `IGNORED` as a whole are never drawn, and cases without another slice neither.
        neighbours: slices on each side that join as channels.
        settings: shares.
        seed: same seed, same batches.
    """

    def __init__(self, sources: tuple[Source, ...], neighbours: int, settings: Sampling, seed: int) -> None:
        taught = (_taught(source) for source in sources)
        self._sources = tuple(source for source in taught if source.weight > 0 and source.cases)
        weights = np.array([source.weight for source in self._sources])
        self._chances = weights / weights.sum()
        self._organ = [
            [np.flatnonzero((case.truth == 1).any(axis=(1, 2))) for case in source.cases]
            for source in self._sources
        ]
        self._judged = [[_judged_slices(case) for case in source.cases] for source in self._sources]
        self._offsets = np.arange(-neighbours, neighbours + 1)
        self._settings, self._seed = settings, seed

    def draw(self, number: int, count: int, view: View | None = None) -> Batch:
        """`count` slices of batch `number`, of which a part of the size `view` will be looked at."""
        random = np.random.default_rng([self._seed, number])
        drawn = [self._draw_slice(random) for _ in range(count)]
        images = np.stack([image for image, _truth in drawn])
        truth = np.stack([truth for _image, truth in drawn])
        # Apart, so that the slices of a batch do not depend on how much of them is looked at.
        places = np.random.default_rng([self._seed, number, 1])
        centres = np.stack([_centre(one, view or one.shape, places) for one in truth])
        return Batch(np.ascontiguousarray(np.moveaxis(images, 1, -1)), truth[..., None], centres)

    def _draw_slice(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        source = int(random.choice(len(self._sources), p=self._chances))
        number = int(random.integers(len(self._sources[source].cases)))
        case, organ = self._sources[source].cases[number], self._organ[source][number]
        wants_organ = len(organ) > 0 and random.random() < self._settings.foreground_share
        judged = self._judged[source][number]
        z = int(random.choice(organ) if wants_organ else judged[random.integers(len(judged))])
        return case.seen(z, self._around(random)), case.truth[z]

    def _around(self, random: np.random.Generator) -> NDArray[np.intp]:
        """Offsets of the channels from the slice."""
        if random.random() < self._settings.single_slice_share:
            return 0 * self._offsets
        direction = -1 if random.random() < self._settings.reversed_share else 1
        return direction * int(random.integers(1, self._settings.neighbour_stride_max + 1)) * self._offsets


def _centre(
    truth: NDArray[np.uint8], view: tuple[int, ...], random: np.random.Generator
) -> NDArray[np.float32]:
    """Middle of a part of the size `view`: a pixel of the organ is in its inner half, or it is anywhere."""
    room = np.array(truth.shape) - view
    anywhere, within = random.random(2), random.random(2) - 0.5
    organ = np.argwhere(truth == 1)
    if len(organ):
        start = organ[random.integers(len(organ))] - np.array(view) * (0.5 + 0.5 * within)
    else:
        start = anywhere * room
    middle: NDArray[np.float64] = np.clip(start, 0, room) + (np.array(view) - 1) / 2
    return middle.astype(np.float32)


def _taught(source: Source) -> Source:
    """`source` without cases that nobody has judged any slice of."""
    return replace(source, cases=tuple(case for case in source.cases if len(_judged_slices(case))))


def _judged_slices(case: TrainingCase) -> NDArray[np.intp]:
    return np.flatnonzero((case.truth != IGNORED).any(axis=(1, 2)))

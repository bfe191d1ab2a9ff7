"""Training slices: what is held in memory and how a batch is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.preprocess import Preprocessing, frame_for, network_slices
from attunet_gui.core.volume import Volume
from attunet_gui.network.settings import Sampling


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One labelled volume as the network sees it.

    Attributes:
        images: (z, rows, columns) uint8, the HU window mapped to 0..255.
        truth: (z, rows, columns) uint8 0/1.
        name: what it is called in tables.
        people: whose body is in it, the patient first; then whoever gave an organ to it.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    name: str = ""
    people: tuple[str, ...] = ()


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


@dataclass(frozen=True, eq=False)
class Batch:
    """Slices for one step.

    Attributes:
        images: (batch, rows, columns, channels) uint8.
        truth: (batch, rows, columns, 1) uint8 0/1.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def training_case(
    volume: Volume,
    mask: NDArray[np.uint8],
    wanted: Preprocessing,
    name: str = "",
    people: tuple[str, ...] = (),
) -> TrainingCase:
    """`volume` and its canonical (z, y, x) `mask` on the frame that `predict` would use."""
    frame = frame_for(volume, wanted)
    slices = np.arange(volume.grid.shape[0])
    images = network_slices(volume, frame, wanted, slices)
    truth = frame.to_network(mask.astype(np.float32), fill=0.0) >= 0.5
    return TrainingCase((images * 255 + 0.5).astype(np.uint8), truth.astype(np.uint8), name, people)


class Sampler:
    """Draws batches; batch `number` depends on the seed and on `number` only, so a run can go on anywhere.

    Args:
        sources: where slices come from; within a source each case is equally likely.
        neighbours: slices on each side that join as channels.
        settings: shares.
        seed: same seed, same batches.
    """

    def __init__(self, sources: tuple[Source, ...], neighbours: int, settings: Sampling, seed: int) -> None:
        self._sources = tuple(source for source in sources if source.weight > 0 and source.cases)
        weights = np.array([source.weight for source in self._sources])
        self._chances = weights / weights.sum()
        self._organ = [
            [np.flatnonzero(case.truth.any(axis=(1, 2))) for case in source.cases] for source in self._sources
        ]
        self._offsets = np.arange(-neighbours, neighbours + 1)
        self._settings, self._seed = settings, seed

    def draw(self, number: int, count: int) -> Batch:
        """`count` slices of batch `number`."""
        random = np.random.default_rng([self._seed, number])
        drawn = [self._draw_slice(random) for _ in range(count)]
        images = np.stack([image for image, _truth in drawn])
        truth = np.stack([truth for _image, truth in drawn])
        return Batch(np.ascontiguousarray(np.moveaxis(images, 1, -1)), truth[..., None])

    def _draw_slice(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        source = int(random.choice(len(self._sources), p=self._chances))
        number = int(random.integers(len(self._sources[source].cases)))
        case, organ = self._sources[source].cases[number], self._organ[source][number]
        wants_organ = len(organ) > 0 and random.random() < self._settings.foreground_share
        z = int(random.choice(organ) if wants_organ else random.integers(len(case.truth)))
        around = np.clip(z + self._around(random), 0, len(case.images) - 1)
        return case.images[around], case.truth[z]

    def _around(self, random: np.random.Generator) -> NDArray[np.intp]:
        """Offsets of the channels from the slice."""
        if random.random() < self._settings.single_slice_share:
            return 0 * self._offsets
        direction = -1 if random.random() < self._settings.reversed_share else 1
        return direction * int(random.integers(1, self._settings.neighbour_stride_max + 1)) * self._offsets

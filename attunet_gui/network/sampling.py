"""Training slices: what is held in memory, how a batch is drawn, how it is varied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.preprocess import Preprocessing, frame_for, neighbour_indices, network_slices
from attunet_gui.core.volume import Volume


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One labelled volume as the network sees it.

    Attributes:
        images: (z, rows, columns) uint8, the HU window mapped to 0..255.
        truth: (z, rows, columns) uint8 0/1.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def training_case(volume: Volume, mask: NDArray[np.uint8], wanted: Preprocessing) -> TrainingCase:
    """`volume` and its canonical (z, y, x) `mask` on the frame that `predict` would use."""
    frame = frame_for(volume, wanted)
    slices = np.arange(volume.grid.shape[0])
    images = network_slices(volume, frame, wanted, slices)
    truth = frame.to_network(mask.astype(np.float32), fill=0.0) >= 0.5
    return TrainingCase((images * 255 + 0.5).astype(np.uint8), truth.astype(np.uint8))


class Sampler:
    """Draws batches at random, with a share of slices that show the organ.

    Args:
        cases: what to draw from; each case is equally likely.
        neighbours: slices on each side that join as channels.
        foreground_share: probability that a drawn slice contains the organ.
        seed: same seed, same batches.
    """

    def __init__(
        self, cases: tuple[TrainingCase, ...], neighbours: int, foreground_share: float, seed: int
    ) -> None:
        self._cases, self._neighbours, self._share = cases, neighbours, foreground_share
        self._with_organ = [np.flatnonzero(case.truth.any(axis=(1, 2))) for case in cases]
        self._random = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(count, rows, columns, channels) images in [0, 1] and (count, rows, columns, 1) truth."""
        drawn = [self._draw_slice() for _ in range(count)]
        images = np.stack([image for image, _truth in drawn]).astype(np.float32) / np.float32(255)
        truth = np.stack([truth for _image, truth in drawn]).astype(np.float32)[..., None]
        return np.moveaxis(images, 1, -1), truth

    def _draw_slice(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        number = int(self._random.integers(len(self._cases)))
        case, organ = self._cases[number], self._with_organ[number]
        wants_organ = len(organ) > 0 and self._random.random() < self._share
        z = int(self._random.choice(organ) if wants_organ else self._random.integers(len(case.truth)))
        around = neighbour_indices(np.array([z]), self._neighbours, len(case.images))[0]
        return case.images[around], case.truth[z]

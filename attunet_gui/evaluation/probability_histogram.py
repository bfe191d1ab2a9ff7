"""Exact histograms of probabilities against the truth.

A probability is kept as float16, and there are only 15,361 such numbers from 0 to 1. Two counts for each of
them hold everything that is needed: reliability, likelihood and the DSC at any threshold follow without the
maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration

_FLOAT16_ONE_BITS = 0x3C00
PROBABILITY_LEVELS: NDArray[np.float64] = (
    np.arange(_FLOAT16_ONE_BITS + 1, dtype=np.uint16).view(np.float16).astype(np.float64)
)
"""(15361,) float64, every float16 from 0 to 1 in rising order. Read as integers their bits have no gap."""


@dataclass(frozen=True, eq=False)
class ProbabilityHistogram:
    """Numbers of pixels by probability.

    Attributes:
        pixels: (15361,) int64, number of pixels at each of `PROBABILITY_LEVELS`.
        organ: (15361,) int64, number of those pixels that are organ.
    """

    pixels: NDArray[np.int64]
    organ: NDArray[np.int64]

    def __add__(self, other: ProbabilityHistogram) -> ProbabilityHistogram:
        return ProbabilityHistogram(self.pixels + other.pixels, self.organ + other.organ)

    def within_range(self, low: float, high: float) -> ProbabilityHistogram:
        """Return the tally of the pixels with a probability in [low, high]."""
        inside = (low <= PROBABILITY_LEVELS) & (high >= PROBABILITY_LEVELS)
        return ProbabilityHistogram(self.pixels * inside, self.organ * inside)

    def with_calibration(self, calibration: ProbabilityCalibration) -> ProbabilityHistogram:
        """Return the tally that the same pixels have under `calibration`."""
        moved = calibration.apply(PROBABILITY_LEVELS.astype(np.float32)).astype(np.float16).view(np.uint16)
        return ProbabilityHistogram(_count_levels(moved, self.pixels), _count_levels(moved, self.organ))

    def dsc_by_threshold(self) -> NDArray[np.float64]:
        """Return (15361,) float64, the DSC with each of `PROBABILITY_LEVELS` as threshold.

        It is 1 where draft and truth are both empty.
        """
        # The draft at a threshold holds the pixels of all higher levels: a cumulative sum from above.
        draft, both = (np.cumsum(n[::-1])[::-1] for n in (self.pixels, self.organ))
        total = draft + self.organ.sum()
        return np.where(total == 0, 1.0, 2 * both / np.maximum(total, 1))


def probability_histogram(
    probability: NDArray[np.float16], truth: NDArray[np.bool_], where: NDArray[np.bool_] | None = None
) -> ProbabilityHistogram:
    """Count the pixels by probability.

    Args:
        probability: float16 in [0, 1], of any shape.
        truth: bool of the same shape.
        where: bool of the same shape, the pixels that count; None for all.
    """
    chosen = np.ones(truth.shape, dtype=bool) if where is None else where
    # Float16 has a negative zero with other bits; the absolute value maps it to the positive one.
    levels = np.abs(probability[chosen]).view(np.uint16)
    return ProbabilityHistogram(_count_levels(levels), _count_levels(levels, truth[chosen]))


def prediction_histogram(prediction: NetworkPrediction, truth: NDArray[np.bool_]) -> ProbabilityHistogram:
    """Count the pixels of the body; `truth` is (z, rows, columns) bool on the frame of the network."""
    return probability_histogram(prediction.probability, truth, prediction.body)


def _count_levels(levels: NDArray[np.uint16], weights: NDArray[Any] | None = None) -> NDArray[np.int64]:
    return np.bincount(levels, weights, minlength=len(PROBABILITY_LEVELS)).astype(np.int64)

"""Counts that hold all there is to know about probabilities against the truth, however many pixels.

A probability is float16, and there are only 15,361 such numbers from 0 to 1. Two counts for each of them are
therefore exact: reliability, likelihood and the DSC at any threshold come from them without the maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.calibration import Calibration
from attunet_gui.core.prediction import Prediction

_ONE = 0x3C00
LEVELS: NDArray[np.float64] = np.arange(_ONE + 1, dtype=np.uint16).view(np.float16).astype(np.float64)
"""Every float16 from 0 to 1, rising: read as integers they count on without a gap."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Pixels by probability.

    Attributes:
        pixels: (15361,) int64, how many pixels have each of `LEVELS`.
        organ: (15361,) int64, how many of them are the organ.
    """

    pixels: NDArray[np.int64]
    organ: NDArray[np.int64]

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.pixels + other.pixels, self.organ + other.organ)

    def between(self, low: float, high: float) -> Tally:
        """Only what has a probability in [low, high]."""
        inside = (low <= LEVELS) & (high >= LEVELS)
        return Tally(self.pixels * inside, self.organ * inside)

    def calibrated(self, calibration: Calibration) -> Tally:
        """The tally the same pixels would have had under `calibration`."""
        moved = calibration.apply(LEVELS.astype(np.float32)).astype(np.float16).view(np.uint16)
        return Tally(_counts(moved, self.pixels), _counts(moved, self.organ))

    def dsc(self) -> NDArray[np.float64]:
        """(15361,) DSC of the draft at a threshold of each of `LEVELS`; 1 where draft and truth are empty."""
        draft, both = (np.cumsum(n[::-1])[::-1] for n in (self.pixels, self.organ))
        total = draft + self.organ.sum()
        return np.where(total == 0, 1.0, 2 * both / np.maximum(total, 1))


def tally(
    probability: NDArray[np.float16], truth: NDArray[np.bool_], where: NDArray[np.bool_] | None = None
) -> Tally:
    """Count `probability` in [0, 1] and `truth`, of one shape, where `where` is true (None: everywhere)."""
    chosen = np.ones(truth.shape, dtype=bool) if where is None else where
    # Zero has two signs in float16; its absolute value has one.
    levels = np.abs(probability[chosen]).view(np.uint16)
    return Tally(_counts(levels), _counts(levels, truth[chosen]))


def tally_prediction(prediction: Prediction, truth: NDArray[np.bool_]) -> Tally:
    """Count the pixels of the body; `truth` (z, rows, columns) is on the network's frame too."""
    return tally(prediction.probability, truth, prediction.body)


def _counts(levels: NDArray[np.uint16], weights: NDArray[Any] | None = None) -> NDArray[np.int64]:
    return np.bincount(levels, weights, minlength=len(LEVELS)).astype(np.int64)

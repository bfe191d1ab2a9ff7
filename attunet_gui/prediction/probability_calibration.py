"""Calibration of a network's probability, so that of the pixels with probability p a share p is organ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

LOWEST_PROBABILITY, HIGHEST_PROBABILITY = 2.0**-25, 1 - 2.0**-12
"""Smallest and largest probability that float16 keeps apart from 0 and from 1."""


class ProbabilityCalibration(BaseModel):
    """Platt scaling (Platt 1999), a straight line on the logit: logit p' = slope * logit p + offset.

    The calibration never changes which of two voxels is more likely. A slope of 1 and an offset of 0 change
    nothing. Probabilities are kept as float16, so the line is fitted within `LOWEST_PROBABILITY` and
    `HIGHEST_PROBABILITY`, and values beyond are clipped to these: a network that says 1 may be wrong too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(default=1.0, gt=0, le=20)
    offset: float = Field(default=0.0, ge=-20, le=20)

    def apply(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Return the calibrated probabilities in [0, 1], of the same shape and dtype.

        Args:
            probability: float32 or float64 in [0, 1], of any shape.
        """
        if self == ProbabilityCalibration():
            return probability
        limited = np.clip(probability, LOWEST_PROBABILITY, HIGHEST_PROBABILITY, dtype=probability.dtype)
        # The odds form of the line on the logit: it needs no logarithm of each voxel.
        for_it = limited**self.slope
        against = np.exp(-self.offset).astype(probability.dtype) * (1 - limited) ** self.slope
        calibrated: NDArray[Any] = for_it / (for_it + against)
        return calibrated

    def followed_by(self, further: ProbabilityCalibration) -> ProbabilityCalibration:
        """Return the one calibration that has the effect of this one followed by `further`."""
        slope = self.slope * further.slope
        return ProbabilityCalibration(slope=slope, offset=further.slope * self.offset + further.offset)

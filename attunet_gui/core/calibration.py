"""What turns a network's probability into one that means what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

LOWEST, HIGHEST = 2.0**-25, 1 - 2.0**-12
"""Float16 cannot tell what lies beyond from 0 and 1."""


class Calibration(BaseModel):
    """A straight line on the logit (Platt 1999): logit p' = slope * logit p + offset.

    It never changes which voxel is more likely, and 1 and 0 change nothing at all. Probabilities are kept as
    float16, so the line is fitted to what that can tell apart, and holds no further: 1 becomes what `HIGHEST`
    does, since a network that says 1 may be wrong too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(default=1.0, gt=0, le=20)
    offset: float = Field(default=0.0, ge=-20, le=20)

    def apply(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Probabilities in [0, 1] -> as many in [0, 1], of the same floating type (float32 or float64)."""
        if self == Calibration():
            return probability
        limited = np.clip(probability, LOWEST, HIGHEST, dtype=probability.dtype)
        for_it = limited**self.slope
        against = np.exp(-self.offset).astype(probability.dtype) * (1 - limited) ** self.slope
        calibrated: NDArray[Any] = for_it / (for_it + against)
        return calibrated

    def then(self, further: Calibration) -> Calibration:
        """This and then `further`, as one."""
        slope = self.slope * further.slope
        return Calibration(slope=slope, offset=further.slope * self.offset + further.offset)

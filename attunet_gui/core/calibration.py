"""What turns a network's probability into one that means what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class Calibration(BaseModel):
    """A straight line on the logit (Platt 1999): logit p' = slope * logit p + offset.

    It rises strictly, so it never changes which voxel is more likely; 1 and 0 change nothing at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(default=1.0, gt=0, le=20)
    offset: float = Field(default=0.0, ge=-20, le=20)

    def apply(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Probabilities in [0, 1] -> as many in [0, 1], of the same floating type; 0 and 1 stay."""
        if self == Calibration():
            return probability
        for_it = probability**self.slope
        against = np.exp(-self.offset).astype(probability.dtype) * (1 - probability) ** self.slope
        calibrated: NDArray[Any] = for_it / (for_it + against)
        return calibrated

    def then(self, further: Calibration) -> Calibration:
        """This and then `further`, as one."""
        slope = self.slope * further.slope
        return Calibration(slope=slope, offset=further.slope * self.offset + further.offset)

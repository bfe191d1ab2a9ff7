"""A model adapts to one patient: what it learns from corrected slices it draws in the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.proposal import Proposal
from attunet_gui.core.volume import Volume
from attunet_gui.network.predict import Model


@dataclass(frozen=True, eq=False)
class Corrections:
    """What a person has done so far.

    Attributes:
        mask: (z, y, x) uint8 0/1 as it is now, right in `slices`.
        slices: the corrected ones, rising.
        before: (z, y, x) uint8 0/1, what the corrections began with; None where nobody knows.
    """

    mask: NDArray[np.uint8]
    slices: tuple[int, ...]
    before: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Effort:
    """How long it may take.

    Attributes:
        seconds: wall time of the whole.
        seed: of the variation of slices.
    """

    seconds: float = 10.0
    seed: int = 1


def propose(
    volume: Volume, model: Model, told: Corrections, effort: Effort, progress: Progress = silent
) -> Proposal:
    """What `model`, adapted to this patient, would draw in the slices that were not corrected."""
    reason = "Correct at least two slices; one is too little to learn from."
    return Proposal(told.mask, told.slices, (), False, reason, model.id)

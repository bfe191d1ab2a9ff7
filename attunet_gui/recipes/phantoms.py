"""Phantoms to train on and to measure on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from attunet_gui.core.metrics import dice
from attunet_gui.core.prediction import draft_mask
from attunet_gui.core.preprocess import Preprocessing
from attunet_gui.core.progress import Progress, silent
from attunet_gui.network.predict import Model, predict
from attunet_gui.network.sampling import TrainingCase, training_case
from attunet_gui.recipes.children import in_children
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom, phantom_volume

_FIELD_MM = 430.0
_HEIGHT_MM = 230.0


@dataclass(frozen=True)
class Measured:
    """DSC of drafts on phantoms the network has not seen, by seed."""

    dsc: dict[int, float]

    @property
    def mean(self) -> float:
        """Mean DSC."""
        return float(np.mean(list(self.dsc.values())))

    @property
    def deviation(self) -> float:
        """Standard deviation of the DSC."""
        return float(np.std(list(self.dsc.values())))


def measure_on_phantoms(model: Model, seeds: range, progress: Progress = silent) -> Measured:
    """DSC of `model`'s draft on the phantom of each seed, on the phantom's own grid."""
    found = {}
    for done, seed in enumerate(seeds, start=1):
        phantom = make_phantom(random_request(seed))
        found[seed] = dice(draft_mask(predict(phantom_volume(phantom), model)), phantom.pancreas)
        progress(done, len(seeds), "measuring")
    return Measured(found)


def random_request(seed: int) -> PhantomRequest:
    """The phantom of `seed` on a grid of random spacing (2 to 4 mm slices, 1.2 to 2 mm in plane)."""
    random = np.random.default_rng([seed, 3])
    thickness, pixel = float(random.uniform(2, 4)), float(random.uniform(1.2, 2))
    side = round(_FIELD_MM / pixel)
    return PhantomRequest(seed, (round(_HEIGHT_MM / thickness), side, side), (thickness, pixel, pixel))


def phantom_cases(
    seeds: range, wanted: Preprocessing, progress: Progress = silent
) -> tuple[TrainingCase, ...]:
    """Training cases from phantoms, made in as many processes as there are cores."""
    return in_children(partial(_phantom_case, wanted=wanted), seeds, "making phantoms", progress)


def _phantom_case(seed: int, wanted: Preprocessing) -> TrainingCase:
    phantom = make_phantom(random_request(seed))
    name = f"phantom {seed}"
    return training_case(phantom_volume(phantom), phantom.pancreas, wanted, name, (name,))

"""Phantoms as labelled cases, to train on and to measure a model with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.volume import Volume
from attunet_gui.network.inference import LoadedModel, predict_volume
from attunet_gui.prediction.network_prediction import draft_mask
from attunet_gui.synthesis.label_map_ct.ct_kinds import draw_kinds, settings_for_kinds
from attunet_gui.synthesis.label_map_ct.ct_renderer import render_ct, synthetic_volume
from attunet_gui.synthesis.label_map_ct.phantom_tissue_map import phantom_anatomy
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.progress import ProgressCallback, no_progress

_FIELD_MM = 430.0
_HEIGHT_MM = 230.0


@dataclass(frozen=True)
class PhantomScores:
    """DSC of drafts of phantoms that the network has not seen, by seed."""

    dsc: dict[int, float]

    @property
    def mean_dsc(self) -> float:
        """Mean DSC."""
        return float(np.mean(list(self.dsc.values())))

    @property
    def dsc_deviation(self) -> float:
        """Standard deviation of the DSC."""
        return float(np.std(list(self.dsc.values())))


def measure_on_phantoms(
    model: LoadedModel, seeds: range, progress: ProgressCallback = no_progress
) -> PhantomScores:
    """Return the DSC of the model's draft for the phantom of each seed, on the phantom's own grid."""
    found = {}
    for done, seed in enumerate(seeds, start=1):
        volume, pancreas = labelled_phantom(seed)
        found[seed] = dice_coefficient(draft_mask(predict_volume(volume, model)), pancreas)
        progress(done, len(seeds), "measuring")
    return PhantomScores(found)


def random_phantom_request(seed: int) -> PhantomRequest:
    """Return a request for phantom `seed` with random spacing: 2 to 4 mm slices, 1.2 to 2 mm in plane."""
    random = np.random.default_rng([seed, 3])
    thickness, pixel = float(random.uniform(2, 4)), float(random.uniform(1.2, 2))
    side = round(_FIELD_MM / pixel)
    return PhantomRequest(seed, (round(_HEIGHT_MM / thickness), side, side), (thickness, pixel, pixel))


def labelled_phantom(seed: int) -> tuple[Volume, NDArray[np.uint8]]:
    """Return the CT of phantom `seed` on its random grid and its pancreas, (z, y, x) uint8 0/1."""
    phantom = make_phantom(random_phantom_request(seed))
    return phantom_volume(phantom), phantom.pancreas_mask


def phantom_of_kinds(seed: int, weights: tuple[tuple[str, float], ...]) -> tuple[Volume, NDArray[np.uint8]]:
    """Return phantom `seed` rendered as kinds of CT drawn by `weights`, and its pancreas, (z, y, x) uint8
    0/1.
    """
    # A generator for each purpose, so that the kinds that are drawn do not change the image noise.
    kinds = draw_kinds(dict(weights), np.random.default_rng([seed, 1]))
    ct = render_ct(phantom_anatomy(seed), np.random.default_rng([seed, 2]), settings_for_kinds(kinds))
    return synthetic_volume(ct, f"phantom-{seed}"), ct.pancreas_mask

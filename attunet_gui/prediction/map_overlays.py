"""The maps of a prediction for display: with a title, restricted to the body, on the grid of the CT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.prediction.network_grid import ResampledMapView, coarse_pixel_shares
from attunet_gui.prediction.network_prediction import NetworkPrediction

Float16Map = NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class MapOverlay:
    """One map of a prediction.

    Attributes:
        key: "probability", "gates" (the product of all gates), or "gate 1" (the finest) and so on.
        title: the name that is shown to people.
        map: values in [0, 1] on the grid of the CT; 0 outside of the body.
        inside, outside: mean value in the draft and in the rest of the body; None if that part is empty or if
            it was not measured.
    """

    key: str
    title: str
    map: ResampledMapView
    inside: float | None
    outside: float | None


def make_overlays(prediction: NetworkPrediction, measured: bool = True) -> tuple[MapOverlay, ...]:
    """Return the overlays of the probability, of the merged gates and of each gate, the finest first.

    Args:
        prediction: the prediction; it may still be incomplete.
        measured: whether to compute the means. They are meaningless while slices are missing.
    """
    named: list[tuple[str, str, Float16Map]] = [("probability", "Probability", prediction.probability)]
    if prediction.gates:
        named.append(("gates", "Gates merged", prediction.merged_gates))
    for gate in prediction.gates:
        named.append((f"gate {gate.level}", gate.title[0].upper() + gate.title[1:], gate.values))
    return tuple(_make_overlay(prediction, *each, measured=measured) for each in named)


def _make_overlay(
    prediction: NetworkPrediction, key: str, title: str, values: Float16Map, measured: bool
) -> MapOverlay:
    shown = ResampledMapView(prediction.frame, values, prediction.body)
    if not measured:
        return MapOverlay(key, title, shown, None, None)
    size = values.shape[1:]
    draft = coarse_pixel_shares(prediction.probability >= prediction.threshold, size)
    body = coarse_pixel_shares(prediction.body, size)
    # A draft may reach beyond the body that was found.
    inside, outside = _weighted_mean(values, draft), _weighted_mean(values, np.maximum(body - draft, 0))
    return MapOverlay(key, title, shown, inside, outside)


def _weighted_mean(values: Float16Map, weights: NDArray[Any]) -> float | None:
    total = float(weights.sum(dtype=np.float64))
    if total <= 0:
        return None
    # `einsum` makes no array of the products, and float64 is needed because sums of float16 overflow.
    return float(np.einsum("zyx,zyx->", values, weights, dtype=np.float64, casting="unsafe")) / total

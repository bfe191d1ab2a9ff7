"""Statistics of the attention gates: where they are open, whether they find the organ and work at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from attunet_gui.evaluation.probability_histogram import PROBABILITY_LEVELS
from attunet_gui.prediction.network_grid import coarse_pixel_shares
from attunet_gui.prediction.network_prediction import GateMap, NetworkPrediction

GateFault = Literal["closed", "open", "constant"]
# A gate is faulty if even its high percentile lies below the first value, or even its low one above the
# second.
_CLOSED_BELOW, _OPEN_ABOVE = 0.05, 0.95
# With a smaller standard deviation within slices the gate only scales the whole image.
_LEAST_DEVIATION = 0.02


@dataclass(frozen=True, eq=False)
class GateHistogram:
    """The histogram of the coefficients of one gate within the body.

    Attributes:
        title: name of the gate for people.
        inside, outside: (15361,) float64, the area of the organ and of the rest of the body, in pixels of the
            gate, at each of `PROBABILITY_LEVELS`.
        variances: spatial variance of the coefficients in each slice that shows the body.
    """

    title: str
    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    variances: tuple[float, ...]

    def __add__(self, other: GateHistogram) -> GateHistogram:
        variances = self.variances + other.variances
        return GateHistogram(self.title, self.inside + other.inside, self.outside + other.outside, variances)


class GateReport(BaseModel, frozen=True, extra="forbid"):
    """The figures of one gate over all cases, within the body.

    Attributes:
        title: name of the gate for people.
        mean: mean coefficient.
        inside, outside: mean coefficient in the organ and in the rest of the body; None if that part is
            empty.
        separation: probability that a pixel of the organ has a higher coefficient than a pixel of the rest,
            which is the area under the ROC curve. At 0.5 the gate does not find the organ; at 0 it is closed
            on it.
        deviation: standard deviation over space within a slice.
        low, high: the lower 1st and the higher 99th percentile of organ and rest. Both parts are looked at
            because the organ is so small that a working gate may be closed on 99 % of the body.
        fault: why the gate does not work: it is nearly 0, nearly 1, or constant. None if it works.
        held_open, held_at_mean: change of the mean DSC if the gate is held at 1 and at its mean; below 0 if
            the gate helps. None if this was not measured.
    """

    title: str
    mean: float
    inside: float | None
    outside: float | None
    separation: float | None
    deviation: float
    low: float
    high: float
    fault: GateFault | None
    held_open: float | None = None
    held_at_mean: float | None = None


def gate_histograms(prediction: NetworkPrediction, truth: NDArray[np.bool_]) -> tuple[GateHistogram, ...]:
    """Return the histogram of every gate of a prediction, finest first.

    Args:
        prediction: the prediction of one case.
        truth: (z, rows, columns) bool, the organ on the frame of the network.
    """
    return tuple(_gate_histogram(gate, truth & prediction.body, prediction.body) for gate in prediction.gates)


def _gate_histogram(gate: GateMap, organ: NDArray[np.bool_], body: NDArray[np.bool_]) -> GateHistogram:
    size = gate.values.shape[1:]
    inside, whole = coarse_pixel_shares(organ, size), coarse_pixel_shares(body, size)
    outside = np.maximum(whole - inside, 0)
    # The bits of a float16 from 0 to 1 are its index in `PROBABILITY_LEVELS`; `abs` removes the sign of
    # negative zero.
    levels = np.abs(gate.values).view(np.uint16).ravel()
    return GateHistogram(
        gate.title,
        _area_by_level(levels, inside),
        _area_by_level(levels, outside),
        _spatial_variances(gate.values.astype(np.float64), whole),
    )


def _area_by_level(levels: NDArray[np.uint16], shares: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.bincount(levels, shares.ravel(), minlength=len(PROBABILITY_LEVELS)).astype(np.float64)


def _spatial_variances(values: NDArray[np.float64], weights: NDArray[np.float32]) -> tuple[float, ...]:
    area = weights.sum(axis=(1, 2), dtype=np.float64)
    there = area > 0
    values, weights, area = values[there], weights[there], area[there]
    mean = (values * weights).sum(axis=(1, 2)) / area
    spread = ((values - mean[:, None, None]) ** 2 * weights).sum(axis=(1, 2)) / area
    return tuple(spread.tolist())


def report_gate(counted: GateHistogram) -> GateReport:
    """Return the figures of one gate.

    Raises:
        ValueError: if the histogram holds no pixel of the body.
    """
    body = counted.inside + counted.outside
    if not body.any():
        raise ValueError(f"there is no body in which to look at {counted.title}")
    deviation = float(np.sqrt(np.mean(counted.variances)))
    areas = [area for area in (counted.inside, counted.outside) if area.any()]
    low, high = (
        min(_coefficient_percentile(a, 0.01) for a in areas),
        max(_coefficient_percentile(a, 0.99) for a in areas),
    )
    mean = _mean_coefficient(body)
    assert mean is not None
    return GateReport(
        title=counted.title,
        mean=mean,
        inside=_mean_coefficient(counted.inside),
        outside=_mean_coefficient(counted.outside),
        separation=_roc_area(counted),
        deviation=deviation,
        low=low,
        high=high,
        fault=_gate_fault(low, high, deviation),
    )


def _gate_fault(low: float, high: float, deviation: float) -> GateFault | None:
    if high < _CLOSED_BELOW:
        return "closed"
    if low > _OPEN_ABOVE:
        return "open"
    return "constant" if deviation < _LEAST_DEVIATION else None


def _mean_coefficient(area: NDArray[np.float64]) -> float | None:
    return float(area @ PROBABILITY_LEVELS / area.sum()) if area.any() else None


def _coefficient_percentile(area: NDArray[np.float64], share_below: float) -> float:
    return float(PROBABILITY_LEVELS[np.searchsorted(np.cumsum(area), share_below * area.sum())])


def _roc_area(counted: GateHistogram) -> float | None:
    if not counted.inside.any() or not counted.outside.any():
        return None
    # The Mann-Whitney form of the area under the ROC curve; equal coefficients count half.
    below = np.cumsum(counted.outside) - counted.outside / 2
    return float(counted.inside @ below / (counted.inside.sum() * counted.outside.sum()))

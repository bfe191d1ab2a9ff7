"""Reliability of a network's probability, its calibration, and the best threshold of the draft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.optimize import minimize
from scipy.special import expit, logit

from attunet_gui.evaluation.probability_histogram import PROBABILITY_LEVELS, ProbabilityHistogram
from attunet_gui.prediction.probability_calibration import (
    HIGHEST_PROBABILITY,
    LOWEST_PROBABILITY,
    ProbabilityCalibration,
)

UNCERTAIN_RANGE = (0.02, 0.98)
"""The range of uncertain probabilities. Nearly all pixels lie outside of it and would hide the others."""
_RELIABILITY_BINS = 15
# The levels 0 and 1 are clipped as in `ProbabilityCalibration.apply`, because their logits are infinite.
_LEVEL_LOGITS = logit(np.clip(PROBABILITY_LEVELS, LOWEST_PROBABILITY, HIGHEST_PROBABILITY))
# The bounds within which a model card accepts a calibration; a slope near 0 would make all probabilities
# equal.
_SLOPES, _OFFSETS = (0.05, 20.0), (-20.0, 20.0)
_THRESHOLDS = (0.05, 0.95)


class ReliabilityCurve(BaseModel, frozen=True, extra="forbid"):
    """A reliability curve. Bins without a pixel are left out.

    Attributes:
        predicted: mean probability of the pixels of each bin.
        observed: share of the pixels of each bin that are organ.
        pixels: number of pixels of each bin.
        error: expected calibration error, the mean of |predicted - observed| over all pixels (Guo et al.
            2017, arXiv:1706.04599, eq. 3); 0 if there are no pixels.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    pixels: tuple[int, ...]
    error: float


def reliability_curve(counted: ProbabilityHistogram, bins: int = _RELIABILITY_BINS) -> ReliabilityCurve:
    """Return the reliability curve of `counted` over `bins` bins of equal width."""
    place = np.minimum((PROBABILITY_LEVELS * bins).astype(np.intp), bins - 1)
    pixels, organ, total = (
        np.bincount(place, n, minlength=bins)
        for n in (counted.pixels, counted.organ, counted.pixels * PROBABILITY_LEVELS)
    )
    there = pixels > 0
    predicted, observed = total[there] / pixels[there], organ[there] / pixels[there]
    gap = np.abs(predicted - observed) * pixels[there]
    return ReliabilityCurve(
        predicted=tuple(predicted.tolist()),
        observed=tuple(observed.tolist()),
        pixels=tuple(int(n) for n in pixels[there]),
        error=float(gap.sum() / max(pixels.sum(), 1)),
    )


def fit_calibration(counted: ProbabilityHistogram) -> ProbabilityCalibration:
    """Return the calibration of maximum likelihood.

    The likelihood of a straight line on the logit has one maximum only. Use cases that the network was not
    trained on, and report the result on yet other cases.

    Args:
        counted: the pixels by probability, without any calibration applied.

    Raises:
        ValueError: if all pixels are organ, or none is.
    """
    organ, other = counted.organ, counted.pixels - counted.organ
    if not organ.any() or not other.any():
        raise ValueError("a calibration needs pixels of the organ and others")
    found = minimize(
        _negative_log_likelihood,
        x0=(1.0, 0.0),
        args=(organ, other),
        jac=True,
        bounds=(_SLOPES, _OFFSETS),
        method="L-BFGS-B",
    )
    return ProbabilityCalibration(slope=float(found.x[0]), offset=float(found.x[1]))


def _negative_log_likelihood(
    line: NDArray[np.float64], organ: NDArray[np.int64], other: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64]]:
    # The mean negative log likelihood and its gradient by slope and offset. `logaddexp` does not overflow
    # where the exponential of a large logit would.
    score = line[0] * _LEVEL_LOGITS + line[1]
    total = (organ + other).sum()
    loss = (organ * np.logaddexp(0, -score) + other * np.logaddexp(0, score)).sum() / total
    slope = ((organ + other) * expit(score) - organ) / total
    return float(loss), np.array([(slope * _LEVEL_LOGITS).sum(), slope.sum()])


def best_threshold(cases: Mapping[str, Iterable[ProbabilityHistogram]]) -> float:
    """Return the threshold with the highest DSC, averaged over the cases of a patient and then over patients.

    Args:
        cases: patient -> tallies of the cases of that patient. They must come from training folds only.

    Returns:
        A threshold from 0.05 to 0.95 in steps of 0.01; of several equally good ones the one nearest to 0.5.
    """
    curves = [np.mean([case.dsc_by_threshold() for case in tallies], axis=0) for tallies in cases.values()]
    tried = np.round(np.arange(_THRESHOLDS[0], _THRESHOLDS[1] + 0.005, 0.01), 2)
    # The draft at a threshold holds all levels from the first one that is not below the threshold.
    dsc = np.mean(curves, axis=0)[np.searchsorted(PROBABILITY_LEVELS, tried)]
    best = tried[dsc >= dsc.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])

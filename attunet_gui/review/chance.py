"""The probability that a pixel is gland, from the network's probability and the mask around the pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, logit

# Fitted by logistic regression on one half of synthetic CT and of held-out real slices. On the other halves
# the cross entropy falls from 0.35 to 0.27 and from 0.38 to 0.32.
_OFFSET, _OF_LOGIT, _OF_NEARNESS = -1.4, 0.4, 3.2
_SMOOTH_MM = 5.0
# Probabilities are clipped to this distance from 0 and 1, where the logit is infinite.
_SURE = 0.005


def nearness(cover: NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return the mask smoothed with a Gaussian of 5 mm standard deviation, (z, rows, columns) float32.

    Args:
        cover: (z, rows, columns) float32, the share of each pixel that the mask covers.
        spacing_mm: (z, row, column) size of a pixel in mm.
    """
    sigma = [_SMOOTH_MM / mm if size > 1 else 0.0 for mm, size in zip(spacing_mm, cover.shape, strict=True)]
    near: NDArray[np.float32] = ndimage.gaussian_filter(cover, sigma, truncate=2.5)
    return near


def chance_of_gland(probability: NDArray[np.float32], near: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability that each pixel is gland, (z, rows, columns) float32 in [0, 1].

    The network's probability is calibrated over the whole slice. Near a mask it is too low outside and too
    high inside: of the pixels within 1 cm of a draft to which it gives 0.02 to 0.3, every fourth is gland. A
    logistic function of its logit and of the smoothed mask fits better.

    Args:
        probability: (z, rows, columns), the network's probability.
        near: the smoothed mask from `nearness`, of the same shape.
    """
    said = logit(np.clip(probability, _SURE, 1 - _SURE))
    chance: NDArray[np.float32] = expit(_OFFSET + _OF_LOGIT * said + _OF_NEARNESS * near).astype(np.float32)
    return chance

"""Comparing float16 as whole numbers: numpy converts each for want of anything faster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_INFINITE = np.float16(np.inf).view(np.uint16)


def at_least(maps: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Where `maps` reach `threshold`, which is above 0; not where they are no number.

    Positive float16 are ordered as the whole numbers that their bits spell, and below those of the negative.
    """
    if maps.dtype != np.float16:
        return maps >= threshold
    bits = np.ascontiguousarray(maps).view(np.uint16)
    reached: NDArray[np.bool_] = bits >= np.float16(threshold).view(np.uint16)
    reached &= bits <= _INFINITE
    return reached

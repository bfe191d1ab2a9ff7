"""Fast comparison of float16 arrays.

numpy has no float16 arithmetic of its own and converts each value to float32 to compare it. Comparing the
bits as integers avoids that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_INFINITE = np.float16(np.inf).view(np.uint16)


def at_least(maps: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Return a bool array that is true where `maps` are at least `threshold`; it is false for NaN.

    Args:
        maps: an array of any shape; float16 is compared fast.
        threshold: a value above 0.
    """
    if maps.dtype != np.float16:
        return maps >= threshold
    # Read as unsigned integers, the bits of positive float16 values are ordered as the values are. The sign
    # bit puts negative values above infinity, and NaN lie there as well; the second comparison excludes both.
    bits = np.ascontiguousarray(maps).view(np.uint16)
    reached: NDArray[np.bool_] = bits >= np.float16(threshold).view(np.uint16)
    reached &= bits <= _INFINITE
    return reached

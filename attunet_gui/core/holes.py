"""What a slice of a mask encloses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.bool_]


def without_new_holes(plane: Plane, *known: Plane) -> Plane:
    """`plane` (y, x) with every hole filled that is in none of `known`: nobody would accept those."""
    new = _holes(plane)
    for other in known:
        new &= ~_holes(other)
    return np.asarray(plane | new)


def _holes(plane: Plane) -> Plane:
    return np.asarray(ndimage.binary_fill_holes(plane) & ~plane)

"""Holes of a mask within a slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.bool_]


def without_new_holes(plane: Plane, *known: Plane) -> Plane:
    """Return `plane` with those holes filled that are no holes of any plane in `known`.

    Propagating an outline to another slice may enclose background that no slice encloses. Such a hole is
    never anatomy.

    Args:
        plane: (y, x) bool.
        known: (y, x) bool planes of the same shape whose holes may stay.
    """
    new = _holes(plane)
    for other in known:
        new &= ~_holes(other)
    return np.asarray(plane | new)


def _holes(plane: Plane) -> Plane:
    return np.asarray(ndimage.binary_fill_holes(plane) & ~plane)

"""Overlap and volume of masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.grid import Grid


def dice(a: NDArray[Any], b: NDArray[Any]) -> float:
    """DSC of two masks of one shape: 2 |A and B| / (|A| + |B|). Two empty masks agree: 1.0."""
    size_a, size_b = np.count_nonzero(a), np.count_nonzero(b)
    if size_a + size_b == 0:
        return 1.0
    return float(2.0 * np.count_nonzero(np.logical_and(a, b)) / (size_a + size_b))


def volume_ml(mask: NDArray[Any], grid: Grid) -> float:
    """Volume of the non-zero voxels in millilitres."""
    return float(np.count_nonzero(mask)) * grid.voxel_volume_ml

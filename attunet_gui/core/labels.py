"""A label map: which anatomical structure each voxel belongs to, as someone drew it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Structures of one subject on the canonical axes.

    Attributes:
        codes: (z, y, x) uint8 or uint16, 0 is no label; z to the head, y to the back, x to the left.
        names: code -> structure, in the names of TotalSegmentator (`liver`, `kidney_left`, ...).
        spacing_mm: (z, y, x) voxel size.
        subject: whose structures these are.
    """

    codes: NDArray[np.unsignedinteger]
    names: Mapping[int, str]
    spacing_mm: tuple[float, float, float]
    subject: str

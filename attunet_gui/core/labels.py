"""A label map: the anatomical structure that each voxel belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The labelled structures of one subject, in canonical orientation.

    Attributes:
        codes: (z, y, x) uint8 or uint16, 0 for no label; z grows to the head, y to the back, x to the left.
        names: code -> name of the structure as in TotalSegmentator (`liver`, `kidney_left`, ...).
        spacing_mm: (z, y, x) voxel size in mm.
        subject: identifier of the subject.
    """

    codes: NDArray[np.unsignedinteger]
    names: Mapping[int, str]
    spacing_mm: tuple[float, float, float]
    subject: str

"""Whole-tissue maps, which say for every voxel of an abdomen which tissue it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class TissueCode(IntEnum):
    """Code of a voxel in a whole-tissue map; every voxel inside the skin has one, the air outside is 0."""

    AIR = 0
    SUBCUTANEOUS_FAT = 1
    VISCERAL_FAT = 2
    MUSCLE = 3
    BONE = 4
    CARTILAGE = 5
    DISC = 6
    SPINAL_CANAL = 7
    LUNG = 8
    HEART = 9
    LIVER = 10
    SPLEEN = 11
    KIDNEY = 12
    GALLBLADDER = 13
    OESOPHAGUS = 14
    STOMACH = 15
    DUODENUM = 16
    SMALL_BOWEL = 17
    COLON = 18
    PANCREAS = 19
    ADRENAL = 20
    AORTA = 21
    CAVA = 22
    PORTAL_VEIN = 23
    ARTERY = 24
    VEIN = 25
    BLADDER = 26
    SOFT = 27


@dataclass(frozen=True, eq=False)
class TissueMap:
    """The tissues of an abdomen, without unlabelled voxels inside the skin.

    Attributes:
        tissue: (z, y, x) uint8 codes of `TissueCode`; z to the head, y to the back, x to the patient's left.
        spacing_mm: (z, y, x) voxel size.
        subject: whose organs these are; maps of one subject never stand on both sides of a split.
        donors: subjects whose structures stand in for those that `subject` had no labels for.
    """

    tissue: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    subject: str
    donors: tuple[str, ...] = ()

"""The anatomy of a procedural phantom as a whole-tissue map, which renders every kind of CT without data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.anatomy import Tissue, TissueMap
from attunet_gui.synthesis.phantom import ORGANS, PhantomRequest, make_phantom

_SPACING_MM = 2.0
_SHAPE = (115, 190, 240)

_TISSUE: dict[str, Tissue] = {
    "pancreas": Tissue.PANCREAS,
    "liver": Tissue.LIVER,
    "spleen": Tissue.SPLEEN,
    "kidney_left": Tissue.KIDNEY,
    "kidney_right": Tissue.KIDNEY,
    "stomach": Tissue.STOMACH,
    "duodenum": Tissue.DUODENUM,
    "small_bowel": Tissue.SMALL_BOWEL,
    "colon": Tissue.COLON,
    "gallbladder": Tissue.GALLBLADDER,
    "aorta": Tissue.AORTA,
    "vena_cava": Tissue.CAVA,
    "portal_vein": Tissue.PORTAL_VEIN,
    "arteries": Tissue.ARTERY,
    "adrenals": Tissue.ADRENAL,
    "vertebrae": Tissue.BONE,
    "ribs": Tissue.BONE,
    "lungs": Tissue.LUNG,
    "muscle": Tissue.MUSCLE,
    "fat": Tissue.VISCERAL_FAT,
    "heart": Tissue.HEART,
}


def phantom_anatomy(seed: int) -> TissueMap:
    """Make the whole-tissue map of the phantom of `seed`, with voxels of 2 mm."""
    phantom = make_phantom(PhantomRequest(seed, _SHAPE, (_SPACING_MM,) * 3))
    table = np.zeros(len(ORGANS), np.uint8)
    for organ, code in ORGANS.items():
        table[code] = _TISSUE.get(organ, Tissue.AIR)
    tissue = table[phantom.organs]
    for plane, hu in zip(tissue, phantom.hu, strict=True):
        _finish(plane, hu)
    return TissueMap(tissue, (_SPACING_MM,) * 3, f"phantom {seed}")


def _finish(plane: NDArray[np.uint8], hu: NDArray[np.int16]) -> None:
    """Give every unnamed voxel inside the skin a tissue, and tell subcutaneous from visceral fat, in place.

    Args:
        plane: (y, x) tissue codes of one slice.
        hu: (y, x) HU of the same slice.
    """
    body = ndimage.binary_fill_holes(ndimage.binary_opening(plane > 0, iterations=2))
    plane[~body] = Tissue.AIR
    plane[body & (plane == Tissue.AIR)] = Tissue.SOFT
    wall = np.isin(plane, (Tissue.MUSCLE, Tissue.BONE)) | (body & (hu < -700) & (plane == Tissue.LUNG))
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(wall, iterations=4))
    plane[(plane == Tissue.VISCERAL_FAT) & ~inside] = Tissue.SUBCUTANEOUS_FAT

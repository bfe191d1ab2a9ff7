"""The anatomy of a procedural phantom as a whole-tissue map, which renders every kind of CT without data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap
from attunet_gui.synthesis.phantom.abdomen_phantom import ORGANS, PhantomRequest, make_phantom

_SPACING_MM = 2.0
_SHAPE = (115, 190, 240)

_TISSUE_OF_ORGAN: dict[str, TissueCode] = {
    "pancreas": TissueCode.PANCREAS,
    "liver": TissueCode.LIVER,
    "spleen": TissueCode.SPLEEN,
    "kidney_left": TissueCode.KIDNEY,
    "kidney_right": TissueCode.KIDNEY,
    "stomach": TissueCode.STOMACH,
    "duodenum": TissueCode.DUODENUM,
    "small_bowel": TissueCode.SMALL_BOWEL,
    "colon": TissueCode.COLON,
    "gallbladder": TissueCode.GALLBLADDER,
    "aorta": TissueCode.AORTA,
    "vena_cava": TissueCode.CAVA,
    "portal_vein": TissueCode.PORTAL_VEIN,
    "arteries": TissueCode.ARTERY,
    "adrenals": TissueCode.ADRENAL,
    "vertebrae": TissueCode.BONE,
    "ribs": TissueCode.BONE,
    "lungs": TissueCode.LUNG,
    "muscle": TissueCode.MUSCLE,
    "fat": TissueCode.VISCERAL_FAT,
    "heart": TissueCode.HEART,
}


def phantom_anatomy(seed: int) -> TissueMap:
    """Make the whole-tissue map of the phantom of `seed`, with voxels of 2 mm."""
    phantom = make_phantom(PhantomRequest(seed, _SHAPE, (_SPACING_MM,) * 3))
    table = np.zeros(len(ORGANS), np.uint8)
    for organ, code in ORGANS.items():
        table[code] = _TISSUE_OF_ORGAN.get(organ, TissueCode.AIR)
    tissue = table[phantom.organs]
    for plane, hu in zip(tissue, phantom.hu, strict=True):
        _complete_plane(plane, hu)
    return TissueMap(tissue, (_SPACING_MM,) * 3, f"phantom {seed}")


def _complete_plane(plane: NDArray[np.uint8], hu: NDArray[np.int16]) -> None:
    """Give every unnamed voxel inside the skin a tissue, and tell subcutaneous from visceral fat, in place.

    Args:
        plane: (y, x) tissue codes of one slice.
        hu: (y, x) HU of the same slice.
    """
    body = ndimage.binary_fill_holes(ndimage.binary_opening(plane > 0, iterations=2))
    plane[~body] = TissueCode.AIR
    plane[body & (plane == TissueCode.AIR)] = TissueCode.SOFT
    wall = np.isin(plane, (TissueCode.MUSCLE, TissueCode.BONE)) | (
        body & (hu < -700) & (plane == TissueCode.LUNG)
    )
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(wall, iterations=4))
    plane[(plane == TissueCode.VISCERAL_FAT) & ~inside] = TissueCode.SUBCUTANEOUS_FAT

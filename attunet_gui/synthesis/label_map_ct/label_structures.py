"""Named structures of label maps: one common numbering, and the tissue that each structure is made of."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import LabelMap
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode

Codes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_TISSUE_PATTERNS: tuple[tuple[str, TissueCode], ...] = (
    ("vertebrae_*", TissueCode.BONE),
    ("sacrum", TissueCode.BONE),
    ("rib_*", TissueCode.BONE),
    ("sternum", TissueCode.BONE),
    ("hip_*", TissueCode.BONE),
    ("femur_*", TissueCode.BONE),
    ("costal_cartilages", TissueCode.CARTILAGE),
    ("intervertebral_discs", TissueCode.DISC),
    ("spinal_cord", TissueCode.SPINAL_CANAL),
    ("autochthon_*", TissueCode.MUSCLE),
    ("iliopsoas_*", TissueCode.MUSCLE),
    ("gluteus_*", TissueCode.MUSCLE),
    ("lung_*", TissueCode.LUNG),
    ("trachea", TissueCode.LUNG),
    ("heart*", TissueCode.HEART),
    ("atrial_appendage_left", TissueCode.HEART),
    ("pulmonary_*", TissueCode.VEIN),
    ("superior_vena_cava", TissueCode.VEIN),
    ("brachiocephalic_vein_*", TissueCode.VEIN),
    ("brachiocephalic_trunk", TissueCode.ARTERY),
    ("iliac_artery_*", TissueCode.ARTERY),
    ("iliac_vena_*", TissueCode.VEIN),
    ("liver", TissueCode.LIVER),
    ("spleen", TissueCode.SPLEEN),
    ("kidney_left", TissueCode.KIDNEY),
    ("kidney_right", TissueCode.KIDNEY),
    ("kidney_cyst_*", TissueCode.SOFT),
    ("gallbladder", TissueCode.GALLBLADDER),
    ("esophagus", TissueCode.OESOPHAGUS),
    ("stomach", TissueCode.STOMACH),
    ("duodenum", TissueCode.DUODENUM),
    ("small_bowel", TissueCode.SMALL_BOWEL),
    ("colon", TissueCode.COLON),
    ("pancreas", TissueCode.PANCREAS),
    ("adrenal_gland_*", TissueCode.ADRENAL),
    ("aorta", TissueCode.AORTA),
    ("inferior_vena_cava", TissueCode.CAVA),
    ("portal_vein_and_splenic_vein", TissueCode.PORTAL_VEIN),
    ("urinary_bladder", TissueCode.BLADDER),
    ("prostate", TissueCode.SOFT),
)
"""Structure name (a pattern) -> tissue, first match wins. Limbs, neck and head are left out."""

SIDES = ("left", "right")
VERTEBRAE = ("S1", *(f"L{n}" for n in range(5, 0, -1)), *(f"T{n}" for n in range(12, 0, -1)))

_STRUCTURE_NAMES: tuple[str, ...] = (
    *(f"vertebrae_{level}" for level in VERTEBRAE),
    *(f"rib_{side}_{n}" for side in SIDES for n in range(1, 13)),
    *(
        f"{part}_{side}"
        for part in ("hip", "femur", "autochthon", "iliopsoas", "gluteus_maximus", "gluteus_medius")
        for side in SIDES
    ),
    *("gluteus_minimus_left", "gluteus_minimus_right"),
    *("lung_lower_lobe_left", "lung_upper_lobe_left", "lung_left", "lung_right"),
    *("lung_lower_lobe_right", "lung_middle_lobe_right", "lung_upper_lobe_right"),
    *("heart", "heart_myocardium", "heart_atrium_left", "heart_ventricle_left"),
    *("heart_atrium_right", "heart_ventricle_right", "pulmonary_artery", "pulmonary_vein"),
    *("iliac_artery_left", "iliac_artery_right", "iliac_vena_left", "iliac_vena_right"),
    *("kidney_left", "kidney_right", "kidney_cyst_left", "kidney_cyst_right"),
    *("adrenal_gland_left", "adrenal_gland_right"),
    *(name for name, _ in _TISSUE_PATTERNS if "*" not in name and not name.startswith("kidney")),
)

STRUCTURES: tuple[str, ...] = tuple(dict.fromkeys(_STRUCTURE_NAMES))
"""Every structure that is used; its common code is its index plus one."""

CODE_OF = {name: place + 1 for place, name in enumerate(STRUCTURES)}
UNKNOWN_CODE = 0
HOLE_CODE = 255
"""Code of voxels whose borrowed structure was removed, which neighbouring structures have to fill."""


def tissue_of(structure: str) -> TissueCode | None:
    """Return the tissue that `structure` is made of; None for a structure that is not used."""
    return next((tissue for pattern, tissue in _TISSUE_PATTERNS if fnmatchcase(structure, pattern)), None)


def to_common_codes(label_map: LabelMap) -> Codes:
    """Return the label map in the common numbering: (z, y, x) uint8, with 0 for unused structures."""
    table = np.zeros(int(label_map.codes.max()) + 1, np.uint8)
    for code, name in label_map.names.items():
        if code < len(table):
            table[code] = CODE_OF.get(name, UNKNOWN_CODE)
    return np.asarray(table[label_map.codes])


def codes_matching(*patterns: str) -> frozenset[int]:
    """Return the common codes of all structures whose name matches one of the shell patterns."""
    return frozenset(
        code for name, code in CODE_OF.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def mask_of_codes(codes: Codes, wanted: Iterable[int]) -> Mask:
    """Return the mask of voxels that have one of the wanted codes, as bool of the shape of `codes`."""
    table = np.zeros(256, np.bool_)
    table[list(wanted)] = True
    return np.asarray(table[codes])


def to_tissue_codes(codes: Codes) -> Codes:
    """Convert common codes to tissue codes; unknown voxels and holes become 0."""
    table = np.zeros(256, np.uint8)
    for name, code in CODE_OF.items():
        table[code] = tissue_of(name) or 0
    return np.asarray(table[codes])

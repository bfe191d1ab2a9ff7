"""Named structures of label maps: one common numbering, and the tissue that each structure is made of."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.labels import LabelMap
from attunet_gui.synthesis.anatomy import Tissue

Codes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_TISSUES: tuple[tuple[str, Tissue], ...] = (
    ("vertebrae_*", Tissue.BONE),
    ("sacrum", Tissue.BONE),
    ("rib_*", Tissue.BONE),
    ("sternum", Tissue.BONE),
    ("hip_*", Tissue.BONE),
    ("femur_*", Tissue.BONE),
    ("costal_cartilages", Tissue.CARTILAGE),
    ("intervertebral_discs", Tissue.DISC),
    ("spinal_cord", Tissue.SPINAL_CANAL),
    ("autochthon_*", Tissue.MUSCLE),
    ("iliopsoas_*", Tissue.MUSCLE),
    ("gluteus_*", Tissue.MUSCLE),
    ("lung_*", Tissue.LUNG),
    ("trachea", Tissue.LUNG),
    ("heart*", Tissue.HEART),
    ("atrial_appendage_left", Tissue.HEART),
    ("pulmonary_*", Tissue.VEIN),
    ("superior_vena_cava", Tissue.VEIN),
    ("brachiocephalic_vein_*", Tissue.VEIN),
    ("brachiocephalic_trunk", Tissue.ARTERY),
    ("iliac_artery_*", Tissue.ARTERY),
    ("iliac_vena_*", Tissue.VEIN),
    ("liver", Tissue.LIVER),
    ("spleen", Tissue.SPLEEN),
    ("kidney_left", Tissue.KIDNEY),
    ("kidney_right", Tissue.KIDNEY),
    ("kidney_cyst_*", Tissue.SOFT),
    ("gallbladder", Tissue.GALLBLADDER),
    ("esophagus", Tissue.OESOPHAGUS),
    ("stomach", Tissue.STOMACH),
    ("duodenum", Tissue.DUODENUM),
    ("small_bowel", Tissue.SMALL_BOWEL),
    ("colon", Tissue.COLON),
    ("pancreas", Tissue.PANCREAS),
    ("adrenal_gland_*", Tissue.ADRENAL),
    ("aorta", Tissue.AORTA),
    ("inferior_vena_cava", Tissue.CAVA),
    ("portal_vein_and_splenic_vein", Tissue.PORTAL_VEIN),
    ("urinary_bladder", Tissue.BLADDER),
    ("prostate", Tissue.SOFT),
)
"""Structure name (a pattern) -> tissue, first match wins. Limbs, neck and head are left out."""

SIDES = ("left", "right")
VERTEBRAE = ("S1", *(f"L{n}" for n in range(5, 0, -1)), *(f"T{n}" for n in range(12, 0, -1)))

_NAMES: tuple[str, ...] = (
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
    *(name for name, _ in _TISSUES if "*" not in name and not name.startswith("kidney")),
)

STRUCTURES: tuple[str, ...] = tuple(dict.fromkeys(_NAMES))
"""Every structure that is used; its common code is its index plus one."""

CODE = {name: place + 1 for place, name in enumerate(STRUCTURES)}
UNKNOWN = 0
HOLE = 255
"""Code of voxels whose borrowed structure was removed, which neighbouring structures have to fill."""


def tissue_of(structure: str) -> Tissue | None:
    """Return the tissue that `structure` is made of; None for a structure that is not used."""
    return next((tissue for pattern, tissue in _TISSUES if fnmatchcase(structure, pattern)), None)


def common_codes(label_map: LabelMap) -> Codes:
    """Return the label map in the common numbering: (z, y, x) uint8, with 0 for unused structures."""
    table = np.zeros(int(label_map.codes.max()) + 1, np.uint8)
    for code, name in label_map.names.items():
        if code < len(table):
            table[code] = CODE.get(name, UNKNOWN)
    return np.asarray(table[label_map.codes])


def matching(*patterns: str) -> frozenset[int]:
    """Return the common codes of all structures whose name matches one of the shell patterns."""
    return frozenset(
        code for name, code in CODE.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def where(codes: Codes, wanted: Iterable[int]) -> Mask:
    """Return the mask of voxels that have one of the wanted codes, as bool of the shape of `codes`."""
    table = np.zeros(256, np.bool_)
    table[list(wanted)] = True
    return np.asarray(table[codes])


def as_tissue(codes: Codes) -> Codes:
    """Convert common codes to tissue codes; unknown voxels and holes become 0."""
    table = np.zeros(256, np.uint8)
    for name, code in CODE.items():
        table[code] = tissue_of(name) or 0
    return np.asarray(table[codes])

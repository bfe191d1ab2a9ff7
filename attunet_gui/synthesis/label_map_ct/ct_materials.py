"""Materials of a synthetic CT, and their Hounsfield units in one patient at one contrast phase."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.synthesis.label_map_ct.render_settings import USUAL_SETTINGS, RenderSettings
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode
from attunet_gui.synthesis.phantom.tissue_hu import CONTRAST_PHASES, ENHANCING_HU, UNENHANCING_HU

UptakePhase = Literal["native", "early", "arterial", "portal", "late"]
UPTAKE_PHASES: tuple[UptakePhase, ...] = ("native", "early", "arterial", "portal", "late")


class MaterialCode(IntEnum):
    """Code of a material that a tissue is refined to; codes below 64 are those of tissues themselves."""

    SKIN = 64
    CORTICAL_BONE = 65
    RENAL_CORTEX = 66
    SINUS_FAT = 67
    WALL = 68
    COLLAPSED = 69
    FLUID = 70
    ORAL_CONTRAST = 71
    GAS = 72
    FOOD = 73
    STRAND = 74
    NODE = 75
    LIVER_VESSEL = 76
    LIVER_LESION = 77
    PANCREATIC_FAT = 78
    PANCREATIC_DUCT = 79
    PANCREATIC_LESION = 80
    SMALL_ARTERY = 81
    SMALL_VEIN = 82
    PLAQUE = 83
    MUSCLE_FAT = 84
    TABLE = 85
    LUNG_VESSEL = 86
    LOOKALIKE = 87
    DILATED_DUCT = 88
    CYST = 89
    MASS = 90
    PLASTIC = 91
    PLASTIC_IN_PANCREAS = 92
    METAL_MESH = 93
    MESH_IN_PANCREAS = 94
    METAL = 95
    METAL_IN_PANCREAS = 96
    FOAM = 97
    LEAD = 98
    TUBING = 99


IN_PANCREAS = (
    TissueCode.PANCREAS,
    MaterialCode.PANCREATIC_FAT,
    MaterialCode.PANCREATIC_DUCT,
    MaterialCode.PANCREATIC_LESION,
    MaterialCode.DILATED_DUCT,
    MaterialCode.CYST,
    MaterialCode.MASS,
    MaterialCode.PLASTIC_IN_PANCREAS,
    MaterialCode.MESH_IN_PANCREAS,
    MaterialCode.METAL_IN_PANCREAS,
)
"""Materials that an annotator draws as pancreas."""

_EARLY_ARTERIAL_HU = {
    "liver": 58, "spleen": 62, "pancreas": 45, "renal cortex": 90, "renal medulla": 34, "renal pelvis": 8,
    "artery": 230, "cava": 48, "portal vein": 52, "muscle": 51, "bowel wall": 48, "adrenal": 38,
    "heart": 190, "skin": 21,
}  # fmt: skip
"""Mean HU about 20 s after injection, when the aorta is bright and organs have hardly begun to enhance."""

_HU_NAMES: dict[int, str] = {
    TissueCode.SUBCUTANEOUS_FAT: "fat",
    TissueCode.VISCERAL_FAT: "fat",
    TissueCode.MUSCLE: "muscle",
    TissueCode.BONE: "marrow",
    TissueCode.CARTILAGE: "cartilage",
    TissueCode.DISC: "disc",
    TissueCode.SPINAL_CANAL: "cord",
    TissueCode.LUNG: "lung",
    TissueCode.HEART: "heart",
    TissueCode.LIVER: "liver",
    TissueCode.SPLEEN: "spleen",
    TissueCode.KIDNEY: "renal medulla",
    TissueCode.GALLBLADDER: "bile",
    TissueCode.OESOPHAGUS: "bowel wall",
    TissueCode.STOMACH: "bowel wall",
    TissueCode.DUODENUM: "bowel wall",
    TissueCode.SMALL_BOWEL: "bowel wall",
    TissueCode.COLON: "bowel wall",
    TissueCode.PANCREAS: "pancreas",
    TissueCode.ADRENAL: "adrenal",
    TissueCode.AORTA: "artery",
    TissueCode.CAVA: "cava",
    TissueCode.PORTAL_VEIN: "portal vein",
    TissueCode.ARTERY: "artery",
    TissueCode.VEIN: "cava",
    TissueCode.BLADDER: "fluid",
    TissueCode.SOFT: "muscle",
    MaterialCode.SKIN: "skin",
    MaterialCode.CORTICAL_BONE: "cortical bone",
    MaterialCode.RENAL_CORTEX: "renal cortex",
    MaterialCode.SINUS_FAT: "fat",
    MaterialCode.WALL: "bowel wall",
    MaterialCode.COLLAPSED: "bowel wall",
    MaterialCode.FLUID: "fluid",
    MaterialCode.ORAL_CONTRAST: "contrast",
    MaterialCode.GAS: "gas",
    MaterialCode.FOOD: "food",
    MaterialCode.NODE: "muscle",
    MaterialCode.LIVER_VESSEL: "portal vein",
    MaterialCode.SMALL_ARTERY: "artery",
    MaterialCode.SMALL_VEIN: "portal vein",
    MaterialCode.MUSCLE_FAT: "fat",
    MaterialCode.PANCREATIC_DUCT: "fluid",
    MaterialCode.DILATED_DUCT: "fluid",
    MaterialCode.CYST: "fluid",
}

_GRAIN_SD_HU: dict[int, tuple[float, float]] = {
    TissueCode.SUBCUTANEOUS_FAT: (6, 4),
    TissueCode.VISCERAL_FAT: (9, 7),
    TissueCode.MUSCLE: (7, 6),
    TissueCode.BONE: (45, 30),
    TissueCode.LUNG: (45, 25),
    TissueCode.HEART: (4, 8),
    TissueCode.LIVER: (3, 4),
    TissueCode.SPLEEN: (3, 4),
    TissueCode.KIDNEY: (5, 8),
    TissueCode.PANCREAS: (8, 6),
    TissueCode.CAVA: (4, 12),
    TissueCode.PORTAL_VEIN: (3, 5),
    TissueCode.AORTA: (3, 3),
    MaterialCode.WALL: (8, 8),
    MaterialCode.COLLAPSED: (10, 12),
    MaterialCode.FOOD: (35, 30),
    MaterialCode.ORAL_CONTRAST: (12, 40),
    MaterialCode.STRAND: (15, 15),
    MaterialCode.CORTICAL_BONE: (120, 60),
    MaterialCode.LOOKALIKE: (9, 10),
    MaterialCode.PANCREATIC_LESION: (6, 6),
    MaterialCode.MASS: (7, 8),
    MaterialCode.CYST: (2, 3),
    MaterialCode.DILATED_DUCT: (2, 3),
    MaterialCode.METAL_MESH: (150, 60),
    MaterialCode.MESH_IN_PANCREAS: (150, 60),
}
"""Standard deviation in HU of the fine and of the coarse grain of a material."""


@dataclass(frozen=True, eq=False)
class HuPalette:
    """The HU of every material in one patient.

    Attributes:
        uptake: contrast phase.
        mean_hu: (256,) float32 mean HU by material code.
        fine_sd_hu, coarse_sd_hu: (256,) float32 standard deviations, in HU, of the fine and the coarse
        texture.
    """

    uptake: UptakePhase
    mean_hu: NDArray[np.float32]
    fine_sd_hu: NDArray[np.float32]
    coarse_sd_hu: NDArray[np.float32]


def draw_palette(rng: np.random.Generator, settings: RenderSettings = USUAL_SETTINGS) -> HuPalette:
    """Draw the HU of a random patient at a random contrast phase, as the settings say."""
    odds = np.array(settings.uptake.odds)
    uptake = UPTAKE_PHASES[int(rng.choice(len(UPTAKE_PHASES), p=odds / odds.sum()))]
    named = _draw_phase_hu(uptake, settings, rng)
    # Codes without an entry, such as air itself, are air.
    mean = np.full(256, -1000.0, np.float32)
    for code, name in _HU_NAMES.items():
        mean[code] = named[name]
    # Some patients get HU that no phase explains, so that a model cannot rely on HU alone.
    if rng.random() < settings.uptake.odd_share:
        for code in (
            TissueCode.PANCREAS,
            TissueCode.LIVER,
            TissueCode.SPLEEN,
            TissueCode.KIDNEY,
            TissueCode.PORTAL_VEIN,
        ):
            mean[code] += rng.normal(0, 25)
    _draw_variant_hu(mean, rng)
    fine, coarse = np.zeros(256, np.float32), np.zeros(256, np.float32)
    for code in {*map(int, TissueCode), *map(int, MaterialCode)}:
        grain = _GRAIN_SD_HU.get(code, (3.0, 3.0))
        fine[code], coarse[code] = grain[0] * rng.uniform(0.4, 1.6), grain[1] * rng.uniform(0.3, 1.5)
    # Air has noise of the scanner only.
    fine[TissueCode.AIR] = coarse[TissueCode.AIR] = 0
    return HuPalette(uptake, mean, fine, coarse)


def _draw_phase_hu(
    uptake: UptakePhase, settings: RenderSettings, rng: np.random.Generator
) -> dict[str, float]:
    """Draw the mean HU of every tissue name at a contrast phase."""
    strength = rng.uniform(*settings.uptake.strength)
    named = {}
    for name, row in ENHANCING_HU.items():
        full = _EARLY_ARTERIAL_HU[name] if uptake == "early" else row[CONTRAST_PHASES.index(uptake)]
        named[name] = row[0] + (full - row[0]) * strength * rng.uniform(0.85, 1.15) + rng.normal(0, 5)
    named |= {name: value + rng.normal(0, 4) for name, value in UNENHANCING_HU.items()}
    named["pancreas"] -= max(0.0, rng.normal(0, 14))  # fat between the lobules, too fine to be seen
    named["pancreas"] -= rng.uniform(*settings.gland.fatty_hu)
    # A fatty liver loses HU; most livers lose none.
    named["liver"] -= max(0.0, rng.normal(-12, 18))
    named["fat"] += rng.normal(2, 5)
    named["marrow"] += rng.normal(0, 45)
    named["cortical bone"] += rng.normal(0, 120)
    named["contrast"] = rng.uniform(*settings.contents.contrast_hu)
    named["food"] += rng.normal(0, 20)
    return named


def _draw_variant_hu(mean: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Set the mean HU of materials that are defined relative to others, in place."""
    fat, pancreas = mean[TissueCode.VISCERAL_FAT], mean[TissueCode.PANCREAS]
    # In half of the patients collapsed bowel has about the HU of the pancreas: shape has to tell them apart.
    mean[MaterialCode.COLLAPSED] = rng.choice([mean[MaterialCode.WALL], pancreas]) + rng.normal(0, 12)
    mean[TissueCode.OESOPHAGUS] += rng.normal(0, 8)
    mean[MaterialCode.STRAND] = fat + rng.uniform(25, 110)
    mean[MaterialCode.NODE] += rng.normal(15, 15)
    mean[MaterialCode.LIVER_LESION] = mean[TissueCode.LIVER] - rng.uniform(15, 90)
    mean[MaterialCode.LIVER_VESSEL] = 0.7 * mean[MaterialCode.LIVER_VESSEL] + 0.3 * mean[TissueCode.LIVER]
    mean[MaterialCode.PANCREATIC_FAT] = pancreas + (fat - pancreas) * rng.uniform(0.25, 0.8)
    mean[MaterialCode.PANCREATIC_DUCT] = 0.5 * mean[MaterialCode.PANCREATIC_DUCT] + 0.5 * pancreas
    mean[MaterialCode.PANCREATIC_LESION] = pancreas - rng.uniform(15, 70)
    mean[MaterialCode.MASS] = pancreas - rng.uniform(8, 50)
    mean[MaterialCode.CYST] += rng.uniform(-8, 18)
    mean[[MaterialCode.PLASTIC, MaterialCode.PLASTIC_IN_PANCREAS]] = rng.uniform(180, 550)
    mean[[MaterialCode.METAL_MESH, MaterialCode.MESH_IN_PANCREAS]] = rng.uniform(600, 1600)
    mean[[MaterialCode.METAL, MaterialCode.METAL_IN_PANCREAS]] = rng.uniform(2000, 6000)
    mean[MaterialCode.FOAM] = rng.uniform(-980, -850)
    mean[MaterialCode.LEAD], mean[MaterialCode.TUBING] = rng.uniform(500, 2500), rng.uniform(20, 150)
    mean[MaterialCode.PLAQUE] = rng.uniform(250, 700)
    mean[MaterialCode.TABLE] = rng.uniform(-350, 250)
    mean[MaterialCode.LUNG_VESSEL] = rng.uniform(-250, 60)
    mean[MaterialCode.LOOKALIKE] = pancreas + rng.normal(0, 15)
    mean[MaterialCode.SMALL_VEIN] -= rng.uniform(0, 25)
    mean[TissueCode.VEIN] = rng.uniform(min(40.0, mean[TissueCode.CAVA]), mean[TissueCode.CAVA] + 1)

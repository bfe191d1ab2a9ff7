"""Materials of a synthetic CT, and their Hounsfield units in one patient at one contrast phase."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.synthesis.anatomy import Tissue
from attunet_gui.synthesis.settings import USUAL, Settings
from attunet_gui.synthesis.tissue import ENHANCING, PHASES, PLAIN

Uptake = Literal["native", "early", "arterial", "portal", "late"]
UPTAKES: tuple[Uptake, ...] = ("native", "early", "arterial", "portal", "late")


class Material(IntEnum):
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
    Tissue.PANCREAS,
    Material.PANCREATIC_FAT,
    Material.PANCREATIC_DUCT,
    Material.PANCREATIC_LESION,
    Material.DILATED_DUCT,
    Material.CYST,
    Material.MASS,
    Material.PLASTIC_IN_PANCREAS,
    Material.MESH_IN_PANCREAS,
    Material.METAL_IN_PANCREAS,
)
"""Materials that an annotator draws as pancreas."""

_EARLY = {
    "liver": 58, "spleen": 62, "pancreas": 45, "renal cortex": 90, "renal medulla": 34, "renal pelvis": 8,
    "artery": 230, "cava": 48, "portal vein": 52, "muscle": 51, "bowel wall": 48, "adrenal": 38,
    "heart": 190, "skin": 21,
}  # fmt: skip
"""Mean HU about 20 s after injection, when the aorta is bright and organs have hardly begun to enhance."""

_LOOKS_LIKE: dict[int, str] = {
    Tissue.SUBCUTANEOUS_FAT: "fat",
    Tissue.VISCERAL_FAT: "fat",
    Tissue.MUSCLE: "muscle",
    Tissue.BONE: "marrow",
    Tissue.CARTILAGE: "cartilage",
    Tissue.DISC: "disc",
    Tissue.SPINAL_CANAL: "cord",
    Tissue.LUNG: "lung",
    Tissue.HEART: "heart",
    Tissue.LIVER: "liver",
    Tissue.SPLEEN: "spleen",
    Tissue.KIDNEY: "renal medulla",
    Tissue.GALLBLADDER: "bile",
    Tissue.OESOPHAGUS: "bowel wall",
    Tissue.STOMACH: "bowel wall",
    Tissue.DUODENUM: "bowel wall",
    Tissue.SMALL_BOWEL: "bowel wall",
    Tissue.COLON: "bowel wall",
    Tissue.PANCREAS: "pancreas",
    Tissue.ADRENAL: "adrenal",
    Tissue.AORTA: "artery",
    Tissue.CAVA: "cava",
    Tissue.PORTAL_VEIN: "portal vein",
    Tissue.ARTERY: "artery",
    Tissue.VEIN: "cava",
    Tissue.BLADDER: "fluid",
    Tissue.SOFT: "muscle",
    Material.SKIN: "skin",
    Material.CORTICAL_BONE: "cortical bone",
    Material.RENAL_CORTEX: "renal cortex",
    Material.SINUS_FAT: "fat",
    Material.WALL: "bowel wall",
    Material.COLLAPSED: "bowel wall",
    Material.FLUID: "fluid",
    Material.ORAL_CONTRAST: "contrast",
    Material.GAS: "gas",
    Material.FOOD: "food",
    Material.NODE: "muscle",
    Material.LIVER_VESSEL: "portal vein",
    Material.SMALL_ARTERY: "artery",
    Material.SMALL_VEIN: "portal vein",
    Material.MUSCLE_FAT: "fat",
    Material.PANCREATIC_DUCT: "fluid",
    Material.DILATED_DUCT: "fluid",
    Material.CYST: "fluid",
}

_GRAIN: dict[int, tuple[float, float]] = {
    Tissue.SUBCUTANEOUS_FAT: (6, 4),
    Tissue.VISCERAL_FAT: (9, 7),
    Tissue.MUSCLE: (7, 6),
    Tissue.BONE: (45, 30),
    Tissue.LUNG: (45, 25),
    Tissue.HEART: (4, 8),
    Tissue.LIVER: (3, 4),
    Tissue.SPLEEN: (3, 4),
    Tissue.KIDNEY: (5, 8),
    Tissue.PANCREAS: (8, 6),
    Tissue.CAVA: (4, 12),
    Tissue.PORTAL_VEIN: (3, 5),
    Tissue.AORTA: (3, 3),
    Material.WALL: (8, 8),
    Material.COLLAPSED: (10, 12),
    Material.FOOD: (35, 30),
    Material.ORAL_CONTRAST: (12, 40),
    Material.STRAND: (15, 15),
    Material.CORTICAL_BONE: (120, 60),
    Material.LOOKALIKE: (9, 10),
    Material.PANCREATIC_LESION: (6, 6),
    Material.MASS: (7, 8),
    Material.CYST: (2, 3),
    Material.DILATED_DUCT: (2, 3),
    Material.METAL_MESH: (150, 60),
    Material.MESH_IN_PANCREAS: (150, 60),
}
"""Standard deviation in HU of the fine and of the coarse grain of a material."""


@dataclass(frozen=True, eq=False)
class Palette:
    """The HU of every material in one patient.

    Attributes:
        uptake: contrast phase.
        mean: (256,) float32 mean HU by material code.
        fine, coarse: (256,) float32 standard deviations, in HU, of the fine and the coarse texture.
    """

    uptake: Uptake
    mean: NDArray[np.float32]
    fine: NDArray[np.float32]
    coarse: NDArray[np.float32]


def draw_palette(rng: np.random.Generator, settings: Settings = USUAL) -> Palette:
    """Draw the HU of a random patient at a random contrast phase, as the settings say."""
    odds = np.array(settings.uptake.odds)
    uptake = UPTAKES[int(rng.choice(len(UPTAKES), p=odds / odds.sum()))]
    named = _draw_named(uptake, settings, rng)
    # Codes without an entry, such as air itself, are air.
    mean = np.full(256, -1000.0, np.float32)
    for code, name in _LOOKS_LIKE.items():
        mean[code] = named[name]
    # Some patients get HU that no phase explains, so that a model cannot rely on HU alone.
    if rng.random() < settings.uptake.odd_share:
        for code in (Tissue.PANCREAS, Tissue.LIVER, Tissue.SPLEEN, Tissue.KIDNEY, Tissue.PORTAL_VEIN):
            mean[code] += rng.normal(0, 25)
    _draw_variants(mean, rng)
    fine, coarse = np.zeros(256, np.float32), np.zeros(256, np.float32)
    for code in {*map(int, Tissue), *map(int, Material)}:
        grain = _GRAIN.get(code, (3.0, 3.0))
        fine[code], coarse[code] = grain[0] * rng.uniform(0.4, 1.6), grain[1] * rng.uniform(0.3, 1.5)
    # Air has noise of the scanner only.
    fine[Tissue.AIR] = coarse[Tissue.AIR] = 0
    return Palette(uptake, mean, fine, coarse)


def _draw_named(uptake: Uptake, settings: Settings, rng: np.random.Generator) -> dict[str, float]:
    """Draw the mean HU of every tissue name at a contrast phase."""
    strength = rng.uniform(*settings.uptake.strength)
    named = {}
    for name, row in ENHANCING.items():
        full = _EARLY[name] if uptake == "early" else row[PHASES.index(uptake)]
        named[name] = row[0] + (full - row[0]) * strength * rng.uniform(0.85, 1.15) + rng.normal(0, 5)
    named |= {name: value + rng.normal(0, 4) for name, value in PLAIN.items()}
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


def _draw_variants(mean: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Set the mean HU of materials that are defined relative to others, in place."""
    fat, pancreas = mean[Tissue.VISCERAL_FAT], mean[Tissue.PANCREAS]
    # In half of the patients collapsed bowel has about the HU of the pancreas: shape has to tell them apart.
    mean[Material.COLLAPSED] = rng.choice([mean[Material.WALL], pancreas]) + rng.normal(0, 12)
    mean[Tissue.OESOPHAGUS] += rng.normal(0, 8)
    mean[Material.STRAND] = fat + rng.uniform(25, 110)
    mean[Material.NODE] += rng.normal(15, 15)
    mean[Material.LIVER_LESION] = mean[Tissue.LIVER] - rng.uniform(15, 90)
    mean[Material.LIVER_VESSEL] = 0.7 * mean[Material.LIVER_VESSEL] + 0.3 * mean[Tissue.LIVER]
    mean[Material.PANCREATIC_FAT] = pancreas + (fat - pancreas) * rng.uniform(0.25, 0.8)
    mean[Material.PANCREATIC_DUCT] = 0.5 * mean[Material.PANCREATIC_DUCT] + 0.5 * pancreas
    mean[Material.PANCREATIC_LESION] = pancreas - rng.uniform(15, 70)
    mean[Material.MASS] = pancreas - rng.uniform(8, 50)
    mean[Material.CYST] += rng.uniform(-8, 18)
    mean[[Material.PLASTIC, Material.PLASTIC_IN_PANCREAS]] = rng.uniform(180, 550)
    mean[[Material.METAL_MESH, Material.MESH_IN_PANCREAS]] = rng.uniform(600, 1600)
    mean[[Material.METAL, Material.METAL_IN_PANCREAS]] = rng.uniform(2000, 6000)
    mean[Material.FOAM] = rng.uniform(-980, -850)
    mean[Material.LEAD], mean[Material.TUBING] = rng.uniform(500, 2500), rng.uniform(20, 150)
    mean[Material.PLAQUE] = rng.uniform(250, 700)
    mean[Material.TABLE] = rng.uniform(-350, 250)
    mean[Material.LUNG_VESSEL] = rng.uniform(-250, 60)
    mean[Material.LOOKALIKE] = pancreas + rng.normal(0, 15)
    mean[Material.SMALL_VEIN] -= rng.uniform(0, 25)
    mean[Tissue.VEIN] = rng.uniform(min(40.0, mean[Tissue.CAVA]), mean[Tissue.CAVA] + 1)

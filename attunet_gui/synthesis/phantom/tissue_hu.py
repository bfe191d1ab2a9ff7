"""Mean Hounsfield units of tissues by contrast phase, and a phantom's blur and noise."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from attunet_gui.synthesis.phantom.atlas_geometry import F32, Point3D

ContrastPhase = Literal["native", "arterial", "portal", "late"]
CONTRAST_PHASES: tuple[ContrastPhase, ...] = ("native", "arterial", "portal", "late")
PHASE_ODDS = (0.15, 0.2, 0.5, 0.15)

ENHANCING_HU: dict[str, tuple[float, float, float, float]] = {
    "liver": (56, 70, 110, 90),
    "spleen": (48, 115, 120, 92),
    "pancreas": (40, 108, 96, 76),
    "renal cortex": (32, 170, 188, 165),
    "renal medulla": (30, 70, 160, 168),
    "renal pelvis": (8, 8, 14, 320),
    "artery": (42, 310, 155, 110),
    "cava": (40, 80, 135, 112),
    "portal vein": (42, 115, 168, 116),
    "muscle": (50, 56, 62, 60),
    "bowel wall": (38, 95, 84, 68),
    "adrenal": (22, 78, 72, 55),
    "heart": (42, 240, 150, 110),
    "skin": (20, 25, 30, 30),
}
"""Mean HU of soft tissue in the four `CONTRAST_PHASES`.

After the usual enhancement curves for 120 kV and about 1.5 ml/kg of iodine 300 (Bae, Radiology 2010,
256:32-61) and the unenhanced means of Lamba et al. (AJR 2014, 203:W626).
"""

UNENHANCING_HU: dict[str, float] = {
    "fat": -104,
    "fluid": 12,
    "bile": 8,
    "gas": -960,
    "food": 35,
    "contrast": 210,
    "lung": -855,
    "cortical bone": 640,
    "marrow": 190,
    "disc": 85,
    "cord": 28,
    "cartilage": 105,
}
"""Mean HU of what takes up no contrast medium, or was swallowed."""


def draw_tissue_hu(rng: np.random.Generator, phase: ContrastPhase) -> dict[str, float]:
    """Draw the mean HU of every tissue of one patient at one contrast phase.

    The values of the tables vary by the patient's uptake of contrast medium and by tissue composition.

    Args:
        rng: the source of the random values.
        phase: column of the table of enhancing tissues.

    Returns:
        Mean HU by tissue name, for all names of both tables.
    """
    column = CONTRAST_PHASES.index(phase)
    # One factor for all organs: a patient with little iodine per kilogram is paler everywhere.
    uptake = rng.uniform(0.8, 1.15)
    tissue = {
        name: row[0] + (row[column] - row[0]) * uptake + rng.normal(0, 3.0)
        for name, row in ENHANCING_HU.items()
    }
    tissue |= {name: value + rng.normal(0, 2.0) for name, value in UNENHANCING_HU.items()}
    tissue["liver"] -= max(0.0, rng.normal(-12, 14))  # steatosis in about one patient of five
    tissue["marrow"] += rng.normal(0, 35)
    tissue["cortical bone"] += rng.normal(0, 70)
    tissue["contrast"] += rng.normal(0, 40)
    return {name: float(value) for name, value in tissue.items()}


def scan_phantom(
    hu: F32, spacing_mm: Point3D, noise_hu: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Turn ideal HU into an image: in-plane blur, correlated noise, rounding and clipping.

    Args:
        hu: (z, y, x) float32 ideal HU; overwritten, which saves the memory of a second volume.
        spacing_mm: voxel size along z, y, x.
        noise_hu: standard deviation of the noise.
        rng: the source of the noise.

    Returns:
        (z, y, x) int16 in [-1024, 3071], the range of a 12-bit CT.
    """
    # A point spread of 0.75 mm standard deviation, in plane only.
    blur = [0.0, 0.75 / spacing_mm[1], 0.75 / spacing_mm[2]]
    gaussian_filter(hu, blur, output=hu, truncate=2.5)
    hu += _draw_phantom_noise(hu.shape, spacing_mm, rng) * np.float32(noise_hu)
    np.clip(hu, -1024, 3071, out=hu)
    return np.rint(hu, out=hu).astype(np.int16)


def _draw_phantom_noise(shape: tuple[int, ...], spacing_mm: Point3D, rng: np.random.Generator) -> F32:
    """Return float32 noise of `shape` with unit variance, correlated over about a millimetre in plane."""
    white = rng.standard_normal(shape, dtype=np.float32)
    grain = [0.35, 0.9 / spacing_mm[1], 0.9 / spacing_mm[2]]
    gaussian_filter(white, grain, output=white, truncate=2.5)
    # A handful of voxels has no meaningful standard deviation; a single one would even divide by 0.
    if white.size > 64:
        white /= white.std()
    return white

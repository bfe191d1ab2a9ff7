"""Small made-up bodies: label maps of ellipsoids and boxes at 4 mm, and a whole-tissue map at 3 mm."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from attunet_gui.core.volume import LabelMap
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap

STEP_MM = 4.0
SHAPE = (66, 56, 80)

ORGANS = {
    # centre (z, y, x) and half axes, mm, in a body whose middle is x = 160; x grows to the left.
    "liver": ((180, 95, 105), (40, 55, 55)),
    "spleen": ((185, 140, 230), (28, 25, 18)),
    "kidney_right": ((130, 140, 115), (32, 16, 16)),
    "kidney_left": ((138, 140, 205), (32, 16, 16)),
    "stomach": ((180, 80, 205), (28, 28, 24)),
    "pancreas": ((140, 100, 165), (12, 10, 40)),
    "aorta": ((132, 118, 166), (140, 9, 9)),
    "inferior_vena_cava": ((132, 116, 142), (140, 9, 9)),
    "gallbladder": ((140, 60, 110), (14, 10, 10)),
}
BORROWED = {
    "lung_lower_lobe_left": ((240, 110, 220), (28, 50, 35)),
    "lung_lower_lobe_right": ((245, 110, 100), (20, 50, 35)),
    "duodenum": ((128, 98, 128), (24, 9, 9)),
    "small_bowel": ((95, 75, 180), (26, 22, 50)),
    "colon": ((95, 95, 90), (60, 14, 14)),
    "autochthon_left": ((132, 175, 185), (400, 16, 18)),
    "autochthon_right": ((132, 175, 135), (400, 16, 18)),
    "spinal_cord": ((132, 162, 160), (400, 7, 7)),
}


def organs_only(subject: str = "organs", shift_mm: tuple[float, float, float] = (0, 0, 0)) -> LabelMap:
    """Nine organs and nothing around them."""
    return _painted(ORGANS, subject, shift_mm)


def whole(subject: str = "whole") -> LabelMap:
    """The organs with a spine of five vertebrae, ribs, muscles, lungs and bowel."""
    plain = _painted({**BORROWED, **ORGANS}, subject, (0, 0, 0))
    names = dict(plain.names)
    codes = plain.codes.copy()
    z, y, x = _axes()
    for place, level in enumerate(("L3", "L2", "L1", "T12", "T11")):
        code = len(names) + 1
        names[code] = f"vertebrae_{level}"
        body = (np.hypot(y - 140, x - 160) < 16) & (z > 20 + 48 * place) & (z < 58 + 48 * place)
        codes[body & (codes == 0)] = code
    for place, side in enumerate(("right", "left")):
        code = len(names) + 1
        names[code] = f"rib_{side}_10"
        ring = np.hypot((y - 100) / 92, (x - 160) / 128)
        half = (x > 160) == bool(place)
        codes[(np.abs(ring - 1) < 0.04) & (z > 180) & (z < 195) & half & (codes == 0)] = code
    return LabelMap(codes, names, plain.spacing_mm, subject)


def _painted(parts: dict[str, tuple], subject: str, shift_mm: tuple[float, float, float]) -> LabelMap:
    codes = np.zeros(SHAPE, np.uint8)
    for code, (centre, half_axes) in enumerate(parts.values(), start=1):
        terms = [
            ((axis - c - s) / h) ** 2
            for axis, c, s, h in zip(_axes(), centre, shift_mm, half_axes, strict=True)
        ]
        codes[sum(terms) <= 1] = code
    return LabelMap(codes, dict(enumerate(parts, start=1)), (STEP_MM,) * 3, subject)


def _axes() -> list[np.ndarray]:
    return [axis * STEP_MM for axis in np.indices(SHAPE)]


def _ball(shape: tuple[int, ...], centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def small_abdomen() -> TissueMap:
    """Thirteen tissues in a body of 120 x 180 x 240 mm."""
    shape = (40, 70, 90)
    tissue = np.zeros(shape, np.uint8)
    for code, centre, radii in (
        (TissueCode.SUBCUTANEOUS_FAT, (20, 35, 45), (90, 30, 40)),
        (TissueCode.MUSCLE, (20, 35, 45), (90, 27, 36)),
        (TissueCode.VISCERAL_FAT, (20, 33, 45), (90, 23, 32)),
        (TissueCode.LIVER, (26, 30, 25), (12, 14, 10)),
        (TissueCode.STOMACH, (26, 24, 60), (8, 8, 10)),
        (TissueCode.KIDNEY, (15, 42, 68), (9, 6, 6)),
        (TissueCode.SMALL_BOWEL, (8, 26, 50), (8, 10, 16)),
        (TissueCode.DUODENUM, (16, 34, 36), (7, 4, 4)),
        (TissueCode.PANCREAS, (19, 33, 50), (5, 4, 12)),
        (TissueCode.PORTAL_VEIN, (20, 37, 46), (4, 2, 2)),
        (TissueCode.AORTA, (20, 45, 47), (90, 3, 3)),
        (TissueCode.BONE, (20, 52, 45), (90, 5, 6)),
        (TissueCode.LUNG, (39, 36, 60), (5, 12, 14)),
    ):
        tissue[_ball(shape, centre, radii)] = code
    return TissueMap(tissue, (3.0, 3.0, 3.0), "drawn here")


def write_label_map(label_map: LabelMap, folder: Path) -> Path:
    folder.mkdir()
    path = folder / f"{label_map.subject}.nii.gz"
    affine = np.diag([-label_map.spacing_mm[2], -label_map.spacing_mm[1], label_map.spacing_mm[0], 1.0])
    nib.save(nib.Nifti1Image(np.ascontiguousarray(label_map.codes.transpose(2, 1, 0)), affine), path)
    (folder / "labels.json").write_text(
        json.dumps({str(code): name for code, name in label_map.names.items()})
    )
    return path

"""Small made-up label maps: a torso of ellipsoids and boxes at 4 mm."""

from __future__ import annotations

import numpy as np

from attunet_gui.core.labels import LabelMap

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

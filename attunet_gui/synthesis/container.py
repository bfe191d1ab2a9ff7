"""The room that organs have: the inner face of the body wall, and the diaphragm above."""

from __future__ import annotations

import numpy as np

from attunet_gui.synthesis.geometry import F32, Points, as_f32, blend

HALF_WIDTH, FRONT, BACK, MID_Y = 130.0, 84.0, 76.0, -10.0
"""Half width, depth in front of and behind `MID_Y` of the inner cavity, atlas mm."""


def cavity_distance(points: Points) -> F32:
    """Distance (mm) to the inner face of the abdominal and chest wall; negative inside."""
    y = points.y - np.float32(MID_Y)
    u = np.abs(points.x) / np.float32(HALF_WIDTH)
    v = np.abs(y) / np.where(y < 0, np.float32(FRONT), np.float32(BACK))
    level = np.maximum((u**2.3 + v**2.3) ** np.float32(1 / 2.3), np.float32(0.05))
    distance = np.hypot(points.x, y) * (1 - 1 / level)
    return as_f32(distance)


def diaphragm_distance(points: Points) -> F32:
    """About the distance (mm) to the diaphragm, negative below.

    A right and a lower left dome, with a saddle for the heart between and in front of them.
    """
    right = 112 - 68 * (((points.x + 60) / 74) ** 2 + ((points.y + 12) / 82) ** 2)
    left = 101 - 66 * (((points.x - 64) / 70) ** 2 + ((points.y + 8) / 82) ** 2)
    centre = 103 - 45 * (((points.x - 5) / 70) ** 2 + ((points.y + 42) / 55) ** 2)
    height = -blend(blend(as_f32(-right), as_f32(-left), 18.0), as_f32(-centre), 18.0)
    # The domes are steep: 0.55 mm of distance a mm of height is right on their flanks.
    return as_f32((points.z - height) * np.float32(0.55))

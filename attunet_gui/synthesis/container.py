"""The body cavity of a phantom: signed distances to the inner face of the wall and to the diaphragm."""

from __future__ import annotations

import numpy as np

from attunet_gui.synthesis.geometry import F32, Points, as_f32, blend

HALF_WIDTH, FRONT, BACK, MID_Y = 130.0, 84.0, 76.0, -10.0
"""Half width of the inner cavity, its depth in front of and behind its middle, and the y of that middle, mm.

All are atlas millimetres."""


def cavity_distance(points: Points) -> F32:
    """Return the signed distance to the inner face of the abdominal and chest wall.

    The cross-section is a superellipse, deeper in front than behind, and the same at every height.

    Args:
        points: atlas coordinates, mm.

    Returns:
        (z, y, x) float32 mm, negative inside the cavity; measured along the ray from the middle.
    """
    y = points.y - np.float32(MID_Y)
    u = np.abs(points.x) / np.float32(HALF_WIDTH)
    v = np.abs(y) / np.where(y < 0, np.float32(FRONT), np.float32(BACK))
    # An exponent above 2 makes the flanks flatter than those of an ellipse. The floor of 0.05 keeps the
    # division below finite at the middle itself.
    level = np.maximum((u**2.3 + v**2.3) ** np.float32(1 / 2.3), np.float32(0.05))
    distance = np.hypot(points.x, y) * (1 - 1 / level)
    return as_f32(distance)


def diaphragm_distance(points: Points) -> F32:
    """Return the approximate signed distance to the diaphragm.

    The surface has a right dome, a lower left dome, and between and in front of them a saddle for the heart.

    Args:
        points: atlas coordinates, mm.

    Returns:
        (z, y, x) float32 mm, negative below the diaphragm.
    """
    right = 112 - 68 * (((points.x + 60) / 74) ** 2 + ((points.y + 12) / 82) ** 2)
    left = 101 - 66 * (((points.x - 64) / 70) ** 2 + ((points.y + 8) / 82) ** 2)
    centre = 103 - 45 * (((points.x - 5) / 70) ** 2 + ((points.y + 42) / 55) ** 2)
    height = -blend(blend(as_f32(-right), as_f32(-left), 18.0), as_f32(-centre), 18.0)
    # The domes are steep: 0.55 mm of distance a mm of height is right on their flanks.
    return as_f32((points.z - height) * np.float32(0.55))

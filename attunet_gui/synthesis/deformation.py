"""Random deformation of a tissue map: where in the map each voxel of a synthetic CT comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from attunet_gui.synthesis.fields import F32, stretched

_BENDS = ((70.0, 7.0), (38.0, 4.0), (18.0, 1.6))
"""Distance of the knots and largest standard deviation of their shift, both in mm, from coarse to fine.

The shift stays at about a tenth of the distance, far from where the deformation would fold."""


@dataclass(frozen=True, eq=False)
class Deformation:
    """A map from output positions (mm from the output's centre) to source positions (mm from its centre).

    Attributes:
        matrix: (3, 3) rotation, scale and shear.
        bends: coarse displacement fields, each (3, z, y, x) float32 in mm, spread over the output.
    """

    matrix: NDArray[np.float64]
    bends: tuple[F32, ...]


def draw_deformation(
    extent_mm: tuple[float, float, float], rng: np.random.Generator, size: tuple[float, float] = (0.87, 1.15)
) -> Deformation:
    """Draw a random deformation.

    Args:
        extent_mm: of the output along z, y, x.
        rng: the source of the random values.
        size: range of the factor by which the whole body grows.
    """
    degrees = np.clip(rng.normal(0, (5.0, 2.5, 2.5)), -14, 14)
    # Axes are (z, y, x) here and (x, y, z) in SciPy: reversing both axes of the matrix converts.
    turn = Rotation.from_euler("zyx", degrees[[0, 1, 2]], degrees=True).as_matrix()[::-1, ::-1]
    scale = rng.uniform(*size) * rng.uniform(0.93, 1.07, 3)
    shear = np.eye(3) + np.triu(rng.normal(0, 0.03, (3, 3)), 1)
    bends = tuple(_bend(extent_mm, knots, rng.uniform(0.2, 1.0) * most, rng) for knots, most in _BENDS)
    return Deformation(turn @ shear @ np.diag(1 / scale), bends)


def _bend(
    extent_mm: tuple[float, float, float], knots_mm: float, most_mm: float, rng: np.random.Generator
) -> F32:
    """Draw the displacement (3, z, y, x) in mm of knots about `knots_mm` apart over the output."""
    shape = tuple(max(3, int(np.ceil(extent / knots_mm)) + 1) for extent in extent_mm)
    return np.asarray(rng.normal(0, most_mm, (3, *shape)), np.float32)


def sources(deformation: Deformation, centres_mm: tuple[NDArray[np.floating], ...]) -> tuple[F32, F32, F32]:
    """Compute the source position of every output voxel.

    Args:
        deformation: the map from output to source positions.
        centres_mm: centres of the output's planes along z, y, x, mm from the output's centre.

    Returns:
        z, y, x in mm from the source's centre, each of the output's shape, float32.
    """
    shape = tuple(len(axis) for axis in centres_mm)
    z, y, x = (
        axis.reshape([-1 if n == i else 1 for n in range(3)]).astype(np.float32)
        for i, axis in enumerate(centres_mm)
    )
    found = []
    for axis in range(3):
        a, b, c = (np.float32(value) for value in deformation.matrix[axis])
        place = np.asarray(a * z + b * y + c * x, np.float32)
        if deformation.bends:
            place += stretched(_summed([bend[axis] for bend in deformation.bends]), shape)
        found.append(place)
    return found[0], found[1], found[2]


def _summed(bends: list[F32]) -> F32:
    """Add displacement fields of several knot distances on one grid, finer than the finest of them.

    Interpolating a field to the full output is what costs time, and with the sum it happens only once.
    """
    shape = tuple(2 * max(sizes) for sizes in zip(*(bend.shape for bend in bends), strict=True))
    total = np.zeros(shape, np.float32)
    for bend in bends:
        total += stretched(bend, shape)
    return total

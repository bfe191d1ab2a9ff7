"""Random deformation of a tissue map: where in the map each voxel of a synthetic CT comes from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from attunet_gui.synthesis.label_map_ct.smooth_fields import F32, upsample_linearly

Codes = NDArray[np.uint8]

_PLANES_AT_ONCE = 4


def look_up_codes(
    codes: Codes, spacing_mm: tuple[float, float, float], places: tuple[F32, F32, F32]
) -> Codes:
    """Look up the code at each position.

    It is the code with the largest sum of trilinear weights among the eight voxels around the position.

    Args:
        codes: (z, y, x) uint8 map; above and below, its first and last slice continue; beside it all is 0.
        spacing_mm: voxel size of the map along z, y, x.
        places: z, y and x in mm from the map's centre, each float32 of the shape of the result.

    Returns:
        uint8 codes.
    """
    result = np.empty(places[0].shape, np.uint8)
    # A few planes at a time stay in the cache.
    for first in range(0, len(result), _PLANES_AT_ONCE):
        planes = slice(first, first + _PLANES_AT_ONCE)
        here = [place[planes] for place in places]
        result[planes] = _look_up_planes(codes, spacing_mm, here)
    return result


def _look_up_planes(codes: Codes, spacing_mm: tuple[float, float, float], places: list[F32]) -> Codes:
    """Do the same for a few planes of the result."""
    lows, parts = [], []
    outside = np.zeros(places[0].shape, bool)
    for axis, (place, n, step) in enumerate(zip(places, codes.shape, spacing_mm, strict=True)):
        at = place / np.float32(step) + np.float32((n - 1) / 2)
        if axis:
            outside |= (at < -0.5) | (at > n - 0.5)
        np.clip(at, 0, n - 1, out=at)
        low = np.minimum(at.astype(np.int32), max(n - 2, 0))
        lows.append(low)
        parts.append(at - low)
    corners = _corner_codes(codes, lows)
    result = corners[0].copy()
    # Most positions lie among eight equal codes: the vote is counted only where they differ.
    mixed = np.zeros(result.shape, bool)
    for other in corners[1:]:
        mixed |= other != result
    result[mixed] = _vote_by_weight([corner[mixed] for corner in corners], [part[mixed] for part in parts])
    result[outside] = 0
    return result


def _corner_codes(codes: Codes, lows: list[NDArray[np.int32]]) -> list[Codes]:
    """Return the codes of the eight voxels around each position, x fastest (the order of the bits).

    `lows` are the indices of the lower voxel along z, y and x.
    """
    _, rows, columns = codes.shape
    flat = (lows[0] * rows + lows[1]) * columns + lows[2]
    # An axis of a single voxel has no upper neighbour: its step is 0.
    plain = codes.ravel()
    steps = [
        stride if n > 1 else 0 for stride, n in zip((rows * columns, columns, 1), codes.shape, strict=True)
    ]
    return [
        plain[flat + sum(bit * step for bit, step in zip(bits, steps, strict=True))] for bits in _CORNER_BITS
    ]


_CORNER_BITS = tuple(product((0, 1), repeat=3))


def _vote_by_weight(corners: list[Codes], parts: list[F32]) -> Codes:
    """Return, for each position, the corner code with the most weight.

    `parts` are the distances from the lower voxel along z, y and x, in voxels.
    """
    weights = [
        np.prod([part if bit else 1 - part for bit, part in zip(bits, parts, strict=True)], axis=0)
        for bits in _CORNER_BITS
    ]
    best, most = corners[0].copy(), np.full(corners[0].shape, -1, np.float32)
    for code in corners:
        votes = sum(weight * (other == code) for weight, other in zip(weights, corners, strict=True))
        better = votes > most
        best[better], most[better] = code[better], votes[better]
    return best


_BEND_SCALES_MM = ((70.0, 7.0), (38.0, 4.0), (18.0, 1.6))
"""Distance of the knots and largest standard deviation of their shift, both in mm, from coarse to fine.

The shift stays at about a tenth of the distance, far from where the deformation would fold."""


@dataclass(frozen=True, eq=False)
class RandomDeformation:
    """A map from output positions (mm from the output's centre) to source positions (mm from its centre).

    Attributes:
        matrix: (3, 3) rotation, scale and shear.
        bends: coarse displacement fields, each (3, z, y, x) float32 in mm, spread over the output.
    """

    matrix: NDArray[np.float64]
    bends: tuple[F32, ...]


def draw_deformation(
    extent_mm: tuple[float, float, float], rng: np.random.Generator, size: tuple[float, float] = (0.87, 1.15)
) -> RandomDeformation:
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
    bends = tuple(
        _draw_bend(extent_mm, knots, rng.uniform(0.2, 1.0) * most, rng) for knots, most in _BEND_SCALES_MM
    )
    return RandomDeformation(turn @ shear @ np.diag(1 / scale), bends)


def _draw_bend(
    extent_mm: tuple[float, float, float], knots_mm: float, most_mm: float, rng: np.random.Generator
) -> F32:
    """Draw the displacement (3, z, y, x) in mm of knots about `knots_mm` apart over the output."""
    shape = tuple(max(3, int(np.ceil(extent / knots_mm)) + 1) for extent in extent_mm)
    return np.asarray(rng.normal(0, most_mm, (3, *shape)), np.float32)


def source_positions(
    deformation: RandomDeformation, centres_mm: tuple[NDArray[np.floating], ...]
) -> tuple[F32, F32, F32]:
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
            place += upsample_linearly(_sum_bends([bend[axis] for bend in deformation.bends]), shape)
        found.append(place)
    return found[0], found[1], found[2]


def _sum_bends(bends: list[F32]) -> F32:
    """Add displacement fields of several knot distances on one grid, finer than the finest of them.

    Interpolating a field to the full output is what costs time, and with the sum it happens only once.
    """
    shape = tuple(2 * max(sizes) for sizes in zip(*(bend.shape for bend in bends), strict=True))
    total = np.zeros(shape, np.float32)
    for bend in bends:
        total += upsample_linearly(bend, shape)
    return total

"""Interpolation of codes between voxels, which gives a coarse map smooth borders on a fine grid."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from attunet_gui.synthesis.fields import F32

Codes = NDArray[np.uint8]

_PLANES = 4


def looked_up(codes: Codes, spacing_mm: tuple[float, float, float], places: tuple[F32, F32, F32]) -> Codes:
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
    for first in range(0, len(result), _PLANES):
        planes = slice(first, first + _PLANES)
        here = [place[planes] for place in places]
        result[planes] = _looked_up(codes, spacing_mm, here)
    return result


def _looked_up(codes: Codes, spacing_mm: tuple[float, float, float], places: list[F32]) -> Codes:
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
    corners = _corners(codes, lows)
    result = corners[0].copy()
    # Most positions lie among eight equal codes: the vote is counted only where they differ.
    mixed = np.zeros(result.shape, bool)
    for other in corners[1:]:
        mixed |= other != result
    result[mixed] = _voted([corner[mixed] for corner in corners], [part[mixed] for part in parts])
    result[outside] = 0
    return result


def _corners(codes: Codes, lows: list[NDArray[np.int32]]) -> list[Codes]:
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
    return [plain[flat + sum(bit * step for bit, step in zip(bits, steps, strict=True))] for bits in _BITS]


_BITS = tuple(product((0, 1), repeat=3))


def _voted(corners: list[Codes], parts: list[F32]) -> Codes:
    """Return, for each position, the corner code with the most weight.

    `parts` are the distances from the lower voxel along z, y and x, in voxels.
    """
    weights = [
        np.prod([part if bit else 1 - part for bit, part in zip(bits, parts, strict=True)], axis=0)
        for bits in _BITS
    ]
    best, most = corners[0].copy(), np.full(corners[0].shape, -1, np.float32)
    for code in corners:
        votes = sum(weight * (other == code) for weight, other in zip(weights, corners, strict=True))
        better = votes > most
        best[better], most[better] = code[better], votes[better]
    return best

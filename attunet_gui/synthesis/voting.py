"""Looking codes up between the voxels of a map, so that a coarse map has smooth borders on a fine grid."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from attunet_gui.synthesis.fields import F32

Codes = NDArray[np.uint8]

_PLANES = 4


def looked_up(codes: Codes, spacing_mm: tuple[float, float, float], places: tuple[F32, F32, F32]) -> Codes:
    """The code at each place: of the eight voxels around it, that of most weight in linear interpolation.

    Args:
        codes: (z, y, x) map; above and below it goes on as it ends, beside it is 0.
        spacing_mm: of the map.
        places: z, y, x in mm from the map's middle, each of the shape of the result.
    """
    result = np.empty(places[0].shape, np.uint8)
    # A few planes at a time stay in the cache.
    for first in range(0, len(result), _PLANES):
        planes = slice(first, first + _PLANES)
        here = [place[planes] for place in places]
        result[planes] = _looked_up(codes, spacing_mm, here)
    return result


def _looked_up(codes: Codes, spacing_mm: tuple[float, float, float], places: list[F32]) -> Codes:
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
    mixed = np.zeros(result.shape, bool)
    for other in corners[1:]:
        mixed |= other != result
    result[mixed] = _voted([corner[mixed] for corner in corners], [part[mixed] for part in parts])
    result[outside] = 0
    return result


def _corners(codes: Codes, lows: list[NDArray[np.int32]]) -> list[Codes]:
    """Codes of the eight voxels around each place, in the order of `product`."""
    _, rows, columns = codes.shape
    flat = (lows[0] * rows + lows[1]) * columns + lows[2]
    plain = codes.ravel()
    steps = [
        stride if n > 1 else 0 for stride, n in zip((rows * columns, columns, 1), codes.shape, strict=True)
    ]
    return [plain[flat + sum(bit * step for bit, step in zip(bits, steps, strict=True))] for bits in _BITS]


_BITS = tuple(product((0, 1), repeat=3))


def _voted(corners: list[Codes], parts: list[F32]) -> Codes:
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

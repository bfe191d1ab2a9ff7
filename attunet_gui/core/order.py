"""In which order the slices of a volume are drafted: where the person looks first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Outwards:
    """Slices from the one in view outwards, following the person when she scrolls.

    Args:
        count: slices of the volume.
        start: the slice in view; the middle one if nobody looks.
    """

    def __init__(self, count: int, start: int | None = None) -> None:
        self._left = np.ones(count, bool)
        self._at = count // 2
        self.look(self._at if start is None else start)

    def look(self, index: int) -> None:
        """From now on outwards from slice `index`."""
        self._at = min(max(index, 0), len(self._left) - 1)

    def next(self, most: int) -> NDArray[np.intp]:
        """Up to `most` neighbouring slices that nobody was given before, rising; () if none is left."""
        left = np.flatnonzero(self._left)
        if not len(left):
            return left
        nearest = int(left[np.argmin(np.abs(left - self._at))])
        run = self._run(nearest, most)
        self._left[run] = False
        return run

    def _run(self, nearest: int, most: int) -> NDArray[np.intp]:
        """Unbroken, with `nearest`, and as near to the slice in view as may be."""
        low = high = nearest
        while high - low + 1 < most:
            below, above = low - 1, high + 1
            wanted = [z for z in (above, below) if 0 <= z < len(self._left) and self._left[z]]
            if not wanted:
                break
            closest = min(wanted, key=lambda z: abs(z - self._at))
            low, high = min(low, closest), max(high, closest)
        return np.arange(low, high + 1)

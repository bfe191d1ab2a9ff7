"""The order in which the slices of a volume are drafted: those near the slice in view come first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class SliceScheduler:
    """Hands out the slices of a volume once each, from the slice in view outwards.

    When the annotator scrolls, the following slices are those around the new slice in view.

    Args:
        count: number of slices of the volume.
        start: index of the slice in view; None takes the middle one.
    """

    def __init__(self, count: int, start: int | None = None) -> None:
        self._left = np.ones(count, bool)
        self._at = count // 2
        self.move_to_slice(self._at if start is None else start)

    def move_to_slice(self, index: int) -> None:
        """Continue outwards from slice `index`, which is clipped to the volume."""
        self._at = min(max(index, 0), len(self._left) - 1)

    def next_slices(self, most: int) -> NDArray[np.intp]:
        """Return up to `most` neighbouring slices that were not handed out before.

        Returns:
            (n,) indices in rising order without a gap; empty if no slice is left.
        """
        left = np.flatnonzero(self._left)
        if not len(left):
            return left
        nearest = int(left[np.argmin(np.abs(left - self._at))])
        run = self._unbroken_run(nearest, most)
        self._left[run] = False
        return run

    def withdraw_slices(self, slices: NDArray[np.intp]) -> None:
        """Hand out none of `slices` any more: they were completed along with others."""
        self._left[slices] = False

    def _unbroken_run(self, nearest: int, most: int) -> NDArray[np.intp]:
        """Return an unbroken run of free slices that holds `nearest` and lies close to the slice in view."""
        low = high = nearest
        while high - low + 1 < most:
            below, above = low - 1, high + 1
            wanted = [z for z in (above, below) if 0 <= z < len(self._left) and self._left[z]]
            if not wanted:
                break
            closest = min(wanted, key=lambda z: abs(z - self._at))
            low, high = min(low, closest), max(high, closest)
        return np.arange(low, high + 1)

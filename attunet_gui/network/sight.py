"""The input of the network for a volume: slices on the network's grid and in its window, with their
neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.body import body_mask, body_threshold_hu, fat_is_lost
from attunet_gui.core.frame import Frame, Look
from attunet_gui.core.preprocess import Preprocessing, frame_for, neighbour_indices, network_slices, windowed
from attunet_gui.core.volume import Volume

# Lost fat leaves gaps of up to this width in the body, which are closed when its outline is found.
# Where a CT was clipped above the HU of fat, organs look like islands in air. Gaps of up to this width
# between them are closed when the outline of the body is found.
_FAT_GAP_MM = 20.0
# Slices made ahead before the child process looks for messages again.
_AT_ONCE = 4


class Sight:
    """The input of the network for a volume. It can be computed before anybody asks for a prediction.

    Attributes:
        views: the input on the untransformed grid first, then on the grid of each transform.
    """

    def __init__(self, volume: Volume, wanted: Preprocessing, looks: tuple[Look, ...] = ()) -> None:
        frame = frame_for(volume, wanted)
        frames = (frame, *(frame.moved(look) for look in looks))
        self.views = tuple(View(volume, each, wanted) for each in frames)

    @property
    def plain(self) -> View:
        """The input on the untransformed grid."""
        return self.views[0]

    def make_some(self) -> bool:
        """Compute a few slices ahead; return whether there were any left to compute."""
        return any(view.make_some() for view in self.views)


class View:
    """The slices of a volume on one grid, each computed when it is first asked for.

    Args:
        volume: the CT.
        frame: the grid of the network's pixels.
        wanted: how the model wants its input.
    """

    def __init__(self, volume: Volume, frame: Frame, wanted: Preprocessing) -> None:
        self.frame = frame
        self._volume, self._wanted = volume, wanted
        self._slices = volume.grid.shape[0]
        self._images = np.empty((self._slices, *frame.size), np.float32)
        self._made = np.zeros(self._slices, bool)
        cut = windowed(np.array([body_threshold_hu(volume.lowest_hu)]), wanted.window_hu)[0]
        self._cut = max(float(cut), 0.02)
        self._gap = round(_FAT_GAP_MM / wanted.spacing_mm) if fat_is_lost(volume.lowest_hu) else 0

    def images(self, slices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return (n, channels, rows, columns) float32 in [0, 1], the network's input for `slices`."""
        around = neighbour_indices(slices, self._wanted.neighbours, self._slices)
        self._make(np.unique(around[~self._made[around]]))
        return self._images[around]

    def body(self, slices: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return (n, rows, columns) bool, true inside the patient's body."""
        return body_mask(self._images[slices], self._cut, self._gap)

    def make_some(self) -> bool:
        """Compute a few slices that nobody has asked for yet; return whether there were any left."""
        missing = np.flatnonzero(~self._made)[:_AT_ONCE]
        self._make(missing)
        return len(missing) > 0

    def _make(self, missing: NDArray[np.intp]) -> None:
        for z in missing:
            self._images[z] = network_slices(self._volume, self.frame, self._wanted, np.array([z]))[0]
        self._made[missing] = True

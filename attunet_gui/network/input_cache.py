"""The input of the network for a volume: slices on the network's grid and in its window, with their
neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.body_outline import body_mask, body_threshold_hu, is_fat_clipped
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_grid import InputTransform, NetworkGrid
from attunet_gui.prediction.preprocess import (
    PreprocessingConfig,
    apply_hu_window,
    neighbour_indices,
    network_grid_for,
    network_slices,
)

# Lost fat leaves gaps of up to this width in the body, which are closed when its outline is found.
# Where a CT was clipped above the HU of fat, organs look like islands in air. Gaps of up to this width
# between them are closed when the outline of the body is found.
_FAT_GAP_MM = 20.0
# Slices made ahead before the child process looks for messages again.
_SLICES_AT_ONCE = 4


class InputCache:
    """The input of the network for a volume. It can be computed before anybody asks for a prediction.

    Attributes:
        views: the input on the untransformed grid first, then on the grid of each transform.
    """

    def __init__(
        self, volume: Volume, wanted: PreprocessingConfig, looks: tuple[InputTransform, ...] = ()
    ) -> None:
        frame = network_grid_for(volume, wanted)
        frames = (frame, *(frame.transformed_by(look) for look in looks))
        self.views = tuple(GridInputCache(volume, each, wanted) for each in frames)

    def extended_by(self, others: Iterable[InputCache]) -> InputCache:
        """Return a cache with these views and then those of `others`, which it shares with them."""
        joined = copy(self)
        joined.views = (*self.views, *(view for other in others for view in other.views))
        return joined

    @property
    def plain_input(self) -> GridInputCache:
        """The input on the untransformed grid."""
        return self.views[0]

    def prefetch_slices(self) -> bool:
        """Compute a few slices ahead; return whether there were any left to compute."""
        return any(view.prefetch_slices() for view in self.views)


class GridInputCache:
    """The slices of a volume on one grid, each computed when it is first asked for.

    Args:
        volume: the CT.
        frame: the grid of the network's pixels.
        wanted: how the model wants its input.
    """

    def __init__(self, volume: Volume, frame: NetworkGrid, wanted: PreprocessingConfig) -> None:
        self.frame = frame
        self._volume, self._wanted = volume, wanted
        self._slices = volume.grid.shape[0]
        self._images = np.empty((self._slices, *frame.size), np.float32)
        self._made = np.zeros(self._slices, bool)
        cut = apply_hu_window(np.array([body_threshold_hu(volume.lowest_hu)]), wanted.window_hu)[0]
        self._cut = max(float(cut), 0.02)
        self._gap = round(_FAT_GAP_MM / wanted.spacing_mm) if is_fat_clipped(volume.lowest_hu) else 0

    def input_images(self, slices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return (n, channels, rows, columns) float32 in [0, 1], the network's input for `slices`."""
        around = neighbour_indices(slices, self._wanted, self._slices, self.frame.spacing_mm[0])
        self._compute_slices(np.unique(around[~self._made[around]]))
        return self._images[around]

    def single_images(self, slices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return (n, rows, columns) float32 in [0, 1], `slices` without their neighbours."""
        self._compute_slices(slices[~self._made[slices]])
        return self._images[slices]

    def body_outline(self, slices: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return (n, rows, columns) bool, true inside the patient's body."""
        return body_mask(self._images[slices], self._cut, self._gap)

    def prefetch_slices(self) -> bool:
        """Compute a few slices that nobody has asked for yet; return whether there were any left."""
        missing = np.flatnonzero(~self._made)[:_SLICES_AT_ONCE]
        self._compute_slices(missing)
        return len(missing) > 0

    def _compute_slices(self, missing: NDArray[np.intp]) -> None:
        for z in missing:
            self._images[z] = network_slices(self._volume, self.frame, self._wanted, np.array([z]))[0]
        self._made[missing] = True

"""A volume as a model sees it: its slices on the network's frame, in its window, with their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.body import body_mask, body_threshold_hu, fat_is_lost
from attunet_gui.core.frame import Frame, Look
from attunet_gui.core.preprocess import Preprocessing, frame_for, neighbour_indices, network_slices, windowed
from attunet_gui.core.volume import Volume

_FAT_GAP_MM = 20.0
_AT_ONCE = 4
"""Slices made ahead between two looks at who asks for what."""


class Sight:
    """What is made of a volume before the network computes; it can be made while nobody waits.

    Attributes:
        views: the plain one first, then one for each further look.
    """

    def __init__(self, volume: Volume, wanted: Preprocessing, looks: tuple[Look, ...] = ()) -> None:
        frame = frame_for(volume, wanted)
        frames = (frame, *(frame.moved(look) for look in looks))
        self.views = tuple(View(volume, each, wanted) for each in frames)

    @property
    def plain(self) -> View:
        """That of the plain look."""
        return self.views[0]

    def make_some(self) -> bool:
        """Make a few slices ahead; whether there were any left to make."""
        return any(view.make_some() for view in self.views)


class View:
    """The slices of a volume on one frame, each made when it is first asked for.

    Args:
        volume: the CT.
        frame: where the network's pixels lie.
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
        """(n, channels, rows, columns) as the network sees `slices`."""
        around = neighbour_indices(slices, self._wanted.neighbours, self._slices)
        self._make(np.unique(around[~self._made[around]]))
        return self._images[around]

    def body(self, slices: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(n, rows, columns), the patient's outline."""
        return body_mask(self._images[slices], self._cut, self._gap)

    def make_some(self) -> bool:
        """Make a few slices that nobody has asked for yet; whether there were any left."""
        missing = np.flatnonzero(~self._made)[:_AT_ONCE]
        self._make(missing)
        return len(missing) > 0

    def _make(self, missing: NDArray[np.intp]) -> None:
        for z in missing:
            self._images[z] = network_slices(self._volume, self.frame, self._wanted, np.array([z]))[0]
        self._made[missing] = True

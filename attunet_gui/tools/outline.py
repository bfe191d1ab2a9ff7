"""Tools that move the outline of the mask: growing and shrinking by an exact distance, and smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from attunet_gui.core.edit import NOTHING, Edit
from attunet_gui.tools.regions import BLOCK
from attunet_gui.tools.scene import Mask, Scene, Spacing
from attunet_gui.tools.tool import Parameter

DISTANCE = Parameter("Distance", "mm", 0.5, 20.0, 0.5, 2.0)


@dataclass(frozen=True)
class Grow:
    """Add all voxels within `mm` of the mask.

    The distance is the exact Euclidean one between voxel centres, so that it is right for any spacing.

    Raises:
        ValueError: if `mm` is out of bounds.
    """

    mm: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        DISTANCE.checked(self.mm)

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return f"grow {self.mm:g} mm"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that adds the rim; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d, self.mm)
        mask = scene.mask_in(box)
        if mask.all():
            return NOTHING
        return scene.edit(box, ndimage.distance_transform_edt(~mask, sampling=scene.spacing_mm) <= self.mm)


@dataclass(frozen=True)
class Shrink:
    """Remove all voxels within `mm` of the outside of the mask.

    The edge of the volume does not count as outside, because the organ goes on beyond it.

    Raises:
        ValueError: if `mm` is out of bounds.
    """

    mm: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        DISTANCE.checked(self.mm)

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return f"shrink {self.mm:g} mm"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that removes the rim; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d)
        mask = scene.mask_in(box)
        # Without any background in the box the distance transform has no outside to measure from.
        if mask.all():
            return NOTHING
        return scene.edit(box, ndimage.distance_transform_edt(mask, sampling=scene.spacing_mm) > self.mm)


SMOOTHNESS = Parameter("Smoothness", "mm", 0.5, 5.0, 0.5, 1.5)
# Number of standard deviations after which the Gaussian is cut off.
_REACH = 4.0
# A piece that sticks out of the smoothed mask by more standard deviations than this is anatomy and no
# roughness.
_ROUGHNESS = 1.5
# The cut is repeated until the volume differs by less than this share, but at most so many times.
_PASSES = 3
_SAME_VOLUME = 0.01

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Smooth:
    """Smooth the outline with a Gaussian of `mm` standard deviation, keeping the volume and thin parts.

    The blurred mask is cut at the level where it holds as many voxels as before. What the cut would delete is
    judged piece by piece: roughness of the outline goes, but a piece that sticks out far, or that joins two
    parts of the mask, is anatomy and stays as it is.

    Raises:
        ValueError: if `mm` is out of bounds.
    """

    mm: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        SMOOTHNESS.checked(self.mm)

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return f"smooth {self.mm:g} mm"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that smooths the outline; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d, _REACH * self.mm)
        mask = scene.mask_in(box)
        sigma = [self.mm / step for step in scene.spacing_mm]
        if not self.in_3d:
            sigma[0] = 0.0
        blurred = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="nearest", truncate=_REACH)
        return scene.edit(box, self._of_same_volume(mask, blurred, scene.spacing_mm))

    def _of_same_volume(self, mask: Mask, blurred: Floats, spacing_mm: Spacing) -> Mask:
        """Return the smoothed mask with its thin parts, bool; of all cuts the one nearest in volume.

        Args:
            mask: (z, y, x) bool, the present mask.
            blurred: (z, y, x) float32, the blurred mask.
            spacing_mm: (z, y, x) voxel spacing in mm.
        """
        volume = wanted = int(np.count_nonzero(mask))
        found: list[Mask] = []
        for _ in range(_PASSES):
            smooth = _likeliest(blurred, wanted)
            found.append(smooth | _thin_parts(mask, smooth, spacing_mm, _ROUGHNESS * self.mm))
            # The thin parts that are put back add to the volume; the next cut takes as much off elsewhere.
            excess = int(np.count_nonzero(found[-1])) - volume
            if abs(excess) <= _SAME_VOLUME * volume:
                break
            wanted = max(1, wanted - excess)
        return min(found, key=lambda mask: abs(np.count_nonzero(mask) - volume))


def _likeliest(blurred: Floats, count: int) -> Mask:
    """Return the `count` voxels with the highest values, bool; more if several equal the lowest of them."""
    return np.asarray(blurred >= np.partition(blurred, -count, axis=None)[-count])


def _thin_parts(mask: Mask, smooth: Mask, spacing_mm: Spacing, rough_mm: float) -> Mask:
    """Return the pieces of `mask` outside of `smooth`, bool, that are more than roughness of the outline."""
    lost, count = ndimage.label(mask & ~smooth, BLOCK)
    if not count or not smooth.any():
        return np.asarray(lost > 0)
    thin = np.zeros(count + 1, bool)
    places = np.argwhere(lost)
    surface = np.argwhere(smooth & ~ndimage.binary_erosion(smooth, border_value=1))
    # If `smooth` fills the box it has no surface, but then nothing of the mask is lost either.
    gaps, _ = KDTree(surface * spacing_mm).query(places * spacing_mm, distance_upper_bound=rough_mm)
    thin[lost[tuple(places[np.isinf(gaps)].T)]] = True
    parts, several = ndimage.label(smooth, BLOCK)
    if several > ndimage.label(mask, BLOCK)[1]:
        thin[_joining(lost, parts)] = True
    thin[0] = False
    return np.asarray(thin[lost])


def _joining(lost: NDArray[Any], parts: NDArray[Any]) -> NDArray[np.intp]:
    """Return the numbers of the pieces of `lost` that touch more than one of `parts`.

    Args:
        lost, parts: label arrays of one shape, 0 for background.
    """
    # A piece touches two parts if the lowest and the highest label around it differ.
    lowest = ndimage.minimum_filter(np.where(parts == 0, parts.max() + 1, parts), size=3, mode="nearest")
    highest = ndimage.maximum_filter(parts, size=3, mode="nearest")
    numbers = np.arange(1, int(lost.max()) + 1)
    ends = ndimage.minimum(lowest, lost, numbers), ndimage.maximum(highest, lost, numbers)
    return numbers[np.asarray(ends[0]) < np.asarray(ends[1])]

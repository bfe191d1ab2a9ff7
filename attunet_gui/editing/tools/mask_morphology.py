"""Tools that move the outline of the mask: growing and shrinking by an exact distance, and smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox
from attunet_gui.editing.tools.connected_regions import (
    BLOCK_NEIGHBOURS,
    face_neighbours,
    fill_enclosed,
    pieces_holding,
)
from attunet_gui.editing.tools.tool_scene import BoolMask, Spacing, ToolScene, VoxelPoint
from attunet_gui.editing.tools.tool_types import ToolParameter
from attunet_gui.system.errors import AttunetError

ISLAND_PARAMETER = ToolParameter("Smaller than", "ml", 0.05, 20.0, 0.05, 0.5)


@dataclass(frozen=True)
class DropIslandsTool:
    """Remove connected pieces with a volume of less than `ml`, except pieces that hold a locked voxel.

    Raises:
        ValueError: if `ml` is out of bounds.
    """

    ml: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        ISLAND_PARAMETER.check_bounds(self.ml)

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return f"drop islands below {self.ml:g} ml"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that removes the pieces; raise `AttunetError` if there is no mask."""
        return _keep_pieces(scene, self.in_3d, lambda voxels: voxels * scene.voxel_ml >= self.ml)


@dataclass(frozen=True)
class KeepLargestTool:
    """Remove every connected piece except the largest one and those that hold a locked voxel."""

    in_3d: bool = False

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "keep the largest piece"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that removes the pieces; raise `AttunetError` if there is no mask."""
        return _keep_pieces(scene, self.in_3d, lambda voxels: np.arange(len(voxels)) == voxels.argmax())


def _keep_pieces(scene: ToolScene, in_3d: bool, wanted: Any) -> MaskEdit:
    """Return the edit that removes the pieces that are not wanted and hold no locked voxel.

    Args:
        scene: the state of the case.
        in_3d: whether pieces are connected across slices.
        wanted: takes the (n,) voxel counts of all pieces and returns (n,) bool, true for those that stay.
    """
    box = scene.mask_box(in_3d)
    labels, count = ndimage.label(scene.mask_in(box), BLOCK_NEIGHBOURS)
    voxels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    kept = np.concatenate([[False], wanted(voxels)])
    kept[np.unique(labels[scene.locked_in(box)])] = True
    kept[0] = False
    return scene.edit_to(box, kept[labels])


@dataclass(frozen=True)
class FillHolesTool:
    """Fill the background that the mask encloses, in the plane of the slice or in 3-D."""

    in_3d: bool = False

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "fill holes"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that fills the holes; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d)
        return scene.edit_to(box, fill_enclosed(scene.mask_in(box), self.in_3d))


@dataclass(frozen=True)
class FillContourTool:
    """Fill the contour under a click: the clicked hole, or every hole of the clicked piece."""

    point: VoxelPoint
    in_3d: bool = False

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "fill"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that fills the contour.

        Raises:
            AttunetError: if the click is neither in a closed contour nor on the mask, or if there is no mask.
        """
        box = scene.mask_box(self.in_3d)
        mask, clicked = scene.mask_in(box), self._click_in_box(box)
        if (mask & clicked).any():
            return scene.edit_to(box, mask | fill_enclosed(pieces_holding(mask, clicked), self.in_3d))
        holes = fill_enclosed(mask, self.in_3d) & ~mask
        if not (holes & clicked).any():
            raise AttunetError("That place is in no closed contour: close the contour, then click inside it.")
        return scene.edit_to(box, mask | pieces_holding(holes, clicked, face_neighbours(self.in_3d)))

    def _click_in_box(self, box: VoxelBox) -> BoolMask:
        """Return an array of the shape of `box`, bool, true at the click; all false if that is outside."""
        clicked = np.zeros([side.stop - side.start for side in box], bool)
        at = [place - side.start for place, side in zip(self.point, box, strict=True)]
        at[0] = at[0] if self.in_3d else 0
        if all(0 <= i < size for i, size in zip(at, clicked.shape, strict=True)):
            clicked[tuple(at)] = True
        return clicked


DISTANCE_PARAMETER = ToolParameter("Distance", "mm", 0.5, 20.0, 0.5, 2.0)


@dataclass(frozen=True)
class GrowTool:
    """Add all voxels within `mm` of the mask.

    The distance is the exact Euclidean one between voxel centres, so that it is right for any spacing.

    Raises:
        ValueError: if `mm` is out of bounds.
    """

    mm: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        DISTANCE_PARAMETER.check_bounds(self.mm)

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return f"grow {self.mm:g} mm"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that adds the rim; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d, self.mm)
        mask = scene.mask_in(box)
        if mask.all():
            return NO_EDIT
        return scene.edit_to(box, ndimage.distance_transform_edt(~mask, sampling=scene.spacing_mm) <= self.mm)


@dataclass(frozen=True)
class ShrinkTool:
    """Remove all voxels within `mm` of the outside of the mask.

    The edge of the volume does not count as outside, because the organ goes on beyond it.

    Raises:
        ValueError: if `mm` is out of bounds.
    """

    mm: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        DISTANCE_PARAMETER.check_bounds(self.mm)

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return f"shrink {self.mm:g} mm"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that removes the rim; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d)
        mask = scene.mask_in(box)
        # Without any background in the box the distance transform has no outside to measure from.
        if mask.all():
            return NO_EDIT
        return scene.edit_to(box, ndimage.distance_transform_edt(mask, sampling=scene.spacing_mm) > self.mm)


SMOOTHNESS_PARAMETER = ToolParameter("Smoothness", "mm", 0.5, 5.0, 0.5, 1.5)
# Number of standard deviations after which the Gaussian is cut off.
_GAUSSIAN_TRUNCATE = 4.0
# A piece that sticks out of the smoothed mask by more standard deviations than this is anatomy and no
# roughness.
_ROUGHNESS_DEVIATIONS = 1.5
# The cut is repeated until the volume differs by less than this share, but at most so many times.
_VOLUME_PASSES = 3
_VOLUME_TOLERANCE = 0.01

Float32Volume = NDArray[np.float32]


@dataclass(frozen=True)
class SmoothTool:
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
        SMOOTHNESS_PARAMETER.check_bounds(self.mm)

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return f"smooth {self.mm:g} mm"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that smooths the outline; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d, _GAUSSIAN_TRUNCATE * self.mm)
        mask = scene.mask_in(box)
        sigma = [self.mm / step for step in scene.spacing_mm]
        if not self.in_3d:
            sigma[0] = 0.0
        blurred = ndimage.gaussian_filter(
            mask.astype(np.float32), sigma, mode="nearest", truncate=_GAUSSIAN_TRUNCATE
        )
        return scene.edit_to(box, self._smoothed_at_same_volume(mask, blurred, scene.spacing_mm))

    def _smoothed_at_same_volume(
        self, mask: BoolMask, blurred: Float32Volume, spacing_mm: Spacing
    ) -> BoolMask:
        """Return the smoothed mask with its thin parts, bool; of all cuts the one nearest in volume.

        Args:
            mask: (z, y, x) bool, the present mask.
            blurred: (z, y, x) float32, the blurred mask.
            spacing_mm: (z, y, x) voxel spacing in mm.
        """
        volume = wanted = int(np.count_nonzero(mask))
        found: list[BoolMask] = []
        for _ in range(_VOLUME_PASSES):
            smooth = _highest_voxels(blurred, wanted)
            found.append(
                smooth | _anatomical_parts(mask, smooth, spacing_mm, _ROUGHNESS_DEVIATIONS * self.mm)
            )
            # The thin parts that are put back add to the volume; the next cut takes as much off elsewhere.
            excess = int(np.count_nonzero(found[-1])) - volume
            if abs(excess) <= _VOLUME_TOLERANCE * volume:
                break
            wanted = max(1, wanted - excess)
        return min(found, key=lambda mask: abs(np.count_nonzero(mask) - volume))


def _highest_voxels(blurred: Float32Volume, count: int) -> BoolMask:
    """Return the `count` voxels with the highest values, bool; more if several equal the lowest of them."""
    return np.asarray(blurred >= np.partition(blurred, -count, axis=None)[-count])


def _anatomical_parts(mask: BoolMask, smooth: BoolMask, spacing_mm: Spacing, rough_mm: float) -> BoolMask:
    """Return the pieces of `mask` outside of `smooth`, bool, that are more than roughness of the outline."""
    lost, count = ndimage.label(mask & ~smooth, BLOCK_NEIGHBOURS)
    if not count or not smooth.any():
        return np.asarray(lost > 0)
    thin = np.zeros(count + 1, bool)
    places = np.argwhere(lost)
    surface = np.argwhere(smooth & ~ndimage.binary_erosion(smooth, border_value=1))
    # If `smooth` fills the box it has no surface, but then nothing of the mask is lost either.
    gaps, _ = KDTree(surface * spacing_mm).query(places * spacing_mm, distance_upper_bound=rough_mm)
    thin[lost[tuple(places[np.isinf(gaps)].T)]] = True
    parts, several = ndimage.label(smooth, BLOCK_NEIGHBOURS)
    if several > ndimage.label(mask, BLOCK_NEIGHBOURS)[1]:
        thin[_joining_pieces(lost, parts)] = True
    thin[0] = False
    return np.asarray(thin[lost])


def _joining_pieces(lost: NDArray[Any], parts: NDArray[Any]) -> NDArray[np.intp]:
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

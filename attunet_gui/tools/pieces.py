"""Tools for connected pieces of the mask: islands, the largest piece, holes, and filling a contour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from attunet_gui.core.edit import Box, Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.tools.regions import BLOCK, cross, filled, holding
from attunet_gui.tools.scene import Mask, Point, Scene
from attunet_gui.tools.tool import Parameter

ISLAND = Parameter("Smaller than", "ml", 0.05, 20.0, 0.05, 0.5)


@dataclass(frozen=True)
class DropIslands:
    """Remove connected pieces with a volume of less than `ml`, except pieces that hold a locked voxel.

    Raises:
        ValueError: if `ml` is out of bounds.
    """

    ml: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        ISLAND.checked(self.ml)

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return f"drop islands below {self.ml:g} ml"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that removes the pieces; raise `AttunetError` if there is no mask."""
        return _keeping(scene, self.in_3d, lambda voxels: voxels * scene.voxel_ml >= self.ml)


@dataclass(frozen=True)
class KeepLargest:
    """Remove every connected piece except the largest one and those that hold a locked voxel."""

    in_3d: bool = False

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return "keep the largest piece"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that removes the pieces; raise `AttunetError` if there is no mask."""
        return _keeping(scene, self.in_3d, lambda voxels: np.arange(len(voxels)) == voxels.argmax())


def _keeping(scene: Scene, in_3d: bool, wanted: Any) -> Edit:
    """Return the edit that removes the pieces that are not wanted and hold no locked voxel.

    Args:
        scene: the state of the case.
        in_3d: whether pieces are connected across slices.
        wanted: takes the (n,) voxel counts of all pieces and returns (n,) bool, true for those that stay.
    """
    box = scene.mask_box(in_3d)
    labels, count = ndimage.label(scene.mask_in(box), BLOCK)
    voxels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    kept = np.concatenate([[False], wanted(voxels)])
    kept[np.unique(labels[scene.locked_in(box)])] = True
    kept[0] = False
    return scene.edit(box, kept[labels])


@dataclass(frozen=True)
class FillHoles:
    """Fill the background that the mask encloses, in the plane of the slice or in 3-D."""

    in_3d: bool = False

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return "fill holes"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that fills the holes; raise `AttunetError` if there is no mask."""
        box = scene.mask_box(self.in_3d)
        return scene.edit(box, filled(scene.mask_in(box), self.in_3d))


@dataclass(frozen=True)
class Fill:
    """Fill the contour under a click: the clicked hole, or every hole of the clicked piece."""

    point: Point
    in_3d: bool = False

    @property
    def words(self) -> str:
        """What the tool does, as text for people."""
        return "fill"

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that fills the contour.

        Raises:
            AttunetError: if the click is neither in a closed contour nor on the mask, or if there is no mask.
        """
        box = scene.mask_box(self.in_3d)
        mask, clicked = scene.mask_in(box), self._clicked(box)
        if (mask & clicked).any():
            return scene.edit(box, mask | filled(holding(mask, clicked), self.in_3d))
        holes = filled(mask, self.in_3d) & ~mask
        if not (holes & clicked).any():
            raise AttunetError("That place is in no closed contour: close the contour, then click inside it.")
        return scene.edit(box, mask | holding(holes, clicked, cross(self.in_3d)))

    def _clicked(self, box: Box) -> Mask:
        """Return an array of the shape of `box`, bool, true at the click; all false if that is outside."""
        clicked = np.zeros([side.stop - side.start for side in box], bool)
        at = [place - side.start for place, side in zip(self.point, box, strict=True)]
        at[0] = at[0] if self.in_3d else 0
        if all(0 <= i < size for i, size in zip(at, clicked.shape, strict=True)):
            clicked[tuple(at)] = True
        return clicked

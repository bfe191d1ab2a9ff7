"""Tools for pieces of the mask: islands, the largest piece, holes, and filling a contour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Box, Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.tools.scene import Mask, Point, Scene
from attunet_gui.tools.tool import Parameter

ISLAND = Parameter("Smaller than", "ml", 0.05, 20.0, 0.05, 0.5)

_BLOCK = np.ones((3, 3, 3), bool)
_CROSS = ndimage.generate_binary_structure(3, 1)
_FLAT_CROSS = _CROSS & np.array([False, True, False])[:, None, None]


@dataclass(frozen=True)
class DropIslands:
    """Remove pieces of less than `ml`, but none in which anything is locked."""

    ml: float
    in_3d: bool = False

    def __post_init__(self) -> None:
        ISLAND.checked(self.ml)

    @property
    def words(self) -> str:
        """What it does."""
        return f"drop islands below {self.ml:g} ml"

    def apply(self, scene: Scene) -> Edit:
        """The removed pieces."""
        return _keeping(scene, self.in_3d, lambda voxels: voxels * scene.voxel_ml >= self.ml)


@dataclass(frozen=True)
class KeepLargest:
    """Remove every piece but the largest one, and those in which anything is locked."""

    in_3d: bool = False

    @property
    def words(self) -> str:
        """What it does."""
        return "keep the largest piece"

    def apply(self, scene: Scene) -> Edit:
        """The removed pieces."""
        return _keeping(scene, self.in_3d, lambda voxels: np.arange(len(voxels)) == voxels.argmax())


def _keeping(scene: Scene, in_3d: bool, wanted: Any) -> Edit:
    """Remove the pieces whose voxel counts `wanted` turns down and that nobody locked."""
    box = scene.mask_box(in_3d)
    labels, count = ndimage.label(scene.mask_in(box), _BLOCK)
    voxels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    kept = np.concatenate([[False], wanted(voxels)])
    kept[np.unique(labels[scene.locked_in(box)])] = True
    kept[0] = False
    return scene.edit(box, kept[labels])


@dataclass(frozen=True)
class FillHoles:
    """Fill what the mask encloses: in the plane of the slice, or in space."""

    in_3d: bool = False

    @property
    def words(self) -> str:
        """What it does."""
        return "fill holes"

    def apply(self, scene: Scene) -> Edit:
        """The filled holes."""
        box = scene.mask_box(self.in_3d)
        return scene.edit(box, _filled(scene.mask_in(box), self.in_3d))


@dataclass(frozen=True)
class Fill:
    """Fill the contour under a click: the hole that was clicked, or every hole of the piece that was."""

    point: Point
    in_3d: bool = False

    @property
    def words(self) -> str:
        """What it does."""
        return "fill"

    def apply(self, scene: Scene) -> Edit:
        """The filled part; `AttunetError` if the click is neither in a closed contour nor on the mask."""
        box = scene.mask_box(self.in_3d)
        mask = scene.mask_in(box)
        at = self._place_in(box)
        if at is not None and mask[at]:
            return scene.edit(box, mask | _filled(_piece_at(mask, at, _BLOCK), self.in_3d))
        hole = _filled(mask, self.in_3d) & ~mask
        if at is None or not hole[at]:
            raise AttunetError("That place is in no closed contour: close the contour, then click inside it.")
        return scene.edit(box, mask | _piece_at(hole, at, _cross(self.in_3d)))

    def _place_in(self, box: Box) -> tuple[int, ...] | None:
        """The click in `box`; None if it is outside of it."""
        at = [place - side.start for place, side in zip(self.point, box, strict=True)]
        at[0] = at[0] if self.in_3d else 0
        inside = all(0 <= i < side.stop - side.start for i, side in zip(at, box, strict=True))
        return tuple(at) if inside else None


def _piece_at(mask: Mask, at: tuple[int, ...], structure: NDArray[Any]) -> Mask:
    """The connected piece of `mask` that holds `at`, which is set."""
    labels, _count = ndimage.label(mask, structure)
    piece: Mask = labels == labels[at]
    return piece


def _filled(mask: Mask, in_3d: bool) -> Mask:
    filled: Mask = ndimage.binary_fill_holes(mask, _cross(in_3d))
    return filled


def _cross(in_3d: bool) -> NDArray[Any]:
    return _CROSS if in_3d else _FLAT_CROSS

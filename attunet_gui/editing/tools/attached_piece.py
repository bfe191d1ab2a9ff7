"""Removal of a whole piece of the mask through all slices, cut off where it is attached by a neck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.editing.tools.connected_regions import BLOCK_NEIGHBOURS
from attunet_gui.editing.tools.tool_scene import BoolMask, Spacing, ToolScene, VoxelPoint
from attunet_gui.system.errors import AttunetError

# A neck of twice this radius or more joins two halves of one organ.
_WIDEST_NECK_RADIUS_MM = 12.0
_RADIUS_STEP_MM = 0.5


@dataclass(frozen=True)
class RemovePieceTool:
    """Remove the piece of the mask under a click in all slices, such as a loop of bowel.

    A piece that is attached is cut off at its neck: the mask is eroded by a growing radius until the place of
    the click is no longer connected with the largest part; each voxel then belongs to the part it is nearest
    to. Voxels that were drawn by hand stay.

    Attributes:
        points: (z, y, x) indices of the clicked voxels; the first that lies in the mask counts.
    """

    points: tuple[VoxelPoint, ...]

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "remove this piece"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that removes the piece.

        Raises:
            AttunetError: if no point lies in the mask, or if no neck parts the piece from the largest one.
        """
        box = scene.mask_box(in_3d=True)
        mask = scene.mask_in(box)
        seed = self._seed(mask, tuple(side.start for side in box))
        piece = _piece_at(mask, seed, scene.spacing_mm)
        if piece is None:
            raise AttunetError(
                "No neck parts this piece from the gland: take Remove this, or the eraser in a slice."
            )
        return scene.edit_to(box, mask & ~(piece & ~scene.drawn_in(box)))

    def _seed(self, mask: BoolMask, start: tuple[int, ...]) -> tuple[int, ...]:
        for point in self.points:
            at = tuple(place - first for place, first in zip(point, start, strict=True))
            if all(0 <= i < size for i, size in zip(at, mask.shape, strict=True)) and mask[at]:
                return at
        raise AttunetError("There is no mask at that place: click on the piece that is to go.")


def _piece_at(mask: BoolMask, seed: tuple[int, ...], spacing_mm: Spacing) -> BoolMask | None:
    """Return the piece of `mask` (z, y, x) that holds `seed`, bool; None if it cannot be parted."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    whole = _parts(mask)
    for radius in np.arange(0.0, _WIDEST_NECK_RADIUS_MM, _RADIUS_STEP_MM):
        parts = _parts(depth > radius)
        if not parts[seed]:
            return None
        if parts[seed] != np.bincount(parts.ravel())[1:].argmax() + 1:
            nearest = ndimage.distance_transform_edt(
                parts == 0, sampling=spacing_mm, return_distances=False, return_indices=True
            )
            piece = (parts[tuple(nearest)] == parts[seed]) & (whole == whole[seed])
            return np.asarray(piece)
    return None


def _parts(mask: BoolMask) -> NDArray[np.int32]:
    labels, _count = ndimage.label(mask, BLOCK_NEIGHBOURS)
    return np.asarray(labels, np.int32)

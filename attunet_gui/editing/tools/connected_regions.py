"""Connected regions and outline distances of bool arrays, in the plane of a slice or in 3-D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.editing.tools.tool_scene import BoolMask

# All 26 neighbours. Arrays of one slice are (1, y, x), so that this is right in 2-D as well.
BLOCK_NEIGHBOURS = np.ones((3, 3, 3), bool)
_FACE_NEIGHBOURS = ndimage.generate_binary_structure(3, 1)
_IN_PLANE_FACE_NEIGHBOURS = _FACE_NEIGHBOURS & np.array([False, True, False])[:, None, None]


def face_neighbours(in_3d: bool) -> NDArray[Any]:
    """Return the (3, 3, 3) structure of neighbours that share a face; other slices count in 3-D only."""
    return _FACE_NEIGHBOURS if in_3d else _IN_PLANE_FACE_NEIGHBOURS


def fill_enclosed(mask: BoolMask, in_3d: bool) -> BoolMask:
    """Return `mask` (z, y, x) with the background filled that is not connected with the edge of the array.

    In 2-D each slice is filled by itself.
    """
    # The background is connected across faces only, so that a contour which is closed diagonally is closed.
    labels, count = ndimage.label(~mask, face_neighbours(in_3d))
    outside = np.zeros(count + 1, bool)
    for axis in (0, 1, 2) if in_3d else (1, 2):
        outside[np.unique(np.take(labels, (0, -1), axis))] = True
    outside[0] = False
    return np.asarray(~outside[labels])


def pieces_holding(mask: BoolMask, places: BoolMask, structure: NDArray[Any] = BLOCK_NEIGHBOURS) -> BoolMask:
    """Return the connected pieces of `mask` that hold a true voxel of `places`.

    Args:
        mask, places: (z, y, x) bool of one shape.
        structure: the (3, 3, 3) neighbours that count as connected.
    """
    labels, count = ndimage.label(mask, structure)
    kept = np.zeros(count + 1, bool)
    kept[labels[places]] = True
    kept[0] = False
    return np.asarray(kept[labels])


def signed_outline_distance_mm(mask: BoolMask, steps: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the (y, x) distance of each pixel to the outline in mm, negative outside of `mask`.

    Distances are measured between pixel centres, so the smallest absolute value is one pixel.

    Args:
        mask: (y, x) bool.
        steps: (y, x) size of a pixel in mm.
    """
    # A mask that fills the image has no outside; a margin of one pixel provides it.
    padded = np.pad(mask, 1)
    if mask.all():
        return np.asarray(ndimage.distance_transform_edt(padded, sampling=steps)[1:-1, 1:-1])
    inner = ndimage.distance_transform_edt(mask, sampling=steps)
    return np.asarray(inner - ndimage.distance_transform_edt(~mask, sampling=steps))

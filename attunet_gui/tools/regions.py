"""Connected regions of a (z, y, x) bool array, in the plane of a slice or in space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.tools.scene import Mask

BLOCK = np.ones((3, 3, 3), bool)
_CROSS = ndimage.generate_binary_structure(3, 1)
_FLAT_CROSS = _CROSS & np.array([False, True, False])[:, None, None]


def cross(in_3d: bool) -> NDArray[Any]:
    """Neighbours across a face, those in other slices only in 3-D."""
    return _CROSS if in_3d else _FLAT_CROSS


def filled(mask: Mask, in_3d: bool) -> Mask:
    """`mask` and what it encloses; what is open to the edge of the array is not enclosed."""
    labels, count = ndimage.label(~mask, cross(in_3d))
    outside = np.zeros(count + 1, bool)
    for axis in (0, 1, 2) if in_3d else (1, 2):
        outside[np.unique(np.take(labels, (0, -1), axis))] = True
    outside[0] = False
    return np.asarray(~outside[labels])


def holding(mask: Mask, places: Mask, structure: NDArray[Any] = BLOCK) -> Mask:
    """The connected pieces of `mask` that hold any of `places`."""
    labels, count = ndimage.label(mask, structure)
    kept = np.zeros(count + 1, bool)
    kept[labels[places]] = True
    kept[0] = False
    return np.asarray(kept[labels])


def inside_mm(mask: Mask, steps: tuple[float, ...]) -> NDArray[np.float64]:
    """(y, x) distance to the outline in mm, negative outside. The outline runs between voxel centres."""
    padded = np.pad(mask, 1)
    if mask.all():
        return np.asarray(ndimage.distance_transform_edt(padded, sampling=steps)[1:-1, 1:-1])
    inner = ndimage.distance_transform_edt(mask, sampling=steps)
    return np.asarray(inner - ndimage.distance_transform_edt(~mask, sampling=steps))

"""Where the patient is: the body outline, found from whatever HU range the data at hand has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_FAT_SAFE_HU = -300.0
_CLIP_MARGIN_HU = 25.0
_COARSE_MM = 6.0


def body_threshold_hu(hu: NDArray[Any]) -> float:
    """HU above which a voxel belongs to the patient rather than to air.

    -300 HU keeps fat. CT that was clipped at or above it (at -160, or at 0 as in the public 8-bit
    slices) has no such air; there the cut lies just above the clipped floor.
    """
    floor = float(hu.min())
    return _FAT_SAFE_HU if floor < _FAT_SAFE_HU - _CLIP_MARGIN_HU else floor + _CLIP_MARGIN_HU


def body_box(hu: NDArray[Any], spacing_mm: tuple[float, float, float]) -> tuple[slice, slice]:
    """In-plane box (rows, columns) around the patient, over all slices.

    Args:
        hu: (z, y, x) HU.
        spacing_mm: (z, y, x) spacing.

    Returns:
        Row and column slices. The whole plane if no body is found (an empty or constant volume).

    The search is coarse (about 6 mm): a table or a hose thinner than that is opened away, and of what
    remains the largest piece is the patient.
    """
    steps = [max(1, round(_COARSE_MM / s)) for s in spacing_mm]
    coarse = hu[:: steps[0], :: steps[1], :: steps[2]]
    tissue = coarse > body_threshold_hu(hu)
    tissue = ndimage.binary_opening(tissue, np.ones((1, 3, 3), dtype=bool))
    labels, count = ndimage.label(tissue)
    if count == 0:
        return slice(0, hu.shape[1]), slice(0, hu.shape[2])
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    _z, rows, columns = ndimage.find_objects((labels == largest).astype(np.uint8))[0]
    return _fine(rows, steps[1], hu.shape[1]), _fine(columns, steps[2], hu.shape[2])


def _fine(coarse: slice, step: int, size: int) -> slice:
    """Coarse sample i is pixel i * step itself; it stands for the pixels nearest to it."""
    start = coarse.start * step - step // 2
    stop = (coarse.stop - 1) * step + (step + 1) // 2
    return slice(max(start, 0), min(stop, size))


def body_mask(image: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Filled body outline of each slice: (z, y, x) values -> (z, y, x) bool."""
    mask = image > threshold
    for plane in mask:
        plane[:] = ndimage.binary_fill_holes(plane)
    filled: NDArray[np.bool_] = mask
    return filled

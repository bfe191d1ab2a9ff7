"""Where the patient is: the body outline, found from whatever HU range the data at hand has."""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_FAT_SAFE_HU = -300.0
_CLIP_MARGIN_HU = 25.0
_FAT_HU = -110.0
_COARSE_MM = 6.0
_ORGAN_CELL_MM = 2.4
_THICKER_THAN_A_TABLE_MM = 8.0
_SMALLEST_PIECE_MM2 = 150.0


def body_threshold_hu(lowest_hu: float) -> float:
    """HU above which a voxel belongs to the patient rather than to air, in CT that goes down to `lowest_hu`.

    -300 HU keeps fat. CT that was clipped at or above it (at -160, or at 0 as in the public 8-bit
    slices) has no such air; there the cut lies just above the clipped floor.
    """
    above = lowest_hu >= _FAT_SAFE_HU - _CLIP_MARGIN_HU
    return lowest_hu + _CLIP_MARGIN_HU if above else _FAT_SAFE_HU


def fat_is_lost(lowest_hu: float) -> bool:
    """Whether fat is as dark as air, because the CT was clipped above it: organs are islands then."""
    return body_threshold_hu(lowest_hu) > _FAT_HU


def body_box(
    hu: NDArray[Any], spacing_mm: tuple[float, float, float], lowest_hu: float | None = None
) -> tuple[slice, slice]:
    """In-plane box (rows, columns) around the patient, over all slices.

    Args:
        hu: (z, y, x) HU.
        spacing_mm: (z, y, x) spacing.
        lowest_hu: the smallest of `hu`, where that is known already.

    Returns:
        Row and column slices. The whole plane if no body is found (an empty or constant volume).

    The search is coarse: a table or a hose is thin and opened away, and of what remains the largest piece is
    the patient; where fat is lost, every piece of some size is a part of the patient.
    """
    lowest = float(hu.min()) if lowest_hu is None else lowest_hu
    cell_mm = _ORGAN_CELL_MM if fat_is_lost(lowest) else _COARSE_MM
    rows, columns = (max(1, round(cell_mm / s)) for s in spacing_mm[1:])
    coarse = hu[:: max(1, round(_COARSE_MM / spacing_mm[0]))]
    if fat_is_lost(lowest):
        body = _organs(coarse, body_threshold_hu(lowest), (rows, columns), spacing_mm)
    else:
        body = _largest_piece(coarse[:, ::rows, ::columns] > body_threshold_hu(lowest))
    if not body.any():
        return slice(0, hu.shape[1]), slice(0, hu.shape[2])
    high, wide = ndimage.find_objects(body.any(axis=0).astype(np.uint8))[0]
    return _fine(high, rows, hu.shape[1]), _fine(wide, columns, hu.shape[2])


def _largest_piece(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(ndimage.binary_opening(tissue, np.ones((1, 3, 3), dtype=bool)))
    if count == 0:
        return np.zeros_like(tissue)
    largest: NDArray[np.bool_] = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return largest


def _organs(
    hu: NDArray[Any], threshold: float, steps: tuple[int, int], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Pieces of each slice that are thicker than a table and not too small, in cells of `steps` pixels."""
    smooth = ndimage.uniform_filter(hu.astype(np.float32), (1, *steps))[:, :: steps[0], :: steps[1]]
    cell = [step * mm for step, mm in zip(steps, spacing_mm[1:], strict=True)]
    block = np.ones((1, *(max(1, round(_THICKER_THAN_A_TABLE_MM / mm)) for mm in cell)), dtype=bool)
    in_plane = np.zeros((3, 3, 3), dtype=bool)
    in_plane[1] = True
    labels, _count = ndimage.label(ndimage.binary_opening(smooth > threshold, block), in_plane)
    large = np.bincount(labels.ravel()) * cell[0] * cell[1] >= _SMALLEST_PIECE_MM2
    large[0] = False
    organs: NDArray[np.bool_] = large[labels]
    return organs


def _fine(coarse: slice, step: int, size: int) -> slice:
    """Coarse sample i is pixel i * step itself; it stands for the pixels nearest to it."""
    start = coarse.start * step - step // 2
    stop = (coarse.stop - 1) * step + (step + 1) // 2
    return slice(max(start, 0), min(stop, size))


def body_mask(image: NDArray[Any], threshold: float, gap: int = 0) -> NDArray[np.bool_]:
    """Filled body outline of each slice: (z, y, x) values -> (z, y, x) bool.

    Pieces that are no more than `gap` pixels apart are joined first: organs, where fat is lost.
    """
    mask: NDArray[np.bool_] = image > threshold
    block = np.ones((1 + 2 * (gap // 2),) * 2, dtype=bool)
    for plane in mask:
        if len(block) > 1:
            plane[:] = ndimage.binary_erosion(ndimage.binary_dilation(plane, block), block, border_value=1)
        plane[:] = _filled(plane)
    return mask


def _filled(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(rows, columns) without its holes: what is not reached from the edge belongs to it."""
    # An empty frame around it makes all of the outside one piece, and see `core.gland` on odd sides.
    outside: NDArray[Any] = cc3d.connected_components(~np.pad(plane, 2), connectivity=4)
    filled: NDArray[np.bool_] = outside[2:-2, 2:-2] != outside[0, 0]
    return filled

"""The outline of the patient's body in CT, whatever range of HU the CT was clipped to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Between air at -1000 HU and fat at about -100 HU, with room for noise on both sides.
_FAT_SAFE_HU = -300.0
_CLIP_MARGIN_HU = 25.0
_FAT_HU = -110.0
# Size of a cell of the search in mm. Organs that have to be told apart from a table need finer cells than a
# body.
_COARSE_MM = 6.0
_ORGAN_CELL_MM = 2.4
_THICKER_THAN_A_TABLE_MM = 8.0
_SMALLEST_PIECE_MM2 = 150.0


def body_threshold_hu(lowest_hu: float) -> float:
    """Return the HU above which a voxel belongs to the patient and not to air.

    A threshold of -300 HU keeps fat. CT that was clipped at or above it (at -160, or at 0 as in the public
    8-bit slices) shows air at its lowest value; there the threshold lies 25 HU above that value.

    Args:
        lowest_hu: the smallest HU in the CT.
    """
    above = lowest_hu >= _FAT_SAFE_HU - _CLIP_MARGIN_HU
    return lowest_hu + _CLIP_MARGIN_HU if above else _FAT_SAFE_HU


def is_fat_clipped(lowest_hu: float) -> bool:
    """Return whether the CT was clipped above the HU of fat, so that fat looks like air.

    The organs are then islands without a connection, and the largest piece is not the body.
    """
    return body_threshold_hu(lowest_hu) > _FAT_HU


def body_box(
    hu: NDArray[Any], spacing_mm: tuple[float, float, float], lowest_hu: float | None = None
) -> tuple[slice, slice]:
    """Return the in-plane box around the patient over all slices.

    The search works on a coarse grid. A morphological opening removes thin structures such as the table or a
    hose, and the largest remaining piece is the patient. Where fat was clipped, every piece above a minimum
    size counts as a part of the patient.

    Args:
        hu: (z, y, x) HU.
        spacing_mm: (z, y, x) voxel spacing in mm.
        lowest_hu: the smallest value of `hu`, if it is known already.

    Returns:
        Slices of the rows and of the columns. They cover the whole plane if no body is found (in an empty or
        constant volume).
    """
    lowest = float(hu.min()) if lowest_hu is None else lowest_hu
    cell_mm = _ORGAN_CELL_MM if is_fat_clipped(lowest) else _COARSE_MM
    rows, columns = (max(1, round(cell_mm / s)) for s in spacing_mm[1:])
    coarse = hu[:: max(1, round(_COARSE_MM / spacing_mm[0]))]
    # When only the largest piece counted in CT without fat, the box of 106 of 176 real slices cut the
    # pancreas.
    if is_fat_clipped(lowest):
        body = _organ_pieces(coarse, body_threshold_hu(lowest), (rows, columns), spacing_mm)
    else:
        body = _largest_piece(coarse[:, ::rows, ::columns] > body_threshold_hu(lowest))
    if not body.any():
        return slice(0, hu.shape[1]), slice(0, hu.shape[2])
    high, wide = ndimage.find_objects(body.any(axis=0).astype(np.uint8))[0]
    return _fine_slice(high, rows, hu.shape[1]), _fine_slice(wide, columns, hu.shape[2])


def _largest_piece(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(ndimage.binary_opening(tissue, np.ones((1, 3, 3), dtype=bool)))
    if count == 0:
        return np.zeros_like(tissue)
    largest: NDArray[np.bool_] = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return largest


def _organ_pieces(
    hu: NDArray[Any], threshold: float, steps: tuple[int, int], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Return (z, rows, columns) bool on cells of `steps` pixels: pieces of tissue that may be organs.

    A piece counts if it is thicker than a table and its area in the slice is at least
    `_SMALLEST_PIECE_MM2`.
    """
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


def _fine_slice(coarse: slice, step: int, size: int) -> slice:
    """Return the fine pixels that the coarse samples of `coarse` stand for.

    Sample i is taken at pixel i * step, so it stands for the pixels that are nearest to that one.
    """
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
        plane[:] = _fill_plane_holes(plane)
    return mask


def _fill_plane_holes(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return `plane` (rows, columns) with all background filled that is not connected with the edge."""
    # A margin of background joins all of the outside to one component.
    outside, _count = ndimage.label(~np.pad(plane, 1))
    filled: NDArray[np.bool_] = outside[1:-1, 1:-1] != outside[0, 0]
    return filled

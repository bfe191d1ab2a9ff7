"""Thin and obese patients: changes of the subcutaneous and visceral fat of a whole-tissue map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.anatomy import Tissue, TissueMap
from attunet_gui.synthesis.settings import Build

_FILLING = (
    Tissue.MUSCLE,
    Tissue.LIVER,
    Tissue.SPLEEN,
    Tissue.STOMACH,
    Tissue.DUODENUM,
    Tissue.SMALL_BOWEL,
    Tissue.COLON,
)
"""Tissues that take the place of visceral fat in a thin patient; the pancreas keeps its size."""


def built(source: TissueMap, build: Build, rng: np.random.Generator) -> TissueMap:
    """Change the fat of a whole-tissue map to that of a patient of a given build.

    Args:
        source: the map; left as it is.
        build: ranges of the changes.
        rng: draws from these ranges.

    Returns:
        The new map; its grid is larger in y and x if fat was added.
    """
    tissue = source.tissue.copy()
    step = float(source.spacing_mm[1])
    closed = float(rng.uniform(*build.fat_closed_mm))
    if closed > 0:
        # Both sides of a gap grow by half its width.
        _close_fat(tissue, closed / 2, source.spacing_mm)
    if build.subcutis_mm is not None:
        _take_fat_off(tissue, float(rng.uniform(*build.subcutis_mm)) / step)
    added = float(rng.uniform(*build.added_fat_mm))
    if added > 0:
        tissue = _with_fat(tissue, added / step)
    return replace(source, tissue=tissue)


def _close_fat(tissue: NDArray[np.uint8], reach_mm: float, spacing_mm: tuple[float, float, float]) -> None:
    """Let organs and muscles grow by up to `reach_mm` into visceral fat, in place."""
    organs = np.isin(tissue, _FILLING)
    if not organs.any():
        return
    fat = tissue == Tissue.VISCERAL_FAT
    distance, nearest = ndimage.distance_transform_edt(~organs, sampling=spacing_mm, return_indices=True)
    taken = fat & (distance <= reach_mm)
    tissue[taken] = tissue[tuple(axis[taken] for axis in nearest)]


def _take_fat_off(tissue: NDArray[np.uint8], left: float) -> None:
    """Leave `left` pixels of subcutaneous fat around the wall and turn the rest to air, slice by slice."""
    for plane in tissue:
        inside = ndimage.binary_fill_holes((plane != Tissue.AIR) & (plane != Tissue.SUBCUTANEOUS_FAT))
        plane[(ndimage.distance_transform_edt(~inside) > left) & (plane == Tissue.SUBCUTANEOUS_FAT)] = 0


def _with_fat(tissue: NDArray[np.uint8], added: float) -> NDArray[np.uint8]:
    """Return a padded copy with up to `added` pixels of fat around the patient.

    The layer is thickest in front, and half as thick at the back.
    """
    margin = int(np.ceil(added)) + 2
    padded = np.pad(tissue, ((0, 0), (margin, margin), (margin, margin)))
    rows = np.linspace(1.0, 0.5, padded.shape[1])[:, None]
    for plane in padded:
        body = plane != Tissue.AIR
        if body.any():
            plane[(ndimage.distance_transform_edt(~body) <= added * rows) & ~body] = Tissue.SUBCUTANEOUS_FAT
    return padded

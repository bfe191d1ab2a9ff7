"""Distances between the surfaces of two masks, from SimpleITK's contours and distance maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """The distance from each surface voxel of either mask to the surface of the other.

    Attributes:
        from_draft: (n,) float32, mm from each surface voxel of the draft to the surface of the truth.
        from_truth: (m,) float32, mm from each surface voxel of the truth to the surface of the draft.
    """

    from_draft: NDArray[np.float32]
    from_truth: NDArray[np.float32]

    @property
    def mean_distance_mm(self) -> float:
        """Average symmetric surface distance (ASSD) in mm: the mean over the surface voxels of both masks."""
        return float(self._both_directions.mean())

    def percentile_mm(self, percent: float) -> float:
        """Return the larger directed percentile in mm; 95 is HD95 and 100 the Hausdorff distance."""
        return float(max(np.percentile(each, percent) for each in (self.from_draft, self.from_truth)))

    def share_within(self, tolerance_mm: float) -> float:
        """Return the normalised surface distance (NSD): the share of surface voxels within `tolerance_mm`.

        The definition is that of Nikolov et al. 2021 (doi 10.2196/26151), with voxels in place of surface
        elements.
        """
        return float((self._both_directions <= tolerance_mm).mean())

    @property
    def _both_directions(self) -> NDArray[np.float32]:
        return np.concatenate([self.from_draft, self.from_truth])


def surface_distances(
    draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> SurfaceDistances | None:
    """Return the distances between the surfaces of two masks.

    The method is that of SimpleITK's notebook 34, Segmentation Evaluation: the surface consists of the voxels
    with a face outside of the mask, and distances between voxel centres are exact (Maurer et al. 2003, doi
    10.1109/TPAMI.2003.1177156).

    Args:
        draft, truth: (z, y, x) of one shape; any non-zero value counts as set.
        spacing_mm: (z, y, x) voxel spacing in mm.

    Returns:
        The distances; None if a mask is empty, because it has no surface.
    """
    masks = draft != 0, truth != 0
    if not (masks[0].any() and masks[1].any()):
        return None
    # Distance maps of a whole CT take long, and no surface lies outside of the box around both masks.
    box = _bounding_slices(masks[0] | masks[1])
    a, b = (_itk_image(mask[box], spacing_mm) for mask in masks)
    return SurfaceDistances(_directed_distances(a, b), _directed_distances(b, a))


def mean_surface_distance_mm(
    draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> float | None:
    """Return the average symmetric surface distance in mm; None if a mask is empty."""
    found = surface_distances(draft, truth, spacing_mm)
    return None if found is None else found.mean_distance_mm


def _bounding_slices(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    others = tuple(tuple({0, 1, 2} - {axis}) for axis in range(3))
    ranges = [np.flatnonzero(mask.any(axis=rest)) for rest in others]
    return tuple(slice(int(found[0]), int(found[-1]) + 1) for found in ranges)


def _itk_image(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> Any:
    # The margin gives a voxel at the edge of the array a face outside. SimpleITK orders the spacing (x, y,
    # z).
    image = SimpleITK.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    image.SetSpacing(spacing_mm[::-1])
    return image


def _directed_distances(here: Any, there: Any) -> NDArray[np.float32]:
    """Return the distance in mm from each surface voxel of `here` to the nearest one of `there`."""
    contour = SimpleITK.LabelContour(here)
    distance = SimpleITK.SignedMaurerDistanceMap(there, squaredDistance=False, useImageSpacing=True)
    surface = SimpleITK.GetArrayFromImage(contour) != 0
    found: NDArray[np.float32] = np.abs(SimpleITK.GetArrayFromImage(distance)[surface])
    return found

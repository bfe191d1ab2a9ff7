"""How far two outlines lie apart, by SimpleITK's contours and distance maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """From each surface voxel of either mask to the surface of the other.

    Attributes:
        from_draft: (surface voxels of the draft,) float32, mm to the truth.
        from_truth: (surface voxels of the truth,) float32, mm to the draft.
    """

    from_draft: NDArray[np.float32]
    from_truth: NDArray[np.float32]

    @property
    def mean_mm(self) -> float:
        """Average symmetric surface distance (ASSD): the mean over the surface voxels of both."""
        return float(self._both.mean())

    def percentile_mm(self, percent: float) -> float:
        """The larger of the two directed percentiles; 95 is HD95, 100 the Hausdorff distance."""
        return float(max(np.percentile(each, percent) for each in (self.from_draft, self.from_truth)))

    def share_within(self, tolerance_mm: float) -> float:
        """Normalised surface distance (NSD): the share of all surface voxels that lie at most so far apart.

        Nikolov et al. 2021 (doi 10.2196/26151), with voxels in place of surface elements.
        """
        return float((self._both <= tolerance_mm).mean())

    @property
    def _both(self) -> NDArray[np.float32]:
        return np.concatenate([self.from_draft, self.from_truth])


def surface_distances(
    draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> SurfaceDistances | None:
    """The distances between two surfaces.

    As in SimpleITK's notebook 34, Segmentation Evaluation: the surface is the voxels with a face outside, and
    distances are exact between voxel centres (Maurer et al. 2003, doi 10.1109/TPAMI.2003.1177156).

    Args:
        draft, truth: (z, y, x); what is not zero is inside.
        spacing_mm: (z, y, x).

    Returns:
        None if a mask is empty: it has no surface.
    """
    masks = draft != 0, truth != 0
    if not (masks[0].any() and masks[1].any()):
        return None
    box = _box(masks[0] | masks[1])
    a, b = (_image(mask[box], spacing_mm) for mask in masks)
    return SurfaceDistances(_distances(a, b), _distances(b, a))


def mean_surface_distance_mm(
    draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> float | None:
    """`SurfaceDistances.mean_mm` of `surface_distances`; None if a mask is empty."""
    found = surface_distances(draft, truth, spacing_mm)
    return None if found is None else found.mean_mm


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    others = tuple(tuple({0, 1, 2} - {axis}) for axis in range(3))
    ranges = [np.flatnonzero(mask.any(axis=rest)) for rest in others]
    return tuple(slice(int(found[0]), int(found[-1]) + 1) for found in ranges)


def _image(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> Any:
    # With a margin, so that a voxel at the edge of the array has an outside.
    image = SimpleITK.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    image.SetSpacing(spacing_mm[::-1])
    return image


def _distances(here: Any, there: Any) -> NDArray[np.float32]:
    """From each surface voxel of `here` to the nearest one of `there`."""
    contour = SimpleITK.LabelContour(here)
    distance = SimpleITK.SignedMaurerDistanceMap(there, squaredDistance=False, useImageSpacing=True)
    surface = SimpleITK.GetArrayFromImage(contour) != 0
    found: NDArray[np.float32] = np.abs(SimpleITK.GetArrayFromImage(distance)[surface])
    return found

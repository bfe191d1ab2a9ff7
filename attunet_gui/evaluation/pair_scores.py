"""Comparison of two masks on one grid: overlap, surface distances and volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.metrics import voxel_overlap
from attunet_gui.evaluation.surface_distances import surface_distances

NSD_TOLERANCE_MM = 2.0
"""Distance in mm up to which two outlines count as equal in the NSD."""


@dataclass(frozen=True)
class PairScores:
    """The scores of a draft against the truth, or of one reader against another.

    Two empty masks agree: DSC, precision, recall and NSD are 1 and the distances are 0. If exactly one mask
    is empty, these four are 0 and the distances are None, because it has no surface to measure to.

    Attributes:
        dsc: 2 |draft and truth| / (|draft| + |truth|).
        precision: share of the draft that lies in the truth.
        recall: share of the truth that lies in the draft.
        hd95_mm: the larger of the two directed 95th percentiles of the surface distance, in mm.
        assd_mm: average symmetric surface distance in mm.
        nsd: share of both surfaces that lies within `NSD_TOLERANCE_MM` of the other surface.
        draft_ml, truth_ml: volumes in ml.
    """

    dsc: float
    precision: float
    recall: float
    hd95_mm: float | None
    assd_mm: float | None
    nsd: float
    draft_ml: float
    truth_ml: float

    @property
    def volume_error_ml(self) -> float:
        """Volume of the draft less that of the truth, in ml."""
        return self.draft_ml - self.truth_ml

    @property
    def relative_volume_error(self) -> float | None:
        """`volume_error_ml` as a share of the truth; None if the truth is empty."""
        return self.volume_error_ml / self.truth_ml if self.truth_ml else None


def compare_masks(
    draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> PairScores:
    """Return the scores of one pair of masks.

    Args:
        draft, truth: (z, y, x) of one shape; any non-zero value counts as set.
        spacing_mm: (z, y, x) voxel spacing in mm.

    Raises:
        ValueError: if the shapes differ.
    """
    if draft.shape != truth.shape:
        raise ValueError(f"masks of one shape can be compared, not {draft.shape} and {truth.shape}")
    found = voxel_overlap(draft, truth)
    hd95_mm, assd_mm, nsd = _surface_scores(draft, truth, spacing_mm)
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    return PairScores(
        dsc=found.dsc,
        precision=found.precision,
        recall=found.recall,
        hd95_mm=hd95_mm,
        assd_mm=assd_mm,
        nsd=nsd,
        draft_ml=found.draft * voxel_ml,
        truth_ml=found.truth * voxel_ml,
    )


def _surface_scores(
    draft: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> tuple[float | None, float | None, float]:
    """Return HD95 in mm, ASSD in mm, and NSD."""
    distances = surface_distances(draft, truth, spacing_mm)
    if distances is not None:
        return (
            distances.percentile_mm(95),
            distances.mean_distance_mm,
            distances.share_within(NSD_TOLERANCE_MM),
        )
    agree = not (draft.any() or truth.any())
    return (0.0, 0.0, 1.0) if agree else (None, None, 0.0)

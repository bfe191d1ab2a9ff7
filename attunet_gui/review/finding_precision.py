"""The precision and the completeness of the list of places, measured where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attunet_gui.review.findings import Finding

_SMALLEST_ERROR_ML = 0.1
_SMALLEST_ERROR_MM2 = 30.0
_SMALLEST_ERROR_SHARE = 0.15

UInt8Mask = NDArray[np.uint8]
SpacingMm = tuple[float, float, float]


def is_true_finding(place: Finding, mask: UInt8Mask, truth: UInt8Mask, spacing_mm: SpacingMm) -> bool:
    """Return whether an annotator who goes to `place` finds something to correct there.

    This is so if, within its box, at least 0.1 ml are wrong in the way that the place says (missing: in
    `truth` and not in `mask`; too much: the other way round), and if they are at least 15 % of what mask and
    truth cover there together. Neither a surface that is half a voxel off nor an error of the other kind
    counts. Where the box has few thin slices, 30 mm² in each slice are enough instead of 0.1 ml.

    Args:
        place: a place on the grid of `mask`.
        mask, truth: (z, y, x) uint8 0/1.
        spacing_mm: (z, y, x) voxel spacing in mm.
    """
    here, right = mask[place.box] != 0, truth[place.box] != 0
    wrong = right & ~here if place.missing else here & ~right
    volume = np.count_nonzero(wrong) * float(np.prod(spacing_mm)) / 1000
    thick = spacing_mm[0] * len(wrong)
    enough = volume >= min(_SMALLEST_ERROR_ML, _SMALLEST_ERROR_MM2 * thick / 1000)
    return bool(enough and np.count_nonzero(wrong) >= _SMALLEST_ERROR_SHARE * np.count_nonzero(here | right))


def finding_precision(
    places: Sequence[Finding], mask: UInt8Mask, truth: UInt8Mask, spacing_mm: SpacingMm
) -> float:
    """Return the share of `places` at which something is wrong; 1 without places."""
    hits = [is_true_finding(place, mask, truth, spacing_mm) for place in places]
    return sum(hits) / len(hits) if hits else 1.0


def named_error_share(places: Sequence[Finding], mask: UInt8Mask, truth: UInt8Mask) -> float:
    """Return the share of all wrong voxels that lie in the box of a place that is right about them.

    A place is right about missing voxels if it says that tissue is missing, and about others if it says that
    there is too much. The share is 1 if nothing is wrong.
    """
    here, right = mask != 0, truth != 0
    named = np.zeros(mask.shape, bool)
    for place in places:
        inside, true = here[place.box], right[place.box]
        named[place.box] |= (true & ~inside) if place.missing else (inside & ~true)
    wrong = np.count_nonzero(here != right)
    return np.count_nonzero(named) / wrong if wrong else 1.0

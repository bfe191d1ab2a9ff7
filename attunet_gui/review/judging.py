"""How good the list is, where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attunet_gui.review.places import Place

_LEAST_ML = 0.1
_LEAST_MM2 = 30.0
_LEAST_SHARE = 0.15

Mask = NDArray[np.uint8]
Spacing = tuple[float, float, float]


def judge(place: Place, mask: Mask, truth: Mask, spacing_mm: Spacing) -> bool:
    """Whether a person who goes to `place` finds something to correct.

    That is so if, within its box, at least 0.1 ml are wrong in the way that the place says (missing: in
    `truth` and not in `mask`; too much: the other way round), and they are at least 15 % of what mask and
    truth cover there together; so neither a surface that is half a voxel off nor an error of the other kind
    counts. Where the box has few thin slices, 30 mm² a slice are enough instead of 0.1 ml.

    Args:
        place: on the grid of `mask`.
        mask, truth: (z, y, x) 0/1.
        spacing_mm: (z, y, x) of a voxel.
    """
    here, right = mask[place.box] != 0, truth[place.box] != 0
    wrong = right & ~here if place.missing else here & ~right
    volume = np.count_nonzero(wrong) * float(np.prod(spacing_mm)) / 1000
    thick = spacing_mm[0] * len(wrong)
    enough = volume >= min(_LEAST_ML, _LEAST_MM2 * thick / 1000)
    return bool(enough and np.count_nonzero(wrong) >= _LEAST_SHARE * np.count_nonzero(here | right))


def precision(places: Sequence[Place], mask: Mask, truth: Mask, spacing_mm: Spacing) -> float:
    """Share of `places` that are errors; 1 for no places."""
    hits = [judge(place, mask, truth, spacing_mm) for place in places]
    return sum(hits) / len(hits) if hits else 1.0


def share_named(places: Sequence[Place], mask: Mask, truth: Mask) -> float:
    """Share of all wrong voxels that lie in the box of a place which says the right thing of them.

    1 where nothing is wrong.
    """
    here, right = mask != 0, truth != 0
    named = np.zeros(mask.shape, bool)
    for place in places:
        inside, true = here[place.box], right[place.box]
        named[place.box] |= (true & ~inside) if place.missing else (inside & ~true)
    wrong = np.count_nonzero(here != right)
    return np.count_nonzero(named) / wrong if wrong else 1.0

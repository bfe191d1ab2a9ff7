"""The search for places to check: all finders are run, and overlapping places are merged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.review.decisions import NO_DECISIONS, Decisions
from attunet_gui.review.evidence import Carried, Evidence, carry, carry_again
from attunet_gui.review.finders import FINDERS
from attunet_gui.review.places import Place, merged
from attunet_gui.review.view import view_of

# A place is shown only if its score reaches this share of the smallest volume that is worth a look.
_LEAST_EXPECTED = 0.8


@dataclass(frozen=True, eq=False)
class Found:
    """The result of a search.

    Attributes:
        places: the places, most urgent first.
        carried: the mask on the frame; the next search updates it instead of resampling all slices.
    """

    places: tuple[Place, ...]
    carried: Carried


def find_places(
    mask: NDArray[np.uint8],
    evidence: Evidence,
    before: Found | None = None,
    changed: Iterable[int] | None = None,
    decisions: Decisions = NO_DECISIONS,
) -> Found:
    """Search a mask for places that are probably wrong.

    Args:
        mask: (z, y, x) uint8 0/1 on the grid of the CT.
        evidence: what is known of the same case.
        before: the result of an earlier search; None to resample all slices.
        changed: indices of the slices in which the mask or a decision differs from that search; None for all.
        decisions: the annotator's decisions, which no place contradicts; those of the changed slices suffice.
    """
    if before is None or changed is None:
        carried = carry(mask, evidence, decisions)
    else:
        carried = carry_again(before.carried, mask, evidence, changed, decisions)
    view = view_of(carried, evidence)
    if view is None:
        return Found((), carried)
    worth = _LEAST_EXPECTED * view.floor_ml
    places = [place for finder in FINDERS for place in finder(view) if place.score >= worth]
    return Found(merged(places), carried)

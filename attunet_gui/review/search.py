"""The list of a mask: every finder asked, places of one spot merged."""

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

_LEAST_EXPECTED = 0.8
"""Of what is worth a look: a place that is expected to hold less of an error is not shown."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in a mask.

    Attributes:
        places: most urgent first.
        carried: the mask on the frame, from which the next search goes on.
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
    """The list of `mask`.

    Args:
        mask: (z, y, x) uint8 0/1 on the grid of the CT.
        evidence: of the same CT.
        before: what was found before slices `changed` were changed; None to look at everything.
        changed: slices in which `mask`, or what is decided of it, differs from then; None for any.
        decisions: of a person, which no place contradicts; those of the `changed` slices suffice.
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

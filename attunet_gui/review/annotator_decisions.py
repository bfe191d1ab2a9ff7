"""The annotator's decisions about a mask, which no finder contradicts.

A voxel is decided if a stroke by hand or with a tool made it what it is, or if its slice is verified. A place
that was accepted is decided as long as the mask in its box stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import VoxelBox
from attunet_gui.review.findings import Finding, box_voxels, shared_voxels

# A closed place opens again once the volume that is expected to be wrong is this many times as large as it
# was when the place was closed.
REOPENING_FACTOR = 2.0

_DECISION_KIND = "decided"
# A place counts as the same as an accepted one if at least this share of its box lies in the accepted box.
# Its key does not tell, as it moves with the middle of the box.
_SAME_FINDING_SHARE = 0.5

DecidedPlane = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class AnnotatorDecisions:
    """The voxels that are decided. Only the slices that are searched have to be present.

    Attributes:
        strokes: index of a slice -> (y, x) bool, true where the voxel is as the annotator made it.
        verified: indices of the verified slices.
    """

    strokes: Mapping[int, DecidedPlane] = field(default_factory=dict)
    verified: frozenset[int] = frozenset()

    def decided_planes(self, z: int, mask: DecidedPlane) -> tuple[DecidedPlane, DecidedPlane, DecidedPlane]:
        """Return what is decided in slice `z`.

        Args:
            z: index of the slice.
            mask: (y, x) bool, its mask.

        Returns:
            Three (y, x) bool arrays: where the mask is right, where its absence is right, and where a stroke
            removed it.
        """
        drawn = self.strokes.get(z)
        by_stroke = np.zeros(mask.shape, bool) if drawn is None else drawn
        sure = by_stroke | (z in self.verified)
        return mask & sure, ~mask & sure, ~mask & by_stroke

    def has_decision_in(self, z: int) -> bool:
        """Return whether anything is decided in slice `z`."""
        return z in self.verified or z in self.strokes


NO_DECISIONS = AnnotatorDecisions()


@dataclass(frozen=True)
class AcceptedFinding:
    """A place that the annotator accepted.

    Attributes:
        key: key of the place.
        missing: whether the place said that tissue is missing, rather than too much.
        box: (z, y, x) box in voxels of the CT.
        score: score of the place when it was accepted; infinite if that was not kept.
    """

    key: str
    missing: bool
    box: VoxelBox
    score: float = field(default=inf, compare=False)

    def covers_finding(self, place: Finding) -> bool:
        """Return whether `place` says the same as the accepted one, even if its key differs.

        It does not if its score is at least `REOPENING_FACTOR` times as high.
        """
        if place.missing != self.missing or place.score >= REOPENING_FACTOR * self.score:
            return False
        return shared_voxels(self.box, place.box) >= _SAME_FINDING_SHARE * box_voxels(place.box)


def accepted_finding(place: Finding) -> AcceptedFinding:
    """Return the record of `place` as accepted."""
    return AcceptedFinding(place.key, place.missing, place.box, place.score)


def accepted_finding_key(found: AcceptedFinding) -> str:
    """Return the key under which the journal keeps an accepted place, such as "decided+@3.8.0.12.40.41@KEY".

    It holds whether tissue was missing (+ or -), the starts and stops of the box, and the key of the place.
    """
    sides = ".".join(f"{side.start}.{side.stop}" for side in found.box)
    return f"{_DECISION_KIND}{'+' if found.missing else '-'}@{sides}@{found.key}"


def read_accepted_findings(keys: Iterable[str]) -> tuple[AcceptedFinding, ...]:
    """Return the accepted places that are encoded in `keys` by `accepted_finding_key`; other keys are
    ignored.
    """
    return tuple(found for key in sorted(keys) if (found := _read_accepted_finding(key)) is not None)


def _read_accepted_finding(key: str) -> AcceptedFinding | None:
    kind, _, rest = key.partition("@")
    numbers, _, place = rest.partition("@")
    parts = numbers.split(".")
    if (
        kind not in (f"{_DECISION_KIND}+", f"{_DECISION_KIND}-")
        or len(parts) != 6
        or not all(map(str.isdecimal, parts))
    ):
        return None
    z, y, x = (slice(int(a), int(b)) for a, b in zip(parts[::2], parts[1::2], strict=True))
    return AcceptedFinding(place, kind.endswith("+"), (z, y, x))

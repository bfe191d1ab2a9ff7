"""What a person decided of a mask, as evidence: no finder says the opposite of it.

A voxel is decided if a stroke by hand or with a tool made it what it is, or if its slice is verified. A place
that was accepted is decided as long as the mask in its box stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit import Box
from attunet_gui.review.places import Place, box_voxels, shared_voxels

GROWN = 2.0
"""A closed place is open again once it is expected to be this many times as wrong as when it was closed."""

_KIND = "decided"
_SAME = 0.5
"""A place of which this much lies in an accepted one says the same again."""

Plane = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Decisions:
    """Which voxels are decided; strokes of the slices that are looked at suffice.

    Attributes:
        strokes: slice -> (y, x) true where the voxel is as a person made it.
        verified: slices that are declared right.
    """

    strokes: Mapping[int, Plane] = field(default_factory=dict)
    verified: frozenset[int] = frozenset()

    def of_slice(self, z: int, mask: Plane) -> tuple[Plane, Plane, Plane]:
        """Where slice `z` is decided.

        Args:
            z: which slice.
            mask: (y, x) true where it has mask.

        Returns:
            (y, x) true where mask is right, where there is rightly none, and where a stroke took it away.
        """
        drawn = self.strokes.get(z)
        by_stroke = np.zeros(mask.shape, bool) if drawn is None else drawn
        sure = by_stroke | (z in self.verified)
        return mask & sure, ~mask & sure, ~mask & by_stroke

    def touches(self, z: int) -> bool:
        """Whether anything is decided in slice `z`."""
        return z in self.verified or z in self.strokes


NO_DECISIONS = Decisions()


@dataclass(frozen=True)
class DecidedBox:
    """A place that was accepted.

    Attributes:
        key: of the place.
        missing: whether it had said that tissue is missing.
        box: (z, y, x) in voxels of the CT.
        score: it had; infinite where that was not kept.
    """

    key: str
    missing: bool
    box: Box
    score: float = field(default=inf, compare=False)

    def covers(self, place: Place) -> bool:
        """Whether `place` says the same again, wherever its middle and so its key may have moved.

        It does not if it is expected to be `GROWN` times as wrong.
        """
        if place.missing != self.missing or place.score >= GROWN * self.score:
            return False
        return shared_voxels(self.box, place.box) >= _SAME * box_voxels(place.box)


def decided(place: Place) -> DecidedBox:
    """`place` as one that was accepted."""
    return DecidedBox(place.key, place.missing, place.box, place.score)


def key_of_decision(found: DecidedBox) -> str:
    """A key by which it is kept among the keys of accepted places, such as "decided+@3.8.0.12.40.41@KEY"."""
    sides = ".".join(f"{side.start}.{side.stop}" for side in found.box)
    return f"{_KIND}{'+' if found.missing else '-'}@{sides}@{found.key}"


def decided_boxes(keys: Iterable[str]) -> tuple[DecidedBox, ...]:
    """The accepted places that `key_of_decision` kept among `keys`; other keys are left out."""
    return tuple(found for key in sorted(keys) if (found := _decided_box(key)) is not None)


def _decided_box(key: str) -> DecidedBox | None:
    kind, _, rest = key.partition("@")
    numbers, _, place = rest.partition("@")
    parts = numbers.split(".")
    if kind not in (f"{_KIND}+", f"{_KIND}-") or len(parts) != 6 or not all(map(str.isdecimal, parts)):
        return None
    z, y, x = (slice(int(a), int(b)) for a, b in zip(parts[::2], parts[1::2], strict=True))
    return DecidedBox(place, kind.endswith("+"), (z, y, x))

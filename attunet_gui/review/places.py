"""A concrete place where a mask is probably wrong, and the short list that a person works through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from attunet_gui.core.edit import Box

MOST = 12
"""How many open places the list shows; the next one follows when one is closed."""

_MISSING_FIRST = 1.5
"""Under-segmentation is the commoner failure, and what is not there is harder to see."""
_SAME = 0.5
"""Two places that share this much of the smaller one are one."""


@dataclass(frozen=True)
class Place:
    """One entry of the list.

    Attributes:
        kind: which finder speaks, a key of `attunet_gui.review.finders.FINDERS`.
        slice: the slice in which most of it is.
        box: (z, y, x) in voxels of the CT, never empty; for zoom and highlight.
        reason: for a person, one sentence a finder; the first is the strongest.
        missing: whether tissue is probably missing, rather than too much.
        score: volume in ml that is expected to be wrong there.
        key: stays the same while nothing changes near the place: kind and coarse position.
        volume_ml: volume of what the place names.
        also: keys of weaker places that were merged into this one.
    """

    kind: str
    slice: int
    box: Box
    reason: str
    missing: bool
    score: float
    key: str
    volume_ml: float
    also: tuple[str, ...] = ()

    @property
    def centre(self) -> tuple[float, float]:
        """(y, x) in the middle of the box, in voxels."""
        y, x = ((side.start + side.stop - 1) / 2 for side in self.box[1:])
        return y, x

    @property
    def urgency(self) -> float:
        """The score by which the list is ordered: missing tissue counts half as much again as excess."""
        return self.score * (_MISSING_FIRST if self.missing else 1.0)

    @property
    def keys(self) -> frozenset[str]:
        """Its key and those of what was merged into it."""
        return frozenset((self.key, *self.also))


def merged(places: Iterable[Place]) -> tuple[Place, ...]:
    """The most urgent of `places` first, those of one spot merged into the most urgent of them."""
    kept: list[Place] = []
    for place in sorted(places, key=lambda place: (-place.urgency, place.key)):
        same = next((at for at, other in enumerate(kept) if _is_same(other, place)), None)
        if same is None:
            kept.append(place)
        else:
            kept[same] = _merged(kept[same], place)
    return tuple(kept)


def _merged(strong: Place, weak: Place) -> Place:
    known = any(key.startswith(weak.kind) for key in strong.keys)
    reason = strong.reason if known else f"{strong.reason} {weak.reason}"
    return replace(strong, reason=reason, also=(*strong.also, weak.key, *weak.also))


def _is_same(one: Place, other: Place) -> bool:
    if one.missing != other.missing:
        return False
    return shared_voxels(one.box, other.box) >= _SAME * min(box_voxels(one.box), box_voxels(other.box))


def box_voxels(box: Box) -> int:
    """How many voxels `box` has."""
    z, y, x = (side.stop - side.start for side in box)
    return int(z * y * x)


def shared_voxels(one: Box, other: Box) -> int:
    """How many voxels two boxes have in common."""
    common = 1
    for a, b in zip(one, other, strict=True):
        common *= max(0, min(a.stop, b.stop) - max(a.start, b.start))
    return common

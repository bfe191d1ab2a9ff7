"""A place where the mask is probably wrong, and the short list of them that the annotator works through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from attunet_gui.core.mask_edit import VoxelBox

MOST_OPEN_FINDINGS = 12
"""Largest number of open places in the list; when one is closed the next one follows."""

# Factor for missing tissue in the order of the list: under-segmentation is the more frequent error, and what
# is missing is harder to see.
_MISSING_WEIGHT = 1.5
# Two places are merged if they share at least this part of the smaller box.
_SAME_PLACE_SHARE = 0.5


@dataclass(frozen=True)
class Finding:
    """One entry of the list.

    Attributes:
        kind: the kind of error, such as "unsure" or "island"; each is found by one finder.
        slice: index of the slice that holds most of it.
        box: (z, y, x) box in voxels of the CT for zoom and highlight; it is never empty.
        reason: text for the annotator, one sentence from each finder, the strongest first.
        missing: whether tissue is probably missing, rather than too much.
        score: volume in ml that is expected to be wrong.
        key: made of the kind and the coarse position, so that it stays the same while nothing changes nearby.
        volume_ml: volume in ml of what the place names.
        also: keys of weaker places that were merged into this one.
    """

    kind: str
    slice: int
    box: VoxelBox
    reason: str
    missing: bool
    score: float
    key: str
    volume_ml: float
    also: tuple[str, ...] = ()

    @property
    def box_centre(self) -> tuple[float, float]:
        """(y, x) position of the middle of the box, in voxels."""
        y, x = ((side.start + side.stop - 1) / 2 for side in self.box[1:])
        return y, x

    @property
    def urgency(self) -> float:
        """The value by which the list is ordered: the score, half as much again if tissue is missing."""
        return self.score * (_MISSING_WEIGHT if self.missing else 1.0)

    @property
    def all_keys(self) -> frozenset[str]:
        """The key of the place and the keys of the places that were merged into it."""
        return frozenset((self.key, *self.also))


def merge_findings(places: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return `places` ordered by urgency, with overlapping ones merged into the most urgent of them."""
    kept: list[Finding] = []
    for place in sorted(places, key=lambda place: (-place.urgency, place.key)):
        same = next((at for at, other in enumerate(kept) if _is_same_place(other, place)), None)
        if same is None:
            kept.append(place)
        else:
            kept[same] = _merge_two_findings(kept[same], place)
    return tuple(kept)


def _merge_two_findings(strong: Finding, weak: Finding) -> Finding:
    known = any(key.startswith(weak.kind) for key in strong.all_keys)
    reason = strong.reason if known else f"{strong.reason} {weak.reason}"
    return replace(strong, reason=reason, also=(*strong.also, weak.key, *weak.also))


def _is_same_place(one: Finding, other: Finding) -> bool:
    if one.missing != other.missing:
        return False
    return shared_voxels(one.box, other.box) >= _SAME_PLACE_SHARE * min(
        box_voxels(one.box), box_voxels(other.box)
    )


def box_voxels(box: VoxelBox) -> int:
    """Return the number of voxels of `box`."""
    z, y, x = (side.stop - side.start for side in box)
    return int(z * y * x)


def shared_voxels(one: VoxelBox, other: VoxelBox) -> int:
    """Return the number of voxels that two boxes have in common."""
    common = 1
    for a, b in zip(one, other, strict=True):
        common *= max(0, min(a.stop, b.stop) - max(a.start, b.start))
    return common

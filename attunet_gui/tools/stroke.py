"""The HU range of the brush: painted voxels outside of it are taken back when the stroke is finished."""

from __future__ import annotations

from dataclasses import dataclass

from attunet_gui.core.edit import NOTHING, Edit
from attunet_gui.tools.scene import Scene


@dataclass(frozen=True)
class HuRange:
    """The Hounsfield units that a brush may paint, including both ends.

    Raises:
        ValueError: if `low` is above `high`.
    """

    low: float = 0.0
    high: float = 200.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"a range of HU goes from low to high, got {self.low:g} to {self.high:g}")


def taken_back(stroke: Edit, scene: Scene, allowed: HuRange) -> Edit:
    """Return the edit that takes back what a stroke painted outside of a range of HU.

    What the stroke erased stays erased, whatever its HU.

    Args:
        stroke: the edit of the stroke as it was drawn.
        scene: the state of the case with the stroke already in its mask.
        allowed: the range of HU that may be painted.
    """
    if not stroke.added:
        return NOTHING
    mask, hu = scene.mask_in(stroke.box), scene.hu[stroke.box]
    outside = (hu < allowed.low) | (hu > allowed.high)
    return scene.edit(stroke.box, mask & ~(stroke.flipped() & outside))

"""What happens to a finished stroke of the brush: only voxels of allowed HU stay painted."""

from __future__ import annotations

from dataclasses import dataclass

from attunet_gui.core.edit import NOTHING, Edit
from attunet_gui.tools.scene import Scene


@dataclass(frozen=True)
class HuRange:
    """Hounsfield units a brush may paint, both ends allowed.

    Raises:
        ValueError: `low` is above `high`.
    """

    low: float = 0.0
    high: float = 200.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"a range of HU goes from low to high, got {self.low:g} to {self.high:g}")


def taken_back(stroke: Edit, scene: Scene, allowed: HuRange) -> Edit:
    """What a stroke painted outside of `allowed`, as the edit that takes it away again.

    Args:
        stroke: as it was drawn.
        scene: with the stroke already in its mask.
        allowed: the range of HU. What was erased stays erased, whatever its HU.
    """
    if not stroke.added:
        return NOTHING
    mask, hu = scene.mask_in(stroke.box), scene.hu[stroke.box]
    outside = (hu < allowed.low) | (hu > allowed.high)
    return scene.edit(stroke.box, mask & ~(stroke.flipped() & outside))

"""The HU range of the brush: painted voxels outside of it are taken back when the stroke is finished."""

from __future__ import annotations

from dataclasses import dataclass

from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit
from attunet_gui.editing.tools.tool_scene import ToolScene


@dataclass(frozen=True)
class BrushHuRange:
    """The Hounsfield units that a brush may paint, including both ends.

    Raises:
        ValueError: if `low` is above `high`.
    """

    low: float = 0.0
    high: float = 200.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"a range of HU goes from low to high, got {self.low:g} to {self.high:g}")


def undo_outside_hu_range(stroke: MaskEdit, scene: ToolScene, allowed: BrushHuRange) -> MaskEdit:
    """Return the edit that takes back what a stroke painted outside of a range of HU.

    What the stroke erased stays erased, whatever its HU.

    Args:
        stroke: the edit of the stroke as it was drawn.
        scene: the state of the case with the stroke already in its mask.
        allowed: the range of HU that may be painted.
    """
    if not stroke.added:
        return NO_EDIT
    mask, hu = scene.mask_in(stroke.box), scene.hu[stroke.box]
    outside = (hu < allowed.low) | (hu > allowed.high)
    return scene.edit_to(stroke.box, mask & ~(stroke.flipped_voxels() & outside))

"""A finished change of the mask, and the tools by which changes are told apart."""

from __future__ import annotations

from dataclasses import dataclass

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.system.plurals import plural_of

# Bytes that a stroke takes beside its packed voxels, for its objects and its text.
_STROKE_OVERHEAD_BYTES = 600

DRAFT_TOOL = "draft"
"""The tool of a stroke by which a draft replaced the mask."""

PROPAGATION_TOOL = "carry"
"""The tool of a stroke by which the annotator accepted what the adapted network propagated. The value is
written to journals and must not change."""

NEIGHBOURS_TOOL = "neighbours"
"""The tool of a stroke by which the correction of a slice was propagated to the slices around it."""

CORRECTION_INTERPOLATION_TOOL = "interpolate-corrections"
"""The tool of a stroke by which the corrections of some slices were propagated to all slices between them."""


@dataclass(frozen=True)
class EditStroke:
    """One finished change of the mask, by a brush, a tool or a draft.

    Attributes:
        edit: the voxels that flipped.
        tool: key of the tool, such as "brush" or "draft".
        words: what it did, as text for people, such as "grow 2 mm".
        user: name of the annotator.
        when: time in seconds since the epoch.
        slice: index of the slice that was on screen.
        by_hand: whether the annotator drew it voxel by voxel; then its voxels are locked against tools.
    """

    edit: MaskEdit
    tool: str
    words: str
    user: str
    when: float
    slice: int
    by_hand: bool = False

    @property
    def memory_bytes(self) -> int:
        """Approximate size in memory, in bytes."""
        return len(self.edit.packed) + _STROKE_OVERHEAD_BYTES

    @property
    def summary_text(self) -> str:
        """A summary for people, such as "grow 2 mm, +812 voxels"."""
        added, removed = self.edit.added, self.edit.removed
        counts = [f"+{added}"] * (added > 0 or removed == 0) + [f"-{removed}"] * (removed > 0)
        return f"{self.words}, {' '.join(counts)} {plural_of(self.edit.changed_voxels, 'voxel')}"

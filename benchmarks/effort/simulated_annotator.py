"""What the simulated annotator has before her, and what making one slice right costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import cc3d
import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.metrics import dice_coefficient, voxel_overlap
from attunet_gui.core.volume import Volume
from attunet_gui.editing.tools.tool_scene import ToolScene
from attunet_gui.review.case_evidence import CaseEvidence

_RIGHT_MM2 = 20.0
_RIGHT_DSC = 0.95

Mask = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CorrectionTask:
    """A case to be corrected.

    Attributes:
        volume: the CT.
        truth: (z, y, x) uint8 0/1; the annotator sees it in the slice she looks at and in no other.
        draft: (z, y, x) uint8 0/1 of the network.
        evidence: what the fix-list goes by.
    """

    volume: Volume
    truth: Mask
    draft: Mask
    evidence: CaseEvidence

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Of a voxel, (z, y, x)."""
        return self.volume.grid.spacing_mm

    @cached_property
    def extent(self) -> range:
        """From the first slice with gland to the last."""
        have = np.flatnonzero(self.truth.any(axis=(1, 2)))
        return range(int(have[0]), int(have[-1]) + 1) if len(have) else range(0)


@dataclass(frozen=True, eq=False)
class SimulatedAnnotator:
    """The mask at one moment. A value: every method gives a new one.

    Attributes:
        task: the case.
        mask: (z, y, x) uint8 0/1.
        decided: slices that were made right or found right, in the order in which that happened.
        locks: the same slices, as tools see them.
        strokes: that led from the draft to the mask.
        clicks: on buttons of tools so far.
    """

    task: CorrectionTask
    mask: Mask
    decided: tuple[int, ...] = ()
    locks: MaskLocks = field(default_factory=MaskLocks)
    strokes: tuple[EditStroke, ...] = ()
    clicks: int = 0

    @cached_property
    def dsc(self) -> float:
        """Of the whole volume."""
        return dice_coefficient(self.mask, self.task.truth)

    def wrong(self, z: int) -> NDArray[np.bool_]:
        """(y, x) where slice `z` is not as it should be."""
        differs: NDArray[np.bool_] = self.mask[z] != self.task.truth[z]
        return differs

    def is_right(self, z: int) -> bool:
        """Whether an annotator would leave slice `z` as it is: 20 mm² wrong at most, or a DSC of 0.95."""
        here, truth = self.mask[z], self.task.truth[z]
        pixel = self.task.spacing_mm[1] * self.task.spacing_mm[2]
        return bool(
            np.count_nonzero(self.wrong(z)) * pixel <= _RIGHT_MM2
            or voxel_overlap(here, truth).dsc >= _RIGHT_DSC
        )

    def found_right(self, z: int) -> SimulatedAnnotator:
        """Slice `z` was looked at and stays as it is."""
        return replace(self, decided=(*self.decided, z), locks=self.locks.with_verified(self._with(z)))

    def made_right(self, z: int) -> SimulatedAnnotator:
        """Slice `z` is the truth now."""
        right = edit_between(self.mask[z : z + 1], self.task.truth[z : z + 1], (z, 0, 0))
        return self._changed(right, "brush", z).found_right(z)

    def with_mask(self, wanted: Mask, tool: str) -> SimulatedAnnotator:
        """With `wanted` (z, y, x) of `tool`, but for what is decided."""
        return self.with_edit(edit_between(self.mask, wanted), tool)

    def with_edit(self, edit: MaskEdit, tool: str) -> SimulatedAnnotator:
        """With `edit` by `tool`, but for what is decided."""
        allowed, _conflicts = self.locks.split_by_locks(edit, self.mask)
        return self._changed(allowed, tool, self.decided[-1] if self.decided else 0)

    def clicked(self) -> SimulatedAnnotator:
        """A button was pressed once more."""
        return replace(self, clicks=self.clicks + 1)

    def scene(self) -> ToolScene:
        """What a tool sees in the slice that was decided last."""
        return ToolScene(
            mask=self.mask,
            hu=self.task.volume.hu,
            spacing_mm=self.task.spacing_mm,
            slice=self.decided[-1],
            draft=self.task.draft,
            locks=self.locks,
            strokes=self.strokes,
        )

    def _changed(self, edit: MaskEdit, tool: str, z: int) -> SimulatedAnnotator:
        if not edit.changed_voxels:
            return self
        mask = self.mask.copy()
        edit.apply_to(mask)
        stroke = EditStroke(edit, tool, tool, "", 0.0, z, by_hand=tool == "brush")
        return replace(self, mask=mask, strokes=(*self.strokes, stroke))

    def _with(self, z: int) -> frozenset[int]:
        return self.locks.verified | {z}


def strokes(wrong: NDArray[np.bool_]) -> int:
    """What correcting a slice takes: the connected pieces of what is `wrong` (y, x), corners included.

    Single pixels are not drawn one by one: pieces of one pixel count together as one stroke.
    """
    if not wrong.any():
        return 0
    sizes = np.bincount(cc3d.connected_components(wrong.astype(np.uint8), connectivity=8).ravel())[1:]
    return int(np.count_nonzero(sizes > 1)) + bool((sizes == 1).any())


def start_annotator(task: CorrectionTask, *, from_draft: bool) -> SimulatedAnnotator:
    """The annotator before anything was done, with the draft or with nothing."""
    return SimulatedAnnotator(task, task.draft.copy() if from_draft else np.zeros_like(task.draft))

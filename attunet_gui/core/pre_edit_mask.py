"""Slices as they were before the annotator corrected them, computed from the strokes since the last draft."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit_stroke import (
    CORRECTION_INTERPOLATION_TOOL,
    DRAFT_TOOL,
    NEIGHBOURS_TOOL,
    PROPAGATION_TOOL,
    EditStroke,
)
from attunet_gui.core.mask_locks import MaskLocks

PlaneArray = NDArray[np.bool_]

_OUTLINE_PROPAGATION_TOOLS = frozenset({NEIGHBOURS_TOOL, CORRECTION_INTERPOLATION_TOOL})
_NO_DECISIONS = _OUTLINE_PROPAGATION_TOOLS | {DRAFT_TOOL, PROPAGATION_TOOL}


def is_seen_correction(stroke: EditStroke) -> bool:
    """Return whether the annotator saw all that `stroke` changed: it was drawn by hand, or by a tool in one
    slice.

    A tool that changes several slices changes some that were not on screen.
    """
    by_a_tool = stroke.tool not in _NO_DECISIONS and len(stroke.edit.box_slices) == 1
    return stroke.by_hand or by_a_tool


def is_annotator_decision(stroke: EditStroke) -> bool:
    """Return whether the annotator chose what `stroke` changed, by hand or with a tool, in any number of
    slices.

    Drafts and propagated corrections are no decisions.
    """
    return stroke.by_hand or stroke.tool not in _NO_DECISIONS


def decided_slices(locks: MaskLocks, done: Sequence[EditStroke]) -> frozenset[int]:
    """Return the slices that the annotator corrected by hand or with a tool, in any plane, or verified.

    Args:
        locks: the locks of the mask.
        done: strokes, oldest first; strokes of tools before the last draft do not count.
    """
    by_tools = (
        stroke.edit.changed_slices for stroke in strokes_since_draft(done) if is_annotator_decision(stroke)
    )
    return locks.locked_slices.union(*by_tools)


def decided_voxels(
    locks: MaskLocks, done: Sequence[EditStroke], slices: Iterable[int], plane: tuple[int, int]
) -> dict[int, PlaneArray]:
    """Return where the voxels of some slices are as the annotator made them.

    Verified slices as such add nothing.

    Args:
        locks: the locks of the mask, which hold what was drawn by hand.
        done: strokes, oldest first. A voxel that a draft or a propagation changed later is not decided any
            more.
        slices: indices of the slices to look at.
        plane: (y, x) shape of a slice.

    Returns:
        Index of the slice -> (y, x) bool; slices without a decided voxel are left out.
    """
    wanted = frozenset(slices)
    found = {z: locks.hand[z].copy() for z in wanted & locks.hand.keys()}
    # The draft itself is included: the voxels that it changed are no longer the annotator's.
    last = max((k for k, stroke in enumerate(done) if stroke.tool == DRAFT_TOOL), default=0)
    for stroke in done[last:]:
        for z in wanted & stroke.edit.changed_slices:
            flips = stroke.edit.flipped_voxels()[z - stroke.edit.start[0]]
            part = found.setdefault(z, np.zeros(plane, bool))[stroke.edit.box[1:]]
            part[flips] = is_annotator_decision(stroke)
    return {z: decided for z, decided in found.items() if decided.any()}


def is_outline_propagation(stroke: EditStroke) -> bool:
    """Return whether `stroke` propagated corrections to other slices by moving outlines."""
    return stroke.tool in _OUTLINE_PROPAGATION_TOOLS


def plane_before_strokes(
    mask: NDArray[np.uint8], z: int, done: Sequence[EditStroke], *kinds: Callable[[EditStroke], bool]
) -> PlaneArray:
    """Return slice `z` of `mask` without what some strokes flipped in it.

    Args:
        mask: (z, y, x) uint8 0/1, as it is after `done`.
        z: index of the slice.
        done: strokes, oldest first; those before the last draft are kept in any case.
        kinds: predicates; a stroke for which any of them is true is taken out.

    Returns:
        (y, x) bool.
    """
    plane: PlaneArray = slices_before_strokes(mask, slice(z, z + 1), done, *kinds)[0]
    return plane


def slices_before_strokes(
    mask: NDArray[np.uint8], z: slice, done: Sequence[EditStroke], *kinds: Callable[[EditStroke], bool]
) -> PlaneArray:
    """Return the slices `z` of `mask` as `plane_before_strokes` does each, (z, y, x) bool, but at once."""
    planes: PlaneArray = mask[z] != 0
    for stroke in strokes_since_draft(done):
        inside = [at for at in stroke.edit.box_slices if z.start <= at < z.stop]
        if inside and any(kind(stroke) for kind in kinds):
            first = stroke.edit.start[0]
            flips = stroke.edit.flipped_voxels()[inside[0] - first : inside[-1] + 1 - first]
            planes[inside[0] - z.start : inside[-1] + 1 - z.start][:, *stroke.edit.box[1:]] ^= flips
    return planes


def mask_before_corrections(
    mask: NDArray[np.uint8], draft: NDArray[np.uint8], slices: Iterable[int], done: Sequence[EditStroke]
) -> NDArray[np.uint8]:
    """Return the mask that the annotator had before correcting `slices`; elsewhere it is `draft`.

    It includes what a propagation had changed there by then, because that was on screen. A slice without a
    stroke since the last draft began with that draft, whatever was locked earlier.

    Args:
        mask: (z, y, x) uint8 0/1, as it is after `done`.
        draft: (z, y, x) uint8 0/1, the last draft.
        slices: indices of the corrected slices.
        done: strokes, oldest first.

    Returns:
        (z, y, x) uint8 0/1.
    """
    seen, since = draft.copy(), strokes_since_draft(done)
    for z in slices:
        if any(z in stroke.edit.box_slices for stroke in since):
            seen[z] = plane_before_strokes(mask, z, since, is_annotator_decision)
    return seen


def strokes_since_draft(done: Sequence[EditStroke]) -> Sequence[EditStroke]:
    """Return the strokes after the last draft; all strokes if there is no draft among them."""
    last = max((k for k, stroke in enumerate(done) if stroke.tool == DRAFT_TOOL), default=-1)
    return done[last + 1 :]

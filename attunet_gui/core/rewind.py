"""A slice as it was before a person corrected it, told from the strokes since the last draft."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.history import DRAFT, NEIGHBOURS, PROPOSAL, Stroke
from attunet_gui.core.locks import Locks

Plane = NDArray[np.bool_]


def is_correction(stroke: Stroke) -> bool:
    """Whether somebody looked at what `stroke` changed: drawn by hand, or by a tool in one slice."""
    by_a_tool = stroke.tool not in (DRAFT, PROPOSAL, NEIGHBOURS) and len(stroke.edit.slices) == 1
    return stroke.by_hand or by_a_tool


def is_decision(stroke: Stroke) -> bool:
    """Whether a person chose what `stroke` changed: by hand or with a tool, in however many slices."""
    return stroke.by_hand or stroke.tool not in (DRAFT, PROPOSAL, NEIGHBOURS)


def decided_slices(locks: Locks, done: Sequence[Stroke]) -> frozenset[int]:
    """Slices that a person corrected, by hand or with a tool, in any plane, or declared right.

    Args:
        locks: of the mask.
        done: strokes in their order; what tools did before the last draft does not count.
    """
    by_tools = (stroke.edit.changed_slices for stroke in since_draft(done) if is_decision(stroke))
    return locks.slices.union(*by_tools)


def decided_voxels(
    locks: Locks, done: Sequence[Stroke], slices: Iterable[int], plane: tuple[int, int]
) -> dict[int, Plane]:
    """Slice -> (y, x) true where the voxel is as a person made it; verified slices add nothing.

    Args:
        locks: of the mask: what was drawn by hand.
        done: strokes in their order; what a draft or a proposal changed later is no longer a person's.
        slices: which to look at; those in which nothing is decided are left out.
        plane: (y, x) shape of a slice.
    """
    wanted = frozenset(slices)
    found = {z: locks.hand[z].copy() for z in wanted & locks.hand.keys()}
    last = max((k for k, stroke in enumerate(done) if stroke.tool == DRAFT), default=0)
    for stroke in done[last:]:
        for z in wanted & stroke.edit.changed_slices:
            flips = stroke.edit.flipped()[z - stroke.edit.start[0]]
            part = found.setdefault(z, np.zeros(plane, bool))[stroke.edit.box[1:]]
            part[flips] = is_decision(stroke)
    return {z: decided for z, decided in found.items() if decided.any()}


def is_carried(stroke: Stroke) -> bool:
    """Whether `stroke` came from the correction of a slice nearby."""
    return stroke.tool == NEIGHBOURS


def before(
    mask: NDArray[np.uint8], z: int, done: Sequence[Stroke], *kinds: Callable[[Stroke], bool]
) -> Plane:
    """Slice `z` of `mask` without what the strokes of these `kinds` flipped in it, (y, x) bool.

    Args:
        mask: (z, y, x) 0/1, as it is after `done`.
        z: which slice.
        done: strokes in their order; those before the last draft do not count.
        kinds: a stroke that is one of them is taken out.
    """
    plane: Plane = mask[z] != 0
    for stroke in since_draft(done):
        if z in stroke.edit.slices and any(kind(stroke) for kind in kinds):
            plane[stroke.edit.box[1:]] ^= stroke.edit.flipped()[z - stroke.edit.start[0]]
    return plane


def began_with(
    mask: NDArray[np.uint8], draft: NDArray[np.uint8], slices: Iterable[int], done: Sequence[Stroke]
) -> NDArray[np.uint8]:
    """What a person saw before she corrected `slices`, (z, y, x) uint8 0/1; elsewhere it is `draft`.

    With what a proposal or the correction of another slice had made better there already. A slice in which
    nothing was done since the draft began with it, whatever was locked before that.
    """
    seen, since = draft.copy(), since_draft(done)
    for z in slices:
        if any(z in stroke.edit.slices for stroke in since):
            seen[z] = before(mask, z, since, is_decision)
    return seen


def since_draft(done: Sequence[Stroke]) -> Sequence[Stroke]:
    """The strokes after the last draft; all if there is none."""
    last = max((k for k, stroke in enumerate(done) if stroke.tool == DRAFT), default=-1)
    return done[last + 1 :]

"""What the network would draw elsewhere once it has learnt from corrected slices, and what that changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.counting import counted
from attunet_gui.core.edit import NOTHING, Edit, edit_between
from attunet_gui.core.locks import Locks
from attunet_gui.core.prediction import ModelId


@dataclass(frozen=True, eq=False)
class Proposal:
    """An answer to "these slices are right now; what about the others?".

    Attributes:
        mask: (z, y, x) uint8 0/1 on the canonical grid: the mask as it would be. In the corrected slices, and
            wherever nothing is proposed, it is the mask that was asked about.
        corrected: slices that were learnt from, rising.
        slices: slices in which it differs from the mask that was asked about, rising.
        kept: False where what was learnt does not help; then `mask` is the mask that was asked about.
        reason: why it is kept or not, one sentence for the person.
        model: whose weights it began with.
        dsc_before, dsc_after: of the corrected slices, each held out while the others were learnt from: what
            was there before they were corrected, and what the adapted network draws. None where no slice
            could be held out.
        seconds: wall time.
    """

    mask: NDArray[np.uint8]
    corrected: tuple[int, ...]
    slices: tuple[int, ...]
    kept: bool
    reason: str
    model: ModelId
    dsc_before: float | None = None
    dsc_after: float | None = None
    seconds: float = 0.0


def changes(
    proposal: Proposal, mask: NDArray[np.uint8], locks: Locks, only: int | None = None
) -> tuple[Edit, Edit]:
    """What accepting `proposal` would do to `mask` now: (allowed, conflicts).

    Args:
        proposal: for a mask of the same shape; `mask` may have been edited since.
        mask: (z, y, x) 0/1.
        locks: what may not be changed without asking; changes that would are the second edit.
        only: this slice alone; None is all slices.

    Raises:
        ValueError: the shapes differ.
    """
    if proposal.mask.shape != mask.shape:
        raise ValueError(f"a proposal of {proposal.mask.shape} does not fit a mask of {mask.shape}")
    if not proposal.kept:
        return NOTHING, NOTHING
    part = slice(None) if only is None else slice(only, only + 1)
    edit = edit_between(mask[part], proposal.mask[part], (only or 0, 0, 0))
    return locks.divide(edit, mask)


@dataclass(frozen=True)
class Amount:
    """How much an edit would add and take.

    Attributes:
        added_ml, removed_ml: volumes.
        adding, removing: number of slices in which it does.
    """

    added_ml: float
    removed_ml: float
    adding: int
    removing: int

    def __str__(self) -> str:
        """For people: "adds 3.1 ml in 14 slices, takes 0.4 ml in 1 slice"."""
        parts = (("adds", self.added_ml, self.adding), ("takes", self.removed_ml, self.removing))
        words = [f"{verb} {ml:.1f} ml in {_slices(count)}" for verb, ml, count in parts if count]
        return ", ".join(words) or "changes nothing"


def _slices(count: int) -> str:
    return counted(count, "slice")


def amount(edit: Edit, mask: NDArray[np.uint8], voxel_ml: float) -> Amount:
    """How much `edit` of `mask` (z, y, x) would add and take, for voxels of `voxel_ml`."""
    flips = edit.flipped()
    there = mask[edit.box] != 0
    added, removed = (flips & ~there).sum(axis=(1, 2)), (flips & there).sum(axis=(1, 2))
    return Amount(
        edit.added * voxel_ml,
        edit.removed * voxel_ml,
        int(np.count_nonzero(added)),
        int(np.count_nonzero(removed)),
    )

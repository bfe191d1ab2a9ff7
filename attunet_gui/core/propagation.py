"""The result of propagating corrections with the network, and the edits that accepting it would make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.provenance import ModelId
from attunet_gui.system.plurals import counted


@dataclass(frozen=True, eq=False)
class PropagationResult:
    """What the network draws in the other slices after it was adapted to the corrected ones.

    Attributes:
        mask: (z, y, x) uint8 0/1 on the canonical grid: the mask with the proposed changes. It equals the
            mask of the request in the corrected slices and wherever nothing is proposed.
        corrected: indices of the slices that the network was adapted to, rising.
        slices: indices of the slices in which `mask` differs from the mask of the request, rising.
        kept: whether the adaptation helps. If it does not, `mask` is the mask of the request.
        reason: one sentence for the annotator on why it is kept or not.
        model: the model whose weights were adapted.
        dsc_before, dsc_after: mean DSC over the corrected slices of the mask before their correction and of
            what the adapted network draws; each slice is held out while the network learns from the others.
            None if no slice could be held out.
        seconds: wall time in seconds.
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


def propagation_edits(
    proposal: PropagationResult, mask: NDArray[np.uint8], locks: MaskLocks, only: int | None = None
) -> tuple[MaskEdit, MaskEdit]:
    """Return the edits that accepting `proposal` would make to `mask` as it is now.

    Args:
        proposal: the proposal; `mask` may have been edited since it was requested.
        mask: (z, y, x) uint8 0/1.
        locks: voxels and slices that no tool may change without asking.
        only: index of the only slice to change; None for all slices.

    Returns:
        The edit of voxels that are not locked, and the edit of locked voxels.

    Raises:
        ValueError: if the shapes of the two masks differ.
    """
    if proposal.mask.shape != mask.shape:
        raise ValueError(f"a proposal of {proposal.mask.shape} does not fit a mask of {mask.shape}")
    if not proposal.kept:
        return NO_EDIT, NO_EDIT
    part = slice(None) if only is None else slice(only, only + 1)
    edit = edit_between(mask[part], proposal.mask[part], (only or 0, 0, 0))
    return locks.split_by_locks(edit, mask)


@dataclass(frozen=True)
class EditAmount:
    """The amount that an edit adds and removes.

    Attributes:
        added_ml, removed_ml: volumes in ml.
        adding, removing: number of slices in which the edit adds and in which it removes something.
    """

    added_ml: float
    removed_ml: float
    adding: int
    removing: int

    def __str__(self) -> str:
        """Return text for people, such as "adds 3.1 ml in 14 slices, takes 0.4 ml in 1 slice"."""
        parts = (("adds", self.added_ml, self.adding), ("takes", self.removed_ml, self.removing))
        words = [f"{verb} {ml:.1f} ml in {_slice_count_text(count)}" for verb, ml, count in parts if count]
        return ", ".join(words) or "changes nothing"


def _slice_count_text(count: int) -> str:
    return counted(count, "slice")


def edit_amount(edit: MaskEdit, mask: NDArray[np.uint8], voxel_ml: float) -> EditAmount:
    """Return how much `edit` of `mask` (z, y, x) adds and removes, for voxels of `voxel_ml` ml."""
    flips = edit.flipped_voxels()
    there = mask[edit.box] != 0
    added, removed = (flips & ~there).sum(axis=(1, 2)), (flips & there).sum(axis=(1, 2))
    return EditAmount(
        edit.added * voxel_ml,
        edit.removed * voxel_ml,
        int(np.count_nonzero(added)),
        int(np.count_nonzero(removed)),
    )

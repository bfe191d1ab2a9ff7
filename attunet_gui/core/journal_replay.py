"""What the entries of a journal do: undo and redo stacks, verified slices, replay, edit since the draft."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.draft_correction import DraftCorrection
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.journal_entries import (
    JournalEntry,
    SlicesVerified,
    StrokeRedone,
    StrokeUndone,
)
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox, edit_between
from attunet_gui.core.pre_edit_mask import strokes_since_draft


def undo_redo_stacks(
    entries: Iterable[JournalEntry], done: Sequence[EditStroke] = (), ahead: Sequence[EditStroke] = ()
) -> tuple[tuple[EditStroke, ...], tuple[EditStroke, ...]]:
    """Return the strokes that can be undone (oldest first) and redone (next first) after `entries`.

    Args:
        entries: entries of a journal, in order.
        done, ahead: the strokes that can be undone and redone before `entries`.

    Raises:
        ValueError: if an entry undoes or redoes a stroke that does not exist.
    """
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        _apply_to_stacks(entry, behind, before)
    return tuple(behind), tuple(reversed(before))


def verified_after_entries(
    entries: Iterable[JournalEntry],
    verified: frozenset[int],
    done: Sequence[EditStroke] = (),
    ahead: Sequence[EditStroke] = (),
) -> frozenset[int]:
    """Return the slices that are verified after `entries`.

    A slice loses the mark as soon as any stroke, undo or redo changes its mask: "verified" may never be said
    of a mask that the annotator has not looked at.

    Args:
        entries: entries of a journal, in order.
        verified: the slices that are verified before `entries`.
        done, ahead: the strokes that can be undone (oldest first) and redone (next first) before `entries`.
    """
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        stroke = _apply_to_stacks(entry, behind, before)
        if stroke is not None:
            verified -= stroke.edit.changed_slices
        elif isinstance(entry, SlicesVerified):
            verified = entry.slices
    return verified


def _apply_to_stacks(
    entry: JournalEntry, done: list[EditStroke], ahead: list[EditStroke]
) -> EditStroke | None:
    """Update both stacks in place; return the stroke whose voxels flip, or None if no voxel does.

    Here the next stroke to redo is the last item of `ahead`.
    """
    match entry:
        case EditStroke():
            done.append(entry)
            ahead.clear()
            return entry
        case StrokeUndone():
            return _move_last_stroke(done, ahead)
        case StrokeRedone():
            return _move_last_stroke(ahead, done)
    return None


def _move_last_stroke(source: list[EditStroke], target: list[EditStroke]) -> EditStroke:
    if not source:
        raise ValueError("an entry takes back or repeats a stroke that is not there")
    target.append(source.pop())
    return target[-1]


def replay_entries(
    base: NDArray[np.uint8],
    entries: Iterable[JournalEntry],
    done: Sequence[EditStroke] = (),
    ahead: Sequence[EditStroke] = (),
) -> Iterator[tuple[JournalEntry, VoxelBox, NDArray[np.uint8]]]:
    """Apply all changes one after the other and yield the mask after each.

    Args:
        base: (z, y, x) uint8 0/1, the mask before the first stroke of `done`; it is not changed.
        entries: entries of a journal, in order.
        done, ahead: the strokes that can be undone (oldest first) and redone (next first) before `entries`.

    Yields:
        The entry (those of `done` first, then those of `entries` that change voxels), the box that it
        changed, and the mask after it. The mask is one array that is changed in place: copy it to keep it.
    """
    mask = base.copy()
    for stroke in done:
        stroke.edit.apply_to(mask)
        yield stroke, stroke.edit.box, mask
    behind, before = list(done), list(ahead)[::-1]
    for entry in entries:
        stroke_turned = _apply_to_stacks(entry, behind, before)
        if stroke_turned is not None:
            stroke_turned.edit.apply_to(mask)
            yield entry, stroke_turned.edit.box, mask


def edit_since_draft(mask: NDArray[np.uint8], done: Sequence[EditStroke]) -> MaskEdit:
    """Return the difference between the last draft and `mask` as one edit.

    Args:
        mask: (z, y, x) uint8 0/1, the mask after `done`.
        done: strokes, oldest first. Those after the last draft count; without a draft all of them do.
    """
    edits = [stroke.edit for stroke in strokes_since_draft(done) if stroke.edit.changed_voxels]
    if not edits:
        return NO_EDIT
    box = _bounding_box_of_edits(edits)
    start = (box[0].start, box[1].start, box[2].start)
    # An edit applied twice undoes itself, so flipping the mask by every stroke gives the draft back. Only the
    # hull of the strokes is copied: outside of it draft and mask are equal.
    before = mask[box] != 0
    for edit in edits:
        inner = tuple(
            slice(part.start - low, part.stop - low) for part, low in zip(edit.box, start, strict=True)
        )
        before[inner] ^= edit.flipped_voxels()
    return edit_between(before, mask[box], start)


def correction_since_draft(mask: NDArray[np.uint8], done: Sequence[EditStroke]) -> DraftCorrection:
    """Return the voxels added to and removed from the last draft, and the DSC of draft and `mask`.

    The arguments are those of `edit_since_draft`.
    """
    edit, voxels = edit_since_draft(mask, done), int(np.count_nonzero(mask))
    # No second mask is needed: the voxels of the mask that were not added are those it shares with the draft.
    drafted, common = voxels - edit.added + edit.removed, voxels - edit.added
    dsc = 2 * common / (drafted + voxels) if drafted + voxels else 1.0
    return DraftCorrection(edit.added, edit.removed, dsc)


def _bounding_box_of_edits(edits: Sequence[MaskEdit]) -> VoxelBox:
    lows = np.min([edit.start for edit in edits], axis=0)
    highs = np.max([np.add(edit.start, edit.shape) for edit in edits], axis=0)
    z, y, x = (slice(int(low), int(high)) for low, high in zip(lows, highs, strict=True))
    return z, y, x

"""A model adapts to one patient: what it learns from corrected slices it proposes for those around them.

The slices that a person corrects are those where the draft was worst. A network that learns from them alone
gets better near them and worse where the draft had been right. So it is kept to the draft in the others while
it learns, and what it has learnt counts less the farther a slice lies from the nearest corrected one. And it
speaks only if it would have helped: each corrected slice is held out while the others are learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.clock import Clock
from attunet_gui.core.counting import counted
from attunet_gui.core.edit import edit_between
from attunet_gui.core.frame import Frame
from attunet_gui.core.holes import without_new_holes
from attunet_gui.core.metrics import dice
from attunet_gui.core.preprocess import neighbour_indices, network_slices
from attunet_gui.core.progress import LEARNING, Progress, silent
from attunet_gui.core.proposal import Proposal, amount
from attunet_gui.core.volume import Volume
from attunet_gui.network.learner import Learner, Lesson, Slices

Mask = NDArray[np.uint8]

_STEPS = 48
"""Half as many leave the gain to chance: some cases got worse."""
_STEPS_HELD_OUT = 18
_LEAST_SHARE = 0.75
"""Of the steps, however slow the machine: it may take longer, but not say what it has hardly learnt."""
_MOST_FOLDS = 3
_GAIN = 0.04
"""By how much held-out slices have to get better, DSC. They are where the draft was worst, so that much comes
easily: of cases that gained 0.02 there some lost elsewhere."""
_LEAST = 0.3
"""DSC of held-out slices below which the network has not understood what it was shown, after few steps."""
_REACH_MM = 30.0
"""What was learnt counts less the farther a slice lies from the nearest corrected one, and nothing from this
far on, times the DSC of the held-out slices. Farther, some cases got worse; half as far, less was gained."""
_TESTED = 1.5
"""Times the distance over which slices were held out, and nothing is said beyond: of slices side by side each
is guessed from the next, which tells nothing of those farther away, and some cases got worse there."""
_MARGIN_MM = 25.0
_MOST_AROUND = 30
"""Slices that are remembered by: up to so many, from this far below the mask to as far above."""
_STRAY_SHARE = 0.1
"""A piece that touches no corrected slice goes if it is no more than this of the mask."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """What a person has done so far.

    Attributes:
        mask: (z, y, x) uint8 0/1 as it is now, right in `slices`.
        slices: corrected or verified, rising, without repeats.
        before: (z, y, x) uint8 0/1, what the corrections began with; None where nobody knows, and then it is
            what the network draws.
    """

    mask: Mask
    slices: tuple[int, ...]
    before: Mask | None = None


@dataclass(frozen=True)
class Effort:
    """How long it may take.

    Attributes:
        seconds: wall time of the whole; a slow machine takes somewhat fewer steps, then longer.
        seed: of the variation of slices. The same seed and as many steps give the same proposal.
    """

    seconds: float = 10.0
    seed: int = 1


@dataclass(frozen=True)
class _Held:
    """How corrected slices came out while they were held out.

    Attributes:
        before, after: DSC.
        apart_mm: how far they lay from the nearest slice that was learnt from, median.
    """

    before: float
    after: float
    apart_mm: float

    @property
    def reach_mm(self) -> float:
        """How far from a corrected slice what is learnt may count at all."""
        return min(_REACH_MM * self.after, _TESTED * self.apart_mm)


def propose(
    volume: Volume, learner: Learner, told: Corrections, effort: Effort, progress: Progress = silent
) -> Proposal:
    """What `learner`, adapted to this patient, would change in the slices that were not corrected.

    `progress` is called after each step and may raise `Cancelled`.

    Raises:
        ValueError: a mask does not fit the volume, or there is no such slice.
    """
    _check(volume, told)
    clock = Clock()
    silence = _too_little(told)
    if silence:
        return _declined(learner, told, silence)
    progress(0, 1, "loading")
    learner.warm()
    proposal = _Patient(volume, learner, told, effort, progress).proposal()
    clock.lap("all")
    return replace(proposal, seconds=sum(clock.seconds.values()))


def _check(volume: Volume, told: Corrections) -> None:
    for mask in (told.mask, told.before):
        if mask is not None and mask.shape != volume.grid.shape:
            raise ValueError(f"a mask of {mask.shape} does not fit a volume of {volume.grid.shape}")
    if any(not 0 <= z < len(told.mask) for z in told.slices):
        raise ValueError(f"slices {told.slices} are not all in a volume of {len(told.mask)}")


def _too_little(told: Corrections) -> str:
    if len(told.slices) < 2:
        return "Correct at least two slices; one is too little to learn from."
    if not any(told.mask[z].any() for z in told.slices):
        return "Correct a slice that shows the pancreas; there is nothing to learn from empty ones."
    return ""


def _declined(learner: Learner, told: Corrections, reason: str, held: _Held | None = None) -> Proposal:
    scores = (held.before, held.after) if held else (None, None)
    return Proposal(told.mask, told.slices, (), False, reason, learner.model.id, *scores)


def _no_help(told: Corrections, held: _Held) -> str:
    words = f"With {_named(told.slices)} held out in turn the adapted network was"
    if held.after >= held.before + _GAIN:
        return f"{words} still wrong (DSC {held.after:.2f}); correct another slice, or draw by hand."
    return f"{words} not clearly better (DSC {held.after:.2f}, the draft {held.before:.2f}); the mask stays."


class _Patient:
    """One volume with its corrections, while it is learnt from."""

    def __init__(
        self, volume: Volume, learner: Learner, told: Corrections, effort: Effort, progress: Progress
    ) -> None:
        self._volume, self._learner, self._told = volume, learner, told
        self._effort, self._progress = effort, progress
        self._corrected = np.array(told.slices)
        self._frame = _frame_around(volume, learner, told)
        self._folds = min(len(told.slices), _MOST_FOLDS)
        self._done = 0

    def proposal(self) -> Proposal:
        told = self._told
        # A lesson that was cancelled half-way may still be there.
        self._learner.forget()
        right = Slices(self._images(self._corrected), self._on_frame(told.mask, self._corrected))
        around = self._around()
        lesson = Lesson(right, Slices(self._images(around), self._on_frame(told.mask, around)))
        steps_held_out, steps = self._affordable()
        self._total = self._folds * steps_held_out + steps
        held = self._held_out(lesson, steps_held_out)
        if held.after < held.before + _GAIN or held.after < _LEAST:
            return _declined(self._learner, told, _no_help(told, held), held)
        return self._spoken(self._drawn(lesson, steps, held.reach_mm), held)

    def _images(self, slices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """(n, rows, columns, channels) uint8 of `slices`."""
        wanted = self._learner.model.card.preprocessing
        around = neighbour_indices(slices, wanted.neighbours, len(self._told.mask))
        needed, where = np.unique(around, return_inverse=True)
        seen = np.concatenate(
            [
                network_slices(self._volume, self._frame, wanted, part)
                for part in np.array_split(needed, -(-len(needed) // 8))
            ]
        )
        whole = (seen * 255 + 0.5).astype(np.uint8)[where.reshape(around.shape)]
        return np.ascontiguousarray(np.moveaxis(whole, 1, -1))

    def _around(self) -> NDArray[np.intp]:
        """Slices to remember by: spread over the mask and a little beyond, the corrected ones left out."""
        at = np.flatnonzero(self._told.mask.any(axis=(1, 2)))
        margin = round(_MARGIN_MM / self._frame.spacing_mm[0])
        rest = np.arange(max(0, at[0] - margin), min(len(self._told.mask), at[-1] + margin + 1))
        rest = np.setdiff1d(rest, self._corrected)
        if not len(rest):
            return self._corrected
        chosen: NDArray[np.intp] = rest[np.linspace(0, len(rest) - 1, _MOST_AROUND).round().astype(int)]
        return np.unique(chosen)

    def _on_frame(self, mask: Mask, slices: NDArray[np.intp]) -> Mask:
        """`slices` of `mask` (z, y, x) as (n, rows, columns) uint8."""
        seen = self._frame.to_network(mask[slices].astype(np.float32), fill=0.0)
        return (seen >= 0.5).astype(np.uint8)

    def _affordable(self) -> tuple[int, int]:
        """Steps with a slice held out, and of the last lesson: fewer where the machine is slow."""
        wanted = self._folds * _STEPS_HELD_OUT + _STEPS
        # A fifth is left for reading slices and drawing.
        share = 0.8 * self._effort.seconds / (wanted * self._learner.step_seconds)
        share = min(1.0, max(_LEAST_SHARE, share))
        return round(share * _STEPS_HELD_OUT), round(share * _STEPS)

    def _stepped(self) -> None:
        self._done += 1
        self._report()

    def _report(self) -> None:
        self._progress(self._done, self._total, LEARNING)

    def _held_out(self, lesson: Lesson, steps: int) -> _Held:
        right, began_with = lesson.right, self._told.before
        old = self._learner.logits(right.images) >= 0
        before = old.copy() if began_with is None else self._on_frame(began_with, self._corrected) != 0
        after, apart = before.copy(), np.zeros(len(self._corrected))
        for fold in range(self._folds):
            # Neighbours together: a slice beside one that is learnt from tells nothing of those farther away.
            out = np.arange(len(self._corrected)) * self._folds // len(self._corrected) == fold
            apart[out] = np.abs(self._corrected[out, None] - self._corrected[~out]).min(axis=1)
            others = replace(lesson, right=right[~out])
            self._learner.learn(others, steps, self._effort.seed, self._stepped)
            new = self._learner.logits(right.images[out]) >= 0
            after[out] = _changed(before[out], old[out], new)
        self._learner.forget()
        apart_mm = float(np.median(apart)) * self._frame.spacing_mm[0]
        return _Held(dice(before, right.mask), dice(after, right.mask), apart_mm)

    def _drawn(self, lesson: Lesson, steps: int, reach_mm: float) -> Mask:
        """The mask with what was learnt near the corrected slices, and without strays."""
        mask, (slices, weights) = self._told.mask.copy(), self._within(reach_mm)
        if len(slices):
            images = self._images(slices)
            old = self._learner.logits(images, self._report)
            self._learner.learn(lesson, steps, self._effort.seed, self._stepped)
            new = old + weights[:, None, None] * (self._learner.logits(images, self._report) - old)
            self._learner.forget()
            for z, was, now in zip(slices, old, new, strict=True):
                flat = self._frame.to_grid(_sigmoid(np.stack([was, now])))
                mask[z] = without_new_holes(_changed(mask[z], *(flat >= 0.5)), mask[z] != 0)
        return _without_strays(mask, self._told)

    def _within(self, reach_mm: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Slices near a corrected one, and how much counts there what was learnt."""
        z = np.arange(len(self._told.mask))
        away = np.abs(z[:, None] - self._corrected).min(axis=1) * self._frame.spacing_mm[0]
        near = np.flatnonzero((away > 0) & (away < reach_mm))
        return near, (1 - away[near] / reach_mm).astype(np.float32)

    def _spoken(self, mask: Mask, held: _Held) -> Proposal:
        told, learner = self._told, self._learner
        edit = edit_between(told.mask, mask)
        if not edit.changes:
            return _declined(learner, told, "What was learnt would change nothing in the other slices.", held)
        much = amount(edit, told.mask, self._volume.grid.voxel_volume_ml)
        reason = (
            f"Learnt from {_named(told.slices)}: {much}. "
            f"Held out in turn they came out at DSC {held.after:.2f} instead of {held.before:.2f}."
        )
        slices = tuple(sorted(edit.changed_slices))
        return Proposal(mask, told.slices, slices, True, reason, learner.model.id, held.before, held.after)


def _frame_around(volume: Volume, learner: Learner, told: Corrections) -> Frame:
    """The learner's view, centred on the mask."""
    wanted, (_, *spacing) = learner.model.card.preprocessing.spacing_mm, volume.grid.spacing_mm
    step = (wanted / spacing[0], wanted / spacing[1])
    start = []
    for axis, size, one in zip((1, 2), learner.size, step, strict=True):
        at = np.flatnonzero(told.mask.any(axis=(0, 3 - axis)))
        start.append((at[0] + at[-1]) / 2 - one * (size - 1) / 2)
    return Frame(volume.grid, learner.size, (float(start[0]), float(start[1])), step)


def _changed(mask: NDArray[Any], old: NDArray[np.bool_], new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`mask` with the difference of two drawings: where these agree it stays."""
    changed: NDArray[np.bool_] = np.where(new == old, mask != 0, new)
    return changed


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    probability: NDArray[np.float32] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return probability


def _without_strays(mask: Mask, told: Corrections) -> Mask:
    """Without small pieces that reach no corrected slice through the mask; (z, y, x), changed in place.

    Larger ones stay: they may be the gland itself, cut in two where the draft lost it.
    """
    box = ndimage.find_objects(mask)[0]
    # An empty layer behind each side: see `core.gland`.
    labels = cc3d.connected_components(np.pad(mask[box], [(0, 1)] * 3), connectivity=26)[:-1, :-1, :-1]
    inside = [z - box[0].start for z in told.slices if box[0].start <= z < box[0].stop]
    voxels = np.bincount(labels.ravel())
    kept = voxels > _STRAY_SHARE * voxels[1:].sum()
    kept[np.unique(labels[inside])] = True
    mask[box][~kept[labels]] = 0
    return mask


def _named(slices: tuple[int, ...]) -> str:
    """ "slices 84, 88 and 92"; of many only how many."""
    if len(slices) > 6:
        return counted(len(slices), "slice")
    return f"slices {', '.join(map(str, slices[:-1]))} and {slices[-1]}"

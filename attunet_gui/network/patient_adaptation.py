"""Adapts a model to one patient: learns from corrected slices and proposes changes to the slices around them.

The slices that an annotator corrects are those where the draft was worst. A network that learns from them
alone gets better near them and worse where the draft was right. Three measures keep it safe. While it learns,
it is also shown other slices with their draft as the target. The learnt change is weighted down with the
distance from the nearest corrected slice. And a proposal is made only if it would have helped: each corrected
slice is held out while the network learns from the others, and its DSC has to rise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.propagation import PropagationResult, edit_amount
from attunet_gui.core.slice_resampling import filter_weights, mix_slices
from attunet_gui.core.volume import Volume
from attunet_gui.network.online_adapter import AdaptationExamples, MaskedSlices, OnlineAdapter
from attunet_gui.network.patch_blending import PatchLayout
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.postprocess import fill_new_holes
from attunet_gui.prediction.preprocess import neighbour_indices, network_slices
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ADAPTATION_STAGE, ProgressCallback, StageTimer, no_progress

Mask = NDArray[np.uint8]

# With half as many steps the gain depended on chance, and some cases got worse.
_ADAPTATION_STEPS = 48
_HELD_OUT_STEPS = 18
# Share of the steps that is always done, however slow the machine: a proposal that takes longer is better
# than one of a network that has hardly learnt.
_MIN_STEP_SHARE = 0.75
_MAX_FOLDS = 3
# DSC by which held-out slices have to improve. The corrected slices are where the draft was worst, so a small
# gain comes easily there: of the cases that gained 0.02 some got worse elsewhere.
_MIN_DSC_GAIN = 0.04
# DSC of held-out slices below which nothing is proposed: the network has not understood the corrections in
# these few steps, even if it gained.
_MIN_HELD_OUT_DSC = 0.3
# The learnt change loses weight with the distance from the nearest corrected slice and has none from this
# distance on, which is multiplied by the DSC of the held-out slices. With a longer reach some cases got
# worse; with half of it less was gained.
_REACH_MM = 30.0
# The reach is also limited to this many times the distance over which slices were held out. Where corrected
# slices lie side by side each is predicted from its neighbour, which proves nothing about slices farther
# away, and some cases got worse there.
_REACH_PER_TESTED_GAP = 1.5
_MARGIN_MM = 25.0
# The number of slices whose draft is learnt along with the corrections, at most. They lie within the mask or
# at most `_MARGIN_MM` beyond its ends.
_MAX_REPLAY_SLICES = 30
# A connected piece that touches no corrected slice is removed if it has no more than this share of the voxels
# of the mask.
_MAX_STRAY_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class CorrectedSlices:
    """The annotator's corrections so far.

    Attributes:
        mask: (z, y, x) uint8 0/1, the current mask; it is right in `slices`.
        slices: indices of the corrected or verified slices, ascending and without repeats.
        before: (z, y, x) uint8 0/1, the mask that the corrections started from. None if it is not known; then
            the network's own drawing takes its place.
    """

    mask: Mask
    slices: tuple[int, ...]
    before: Mask | None = None


@dataclass(frozen=True)
class AdaptationBudget:
    """How much time an adaptation may take.

    Attributes:
        seconds: wall time of the whole adaptation. A slow machine does somewhat fewer steps and then takes
            longer.
        seed: of the random variation of slices. The same seed and the same number of steps give the same
            result.
    """

    seconds: float = 10.0
    seed: int = 1


@dataclass(frozen=True)
class _HeldOutScores:
    """Scores of the corrected slices, each predicted while it was held out.

    Attributes:
        before, after: DSC of the mask before and after adaptation.
        apart_mm: median distance from a held-out slice to the nearest slice that was learnt from, in mm.
    """

    before: float
    after: float
    apart_mm: float

    @property
    def reach_mm(self) -> float:
        """The distance in mm from a corrected slice within which the learnt change may have any weight."""
        return min(_REACH_MM * self.after, _REACH_PER_TESTED_GAP * self.apart_mm)


def propagate_corrections(
    volume: Volume,
    learner: OnlineAdapter,
    told: CorrectedSlices,
    effort: AdaptationBudget,
    progress: ProgressCallback = no_progress,
) -> PropagationResult:
    """Adapt `learner` to this patient and return what it would change in the slices that were not corrected.

    Args:
        volume: the CT.
        learner: the adaptable copy of the model; it has the model's weights again afterwards.
        told: the corrections; at least two slices, one of them with pancreas, or nothing is learnt.
        effort: time and seed.
        progress: called after each step; it may raise `WorkCancelled`.

    Returns:
        The changed mask if held-out slices improved; otherwise the mask as it was, with the reason in one
            sentence.

    Raises:
        ValueError: a mask does not have the shape of the volume, or a slice index lies outside of it.
    """
    _check_corrections(volume, told)
    clock = StageTimer()
    silence = _refusal_reason(told)
    if silence:
        return _declined_propagation(learner, told, silence)
    progress(0, 1, "loading")
    learner.compile_step()
    proposal = _AdaptationRun(volume, learner, told, effort, progress).run_propagation()
    clock.record_stage("all")
    return replace(proposal, seconds=sum(clock.seconds.values()))


def _check_corrections(volume: Volume, told: CorrectedSlices) -> None:
    """Raise `ValueError` if a mask or a slice index does not fit the volume."""
    for mask in (told.mask, told.before):
        if mask is not None and mask.shape != volume.grid.shape:
            raise ValueError(f"a mask of {mask.shape} does not fit a volume of {volume.grid.shape}")
    if any(not 0 <= z < len(told.mask) for z in told.slices):
        raise ValueError(f"slices {told.slices} are not all in a volume of {len(told.mask)}")


def _refusal_reason(told: CorrectedSlices) -> str:
    """Return a sentence that says why the corrections are not enough to learn from, or "" if they are."""
    if len(told.slices) < 2:
        return "Correct at least two slices; one is too little to learn from."
    if not any(told.mask[z].any() for z in told.slices):
        return "Correct a slice that shows the pancreas; there is nothing to learn from empty ones."
    return ""


def _declined_propagation(
    learner: OnlineAdapter, told: CorrectedSlices, reason: str, held: _HeldOutScores | None = None
) -> PropagationResult:
    """Return a proposal that changes nothing and gives `reason`, with the held-out scores if any."""
    scores = (held.before, held.after) if held else (None, None)
    return PropagationResult(told.mask, told.slices, (), False, reason, learner.model.id, *scores)


def _no_gain_reason(told: CorrectedSlices, held: _HeldOutScores) -> str:
    """Return the sentence that says why held-out slices did not improve enough, with their DSC."""
    words = f"With {_slices_text(told.slices)} held out in turn the adapted network was"
    if held.after >= held.before + _MIN_DSC_GAIN:
        return f"{words} still wrong (DSC {held.after:.2f}); correct another slice, or draw by hand."
    return f"{words} not clearly better (DSC {held.after:.2f}, the draft {held.before:.2f}); the mask stays."


class _AdaptationRun:
    """One adaptation: a volume, its corrections and the network that learns from them."""

    def __init__(
        self,
        volume: Volume,
        learner: OnlineAdapter,
        told: CorrectedSlices,
        effort: AdaptationBudget,
        progress: ProgressCallback,
    ) -> None:
        self._volume, self._learner, self._told = volume, learner, told
        self._effort, self._progress = effort, progress
        self._corrected = np.array(told.slices)
        self._frame = _grid_around_mask(volume, learner, told)
        self._folds = min(len(told.slices), _MAX_FOLDS)
        self._done = 0

    def run_propagation(self) -> PropagationResult:
        """Hold slices out, decide whether the adaptation helps, and if so draw the slices within reach."""
        told = self._told
        # An adaptation that was cancelled half-way leaves its weights behind; start from those of the model.
        self._learner.reset_weights()
        right = MaskedSlices(
            self._network_images(self._corrected), self._mask_on_grid(told.mask, self._corrected)
        )
        around = self._replay_slices()
        examples = AdaptationExamples(
            right, MaskedSlices(self._network_images(around), self._mask_on_grid(told.mask, around))
        )
        steps_held_out, steps = self._affordable_steps()
        self._total = self._folds * steps_held_out + steps
        held = self._score_held_out(examples, steps_held_out)
        if held.after < held.before + _MIN_DSC_GAIN or held.after < _MIN_HELD_OUT_DSC:
            return _declined_propagation(self._learner, told, _no_gain_reason(told, held), held)
        return self._accepted_propagation(self._propagated_mask(examples, steps, held.reach_mm), held)

    def _network_images(self, slices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return (n, rows, columns, channels) uint8 of `slices` on the network's grid, the HU window mapped
        to 0..255.
        """
        layout, wanted = self._learner.layout, self._learner.model.card.preprocessing
        if layout is not None:
            return self._network_stacks(slices, layout)
        around = neighbour_indices(slices, wanted, len(self._told.mask), self._frame.spacing_mm[0])
        needed, where = np.unique(around, return_inverse=True)
        whole = self._single_images(needed)[where.reshape(around.shape)]
        return np.ascontiguousarray(np.moveaxis(whole, 1, -1))

    def _single_images(self, slices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return (n, rows, columns) uint8 of `slices` without their neighbours."""
        wanted = self._learner.model.card.preprocessing
        seen = np.concatenate(
            [
                network_slices(self._volume, self._frame, wanted, part)
                # In parts of at most 8 slices, which bounds the memory for float32 slices.
                for part in np.array_split(slices, -(-len(slices) // 8))
            ]
        )
        return (seen * 255 + 0.5).astype(np.uint8)

    def _network_stacks(self, slices: NDArray[np.intp], layout: PatchLayout) -> NDArray[np.uint8]:
        """Return (n, rows, columns, m) uint8: the m slices that a 3-D network sees around each slice."""
        step, count = layout.spacing_mm / self._frame.spacing_mm[0], layout.patch[0]
        offsets = step * (np.arange(count) - count // 2)
        stacks = []
        for z in slices:
            weights = filter_weights(z + offsets, len(self._told.mask), step)
            stacks.append((mix_slices(self._single_images, weights) + 0.5).astype(np.uint8))
        return np.ascontiguousarray(np.moveaxis(np.stack(stacks), 1, -1))

    def _replay_slices(self) -> NDArray[np.intp]:
        """Return the slices whose draft is learnt along: spread over the mask and a little beyond, none of
        them corrected.
        """
        at = np.flatnonzero(self._told.mask.any(axis=(1, 2)))
        margin = round(_MARGIN_MM / self._frame.spacing_mm[0])
        rest = np.arange(max(0, at[0] - margin), min(len(self._told.mask), at[-1] + margin + 1))
        rest = np.setdiff1d(rest, self._corrected)
        if not len(rest):
            return self._corrected
        chosen: NDArray[np.intp] = rest[np.linspace(0, len(rest) - 1, _MAX_REPLAY_SLICES).round().astype(int)]
        return np.unique(chosen)

    def _mask_on_grid(self, mask: Mask, slices: NDArray[np.intp]) -> Mask:
        """Return `slices` of `mask` (z, y, x) on the network's grid as (n, rows, columns) uint8 0/1."""
        # Linear resampling of the mask, cut at one half.
        seen = self._frame.resample_to_network(mask[slices].astype(np.float32), fill=0.0)
        return (seen >= 0.5).astype(np.uint8)

    def _affordable_steps(self) -> tuple[int, int]:
        """Return the number of steps of each held-out fold and of the final learning; fewer where the machine
        is slow.
        """
        wanted = self._folds * _HELD_OUT_STEPS + _ADAPTATION_STEPS
        # A fifth of the time is reserved for reading slices and for drawing.
        share = 0.8 * self._effort.seconds / (wanted * self._learner.step_seconds)
        share = min(1.0, max(_MIN_STEP_SHARE, share))
        return round(share * _HELD_OUT_STEPS), round(share * _ADAPTATION_STEPS)

    def _count_step(self) -> None:
        """Count a step and report it."""
        self._done += 1
        self._report_progress()

    def _report_progress(self) -> None:
        self._progress(self._done, self._total, ADAPTATION_STAGE)

    def _score_held_out(self, examples: AdaptationExamples, steps: int) -> _HeldOutScores:
        """Score each corrected slice with a network that learnt from the others.

        Corrected slices are divided into contiguous folds. `steps` are done for each fold.

        Returns:
            DSC before and after over all corrected slices together, and how far they lay from what was
                learnt.
        """
        right, began_with = examples.corrected, self._told.before
        old = self._learner.predict_logits(right.images) >= 0
        before = old.copy() if began_with is None else self._mask_on_grid(began_with, self._corrected) != 0
        after, apart = before.copy(), np.zeros(len(self._corrected))
        for fold in range(self._folds):
            # Neighbours are held out together: a slice beside one that is learnt from is easy, and proves
            # nothing about slices farther away.
            out = np.arange(len(self._corrected)) * self._folds // len(self._corrected) == fold
            apart[out] = np.abs(self._corrected[out, None] - self._corrected[~out]).min(axis=1)
            others = replace(examples, corrected=right[~out])
            self._learner.learn_examples(others, steps, self._effort.seed, self._count_step)
            new = self._learner.predict_logits(right.images[out]) >= 0
            after[out] = _apply_difference(before[out], old[out], new)
        self._learner.reset_weights()
        apart_mm = float(np.median(apart)) * self._frame.spacing_mm[0]
        return _HeldOutScores(
            dice_coefficient(before, right.mask), dice_coefficient(after, right.mask), apart_mm
        )

    def _propagated_mask(self, examples: AdaptationExamples, steps: int, reach_mm: float) -> Mask:
        """Return the mask with the learnt changes near the corrected slices and without stray pieces; (z, y,
        x) uint8 0/1.
        """
        mask, (slices, weights) = self._told.mask.copy(), self._slices_within_reach(reach_mm)
        if len(slices):
            images = self._network_images(slices)
            old = self._learner.predict_logits(images, self._report_progress)
            self._learner.learn_examples(examples, steps, self._effort.seed, self._count_step)
            # Logits are blended rather than masks, so that the weight of a change falls smoothly to nothing
            # at the reach.
            new = old + weights[:, None, None] * (
                self._learner.predict_logits(images, self._report_progress) - old
            )
            self._learner.reset_weights()
            for z, was, now in zip(slices, old, new, strict=True):
                flat = self._frame.resample_to_ct(_sigmoid(np.stack([was, now])))
                mask[z] = fill_new_holes(_apply_difference(mask[z], *(flat >= 0.5)), mask[z] != 0)
        return _remove_stray_pieces(mask, self._told)

    def _slices_within_reach(self, reach_mm: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return the indices of the slices within `reach_mm` of a corrected one, and the weight (0 to 1) of
        the change in each.
        """
        z = np.arange(len(self._told.mask))
        away = np.abs(z[:, None] - self._corrected).min(axis=1) * self._frame.spacing_mm[0]
        near = np.flatnonzero((away > 0) & (away < reach_mm))
        return near, (1 - away[near] / reach_mm).astype(np.float32)

    def _accepted_propagation(self, mask: Mask, held: _HeldOutScores) -> PropagationResult:
        """Return `mask` as a proposal with a sentence about it; a declined one if it changes nothing."""
        told, learner = self._told, self._learner
        edit = edit_between(told.mask, mask)
        if not edit.changed_voxels:
            return _declined_propagation(
                learner, told, "What was learnt would change nothing in the other slices.", held
            )
        much = edit_amount(edit, told.mask, self._volume.grid.voxel_volume_ml)
        reason = (
            f"Learnt from {_slices_text(told.slices)}: {much}. "
            f"Held out in turn they came out at DSC {held.after:.2f} instead of {held.before:.2f}."
        )
        slices = tuple(sorted(edit.changed_slices))
        return PropagationResult(
            mask, told.slices, slices, True, reason, learner.model.id, held.before, held.after
        )


def _grid_around_mask(volume: Volume, learner: OnlineAdapter, told: CorrectedSlices) -> NetworkGrid:
    """Return the grid of the learner's view, (rows, columns) of `learner.size`, centred on the mask."""
    wanted, (_, *spacing) = learner.model.card.preprocessing.spacing_mm, volume.grid.spacing_mm
    step = (wanted / spacing[0], wanted / spacing[1])
    start = []
    for axis, size, one in zip((1, 2), learner.size, step, strict=True):
        at = np.flatnonzero(told.mask.any(axis=(0, 3 - axis)))
        start.append((at[0] + at[-1]) / 2 - one * (size - 1) / 2)
    return NetworkGrid(volume.grid, learner.size, (float(start[0]), float(start[1])), step)


def _apply_difference(
    mask: NDArray[Any], old: NDArray[np.bool_], new: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return `mask` changed to `new` where the drawings `old` and `new` differ; where they agree it stays as
    it is.

    The difference of two drawings is applied, not the new drawing itself, so that manual corrections which
    neither network would draw are kept.
    """
    changed: NDArray[np.bool_] = np.where(new == old, mask != 0, new)
    return changed


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    probability: NDArray[np.float32] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return probability


def _remove_stray_pieces(mask: Mask, told: CorrectedSlices) -> Mask:
    """Remove small pieces that are not connected with a corrected slice; `mask` (z, y, x) is changed in
    place.

    Larger pieces stay: they may be part of the pancreas, separated where the draft has a gap.
    """
    box = ndimage.find_objects(mask)[0]
    # An empty layer behind each side keeps cc3d from joining voxels of opposite sides; see
    # `prediction/postprocess.py`.
    labels = cc3d.connected_components(np.pad(mask[box], [(0, 1)] * 3), connectivity=26)[:-1, :-1, :-1]
    inside = [z - box[0].start for z in told.slices if box[0].start <= z < box[0].stop]
    voxels = np.bincount(labels.ravel())
    kept = voxels > _MAX_STRAY_SHARE * voxels[1:].sum()
    kept[np.unique(labels[inside])] = True
    mask[box][~kept[labels]] = 0
    return mask


def _slices_text(slices: tuple[int, ...]) -> str:
    """Return the slices as words, "slices 84, 88 and 92"; of more than six only their number."""
    if len(slices) > 6:
        return counted(len(slices), "slice")
    return f"slices {', '.join(map(str, slices[:-1]))} and {slices[-1]}"

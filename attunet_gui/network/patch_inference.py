"""Prediction by a 3-D network: patches from the slice in view outwards, slices of the CT as they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.slice_resampling import Float32Array
from attunet_gui.core.slice_scheduler import SliceScheduler
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.input_cache import GridInputCache
from attunet_gui.network.patch_blending import LayerBlender, PatchLayout, answer_layer, unbroken_runs
from attunet_gui.prediction.network_prediction import PredictedSlices

if TYPE_CHECKING:
    from attunet_gui.network.inference import LoadedModel


def predict_by_patches(
    order: SliceScheduler,
    views: Sequence[GridInputCache],
    model: LoadedModel,
    layout: PatchLayout,
    patch_done: Callable[[], None],
) -> Iterator[PredictedSlices]:
    """Yield the slices of a CT as they are completed, in runs without a gap.

    Args:
        order: which slice is wanted next.
        views: the input on the untransformed grid, then on the grid of each transform.
        model: a model whose network is 3-D.
        layout: how it sees a volume.
        patch_done: called after each batch of patches; it may raise `WorkCancelled`.
    """
    draft = _PatchDraft(views, model, layout, patch_done)
    while len(wanted := order.next_slices(1)):
        finished = draft.complete_slice(int(wanted[0]))
        order.withdraw_slices(finished)
        runs = sorted(unbroken_runs(finished), key=lambda run: int(np.abs(run - wanted[0]).min()))
        yield from map(draft.predicted_slices, runs)


class _PatchDraft:
    """The layers of patches of one CT, computed when a slice needs them."""

    def __init__(
        self,
        views: Sequence[GridInputCache],
        model: LoadedModel,
        layout: PatchLayout,
        patch_done: Callable[[], None],
    ) -> None:
        self._views, self._model, self._patch_done = views, model, patch_done
        frame, config = views[0].frame, model.bundle.config
        slices = frame.grid.shape[0]
        self._resampling = layout.slice_resampling(slices, frame.grid.spacing_mm[0])
        self._grid = layout.patch_grid(self._resampling.count, frame.size)
        self._blender = LayerBlender(self._grid)
        self._positions = self._resampling.positions_of(np.arange(slices))
        self._gates = model.bundle.family.list_gates(config)
        factors = (1, *(config.size[0] // gate.size[0] for gate in self._gates))
        self._behind = self._grid.layers_behind(self._positions, factors)
        self._made = np.zeros(len(self._grid.layers), bool)
        self._given = np.zeros(slices, bool)

    def complete_slice(self, z: int) -> NDArray[np.intp]:
        """Compute what slice `z` needs; return all slices that are complete now and were not before."""
        for layer in np.flatnonzero(self._behind[z] & ~self._made):
            self._blender.add_layer(int(layer), self._answer_layer(int(layer)))
            self._made[layer] = True
        finished: NDArray[np.intp] = np.flatnonzero(~(self._behind & ~self._made).any(axis=1) & ~self._given)
        self._given[finished] = True
        return finished

    def predicted_slices(self, slices: NDArray[np.intp]) -> PredictedSlices:
        """Return slices of the CT whose layers are all computed."""
        at = self._positions[slices]
        probability = self._blender.take_answers(PROBABILITY, at).astype(np.float16)
        gates = tuple(self._blender.take_answers(gate.name, at).astype(np.float16) for gate in self._gates)
        plain = self._views[0]
        # The outline is that of the slices of the CT, which the layers need not have read.
        plain.single_images(slices)
        return PredictedSlices(slices, probability, gates, plain.body_outline(slices))

    def _answer_layer(self, layer: int) -> dict[str, Float32Array]:
        """Return the outputs of a layer; the probability is the mean over the transforms."""
        plain, wanted = self._views[0], self._grid.layer_slices(layer)
        answers: dict[str, Float32Array] = {}
        for done, view in enumerate(self._views):
            images = self._resampling.take_slices(view.single_images, wanted)
            found = answer_layer(
                images, self._grid, self._model.run, self._model.engine.batch, self._patch_done
            )
            if not answers:
                answers = found
                continue
            carried = plain.frame.resample_from(view.frame, found[PROBABILITY])
            answers[PROBABILITY] += (carried - answers[PROBABILITY]) / np.float32(done + 1)
        return answers

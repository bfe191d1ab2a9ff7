"""Prediction: one CT volume through one engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.provenance import ModelId
from attunet_gui.core.slice_scheduler import SliceScheduler
from attunet_gui.core.volume import Volume
from attunet_gui.network.engines.engine_registry import EngineKind, InferenceEngine, default_engine
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.input_cache import GridInputCache, InputCache
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.prediction.model_card import ModelCard
from attunet_gui.prediction.network_grid import InputTransform, NetworkGrid
from attunet_gui.prediction.network_prediction import (
    NetworkPrediction,
    PredictedSlices,
    PredictionOutline,
    blank_prediction,
)
from attunet_gui.system.progress import ProgressCallback, StageTimer, no_progress

# Batches in the engine at once. While some cores compute the last slices of one batch, the others begin the
# next.
_BATCHES_IN_FLIGHT = 2
# There are no flips, because a body has its liver on one side. No shift is a multiple of the network's
# coarsest pixel, which is 16 pixels, as such a shift would give nearly the same result.
_TEST_TIME_TRANSFORMS = (
    InputTransform(scale=0.94),
    InputTransform(scale=1.06),
    InputTransform(shift=(5.0, 3.0)),
    InputTransform(shift=(-3.0, -5.0)),
)


@dataclass(frozen=True)
class LoadedModel:
    """A bundle whose network is loaded and ready to predict.

    Attributes:
        bundle: card and weights.
        engine: computes the network.
        id: name, sha256 and engine, for records.
        test_time_transforms: transforms of the slices whose probabilities are averaged with that of the
            untransformed one.
    """

    bundle: ModelBundle
    engine: InferenceEngine
    id: ModelId
    test_time_transforms: tuple[InputTransform, ...] = ()

    @property
    def card(self) -> ModelCard:
        """The card of the bundle."""
        return self.bundle.card

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the outputs of the engine for `batch`, with the probability calibrated as the card says."""
        outputs = self.engine.run(batch)
        return {**outputs, PROBABILITY: self.card.calibration.apply(outputs[PROBABILITY])}


def load_model(bundle: ModelBundle, kind: EngineKind | None = None) -> LoadedModel:
    """Load `bundle` into an engine, the fastest if `kind` is None; `InvalidModelBundle` if it is damaged."""
    kind = kind or default_engine()
    identity = ModelId(bundle.card.name, bundle.card.weights_sha256, kind.name)
    return LoadedModel(bundle, kind.load_engine(bundle), identity)


def with_test_time_transforms(model: LoadedModel) -> LoadedModel:
    """Return `model` with test-time augmentation: the mean over five transforms, which takes five times as
    long.
    """
    return replace(model, test_time_transforms=_TEST_TIME_TRANSFORMS)


EngineOutputs = Mapping[str, NDArray[np.float32]]
SlicesPredictedCallback = Callable[[NetworkPrediction, NDArray[np.intp]], None]
"""Called with the prediction that is being filled and the indices of the slices that were just completed."""


def predict_volume(
    volume: Volume,
    model: LoadedModel,
    progress: ProgressCallback = no_progress,
    order: SliceScheduler | None = None,
    arrived: SlicesPredictedCallback = lambda _prediction, _slices: None,
    sight: InputCache | None = None,
) -> NetworkPrediction:
    """Return the probability and the gate coefficients of every slice of `volume`.

    The gate coefficients are those of the untransformed slices.

    Args:
        volume: the CT.
        model: the loaded model.
        progress: called after each batch of slices; it may raise `WorkCancelled`.
        order: the order of the slices, which may change while they are computed. None starts in the middle
            and goes outwards.
        arrived: called when slices are completed.
        sight: the input of the network for `volume`, if it was prepared before.
    """
    clock = StageTimer()
    slices = volume.grid.shape[0]
    sight = sight or build_input_cache(volume, model)
    prediction = blank_prediction(_prediction_outline(sight.plain_input.frame, model))
    order = order or SliceScheduler(slices)
    clock.record_stage("preprocess")
    done = 0
    for part in _predict_batches(order, sight.views, model):
        prediction.fill_slices(part)
        done += len(part.slices)
        arrived(prediction, part.slices)
        progress(done, slices, "slices")
    clock.record_stage("network")
    return replace(prediction, seconds=clock.seconds)


def build_input_cache(volume: Volume, model: LoadedModel) -> InputCache:
    """Return the input cache of `volume` for the preprocessing and the transforms of `model`."""
    return InputCache(volume, model.card.preprocessing, model.test_time_transforms)


def _predict_batches(
    order: SliceScheduler, views: Sequence[GridInputCache], model: LoadedModel
) -> Iterator[PredictedSlices]:
    """Yield slices as they are completed. The next ones are preprocessed while the network computes."""
    looked_at = order.next_slices(1)
    if len(looked_at):
        # The displayed slice is computed by itself, because the annotator waits for this one.
        yield _predicted_slices(
            looked_at, [model.run(view.input_images(looked_at)) for view in views], views, model
        )
    with ThreadPoolExecutor(_BATCHES_IN_FLIGHT, "attunet-engine") as computing:
        running: deque[tuple[NDArray[np.intp], list[Future[EngineOutputs]]]] = deque()
        while True:
            batch = order.next_slices(model.engine.batch)
            if len(batch):
                images = [view.input_images(batch) for view in views]
                running.append((batch, [computing.submit(model.run, each) for each in images]))
            # A result is only waited for when the engine has all the batches it may hold, or none is left to
            # add.
            if running and (len(running) == _BATCHES_IN_FLIGHT or not len(batch)):
                done, outputs = running.popleft()
                yield _predicted_slices(done, [each.result() for each in outputs], views, model)
            elif not len(batch):
                return


def _prediction_outline(frame: NetworkGrid, model: LoadedModel) -> PredictionOutline:
    """Return what is known of a prediction before its first slice."""
    card, sizes = model.card, model.bundle.family.gate_sizes(model.bundle.config)
    return PredictionOutline(frame, sizes, model.id, card.threshold, card.smallest_piece_ml, card.gland)


def _predicted_slices(
    batch: NDArray[np.intp], found: list[EngineOutputs], views: Sequence[GridInputCache], model: LoadedModel
) -> PredictedSlices:
    """Average the probability over the transforms and return it with the gates of the first, untransformed,
    one.
    """
    plain = views[0]
    probability = found[0][PROBABILITY]
    for done, (view, outputs) in enumerate(zip(views[1:], found[1:], strict=True), start=1):
        carried = plain.frame.resample_from(view.frame, outputs[PROBABILITY])
        # A running mean: no transform has to be kept until the last one is there.
        probability = probability + (carried - probability) / np.float32(done + 1)
    names = model.bundle.family.gate_names(model.bundle.config)
    # float16 halves the memory of a prediction and what is sent through the pipe.
    gates = tuple(found[0][name].astype(np.float16) for name in names)
    return PredictedSlices(batch, probability.astype(np.float16), gates, plain.body_outline(batch))

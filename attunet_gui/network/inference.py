"""Prediction: one CT volume through one engine."""

from __future__ import annotations

import math
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
from attunet_gui.network.patch_blending import patch_layout
from attunet_gui.network.patch_inference import predict_by_patches
from attunet_gui.prediction.model_card import ModelCard
from attunet_gui.prediction.network_grid import InputTransform, NetworkGrid
from attunet_gui.prediction.network_prediction import (
    NetworkPrediction,
    PredictedSlices,
    PredictionOutline,
    blank_prediction,
)
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.hashing import sha256_of_json
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
        companions: other models whose probabilities are averaged with that of this one, see `average_models`.
    """

    bundle: ModelBundle
    engine: InferenceEngine
    id: ModelId
    test_time_transforms: tuple[InputTransform, ...] = ()
    companions: tuple[LoadedModel, ...] = ()

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
    identity = replace(bundle.card.model_id, engine=kind.name)
    return LoadedModel(bundle, kind.load_engine(bundle), identity)


def with_test_time_transforms(model: LoadedModel) -> LoadedModel:
    """Return `model` with test-time augmentation: the mean over five transforms, which takes five times as
    long.
    """
    return replace(model, test_time_transforms=_TEST_TIME_TRANSFORMS)


def average_models(model: LoadedModel, *others: LoadedModel) -> LoadedModel:
    """Return `model` with the mean of its probability and those of `others`, each computed on its own grid.

    Grid, gates, threshold and gland are those of `model`. The logits of another model are shifted so that its
    threshold comes to lie where that of `model` does. Where its grid does not reach, it does not count.
    """
    every = (model, *others)
    weights = sha256_of_json([each.id.sha256 for each in every])
    together = replace(model.id, name="+".join(each.id.name for each in every), sha256=weights)
    return replace(model, id=together, companions=(*model.companions, *others))


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
        progress: called after each batch of slices or patches; it may raise `WorkCancelled`.
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
    done, layout = 0, patch_layout(model.bundle.config, model.card.preprocessing.spacing_mm)
    if layout is None:
        parts = _predict_batches(order, sight.views, model)
    else:
        parts = predict_by_patches(
            order, sight.views, model, layout, lambda: progress(done, slices, "slices")
        )
    for part in parts:
        prediction.fill_slices(part)
        done += len(part.slices)
        arrived(prediction, part.slices)
        progress(done, slices, "slices")
    clock.record_stage("network")
    return replace(prediction, seconds=clock.seconds)


def build_input_cache(volume: Volume, model: LoadedModel) -> InputCache:
    """Return the input cache of `volume` for the preprocessing and the transforms of `model`."""
    own = InputCache(volume, model.card.preprocessing, model.test_time_transforms)
    return own.extended_by(build_input_cache(volume, each) for each in model.companions)


def _predict_batches(
    order: SliceScheduler, views: Sequence[GridInputCache], model: LoadedModel
) -> Iterator[PredictedSlices]:
    """Yield slices as they are completed. The next ones are preprocessed while the network computes."""
    looked_at, runs = order.next_slices(1), _runs_by_view(model)
    if len(looked_at):
        # The displayed slice is computed by itself, because the annotator waits for this one.
        outputs = [run(view.input_images(looked_at)) for run, view in zip(runs, views, strict=True)]
        yield _predicted_slices(looked_at, outputs, views, model)
    with ThreadPoolExecutor(_BATCHES_IN_FLIGHT, "attunet-engine") as computing:
        running: deque[tuple[NDArray[np.intp], list[Future[EngineOutputs]]]] = deque()
        while True:
            batch = order.next_slices(model.engine.batch)
            if len(batch):
                images = [view.input_images(batch) for view in views]
                submitted = zip(runs, images, strict=True)
                running.append((batch, [computing.submit(run, each) for run, each in submitted]))
            # A result is only waited for when the engine has all the batches it may hold, or none is left to
            # add.
            if running and (len(running) == _BATCHES_IN_FLIGHT or not len(batch)):
                done, awaited = running.popleft()
                yield _predicted_slices(done, [each.result() for each in awaited], views, model)
            elif not len(batch):
                return


RunFunction = Callable[[NDArray[np.float32]], EngineOutputs]


def _runs_by_view(model: LoadedModel) -> tuple[RunFunction, ...]:
    """Return what computes each view of `build_input_cache`: `model`, then each of its companions."""
    further = (run for each in model.companions for run in _runs_by_view(each))
    return (*(model.run,) * _own_views(model), *further)


def _own_views(model: LoadedModel) -> int:
    return 1 + len(model.test_time_transforms)


def _prediction_outline(frame: NetworkGrid, model: LoadedModel) -> PredictionOutline:
    """Return what is known of a prediction before its first slice."""
    card, sizes = model.card, model.bundle.family.gate_sizes(model.bundle.config)
    return PredictionOutline(frame, sizes, model.id, card.threshold, card.smallest_piece_ml, card.gland)


def _predicted_slices(
    batch: NDArray[np.intp], found: list[EngineOutputs], views: Sequence[GridInputCache], model: LoadedModel
) -> PredictedSlices:
    """Average the probability over transforms and companions and return it with the gates of the first,
    untransformed, view.
    """
    plain = views[0]
    probability = _mean_probability(found, views, model)
    names = model.bundle.family.gate_names(model.bundle.config)
    # float16 halves the memory of a prediction and what is sent through the pipe.
    gates = tuple(found[0][name].astype(np.float16) for name in names)
    return PredictedSlices(batch, probability.astype(np.float16), gates, plain.body_outline(batch))


def _mean_probability(
    found: Sequence[EngineOutputs], views: Sequence[GridInputCache], model: LoadedModel
) -> NDArray[np.float32]:
    """Return (n, rows, columns), the mean probability on the grid of the first view.

    Args:
        found: the outputs of each view.
        views: those of `model`, then those of its companions.
        model: the loaded model.
    """
    plain, own = views[0].frame, _own_views(model)
    probability = found[0][PROBABILITY]
    for done, (view, outputs) in enumerate(zip(views[1:own], found[1:own], strict=True), start=1):
        carried = plain.resample_from(view.frame, outputs[PROBABILITY])
        # A running mean: no transform has to be kept until the last one is there.
        probability = probability + (carried - probability) / np.float32(done + 1)
    return _add_companions(probability, found[own:], views[own:], (plain, model))


def _add_companions(
    probability: NDArray[np.float32],
    found: Sequence[EngineOutputs],
    views: Sequence[GridInputCache],
    of: tuple[NetworkGrid, LoadedModel],
) -> NDArray[np.float32]:
    """Return the mean of `probability` and those of the companions.

    Args:
        probability: (n, rows, columns) of the model itself.
        found, views: of its companions, one after the other.
        of: the grid of `probability`, and the model.
    """
    plain, model = of
    total, share, begin = probability, np.ones((1, 1, 1), np.float32), 0
    for each in model.companions:
        end = begin + len(_runs_by_view(each))
        theirs = _mean_probability(found[begin:end], views[begin:end], each)
        # Where the grid of the other does not reach, its share is 0.
        reached = plain.resample_from(views[begin].frame, np.ones((1, *views[begin].frame.size)))
        total = total + plain.resample_from(
            views[begin].frame, _threshold_shift(each, model).apply(np.asarray(theirs))
        )
        share, begin = share + reached, end
    return total / share if model.companions else total


def _threshold_shift(each: LoadedModel, model: LoadedModel) -> ProbabilityCalibration:
    """Return the shift of the logit that brings the threshold of `each` to that of `model`."""
    high, low = (math.log(one.card.threshold / (1 - one.card.threshold)) for one in (model, each))
    return ProbabilityCalibration(offset=high - low)

"""Prediction: one CT volume through one engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.card import Card
from attunet_gui.core.clock import Clock
from attunet_gui.core.frame import Frame, Look
from attunet_gui.core.order import Outwards
from attunet_gui.core.prediction import ModelId, Outline, Part, Prediction, blank
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Volume
from attunet_gui.network.attention_unet.config import PROBABILITY, gate_names, gate_sizes
from attunet_gui.network.bundle import Bundle
from attunet_gui.network.engines import Engine, EngineKind, default_engine
from attunet_gui.network.families import parse_config
from attunet_gui.network.sight import Sight, View

# Batches in the engine at once. While some cores compute the last slices of one batch, the others begin the
# next.
_IN_FLIGHT = 2
# There are no flips, because a body has its liver on one side. No shift is a multiple of the network's
# coarsest pixel, which is 16 pixels, as such a shift would give nearly the same result.
_LOOKS = (
    Look(scale=0.94),
    Look(scale=1.06),
    Look(shift=(5.0, 3.0)),
    Look(shift=(-3.0, -5.0)),
)


@dataclass(frozen=True)
class Model:
    """A bundle whose network is loaded and ready to predict.

    Attributes:
        bundle: card and weights.
        engine: computes the network.
        id: name, sha256 and engine, for records.
        looks: transforms of the slices whose probabilities are averaged with that of the untransformed one.
    """

    bundle: Bundle
    engine: Engine
    id: ModelId
    looks: tuple[Look, ...] = ()

    @property
    def card(self) -> Card:
        """The card of the bundle."""
        return self.bundle.card

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the outputs of the engine for `batch`, with the probability calibrated as the card says."""
        outputs = self.engine.run(batch)
        return {**outputs, PROBABILITY: self.card.calibration.apply(outputs[PROBABILITY])}


def load_model(bundle: Bundle, kind: EngineKind | None = None) -> Model:
    """Load `bundle` into an engine of `kind`, the fastest one if None; `BadModel` if it is damaged."""
    kind = kind or default_engine()
    identity = ModelId(bundle.card.name, bundle.card.sha256, kind.name)
    return Model(bundle, kind.load(bundle), identity)


def looking_again(model: Model) -> Model:
    """Return `model` with test-time augmentation: the mean over five transforms, which takes five times as
    long.
    """
    return replace(model, looks=_LOOKS)


Outputs = Mapping[str, NDArray[np.float32]]
Arrived = Callable[[Prediction, NDArray[np.intp]], None]
"""Called with the prediction that is being filled and the indices of the slices that were just completed."""


def predict(
    volume: Volume,
    model: Model,
    progress: Progress = silent,
    order: Outwards | None = None,
    arrived: Arrived = lambda _prediction, _slices: None,
    sight: Sight | None = None,
) -> Prediction:
    """Return the probability and the gate coefficients of every slice of `volume`.

    The gate coefficients are those of the untransformed slices.

    Args:
        volume: the CT.
        model: the loaded model.
        progress: called after each batch of slices; it may raise `Cancelled`.
        order: the order of the slices, which may change while they are computed. None starts in the middle
            and goes outwards.
        arrived: called when slices are completed.
        sight: the input of the network for `volume`, if it was prepared before.
    """
    clock = Clock()
    slices = volume.grid.shape[0]
    sight = sight or sight_of(volume, model)
    prediction = blank(_outline(sight.plain.frame, model))
    order = order or Outwards(slices)
    clock.lap("preprocess")
    done = 0
    for part in _parts(order, sight.views, model):
        prediction.fill(part)
        done += len(part.slices)
        arrived(prediction, part.slices)
        progress(done, slices, "slices")
    clock.lap("network")
    return replace(prediction, seconds=clock.seconds)


def sight_of(volume: Volume, model: Model) -> Sight:
    """Return the input cache of `volume` for the preprocessing and the transforms of `model`."""
    return Sight(volume, model.card.preprocessing, model.looks)


def _parts(order: Outwards, views: Sequence[View], model: Model) -> Iterator[Part]:
    """Yield slices as they are completed. The next ones are preprocessed while the network computes."""
    looked_at = order.next(1)
    if len(looked_at):
        # The displayed slice is computed by itself, because the annotator waits for this one.
        yield _part(looked_at, [model.run(view.images(looked_at)) for view in views], views, model)
    with ThreadPoolExecutor(_IN_FLIGHT, "attunet-engine") as computing:
        running: deque[tuple[NDArray[np.intp], list[Future[Outputs]]]] = deque()
        while True:
            batch = order.next(model.engine.batch)
            if len(batch):
                images = [view.images(batch) for view in views]
                running.append((batch, [computing.submit(model.run, each) for each in images]))
            # A result is only waited for when the engine has all the batches it may hold, or none is left to
            # add.
            if running and (len(running) == _IN_FLIGHT or not len(batch)):
                done, outputs = running.popleft()
                yield _part(done, [each.result() for each in outputs], views, model)
            elif not len(batch):
                return


def _outline(frame: Frame, model: Model) -> Outline:
    """Return what is known of a prediction before its first slice."""
    card = model.card
    config: Any = parse_config(card.family, card.config)
    return Outline(frame, gate_sizes(config), model.id, card.threshold, card.smallest_piece_ml, card.gland)


def _part(batch: NDArray[np.intp], found: list[Outputs], views: Sequence[View], model: Model) -> Part:
    """Average the probability over the transforms and return it with the gates of the first, untransformed,
    one.
    """
    plain = views[0]
    probability = found[0][PROBABILITY]
    for done, (view, outputs) in enumerate(zip(views[1:], found[1:], strict=True), start=1):
        carried = plain.frame.carried_from(view.frame, outputs[PROBABILITY])
        # A running mean: no transform has to be kept until the last one is there.
        probability = probability + (carried - probability) / np.float32(done + 1)
    config: Any = parse_config(model.card.family, model.card.config)
    # float16 halves the memory of a prediction and what is sent through the pipe.
    gates = tuple(found[0][name].astype(np.float16) for name in gate_names(config))
    return Part(batch, probability.astype(np.float16), gates, plain.body(batch))

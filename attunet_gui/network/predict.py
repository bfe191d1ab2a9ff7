"""One volume through one engine."""

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

_IN_FLIGHT = 2
"""Batches in the engine at once: while the last slices of one are computed, the next has begun."""
_LOOKS = (
    Look(scale=0.94),
    Look(scale=1.06),
    Look(shift=(5.0, 3.0)),
    Look(shift=(-3.0, -5.0)),
)
"""No flips: a body has its liver on one side. Shifts that are no multiple of the coarsest pixel, 16."""


@dataclass(frozen=True)
class Model:
    """A bundle made ready to predict.

    Attributes:
        bundle: card and weights.
        engine: runs its network.
        id: who speaks, in records.
        looks: further looks at each slice, whose probability is averaged with that of the plain one.
    """

    bundle: Bundle
    engine: Engine
    id: ModelId
    looks: tuple[Look, ...] = ()

    @property
    def card(self) -> Card:
        """The bundle's card."""
        return self.bundle.card

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """As `Engine.run`, the probability calibrated."""
        outputs = self.engine.run(batch)
        return {**outputs, PROBABILITY: self.card.calibration.apply(outputs[PROBABILITY])}


def load_model(bundle: Bundle, kind: EngineKind | None = None) -> Model:
    """Load `bundle` into an engine (the default one if `kind` is None); `BadModel` if it is damaged."""
    kind = kind or default_engine()
    identity = ModelId(bundle.card.name, bundle.card.sha256, kind.name)
    return Model(bundle, kind.load(bundle), identity)


def looking_again(model: Model) -> Model:
    """`model`, its probability averaged over five looks of other shift and scale; five times as slow."""
    return replace(model, looks=_LOOKS)


Outputs = Mapping[str, NDArray[np.float32]]
Arrived = Callable[[Prediction, NDArray[np.intp]], None]
"""Told of slices that are done, in the prediction that is being filled."""


def predict(
    volume: Volume,
    model: Model,
    progress: Progress = silent,
    order: Outwards | None = None,
    arrived: Arrived = lambda _prediction, _slices: None,
    sight: Sight | None = None,
) -> Prediction:
    """Probability and gates of every slice of `volume`.

    Gates are those of the first, plain look.

    Args:
        volume: the CT.
        model: who predicts.
        progress: called after each batch of slices; may raise `Cancelled`.
        order: which slices first; it may change its mind meanwhile. From the middle outwards if None.
        arrived: called when slices are done.
        sight: `volume` as `model` sees it, if that was made ready before.
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
    """`volume` as `model` sees it."""
    return Sight(volume, model.card.preprocessing, model.looks)


def _parts(order: Outwards, views: Sequence[View], model: Model) -> Iterator[Part]:
    """Slices as they are done; the next ones are made ready while the network computes."""
    looked_at = order.next(1)
    if len(looked_at):
        # By itself: a person waits for this one, and for no other.
        yield _part(looked_at, [model.run(view.images(looked_at)) for view in views], views, model)
    with ThreadPoolExecutor(_IN_FLIGHT, "attunet-engine") as computing:
        running: deque[tuple[NDArray[np.intp], list[Future[Outputs]]]] = deque()
        while True:
            batch = order.next(model.engine.batch)
            if len(batch):
                images = [view.images(batch) for view in views]
                running.append((batch, [computing.submit(model.run, each) for each in images]))
            if running and (len(running) == _IN_FLIGHT or not len(batch)):
                done, outputs = running.popleft()
                yield _part(done, [each.result() for each in outputs], views, model)
            elif not len(batch):
                return


def _outline(frame: Frame, model: Model) -> Outline:
    card = model.card
    config: Any = parse_config(card.family, card.config)
    return Outline(frame, gate_sizes(config), model.id, card.threshold, card.smallest_piece_ml, card.gland)


def _part(batch: NDArray[np.intp], found: list[Outputs], views: Sequence[View], model: Model) -> Part:
    plain = views[0]
    probability = found[0][PROBABILITY]
    for done, (view, outputs) in enumerate(zip(views[1:], found[1:], strict=True), start=1):
        carried = plain.frame.carried_from(view.frame, outputs[PROBABILITY])
        probability = probability + (carried - probability) / np.float32(done + 1)
    config: Any = parse_config(model.card.family, model.card.config)
    gates = tuple(found[0][name].astype(np.float16) for name in gate_names(config))
    return Part(batch, probability.astype(np.float16), gates, plain.body(batch))

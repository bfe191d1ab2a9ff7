"""One volume through one engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.body import body_mask, body_threshold_hu, fat_is_lost
from attunet_gui.core.card import Card
from attunet_gui.core.clock import Clock
from attunet_gui.core.frame import Frame, Look
from attunet_gui.core.prediction import GateMap, ModelId, Prediction
from attunet_gui.core.preprocess import Preprocessing, frame_for, neighbour_indices, network_slices, windowed
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Volume
from attunet_gui.network.attention_unet.config import PROBABILITY
from attunet_gui.network.bundle import Bundle
from attunet_gui.network.engines import Engine, EngineKind, default_engine

_BATCH = 2
"""Small, so that a cancel is obeyed within a fraction of a second on a slow laptop."""

_FAT_GAP_MM = 20.0
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
        looks: further looks at each slice, whose probability is averaged with that of the plain one.
    """

    card: Card
    engine: Engine
    id: ModelId
    looks: tuple[Look, ...] = ()

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """As `Engine.run`, the probability calibrated."""
        outputs = self.engine.run(batch)
        return {**outputs, PROBABILITY: self.card.calibration.apply(outputs[PROBABILITY])}


def load_model(bundle: Bundle, kind: EngineKind | None = None) -> Model:
    """Load `bundle` into an engine (the default one if `kind` is None); `BadModel` if it is damaged."""
    kind = kind or default_engine()
    identity = ModelId(bundle.card.name, bundle.card.sha256, kind.name)
    return Model(bundle.card, kind.load(bundle), identity)


def looking_again(model: Model) -> Model:
    """`model`, its probability averaged over five looks of other shift and scale; five times as slow."""
    return replace(model, looks=_LOOKS)


def predict(volume: Volume, model: Model, progress: Progress = silent) -> Prediction:
    """Probability and gates of every slice of `volume`.

    Gates are those of the first, plain look. `progress` is called after each batch of slices and may raise
    `Cancelled`.
    """
    clock = Clock()
    frame = frame_for(volume, model.card.preprocessing)
    images = _images(volume, frame, model)
    body = _body(volume, images, model.card.preprocessing)
    clock.lap("preprocess")
    passes = 1 + len(model.looks)
    maps = _run(model, images, _stretch(progress, 0, passes))
    probability = maps.pop(PROBABILITY)
    for done, look in enumerate(model.looks, start=1):
        other = frame.moved(look)
        seen = _run(model, _images(volume, other, model), _stretch(progress, done, passes))[PROBABILITY]
        # A running mean: after this look, done + 1 of them.
        probability += ((frame.carried_from(other, seen) - probability) / (done + 1)).astype(np.float16)
    clock.lap("network")
    return Prediction(
        frame=frame,
        probability=probability,
        gates=_gates(maps),
        body=body,
        model=model.id,
        threshold=model.card.threshold,
        smallest_piece_ml=model.card.smallest_piece_ml,
        gland=model.card.gland,
        seconds=clock.seconds,
    )


def _stretch(progress: Progress, done_before: int, passes: int) -> Progress:
    """`progress` of one pass as part of several."""
    return lambda done, total, stage: progress(done_before * total + done, passes * total, stage)


def _images(volume: Volume, frame: Frame, model: Model) -> NDArray[np.float32]:
    """(z, rows, columns) as the network sees each slice."""
    parts = _batches(volume.grid.shape[0])
    wanted = model.card.preprocessing
    return np.concatenate([network_slices(volume, frame, wanted, part) for part in parts], dtype=np.float32)


def _run(model: Model, images: NDArray[np.float32], progress: Progress) -> dict[str, NDArray[np.float16]]:
    slices, neighbours = len(images), model.card.preprocessing.neighbours
    maps: dict[str, NDArray[np.float16]] = {}
    for part in _batches(slices):
        # Always a whole batch: another size would make the engine compile again.
        whole = np.pad(part, (0, min(_BATCH, slices) - len(part)), mode="edge")
        channels = images[neighbour_indices(whole, neighbours, slices)]
        outputs = model.run(np.ascontiguousarray(np.moveaxis(channels, 1, -1)))
        _store(maps, outputs, part, slices)
        progress(int(part[-1]) + 1, slices, "slices")
    return maps


def _batches(slices: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, slices, _BATCH):
        yield np.arange(start, min(start + _BATCH, slices))


def _store(
    maps: dict[str, NDArray[np.float16]],
    outputs: Mapping[str, NDArray[np.float32]],
    part: NDArray[np.intp],
    slices: int,
) -> None:
    for name, values in outputs.items():
        if name not in maps:
            maps[name] = np.zeros((slices, *values.shape[1:]), np.float16)
        maps[name][part] = values[: len(part)]


def _gates(maps: Mapping[str, NDArray[np.float16]]) -> tuple[GateMap, ...]:
    finest_first = sorted(maps, key=lambda name: -maps[name].shape[1])
    return tuple(GateMap(level, len(maps), maps[name]) for level, name in enumerate(finest_first, start=1))


def _body(volume: Volume, images: NDArray[np.float32], wanted: Preprocessing) -> NDArray[np.bool_]:
    cut = windowed(np.array([body_threshold_hu(volume.hu)]), wanted.window_hu)
    gap = round(_FAT_GAP_MM / wanted.spacing_mm) if fat_is_lost(volume.hu) else 0
    return body_mask(images, max(float(cut[0]), 0.02), gap)

"""One volume through one engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.body import body_mask, body_threshold_hu
from attunet_gui.core.card import Card
from attunet_gui.core.clock import Clock
from attunet_gui.core.prediction import GateMap, ModelId, Prediction
from attunet_gui.core.preprocess import frame_for, neighbour_indices, network_slices, windowed
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Volume
from attunet_gui.network.attention_unet.config import PROBABILITY
from attunet_gui.network.bundle import Bundle
from attunet_gui.network.engines import Engine, EngineKind, default_engine

_BATCH = 2
"""Small, so that a cancel is obeyed within a fraction of a second on a slow laptop."""


@dataclass(frozen=True)
class Model:
    """A bundle made ready to predict."""

    card: Card
    engine: Engine
    id: ModelId

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """As `Engine.run`, the probability calibrated."""
        outputs = self.engine.run(batch)
        return {**outputs, PROBABILITY: self.card.calibration.apply(outputs[PROBABILITY])}


def load_model(bundle: Bundle, kind: EngineKind | None = None) -> Model:
    """Load `bundle` into an engine (the default one if `kind` is None); `BadModel` if it is damaged."""
    kind = kind or default_engine()
    identity = ModelId(bundle.card.name, bundle.card.sha256, kind.name)
    return Model(bundle.card, kind.load(bundle), identity)


def predict(volume: Volume, model: Model, progress: Progress = silent) -> Prediction:
    """Probability and gates of every slice of `volume`.

    `progress` is called after each batch of slices and may raise `Cancelled`.
    """
    clock = Clock()
    wanted = model.card.preprocessing
    frame = frame_for(volume, wanted)
    slices = volume.grid.shape[0]
    images = np.concatenate(
        [network_slices(volume, frame, wanted, part) for part in _batches(slices)], dtype=np.float32
    )
    body = _body(volume, images, wanted.window_hu)
    clock.lap("preprocess")
    maps: dict[str, NDArray[np.float16]] = {}
    for part in _batches(slices):
        # Always a whole batch: another size would make the engine compile again.
        whole = np.pad(part, (0, min(_BATCH, slices) - len(part)), mode="edge")
        channels = images[neighbour_indices(whole, wanted.neighbours, slices)]
        outputs = model.run(np.ascontiguousarray(np.moveaxis(channels, 1, -1)))
        _store(maps, outputs, part, slices)
        progress(int(part[-1]) + 1, slices, "slices")
    clock.lap("network")
    return Prediction(
        frame=frame,
        probability=maps.pop(PROBABILITY),
        gates=_gates(maps),
        body=body,
        model=model.id,
        threshold=model.card.threshold,
        smallest_piece_ml=model.card.smallest_piece_ml,
        gland=model.card.gland,
        seconds=clock.seconds,
    )


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


def _body(volume: Volume, images: NDArray[np.float32], window_hu: tuple[float, float]) -> NDArray[np.bool_]:
    cut = windowed(np.array([body_threshold_hu(volume.hu)]), window_hu)
    return body_mask(images, max(float(cut[0]), 0.02))

"""Predictions on disk: the network is asked once a case, however often the annotator begins anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np

from attunet_gui.core.volume import Volume
from attunet_gui.network.inference import LoadedModel, predict_volume
from attunet_gui.prediction.network_prediction import GateMap, NetworkPrediction
from attunet_gui.prediction.preprocess import network_grid_for
from attunet_gui.system.atomic_write import write_atomically
from attunet_gui.system.errors import UnwritableOutput
from attunet_gui.system.progress import ProgressCallback, no_progress


def cached_prediction(
    path: Path, volume: Volume, model: LoadedModel, progress: ProgressCallback = no_progress
) -> NetworkPrediction:
    """What `model` says of `volume`: read from `path` if that is of this model, else written there.

    Raises:
        UnwritableOutput: it could not be written.
    """
    found = _read(path, volume, model)
    if found is None:
        found = predict_volume(volume, model, progress)
        _write(path, found)
    return found


def _read(path: Path, volume: Volume, model: LoadedModel) -> NetworkPrediction | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            maps = {name: stored[name] for name in stored.files}
        if str(maps["model"]) != model.id.sha256 or len(maps["probability"]) != len(volume.hu):
            return None
        count = sum(name.startswith("gate") for name in maps)
        gates = tuple(GateMap(level, count, maps[f"gate{level}"]) for level in range(1, count + 1))
        probability, body = maps["probability"], maps["body"]
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    card = model.card
    return NetworkPrediction(
        frame=network_grid_for(volume, card.preprocessing),
        probability=probability,
        gates=gates,
        body=body,
        model=model.id,
        threshold=card.threshold,
        smallest_piece_ml=card.smallest_piece_ml,
        gland=card.gland,
    )


def _write(path: Path, prediction: NetworkPrediction) -> None:
    maps: dict[str, Any] = {f"gate{gate.level}": gate.values for gate in prediction.gates}
    maps |= {"probability": prediction.probability, "body": prediction.body, "model": prediction.model.sha256}

    def produce(file: BinaryIO) -> None:
        np.savez_compressed(file, **maps)

    def verify(written: Path) -> None:
        with np.load(written, allow_pickle=False) as stored:
            if not np.array_equal(stored["probability"], prediction.probability):
                raise UnwritableOutput(f"{path.name} was not saved as it is: try again.")

    write_atomically(path, produce, verify)

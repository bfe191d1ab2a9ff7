"""Slices of a bright square in a gray body, and a network whose answer is known; free of TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attunet_gui.core.provenance import ModelId
from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.network.inference import LoadedModel
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.prediction.model_card import ModelCard
from tests.support.model_cards import card_fields


class BrightIsOrgan:
    """An engine whose probability is 0.9 where the slice is bright, 0.1 elsewhere, and a gate that agrees."""

    batch = 2

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        bright = batch[:, batch.shape[1] // 2] > 0.8
        shown = np.where(bright, np.float32(0.9), np.float32(0.1))
        return {"probability": shown, "gate1": shown[:, ::2, ::2]}


def bright_model(**changes: object) -> LoadedModel:
    preprocessing = {"size": [64, 64], "spacing_mm": 4.0, "window_hu": [-160, 240]}
    config = {"size": [64, 64], "filters": 2, "levels": 2, "gate_filters": 4}
    fields = card_fields(preprocessing=preprocessing, config=config) | changes
    card = ModelCard.model_validate(fields | {"weights": {"sha256": "0" * 64, "bytes": 1}})
    return LoadedModel(ModelBundle(Path(), card), BrightIsOrgan(), ModelId("bright", "0" * 64, "known"))


def case(patient: str, name: str, miss: int = 0, slices: int = 1) -> LabelledCase:
    """A body with a bright organ of 24 rows; the truth has it `miss` rows lower than it is."""
    hu = np.full((slices, 96, 128), -1000, np.int16)
    hu[:, 12:84, 16:112] = 40
    hu[:, 30:54, 40:80] = 230
    truth = np.zeros(hu.shape, np.uint8)
    truth[:, 30 + miss : 54 + miss, 40:80] = 1
    affine = np.array([[0, 0, -2.0, 0], [0, -2.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    volume = Volume(
        hu, canonical_reorientation(VoxelGrid(hu.shape, affine)), name, VolumeOrigin(Path(name), "test")
    )
    return LabelledCase(name, (patient,), lambda: (volume, truth))


def write_slice(folder: Path, name: str) -> None:
    """A JPEG slice and its mask, upside down as distributed."""
    image, mask = np.zeros((96, 128), np.uint8), np.zeros((96, 128), np.uint8)
    image[12:84, 16:112], image[40:60, 40:80], mask[40:60, 40:80] = 60, 200, 255
    for part, gray in (("images", image), ("masks", mask)):
        (folder / part).mkdir(exist_ok=True, parents=True)
        Image.fromarray(gray).save(folder / part / f"{name}.jpg", quality=95)

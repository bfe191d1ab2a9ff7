"""Maps as people look at them."""

from __future__ import annotations

import numpy as np
import pytest

from attunet_gui.core.provenance import ModelId
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.prediction.map_overlays import make_overlays
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import GateMap, NetworkPrediction


def prediction(gates: tuple[GateMap, ...], body: np.ndarray, probability: np.ndarray) -> NetworkPrediction:
    frame = NetworkGrid(VoxelGrid((1, 8, 8), np.eye(4)), (8, 8), (0.0, 0.0), (1.0, 1.0))
    return NetworkPrediction(frame, probability, gates, body, ModelId("m", "0" * 64, "keras"), 0.5)


def test_inside_and_outside_are_means_over_draft_and_rest_of_body() -> None:
    probability = np.zeros((1, 8, 8), np.float16)
    probability[0, :4, :4] = 1
    body = np.zeros((1, 8, 8), bool)
    body[0, :, :4] = True
    gate = np.zeros((1, 4, 4), np.float16)
    gate[0, :2, :2], gate[0, 2:, :2], gate[0, :, 2:] = 0.75, 0.25, 1.0
    made = make_overlays(prediction((GateMap(1, 1, gate),), body, probability))
    by_key = {overlay.key: overlay for overlay in made}
    assert list(by_key) == ["probability", "gates", "gate 1"]
    assert by_key["gate 1"].title == "Gate 1 of 1 (4 x 4)"
    assert by_key["gate 1"].inside == pytest.approx(0.75)
    assert by_key["gate 1"].outside == pytest.approx(0.25)
    assert by_key["probability"].inside == pytest.approx(1.0)
    assert float(np.asarray(by_key["gate 1"].map)[0, :, 6:].max()) == 0.0, "shown outside the body"


def test_without_a_draft_there_is_no_inside() -> None:
    nothing = np.zeros((1, 8, 8), np.float16)
    made = make_overlays(prediction((), np.zeros((1, 8, 8), bool), nothing))
    assert [(o.inside, o.outside) for o in made] == [(None, None)]

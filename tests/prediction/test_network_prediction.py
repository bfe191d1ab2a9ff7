"""Draft masks and merged gates."""

from __future__ import annotations

import numpy as np
import pytest

from attunet_gui.core.metrics import dice_coefficient, mask_volume_ml
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import (
    GateMap,
    NetworkPrediction,
    blank_prediction,
    draft_edit_of_slices,
    draft_mask,
    outline_of_prediction,
)


def _prediction(probability: np.ndarray, smallest_ml: float = 0.0) -> NetworkPrediction:
    grid = VoxelGrid(probability.shape, np.diag([3.0, 1.0, 1.0, 1.0]))
    frame = NetworkGrid(grid, probability.shape[1:], (0.0, 0.0), (1.0, 1.0))
    gates = tuple(
        GateMap(level, 2, np.full((len(probability), 32 >> level, 32 >> level), value, np.float16))
        for level, value in ((1, 0.5), (2, 0.25))
    )
    body = np.ones(probability.shape, bool)
    model = ModelId("test", "0" * 64, "none")
    return NetworkPrediction(frame, probability.astype(np.float16), gates, body, model, 0.5, smallest_ml)


def test_the_draft_is_where_the_probability_reaches_the_threshold() -> None:
    probability = np.zeros((4, 32, 32))
    probability[1, 5:9, 5:9], probability[2, 5:9, 5:9] = 0.9, 0.4
    assert np.array_equal(draft_mask(_prediction(probability)), probability >= 0.5)


def test_pieces_smaller_than_the_smallest_are_dropped() -> None:
    probability = np.zeros((5, 32, 32))
    probability[0:3, 5:15, 5:15] = 1
    probability[2, 16, 8:10] = 1
    assert draft_mask(_prediction(probability)).sum() == 302
    assert draft_mask(_prediction(probability, smallest_ml=0.1)).sum() == 300


def test_the_draft_is_the_gland_without_islands_and_holes() -> None:
    probability = np.zeros((5, 32, 32))
    probability[0:4, 2:12, 2:12] = 1
    probability[2, 6, 6] = 0
    probability[3, 30, 30] = 1
    draft = draft_mask(_prediction(probability))
    assert draft.sum() == 400
    assert draft[2, 6, 6] == 1
    assert draft[3, 30, 30] == 0


def test_merged_gates_are_their_product_at_the_finest_resolution() -> None:
    prediction = _prediction(np.zeros((4, 32, 32)))
    assert prediction.merged_gates.shape == (4, 16, 16)
    assert np.all(prediction.merged_gates == np.float16(0.125))
    assert np.all(prediction.gates[0].values == np.float16(0.5))
    assert prediction.gates[1].title == "gate 2 of 2 (8 x 8)"


def test_dice_of_known_masks() -> None:
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert dice_coefficient(a, b) == 1.0
    a[0], b[0, :2] = True, True
    assert dice_coefficient(a, b) == pytest.approx(2 * 2 / 6)
    assert dice_coefficient(a, ~a) == 0.0


def test_volume_is_in_millilitres() -> None:
    assert mask_volume_ml(
        np.ones((10, 10, 10)), VoxelGrid((10, 10, 10), np.diag([2.0, 2, 2.5, 1]))
    ) == pytest.approx(10)


def test_slices_filled_one_by_one_make_the_same_prediction() -> None:
    rng = np.random.default_rng(3)
    whole = _prediction(rng.random((6, 16, 16)))
    filled = blank_prediction(outline_of_prediction(whole))
    assert filled.merged_gates.max() == 0
    for slices in (np.array([2, 3]), np.array([0, 1]), np.array([4, 5])):
        filled.fill_slices(whole.select_slices(slices))
    assert np.array_equal(filled.probability, whole.probability)
    assert np.array_equal(filled.body, whole.body)
    assert np.array_equal(filled.merged_gates, whole.merged_gates)
    assert np.array_equal(draft_mask(filled), draft_mask(whole))


def test_what_is_drafted_so_far_is_every_piece_in_those_slices() -> None:
    probability = np.zeros((6, 16, 16))
    probability[1:3, 2:6, 2:6] = probability[2, 12, 12] = 0.9
    mask = np.zeros((6, 16, 16), np.uint8)
    draft_edit_of_slices(_prediction(probability), np.array([2, 3])).apply_to(mask)
    assert np.array_equal(mask != 0, (probability >= 0.5) & (np.arange(6) >= 2)[:, None, None])
    assert not draft_edit_of_slices(_prediction(probability), np.array([4, 5])).changed_voxels


@pytest.mark.parametrize("name", ["starter-2", "a name with spaces"])
def test_a_model_prints_and_parses_the_text_that_projects_store(name: str) -> None:
    model = ModelId(name, "ab" * 32, "openvino")
    assert str(model) == f"{name} {'ab' * 32}"
    assert ModelId.parse(str(model)) == model.without_engine == ModelId(name, "ab" * 32)
    assert ModelId.parse("") is None


def test_a_text_without_a_sum_is_a_model_of_that_name_and_prints_the_same() -> None:
    assert ModelId.parse("model") == ModelId("model", "")
    assert str(ModelId.parse("model")) == "model"

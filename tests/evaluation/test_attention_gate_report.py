"""Gates: means inside and outside, what separates, what is dead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attunet_gui.core.provenance import ModelId
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.evaluation.attention_gate_report import GateReport, gate_histograms, report_gate
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import GateMap, NetworkPrediction

_SIZE = (2, 16, 16)


def predicted(gate: np.ndarray, body: np.ndarray | None = None) -> NetworkPrediction:
    frame = NetworkGrid(VoxelGrid(_SIZE, np.diag([3.0, 1.0, 1.0, 1.0])), _SIZE[1:], (0.0, 0.0), (1.0, 1.0))
    body = np.ones(_SIZE, bool) if body is None else body
    gates = (GateMap(1, 1, gate.astype(np.float16)),)
    return NetworkPrediction(
        frame, np.zeros(_SIZE, np.float16), gates, body, ModelId("m", "0" * 64, "none"), 0.5
    )


def reported(gate: np.ndarray, mask: np.ndarray, body: np.ndarray | None = None) -> GateReport:
    (found,) = gate_histograms(predicted(gate, body), mask > 0)
    return report_gate(found)


def organ() -> np.ndarray:
    mask = np.zeros(_SIZE, np.uint8)
    mask[:, 4:8, 4:12] = 1
    return mask


def test_means_are_taken_in_the_organ_and_in_the_rest_of_the_body() -> None:
    body = np.ones(_SIZE, bool)
    body[:, :, 12:] = False
    gate = np.full((2, 8, 8), 0.25)
    gate[:, 2:4, 2:6] = 0.75
    gate[:, :, 6:] = 1.0  # outside of the body: not looked at
    found = reported(gate, organ(), body)
    assert (found.inside, found.outside, found.separation) == (0.75, 0.25, 1.0)
    assert found.mean == pytest.approx(0.25 + 0.5 * (4 * 8) / (16 * 12))
    assert (found.low, found.high, found.fault) == (0.25, 0.75, None)


def test_a_pixel_that_is_half_organ_counts_half() -> None:
    mask = np.zeros(_SIZE, np.uint8)
    mask[:, 0, 0:2] = 1
    gate = np.zeros((2, 8, 8))
    gate[:, 0, 0] = 0.5
    (found,) = gate_histograms(predicted(gate), mask > 0)
    assert found.inside.sum() == 2 * 0.5
    assert found.outside.sum() == 2 * (64 - 0.5)


gates = arrays(np.float16, (2, 8, 8), elements=st.floats(0, 1, width=16))


@given(gates)
def test_separation_is_the_share_of_pairs_in_the_right_order(gate: np.ndarray) -> None:
    inside = share_mask()
    a, b = gate[inside].astype(float), gate[~inside].astype(float)
    pairs = (a[:, None] > b[None]).mean() + 0.5 * (a[:, None] == b[None]).mean()
    found = reported(gate, organ())
    assert found.separation == pytest.approx(pairs)
    assert found.inside == pytest.approx(a.mean())
    assert found.deviation == pytest.approx(np.sqrt(gate.astype(float).var(axis=(1, 2)).mean()), abs=1e-9)
    assert found.low <= found.high


def test_a_gate_that_is_open_on_the_organ_alone_is_not_dead() -> None:
    gate = np.zeros((2, 16, 16))
    gate[0, 4, 4] = 1
    mask = np.zeros(_SIZE, np.uint8)
    mask[0, 4, 4] = 1
    assert reported(gate, mask).fault is None
    assert reported(1 - gate, mask).fault is None


def share_mask() -> np.ndarray:
    inside = np.zeros((2, 8, 8), bool)
    inside[:, 2:4, 2:6] = True
    return inside


@pytest.mark.parametrize(
    ("centre", "spread", "fault"),
    [
        (0.02, 0.02, "closed"),
        (0.98, 0.02, "open"),
        (0.5, 0.01, "constant"),
        (0.5, 0.2, None),
        (0.9, 0.1, None),
    ],
)
def test_a_dead_gate_is_named(centre: float, spread: float, fault: str | None) -> None:
    gate = centre + spread * np.linspace(-1, 1, 128).reshape(2, 8, 8)
    assert reported(gate, organ()).fault == fault


def test_a_gate_that_only_differs_from_slice_to_slice_looks_at_nothing() -> None:
    gate = np.stack([np.full((8, 8), 0.2), np.full((8, 8), 0.8)])
    assert reported(gate, organ()).fault == "constant"


@given(gates, gates)
def test_counts_of_two_cases_add_up(one: np.ndarray, other: np.ndarray) -> None:
    (here,), (there,) = (gate_histograms(predicted(gate), organ() > 0) for gate in (one, other))
    first, second, both = (report_gate(counted) for counted in (here, there, here + there))
    assert both.inside == pytest.approx((first.inside + second.inside) / 2)
    # A percentile of two things together lies between those of each.
    assert min(first.high, second.high) <= both.high <= max(first.high, second.high)


def test_without_organ_there_is_no_inside_and_without_body_nothing() -> None:
    found = reported(np.full((2, 8, 8), 0.5), np.zeros(_SIZE, np.uint8))
    assert (found.inside, found.outside, found.separation) == (None, 0.5, None)
    with pytest.raises(ValueError, match="no body"):
        reported(np.full((2, 8, 8), 0.5), organ(), np.zeros(_SIZE, bool))


def test_a_network_without_gates_has_none_to_count() -> None:
    frame = predicted(np.zeros((2, 8, 8))).frame
    plain = NetworkPrediction(
        frame, np.zeros(_SIZE, np.float16), (), np.ones(_SIZE, bool), ModelId("m", "0", "n"), 0.5
    )
    assert gate_histograms(plain, organ() > 0) == ()

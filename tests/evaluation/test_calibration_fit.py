"""Tallies are exact, reliability is what it is called, the fitted line is the one that was bent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.evaluation.calibration_fit import best_threshold, fit_calibration, reliability_curve
from attunet_gui.evaluation.evaluation_figures import draw_reliability
from attunet_gui.evaluation.probability_histogram import (
    PROBABILITY_LEVELS,
    ProbabilityHistogram,
    prediction_histogram,
    probability_histogram,
)
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import UnwritableOutput

maps = arrays(np.float16, (2, 5, 5), elements=st.floats(0, 1, width=16))
truths = arrays(np.bool_, (2, 5, 5))


def drawn(bend: ProbabilityCalibration, pixels: int = 400_000, seed: int = 0) -> ProbabilityHistogram:
    """Pixels whose organ is drawn with the probability that `bend` makes of the one they show."""
    random = np.random.default_rng(seed)
    shown = random.beta(0.4, 0.9, pixels).astype(np.float16)
    truth = random.random(pixels) < bend.apply(shown.astype(np.float64))
    return probability_histogram(shown, truth)


def test_levels_are_all_float16_from_0_to_1() -> None:
    assert (PROBABILITY_LEVELS[0], PROBABILITY_LEVELS[-1], len(PROBABILITY_LEVELS)) == (0, 1, 15361)
    assert np.array_equal(
        np.nextafter(PROBABILITY_LEVELS[:-1].astype(np.float16), np.float16(2)), PROBABILITY_LEVELS[1:]
    )


@given(maps, truths, truths)
def test_a_tally_counts_every_pixel_once(shown: np.ndarray, truth: np.ndarray, where: np.ndarray) -> None:
    found = probability_histogram(shown, truth, where)
    assert found.pixels.sum() == where.sum()
    assert found.organ.sum() == (truth & where).sum()
    assert (found.pixels * PROBABILITY_LEVELS).sum() == pytest.approx(shown[where].astype(float).sum())
    assert np.array_equal(
        (probability_histogram(shown, truth, where) + probability_histogram(shown, truth, ~where)).pixels,
        probability_histogram(shown, truth).pixels,
    )


@given(maps, truths, st.integers(0, 15360))
def test_dsc_at_any_threshold_is_that_of_the_masks(shown: np.ndarray, truth: np.ndarray, level: int) -> None:
    assert probability_histogram(shown, truth).dsc_by_threshold()[level] == pytest.approx(
        dice_coefficient(shown >= PROBABILITY_LEVELS[level], truth)
    )


@given(maps, truths)
def test_a_calibrated_tally_is_that_of_the_calibrated_map(shown: np.ndarray, truth: np.ndarray) -> None:
    bend = ProbabilityCalibration(slope=0.7, offset=0.4)
    moved = bend.apply(shown.astype(np.float32)).astype(np.float16)
    found, meant = (
        probability_histogram(shown, truth).with_calibration(bend),
        probability_histogram(moved, truth),
    )
    assert np.array_equal(found.pixels, meant.pixels)
    assert np.array_equal(found.organ, meant.organ)


def test_the_curve_and_the_error_of_known_pixels() -> None:
    shown = np.array([0.25] * 10 + [0.75] * 30, np.float16)
    truth = np.array([True] * 5 + [False] * 5 + [True] * 30)
    found = reliability_curve(probability_histogram(shown, truth), bins=10)
    assert found.predicted == (0.25, 0.75)
    assert found.observed == (0.5, 1.0)
    assert found.pixels == (10, 30)
    assert found.error == pytest.approx(0.25)


def test_honest_probabilities_have_a_straight_curve() -> None:
    found = reliability_curve(drawn(ProbabilityCalibration()))
    assert np.allclose(found.predicted, found.observed, atol=0.02)
    assert found.error < 0.005


@pytest.mark.parametrize(("slope", "offset"), [(1, 0), (0.5, 1.0), (2.0, -1.5)])
def test_the_fitted_line_is_the_one_that_was_bent(slope: float, offset: float) -> None:
    bend = ProbabilityCalibration(slope=slope, offset=offset)
    found = fit_calibration(drawn(bend))
    assert found.slope == pytest.approx(slope, abs=0.03)
    assert found.offset == pytest.approx(offset, abs=0.03)
    mended = drawn(bend, seed=1).with_calibration(found)
    assert reliability_curve(mended).error < 0.006


def test_a_network_that_is_always_right_does_not_run_away() -> None:
    shown = np.array([0.1, 0.9], np.float16)
    found = fit_calibration(probability_histogram(shown, np.array([False, True])))
    assert found.apply(np.array([0.1]))[0] < 0.01 < 0.99 < found.apply(np.array([0.9]))[0]


@pytest.mark.parametrize("organ", [True, False])
def test_a_calibration_needs_both_kinds(organ: bool) -> None:
    with pytest.raises(ValueError, match="and others"):
        fit_calibration(probability_histogram(np.full(4, 0.5, np.float16), np.full(4, organ)))


def test_only_the_uncertain_are_kept() -> None:
    shown = np.array([0, 0.01, 0.02, 0.5, 0.98, 0.99, 1], np.float16)
    kept = probability_histogram(shown, shown > 0.4).within_range(0.02, 0.98)
    assert PROBABILITY_LEVELS[kept.pixels > 0] == pytest.approx([0.02, 0.5, 0.98], abs=1e-3)


def test_the_best_threshold_is_found_and_every_patient_counts_once() -> None:
    shown = np.array([0.2, 0.4, 0.6, 0.8], np.float16)
    low, high = probability_histogram(shown, shown > 0.1), probability_histogram(shown, shown > 0.7)
    assert best_threshold({"a": [low]}) <= 0.2
    assert 0.6 < best_threshold({"a": [high]}) <= 0.8
    assert best_threshold({"a": [low], "b": [high, high, high]}) == best_threshold({"a": [low], "b": [high]})
    exact = probability_histogram(np.array([0.1, 0.9], np.float16), np.array([False, True]))
    assert best_threshold({"a": [exact]}) == 0.5


def test_a_prediction_is_counted_on_its_own_frame_within_the_body() -> None:
    grid = VoxelGrid((2, 8, 8), np.diag([3.0, 1.0, 1.0, 1.0]))
    body = np.ones((2, 8, 8), bool)
    body[:, :, 6:] = False
    shown, truth = np.full((2, 8, 8), 0.25, np.float16), np.zeros((2, 8, 8), bool)
    truth[1, 2:4, 2:8] = True
    frame = NetworkGrid(grid, (8, 8), (0.0, 0.0), (1.0, 1.0))
    found = prediction_histogram(
        NetworkPrediction(frame, shown, (), body, ModelId("m", "0" * 64, "none"), 0.5), truth
    )
    assert (found.pixels.sum(), found.organ.sum()) == (2 * 8 * 6, 2 * 4)


def test_the_picture_is_drawn_without_a_display(tmp_path: Path) -> None:
    path = tmp_path / "reliability.png"
    draw_reliability(path, {"body": reliability_curve(drawn(ProbabilityCalibration(), 1000))})
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UnwritableOutput, match="absent"):
        draw_reliability(tmp_path / "absent" / "reliability.png", {})

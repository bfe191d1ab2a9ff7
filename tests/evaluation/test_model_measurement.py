"""A model whose answer is known, over cases whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from attunet_gui.evaluation.evaluation_figures import draw_failures, draw_maps
from attunet_gui.evaluation.model_drafts import draft_cases, score_drafts
from attunet_gui.evaluation.model_measurement import (
    _is_shown,
    measure_held_gates,
    measure_model,
    suggest_calibration,
)
from attunet_gui.evaluation.slice_excerpts import slice_with_maps, worst_slice
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import AttunetError, WorkCancelled
from tests.support.evaluation_cases import bright_model, case


def test_scores_counts_and_views_come_from_one_pass() -> None:
    seen: list[tuple[int, int, str]] = []
    cases = [case("p1", "a"), case("p1", "b", miss=8), case("p2", "c", miss=16, slices=3)]
    measured = measure_model(bright_model(), cases, lambda *step: seen.append(step))
    assert [row.case for row in measured.scores.cases] == ["a", "b", "c"]
    assert measured.scores.cases[0].dsc > 0.93
    assert measured.scores.cases[1].dsc == pytest.approx(2 / 3, abs=0.05)
    assert {patient: len(tallies) for patient, tallies in measured.tallies.items()} == {"p1": 2, "p2": 1}
    assert measured.pooled_histogram.organ.sum() == pytest.approx(5 * 24 * 40 / 4, rel=0.2)
    assert [view.title.split(",")[0] for view in measured.worst] == ["c", "b", "a"]
    assert len(measured.shown) == 3
    assert [title for title, _values in measured.shown[0].maps][:2] == ["Probability", "Gates merged"]
    (gate,) = measured.gates
    assert gate.inside is not None
    assert gate.outside is not None
    assert gate.inside > gate.outside
    assert gate.fault is None
    assert (3, 3, "slices of c") in seen
    assert seen[-1] == (3, 3, "cases")


def test_cancelling_stops_between_cases() -> None:
    def stop(done: int, total: int, stage: str) -> None:
        raise WorkCancelled

    with pytest.raises(WorkCancelled):
        measure_model(bright_model(), [case("p", "a"), case("p", "b")], stop)


def test_no_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="no cases"):
        measure_model(bright_model(), [])


@given(st.integers(1, 400))
def test_a_few_cases_are_shown_whatever_their_number(cases: int) -> None:
    shown = [number for number in range(cases) if _is_shown(number, cases)]
    assert len(shown) == min(5, cases)
    assert shown[0] == 0


def test_only_keras_can_hold_a_gate() -> None:
    cases = [case("p", "a")]
    with pytest.raises(AttunetError, match="known"):
        measure_held_gates(bright_model(), cases, measure_model(bright_model(), cases))


def test_the_suggestion_makes_the_probability_honest_and_includes_the_card() -> None:
    cases = [case(f"p{miss}", f"a{miss}", miss=miss) for miss in (0, 4, 8, 12)]
    plain = suggest_calibration(measure_model(bright_model(), cases), ProbabilityCalibration())
    assert plain.calibration.apply(np.array([0.9]))[0] == pytest.approx(0.75, abs=0.06)
    bend = ProbabilityCalibration(slope=0.5, offset=0.3)
    bent = suggest_calibration(measure_model(bright_model(calibration=bend.model_dump()), cases), bend)
    assert bent.calibration.slope == pytest.approx(plain.calibration.slope, abs=0.02)
    assert bent.calibration.offset == pytest.approx(plain.calibration.offset, abs=0.02)


def test_the_table_alone_is_the_same() -> None:
    cases = [case("p1", "a"), case("p2", "b", miss=8)]
    assert score_drafts(bright_model(), cases) == measure_model(bright_model(), cases).scores


def test_the_slice_that_is_shown_is_where_they_differ_or_where_the_organ_is() -> None:
    (drafted,) = draft_cases(bright_model(), [case("p", "a", slices=4)])
    drafted.truth[2, 60:70, 40:80] = 1
    drafted.truth[3] = 0
    assert "slice 4 of 4" in worst_slice(drafted).title
    view = slice_with_maps(drafted)
    assert "slice 3 of 4" in view.title
    assert view.hu.shape == view.truth.shape == view.draft.shape == view.maps[0][1].shape
    assert view.hu.shape < (96, 128), "cut out around the patient"
    assert np.mean(view.hu == -1000) < 0.1


def test_pictures_are_drawn(tmp_path: Path) -> None:
    measured = measure_model(bright_model(), [case("p", "a"), case("q", "b", miss=50)])
    draw_failures(tmp_path / "failures.png", measured.worst)
    draw_maps(tmp_path / "maps.png", measured.shown)
    for name in ("failures", "maps"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            shown = np.asarray(picture.convert("RGB")).astype(int)
        blue = (abs(shown - (0x56, 0xB4, 0xE9)).sum(axis=-1) < 60).sum()
        orange = (abs(shown - (0xE6, 0x9F, 0x00)).sum(axis=-1) < 60).sum()
        assert blue > 100, name
        assert orange > 100, name

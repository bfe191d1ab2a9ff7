"""The table of the bench, and its material: a shifted kind that is made the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attunet_gui.evaluation.case_scores import MeanEstimate
from attunet_gui.synthesis.phantom.phantom_scene import draw_patient
from attunet_gui.system.errors import AttunetError
from benchmarks.domain_shift import make_shifted_phantom, unenhanced_seeds
from benchmarks.finetuning import finetune_benchmark
from benchmarks.finetuning.finetune_benchmark import (
    HEADINGS,
    FinetuneBenchmark,
    FinetuneResult,
    Scored,
    as_markdown,
    cells,
    run_benchmark,
)


def _scored(kind: str, mean: float) -> Scored:
    estimate = MeanEstimate(mean=mean, deviation=0.1, interval=(mean - 0.05, mean + 0.05))
    return Scored(kind=kind, dsc=(mean,), nsd=(mean,), mean=estimate)


def _learnt(corrected: int, new: float, old: float, **more: object) -> FinetuneResult:
    scores = (_scored(finetune_benchmark.NEW, new), _scored(finetune_benchmark.OLD, old))
    return FinetuneResult.model_validate({"corrected": corrected, "scores": scores} | more)


def test_changes_are_against_the_model_as_it_was() -> None:
    runs = [
        _learnt(0, 0.5, 0.87),
        _learnt(10, 0.68, 0.865, passed=True, seconds=300.0, steps=200),
        _learnt(10, 0.2, 0.8, passed=False, wrong=True, seconds=300.0, steps=200),
    ]
    before, right, wrong = cells(runs)
    assert (right[4], right[6], right[7]) == ("+0.180", "-0.005", "passed")
    assert right[2] == "5.0"
    assert wrong[0] == "10, labels wrong"
    assert (wrong[4], wrong[7]) == ("-0.300", "held back")
    assert {before[4], before[6], before[7]} == {"-"}
    table = as_markdown(runs).splitlines()
    assert len(table) == 2 + len(runs)
    assert all(line.count("|") == len(HEADINGS) + 1 for line in table)


def test_the_shifted_kind_is_the_patient_of_the_seed_on_another_scanner() -> None:
    (seed,) = unenhanced_seeds(60000, 1)
    assert draw_patient(seed).phase == "native"
    volume, mask = make_shifted_phantom(seed)
    again, _ = make_shifted_phantom(seed)
    assert np.array_equal(volume.hu, again.hu)
    assert volume.grid.spacing_mm == pytest.approx((4.5, 1.2, 1.2))
    inside = volume.hu[mask > 0]
    assert inside.mean() < 0, "a pancreas of about 40 HU is shown below 0"
    assert 35 < inside.std() < 70


def test_enhanced_patients_are_not_of_that_kind() -> None:
    enhanced = next(seed for seed in range(100) if draw_patient(seed).phase != "native")
    with pytest.raises(ValueError, match="contrast medium"):
        make_shifted_phantom(enhanced)


def test_one_case_cannot_teach_and_judge(tmp_path: Path) -> None:
    with pytest.raises(AttunetError, match="one to learn from and one to judge"):
        run_benchmark(FinetuneBenchmark(tmp_path, tmp_path, counts=(1,)))


def test_what_was_run_is_not_run_again(tmp_path: Path) -> None:
    runs: list[int] = []

    def run() -> FinetuneResult:
        runs.append(1)
        return _learnt(5, 0.6, 0.8)

    first, again = (finetune_benchmark._kept(tmp_path / "run.json", run) for _ in range(2))
    assert first == again
    assert len(runs) == 1

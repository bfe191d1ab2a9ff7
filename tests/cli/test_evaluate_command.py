"""`attunet evaluate` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.support.cli_process import run_attunet, run_in_process
from tests.support.evaluation_cases import write_slice


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    for name in ("PANCREAS_0001-1001", "PANCREAS_0002-1001", "PANCREAS_0002-1005"):
        write_slice(tmp_path / "slices", name)
    return tmp_path / "slices"


def test_a_model_is_measured_from_slices_to_pictures(tmp_path: Path, tiny_bundle: Path, slices: Path) -> None:
    out, folds = tmp_path / "out", tmp_path / "folds.json"
    folds.write_text(json.dumps({"folds": [["0001"], ["0002"]]}))
    done = run_attunet(
        *("evaluate", tiny_bundle, "--slices", slices, "-o", out, "--folds", folds, "--fold", 1),
        *("--spacing", 0.8, "--spacing", 0.66, "--hold-gates", "--tta"),
        home=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for said in (
        "0002",
        "mean of patients",
        "0.66 mm pixels",
        "five looks",
        "held at 1",
        "calibration error",
    ):
        assert said in done.stdout
    assert "0001" not in done.stdout
    assert {path.name for path in out.iterdir()} == {
        "scores.json", "gates.json", "reliability.png", "failures.png", "gates.png",
    }  # fmt: skip
    scores = json.loads((out / "scores.json").read_text())
    assert [case["case"] for case in scores["scores"]["cases"]] == [
        "PANCREAS_0002-1001",
        "PANCREAS_0002-1005",
    ]
    assert len(scores["variants"]) == 2
    assert scores["fold"] == ["folds.json", 1]
    gates = json.loads((out / "gates.json").read_text())
    assert len(gates) == 2
    assert all(gate["held_open"] is not None and gate["held_at_mean"] is not None for gate in gates)


def test_a_model_without_gates_is_measured_and_has_none_to_hold(
    tmp_path: Path, gateless_bundle: Path, slices: Path
) -> None:
    out = tmp_path / "out"
    words = ("evaluate", gateless_bundle, "--slices", slices, "-o", out)
    refused = run_attunet(*words, "--hold-gates", home=tmp_path)
    assert refused.returncode == 1
    assert "This network of family unet_2d has no attention gates" in " ".join(refused.stderr.split())
    assert not out.exists()
    done = run_attunet(*words, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "held at 1" not in done.stdout
    assert json.loads((out / "gates.json").read_text()) == []
    assert (out / "gates.png").stat().st_size > 1000


def test_masks_are_compared_with_masks_without_a_model(tmp_path: Path) -> None:
    truth = np.zeros((20, 18, 9), np.uint8)
    truth[4:12, 5:12, 2:7] = 1
    for folder, shift in (("truth", 0), ("pred", 2)):
        (tmp_path / folder).mkdir()
        image = nib.Nifti1Image(np.roll(truth, shift, axis=0), np.diag([-1.5, -1.5, 3.0, 1.0]))
        nib.save(image, tmp_path / folder / "a.nii.gz")
    folders = ("--pred", tmp_path / "pred", "--truth", tmp_path / "truth")
    done = run_attunet("evaluate", *folders, "-o", tmp_path / "out", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pairs.json", "pairs.csv", "report.html"}
    found = json.loads((tmp_path / "out" / "pairs.json").read_text())
    assert found["cases"][0]["dsc"] == pytest.approx(6 / 8)
    assert found["summary"]["hd95_mm"]["mean"] == pytest.approx(3.0)


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, tiny_bundle: Path, slices: Path) -> None:
    folds = tmp_path / "folds.json"
    folds.write_text(json.dumps({"folds": [["9"], ["8"]]}))
    (tmp_path / "empty").mkdir()
    for words, says in (
        ((), "either --slices FOLDER or --pairs FOLDER"),
        (("--slices", slices, "--pairs", slices), "either --slices FOLDER or --pairs FOLDER"),
        (("--pairs", slices), "no CTs"),
        (("--slices", tmp_path / "empty"), "no slices"),
        (("--slices", slices, "--folds", folds, "--fold", 2), "folds 0 to 1"),
        (("--slices", slices, "--folds", folds), "None of the patients"),
    ):
        done = run_in_process("evaluate", tiny_bundle, *words, home=tmp_path)
        assert done.returncode == 1
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
    for words in ((), ("--pred", slices), (tiny_bundle, "--pred", slices, "--truth", slices)):
        done = run_in_process("evaluate", *words, home=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "either a model, or masks" in done.stderr

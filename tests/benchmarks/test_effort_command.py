"""`python -m benchmarks.effort` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from attunet_gui.io.datasets.pair_dataset import pair_paths
from attunet_gui.io.result_writing import write_ct, write_mask
from tests.support.benchmark_commands import benchmark
from tests.support.evaluation_cases import case

WAYS = {"corrections", "neighbours", "nothing", "interpolation", "slice-order", "fix-list", "bound"}


def write_pair(folder: Path, name: str) -> None:
    """A body with a bright organ of six slices, and where it is."""
    volume, truth = case(name, name, slices=6).load()
    pair = pair_paths(folder, name, ())
    for path in (pair.image, pair.label):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_ct(pair.image, volume)
    write_mask(pair.label, truth, volume)


def test_the_annotator_corrects_labelled_ct_and_goes_on_where_she_was(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    out, pairs = tmp_path / "out", tmp_path / "pairs"
    for name in ("a", "b", "left-out"):
        write_pair(pairs, name)
    words = ("effort", "--model", tiny_bundle, "--pairs", pairs, "--cases", 2, "-o", out)
    plain = benchmark(*words, "--no-propagation", home=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert "labelled CT: 2 cases, slices with gland 6 (6 to 6)" in plain.stdout
    assert (out / "table.md").read_text().count("| draft, fix-list |") == 2
    first = json.loads((out / "effort.json").read_text())
    assert [(found["case"], set(found["traces"])) for found in first["cases"]] == [("a", WAYS), ("b", WAYS)]
    (out / "predictions" / "b.npz").unlink()
    learnt = benchmark(*words, "--carried", 1, home=tmp_path)
    assert learnt.returncode == 0, learnt.stderr
    second = json.loads((out / "effort.json").read_text())
    assert [set(found["traces"]) - WAYS for found in second["cases"]] == [{"propagation"}, set()]
    assert not (out / "predictions" / "b.npz").exists(), "nothing was left to do for b"
    assert second["cases"][0]["traces"]["slice-order"] == first["cases"][0]["traces"]["slice-order"]
    dsc = [step["dsc"] for step in second["cases"][0]["traces"]["propagation"]["steps"]]
    assert np.isfinite(dsc).all()
    assert dsc[-1] >= 0.95


def test_without_cases_it_says_what_to_name(tmp_path: Path, tiny_bundle: Path) -> None:
    done = benchmark("effort", "--model", tiny_bundle, "-o", tmp_path / "out", home=tmp_path)
    assert done.returncode == 1
    assert "--phantoms N, --pairs FOLDER" in done.stderr
    assert not (tmp_path / "out").exists()

"""`python -m benchmarks.speed` as a user types it: rows that need no display, on tiny volumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attunet_gui.network.engines.engine_registry import OPENVINO
from tests.support.benchmark_commands import benchmark

pytestmark = pytest.mark.network


def test_a_quick_run_fills_its_rows_and_says_what_it_ran_on(tmp_path: Path, tiny_bundle: Path) -> None:
    rows = ("help", "cold", "click", "whole", "outside", "arithmetic", "monai")
    words = [word for row in rows for word in ("--only", row)]
    done = benchmark(
        *("speed", "--quick", "--json", "--model", tiny_bundle, "--keep", tmp_path / "ct", *words),
        home=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["measure"]["key"] for row in found["rows"]} == set(rows)
    by_key = {row["measure"]["key"]: row for row in found["rows"]}
    for key in ("help", "cold", "click", "whole"):
        assert by_key[key]["value"] > 0
        assert len(by_key[key]["spread"]) == 2
    assert by_key["click"]["value"] <= by_key["whole"]["value"]
    assert by_key["monai"]["reached"] is None
    assert "peer not installed" in by_key["monai"]["runs"]["note"]
    assert (by_key["arithmetic"]["value"] is not None) == OPENVINO.is_installed
    assert found["machine"]["cores"] >= 1
    assert sorted(path.name for path in (tmp_path / "ct").glob("*.nii.gz"))


def test_an_unknown_row_is_refused_with_those_that_there_are(tmp_path: Path, tiny_bundle: Path) -> None:
    done = benchmark("speed", "--only", "warp", "--model", tiny_bundle, home=tmp_path)
    assert done.returncode == 1
    assert "There is no measure 'warp'; there is help, cold, click" in done.stderr

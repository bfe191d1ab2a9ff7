"""The table of benchmarks names everything that can be run, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, Benchmark

_FOLDER = Path(__file__).parents[2] / "benchmarks"


def _runnable() -> set[str]:
    guard = 'if __name__ == "__main__":'
    files = {path.stem for path in _FOLDER.glob("*.py") if guard in path.read_text("utf-8")}
    packages = {path.parent.name for path in _FOLDER.glob("*/__main__.py")}
    return (files - {"__main__"}) | packages


def test_the_table_names_every_benchmark() -> None:
    assert sorted(each.module for each in BENCHMARKS) == sorted(_runnable())


@pytest.mark.parametrize("each", BENCHMARKS, ids=lambda each: each.module)
def test_the_documentation_of_a_benchmark_says_how_it_is_run(each: Benchmark) -> None:
    path = _FOLDER / each.module / "__main__.py"
    text = (path if path.exists() else _FOLDER / f"{each.module}.py").read_text("utf-8")
    assert f"python -m benchmarks.{each.module}" in text.split('"""')[1]
    assert each.command.count(f"python -m benchmarks.{each.module}") == 1

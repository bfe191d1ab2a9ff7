"""The command line from a cold start: help, and the first slice of `attunet predict`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from attunet_gui.system.errors import AttunetError
from benchmarks.speed.speed_bench import SpeedBench, printed, seconds
from benchmarks.speed.speed_table import Runs

_ATTUNET = [sys.executable, "-m", "attunet_gui"]


def show_help(bench: SpeedBench) -> dict[str, Runs]:
    """Row `help`: `attunet --help`, whole."""
    took = [seconds(lambda: printed([*_ATTUNET, "--help"])) for _ in range(1 + 2 * bench.size.runs)]
    return {"help": Runs(ours=tuple(took[1:]))}


def cold_start(bench: SpeedBench) -> dict[str, Runs]:
    """Row `cold`: `attunet predict` in a new process until it reports the first slices."""
    path = bench.file(bench.size.whole)
    took = [_first_slice(path, bench.bundle) for _ in range(bench.size.runs)]
    size = f"{path.stat().st_size / 1e6:.0f} MB of .nii.gz"
    about = f"{bench.size.whole} slices, {size}, are read before the first is drafted"
    return {"cold": Runs(ours=tuple(took), note=about)}


def _first_slice(path: Path, bundle: Path) -> float:
    with TemporaryDirectory() as out:
        command = [*_ATTUNET, "predict", str(path), "-o", out, "--model", str(bundle)]
        start = perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            for line in running.stdout:
                if ": slices " in line:
                    took = perf_counter() - start
                    running.terminate()
                    return took
    raise AttunetError(f"attunet predict ended with exit code {running.returncode} before its first slice.")

"""What the speed bench measures on: operations counted from shapes, its CT, the machine."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed.arithmetic_rate import convolutions_in, operations
from benchmarks.speed.machine_info import Machine, describe, peak_gb
from benchmarks.speed.speed_bench import QUICK, SpeedBench, made


def test_a_convolution_costs_two_operations_a_weight_and_pixel() -> None:
    one = ((8, 3, 3, 3), (1, 8, 10, 12))
    assert operations([one]) == 2 * 3 * 9 * 8 * 120
    assert operations([one, one]) == 2 * operations([one])
    assert operations([]) == 0


def test_convolutions_are_found_in_a_graph_and_nothing_else_is() -> None:
    openvino = pytest.importorskip("openvino")
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 10, 12], np.float32)
    kernel = np.zeros((8, 3, 3, 3), np.float32)
    found = ops.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    graph = openvino.Model([ops.relu(found)], [image], "one")
    assert convolutions_in(graph) == [((8, 3, 3, 3), (1, 8, 10, 12))]


def test_the_ct_has_the_size_that_was_asked_for_and_a_body_in_air() -> None:
    volume = made(6, 64)
    assert volume.hu.shape == (6, 64, 64)
    assert volume.hu.dtype == np.int16
    assert volume.grid.spacing_mm == pytest.approx((1.5, 6.0, 6.0))
    assert volume.hu[:, 0, 0].max() < -800
    assert abs(float(np.median(volume.hu[:, 24:40, 24:40]))) < 200


def test_beyond_its_end_the_patient_goes_on_in_a_mirror() -> None:
    hu = made(480, 16).hu.astype(float)
    turn = round(59 * 6.0 / 1.5)
    near = [np.abs(hu[turn - step] - hu[turn + step]).mean() for step in (10, 40)]
    far = np.abs(hu[turn - 10] - hu[turn - 200]).mean()
    assert max(near) < 20 < far


def test_a_file_of_the_bench_is_made_once_and_reads_as_it_was_made(tmp_path: Path) -> None:
    bench = SpeedBench(Path(), tmp_path / "kept", QUICK, frozenset())
    first = bench.file(5)
    made_at = first.stat().st_mtime_ns
    assert bench.file(5) == first
    assert first.stat().st_mtime_ns == made_at
    assert np.array_equal(bench.volume(5).hu, np.maximum(made(5, QUICK.plane).hu, -1024))
    assert np.array_equal(bench.cached(5).hu, bench.cached(5).hu)


def test_the_machine_is_described_and_a_busy_one_is_warned_of() -> None:
    machine = describe()
    assert machine.cores >= 1
    assert 0 <= machine.others <= 1
    assert machine.cpu in machine.told
    idle = Machine("a CPU", 2, ("amx_bf16",), 16.0, 0.1, 0.01)
    assert idle.warning == ""
    assert idle.told == "a CPU, 2 cores (amx_bf16), 16 GB, load 0.1, others take 1% of the cores"
    busy = Machine("a CPU", 2, (), 16.0, 3.0, 0.8)
    assert "take 80% of its cores" in busy.warning


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what a process held")
def test_the_peak_of_a_process_is_told_in_gigabytes() -> None:
    assert 0.01 < peak_gb(os.getpid()) < 100

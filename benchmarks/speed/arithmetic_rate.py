"""How much of the cores' arithmetic the network uses, and how a peer's network does on the same slices."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from attunet_gui.network.engines.engine_registry import OPENVINO
from attunet_gui.network.model_bundle import checked_weights, read_bundle
from benchmarks.speed.draft_timing import engine_seconds
from benchmarks.speed.machine_info import cores
from benchmarks.speed.speed_bench import SpeedBench, apart, printed
from benchmarks.speed.speed_table import Runs

_SIDE = 4096
_PRODUCTS = 5
_SLICES = 48
_NOT_INSTALLED = "peer not installed: benchmarks/peers.sh DIR, then --peers DIR/bin/python"
_PEER = Path(__file__).with_name("monai_peer.py")

Convolution = tuple[tuple[int, ...], tuple[int, ...]]
"""Shapes of the kernel (outputs, inputs, rows, columns) and of the result (n, outputs, rows, columns)."""


def operations(convolutions: Iterable[Convolution]) -> int:
    """Multiplications and additions of convolutions, counted apart; all else is below 1 %."""
    return sum(2 * int(np.prod(result)) * int(np.prod(kernel[1:])) for kernel, result in convolutions)


def convolutions_in(graph: Any) -> list[Convolution]:
    """Those of an `openvino.Model`."""
    return [
        (tuple(op.input(1).get_shape()), tuple(op.output(0).get_shape()))
        for op in graph.get_ordered_ops()
        if op.get_type_name() == "Convolution"
    ]


def network_operations(bundle: Path) -> int:
    """Of one slice through the network of the bundle in this folder."""
    found = read_bundle(bundle)
    with checked_weights(found) as weights:
        return operations(convolutions_in(found.family.build_graph(found.config, weights)))


def product_rate(side: int = _SIDE) -> float:
    """Operations a second of a large matrix product, in what this CPU is fastest: bfloat16, else float32."""
    from attunet_gui.network.openvino_runtime import openvino, ops

    core = openvino.Core()
    left = ops.parameter([side, side], np.float32)
    right = ops.constant(np.random.default_rng(0).standard_normal((side, side), np.float32))
    precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    model = openvino.Model([ops.matmul(left, right, False, False)], [left], "product")
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    request, values = compiled.create_infer_request(), np.ones((side, side), np.float32)
    took = []
    for _ in range(_PRODUCTS):
        start = perf_counter()
        request.infer({0: values}, share_inputs=True)
        took.append(perf_counter() - start)
    return float(2 * side**3 / min(took[1:]))


def arithmetic(bench: SpeedBench) -> dict[str, Runs]:
    """Row `arithmetic`: operations of the network a second, of those of a matrix product."""
    if not OPENVINO.is_installed:
        return {"arithmetic": Runs(note="OpenVINO is not installed")}
    path = bench.file(bench.size.whole)
    share, rates, used = [], [], []
    with apart() as engine:
        each = engine(network_operations, bench.bundle)
        slices = min(_SLICES, bench.size.whole)
        for _ in range(bench.size.runs):
            used.append(each * slices / engine(engine_seconds, bench.bundle, path, slices))
            rates.append(engine(product_rate, _SIDE if bench.size.plane >= 512 else 256))
            share.append(100 * used[-1] / rates[-1])
    last = f"{used[-1] / 1e9:.0f} of {rates[-1] / 1e9:.0f} GFLOP/s"
    note = f"{each / 1e9:.2f} GFLOP a slice; {last} in the last run"
    return {"arithmetic": Runs(ours=tuple(share), note=note)}


def monai(bench: SpeedBench) -> dict[str, Runs]:
    """Row `monai`: MONAI's AttentionUnet of equal width in PyTorch, in an environment of its own."""
    if bench.peers is None:
        return {"monai": Runs(note=_NOT_INSTALLED)}
    bundle, path = read_bundle(bench.bundle), bench.file(bench.size.whole)
    config: Any = bundle.config
    widths = [config.filters << level for level in range(config.levels)]
    slices = min(_SLICES, bench.size.whole)
    job = {
        "channels": widths,
        "inputs": config.channels,
        "size": config.size,
        "slices": slices,
        "cores": cores(),
    }
    ours, theirs, last = [], [], {}
    with apart() as engine:
        for _ in range(min(3, bench.size.runs)):
            ours.append(1000 * engine(engine_seconds, bench.bundle, path, slices) / slices)
            last = json.loads(printed([str(bench.peers), "-I", str(_PEER), json.dumps(job)], nice=True))
            theirs.append(1000 * last["seconds"] / slices)
    note = (
        f"a slice of {config.size[0]} x {config.size[1]}; float32, {last['parameters']} parameters; "
        f"in bfloat16 it takes {1000 * last['bfloat16_seconds'] / slices:.1f} ms"
    )
    peer = f"MONAI {last['monai']} AttentionUnet on PyTorch {last['torch']}"
    return {"monai": Runs(ours=tuple(ours), theirs=tuple(theirs), peer=peer, note=note)}

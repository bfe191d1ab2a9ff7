"""The fast engine for CPUs: OpenVINO, in bfloat16 where the CPU multiplies in it. Needs no TensorFlow."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import cycle
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.bundle import Bundle, checked_weights
from attunet_gui.network.families import family, parse_config
from attunet_gui.network.quiet_openvino import openvino

_ROUNDS = 4
"""Slices a core in a call: more keep the cores busier, and come later."""


class OpenVINOEngine:
    """Runs a bundle's network as a graph compiled for this CPU, one slice a core.

    Attributes:
        precision: "bf16" or "f32", in which the CPU computes.
        batch: slices that keep all cores busy.
    """

    def __init__(self, bundle: Bundle, precision: str | None = None) -> None:
        core = openvino.Core()
        self.precision = precision or _fastest_precision(core)
        kind, config = family(bundle.card.family), parse_config(bundle.card.family, bundle.card.config)
        with checked_weights(bundle) as weights:
            graph = kind.graph(config, weights)
        settings = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        compiled = core.compile_model(graph, "CPU", settings)
        at_once: int = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._names = [port.get_any_name() for port in compiled.outputs]
        self._at_once, self._compiled = at_once, compiled
        self._idle: SimpleQueue[list[Any]] = SimpleQueue()
        self.batch = _ROUNDS * at_once

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """See `Engine.run`. Called from two threads at once, no core waits for the last slice of a call."""
        found: list[list[NDArray[np.float32]]] = []
        running: deque[Any] = deque()
        requests = self._requests()
        for image, request in zip(batch[:, None], cycle(requests), strict=False):
            if len(running) == len(requests):
                found.append(_fetched(running.popleft()))
            request.start_async({0: image}, share_inputs=True)
            running.append(request)
        found.extend(_fetched(request) for request in running)
        self._idle.put(requests)
        return {
            name: np.concatenate(planes)
            for name, planes in zip(self._names, zip(*found, strict=True), strict=True)
        }

    def _requests(self) -> list[Any]:
        """As many as cores, which nobody else uses now."""
        try:
            return self._idle.get_nowait()
        except Empty:
            return [self._compiled.create_infer_request() for _ in range(self._at_once)]


def _fetched(request: Any) -> list[NDArray[np.float32]]:
    request.wait()
    return [np.array(tensor.data) for tensor in request.output_tensors]


def _fastest_precision(core: openvino.Core) -> str:
    """Bfloat16 where the CPU multiplies in it (AMX, AVX512-BF16), else float32."""
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"

"""The fast engine for CPUs: OpenVINO, in bfloat16 where the CPU multiplies in it. It needs no TensorFlow."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import cycle
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.model_bundle import ModelBundle, checked_weights
from attunet_gui.network.openvino_runtime import openvino

# Slices for each core in one call. More of them keep the cores busier, but the results arrive later.
_SLICES_PER_REQUEST = 4


class OpenVINOEngine:
    """Runs the network of a bundle as a graph compiled for this CPU, one slice at a time on each core.

    Attributes:
        precision: "bf16" or "f32", in which the CPU computes.
        batch: number of slices or patches that keeps all cores busy.
    """

    def __init__(self, bundle: ModelBundle, precision: str | None = None) -> None:
        core = openvino.Core()
        self.precision = precision or _fastest_precision(core)
        with checked_weights(bundle) as weights:
            graph = bundle.family.build_graph(bundle.config, weights)
        settings = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        compiled = core.compile_model(graph, "CPU", settings)
        # OpenVINO's own choice for throughput, about one request for each core.
        at_once: int = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._names = [port.get_any_name() for port in compiled.outputs]
        self._at_once, self._compiled = at_once, compiled
        self._idle: SimpleQueue[list[Any]] = SimpleQueue()
        # A patch of a volume takes as long as many slices, and its answer is wanted as soon as it is there.
        self.batch = at_once if bundle.config.patch else _SLICES_PER_REQUEST * at_once

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the outputs of `batch`, as `InferenceEngine.run` describes.

        It may be called from two threads at once; then no core waits for the last slice of a call.
        """
        found: list[list[NDArray[np.float32]]] = []
        running: deque[Any] = deque()
        requests = self._take_requests()
        for image, request in zip(batch[:, None], cycle(requests), strict=False):
            if len(running) == len(requests):
                found.append(_fetch_outputs(running.popleft()))
            # The memory of `image` is shared with OpenVINO, which saves a copy; `batch` outlives the request.
            request.start_async({0: image}, share_inputs=True)
            running.append(request)
        found.extend(_fetch_outputs(request) for request in running)
        self._idle.put(requests)
        return {
            name: np.concatenate(planes)
            for name, planes in zip(self._names, zip(*found, strict=True), strict=True)
        }

    def _take_requests(self) -> list[Any]:
        """Return as many inference requests as there are cores, none of which another call is using."""
        try:
            return self._idle.get_nowait()
        except Empty:
            return [self._compiled.create_infer_request() for _ in range(self._at_once)]


def _fetch_outputs(request: Any) -> list[NDArray[np.float32]]:
    """Wait for `request` and return a copy of each output."""
    request.wait()
    # Copied, because the request reuses its output tensors for the next slice.
    return [np.array(tensor.data) for tensor in request.output_tensors]


def _fastest_precision(core: openvino.Core) -> str:
    """Return "bf16" where the CPU multiplies in it (AMX, AVX512-BF16), else "f32"."""
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"

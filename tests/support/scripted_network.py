"""A network that answers when the test says so, in place of the child process, and a small CT for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from psygnal import Signal

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.volume import Volume
from attunet_gui.io.result_writing import write_float_map
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import GateMap, NetworkPrediction
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.workers.inference_messages import JobStatus, NetworkRequest, PropagateRequest

SMALL_PHANTOM = PhantomRequest(3, (12, 48, 40), (8.0, 8.0, 9.0))


class ScriptedNetwork:
    """Answers when the test says so."""

    status_changed = Signal(JobStatus)
    draft_begun = Signal(int, NetworkPrediction)
    slices_drafted = Signal(int, np.ndarray, MaskEdit)
    draft_finished = Signal(int, NetworkPrediction, np.ndarray)
    propagation_finished = Signal(int, PropagationResult)
    job_failed = Signal(int, str)

    def __init__(self) -> None:
        self.requests: list[NetworkRequest] = []
        self.warmed: list[Path] = []
        self.shown: list[Volume] = []
        self.prepared: list[Path] = []
        self.looked: list[int] = []
        self.cancelled = 0

    def load_bundle(self, bundle: Path) -> None:
        self.warmed.append(bundle)

    def load_volume(self, volume: Volume) -> None:
        self.shown.append(volume)

    def prepare_adaptation(self, bundle: Path) -> None:
        self.prepared.append(bundle)

    def prioritise_slice(self, index: int) -> None:
        self.looked.append(index)

    def submit(self, request: NetworkRequest) -> int:
        self.requests.append(request)
        self.status_changed.emit(JobStatus("loading", len(self.requests)))
        return len(self.requests)

    def cancel_request(self) -> None:
        self.cancelled += 1

    def propose(self, job: int, kept: bool = True, reason: str = "It helps.") -> PropagationResult:
        asked = self.requests[job - 1]
        assert isinstance(asked, PropagateRequest)
        model = ModelId("m", "0" * 64, "keras")
        proposal = PropagationResult(asked.mask, asked.slices, (1,), kept, reason, model)
        self.propagation_finished.emit(job, proposal)
        return proposal

    def answer(self, job: int, mask: np.ndarray) -> None:
        self.draft_finished.emit(job, prediction_of(self.requests[job - 1].volume), mask)


def prediction_of(volume: Volume) -> NetworkPrediction:
    slices = volume.grid.shape[0]
    frame = NetworkGrid(volume.grid, (16, 16), (0.0, 0.0), (3.0, 2.5))
    rng = np.random.default_rng(0)
    gates = tuple(
        GateMap(level, 2, rng.random((slices, 16 >> level, 16 >> level)).astype(np.float16))
        for level in (1, 2)
    )
    probability = rng.random((slices, 16, 16)).astype(np.float16)
    body = np.ones((slices, 16, 16), bool)
    return NetworkPrediction(frame, probability, gates, body, ModelId("m", "0" * 64, "keras"), 0.5)


def bundle_of(card: object) -> ModelBundle:
    return ModelBundle(Path("somewhere"), card)  # type: ignore[arg-type]


class NamedCard:
    name = title = "m"


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    volume = phantom_volume(make_phantom(SMALL_PHANTOM))
    path = tmp_path / "case.nii.gz"
    write_float_map(path, volume.hu.astype(np.float32), volume)
    return path

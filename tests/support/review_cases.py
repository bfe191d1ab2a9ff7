"""A phantom with a network that knows the truth, and a case without one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import VoxelBox
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import GateMap, NetworkPrediction
from attunet_gui.review.case_evidence import CaseEvidence, make_case_evidence
from attunet_gui.review.findings import Finding
from attunet_gui.synthesis.centred_volume import centred_volume
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume

Mask = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Known:
    volume: Volume
    truth: Mask
    prediction: NetworkPrediction

    @cached_property
    def evidence(self) -> CaseEvidence:
        return make_case_evidence(self.volume, self.prediction, self.truth)

    def one_slice(self, z: int) -> Known:
        truth = self.truth[z : z + 1]
        volume = centred_volume(self.volume.hu[z : z + 1], spacing(self.volume), "slice", "phantom")
        return Known(volume, truth, all_knowing(volume, truth))


@cache
def phantom(seed: int = 3) -> Known:
    made = make_phantom(PhantomRequest(seed, (44, 96, 120), (4.0, 3.2, 3.2)))
    volume = phantom_volume(made)
    return Known(volume, made.pancreas_mask, all_knowing(volume, made.pancreas_mask))


def all_knowing(volume: Volume, truth: Mask) -> NetworkPrediction:
    steps = [2 / mm for mm in spacing(volume)[1:]]
    rows, columns = (2 * round(n / step / 2) for n, step in zip(truth.shape[1:], steps, strict=True))
    middles = [(n - 1) / 2 for n in truth.shape[1:]]
    starts = [m - s * (k - 1) / 2 for m, s, k in zip(middles, steps, (rows, columns), strict=True)]
    frame = NetworkGrid(volume.grid, (rows, columns), (starts[0], starts[1]), (steps[0], steps[1]))
    sure = np.clip(frame.resample_to_network(truth.astype(np.float32), 0.0), 0.001, 0.999).astype(np.float16)
    coarse = sure.reshape(len(sure), rows // 2, 2, columns // 2, 2).max(axis=(2, 4))
    gate = GateMap(1, 1, coarse)
    return NetworkPrediction(
        frame, sure, (gate,), np.ones(sure.shape, bool), ModelId("all-knowing", "0", "none"), 0.5
    )


def spacing(volume: Volume) -> tuple[float, float, float]:
    return volume.grid.spacing_mm


def with_hu(known: Known, where: NDArray[np.bool_], hu: int) -> Known:
    changed = np.where(where, hu, known.volume.hu).astype(np.int16)
    return replace(known, volume=replace(known.volume, hu=changed))


@cache
def whole(known: Known) -> Known:
    """The same with a gland that has no vessel in it, a clean end at both sides and one HU."""
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in known.truth]).astype(np.uint8)
    ends = np.flatnonzero(filled.any(axis=(1, 2)))[[0, -1]]
    for z in ends:
        filled[z] = ndimage.binary_erosion(filled[z], iterations=2)
    volume = with_hu(known, filled != 0, 90).volume
    return Known(volume, filled, all_knowing(volume, filled))


def largest_slice(known: Known) -> int:
    return int(known.truth.sum(axis=(1, 2)).argmax())


def voxel_box(z: int, y: int = 0, size: int = 10) -> VoxelBox:
    return slice(z, z + 2), slice(y, y + size), slice(0, size)


def finding_at(key: str, where: VoxelBox, score: float = 1.0, missing: bool = True) -> Finding:
    return Finding("unsure", where[0].start, where, f"About {key}.", missing, score, key, score)

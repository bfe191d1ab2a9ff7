"""The CT, the network's maps and the mask of a case, all on the frame of the network.

The search for places to check works on the frame. Its pixels are 2 mm, so a CT of 512 x 512 has eight times
fewer voxels there and the list follows a stroke at once. Only boxes are mapped back to the CT.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import VoxelBox
from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.review.annotator_decisions import NO_DECISIONS, AnnotatorDecisions

_PIXEL_SIZE_MM = 2.0
# Probabilities below this do not count as expected error.
_FAINTEST_PROBABILITY = 0.1
# A smaller share of a pixel is a rounding error of the resampling.
_ROUNDING_SHARE = 1e-4


@dataclass(frozen=True, eq=False)
class CaseEvidence:
    """What is known of a case besides its mask. It is computed once for each draft.

    Without a draft there are no maps of the network, and only HU and the shape of the mask are searched.

    Attributes:
        frame: the frame on which all maps lie.
        hu: (z, rows, columns) float32, HU averaged over a pixel of the frame.
        smooth_hu: (z, rows, columns) float16, the same after a Gaussian filter in the plane.
        probability: (z, rows, columns) float16 in [0, 1]; None without a draft.
        gates: (z, rows, columns) float16 in [0, 1], the product of all gates; None without gates.
        threshold: probability from which a voxel belongs to the draft.
        draft_area_mm2: (z,) area of the draft in mm²; zeros without one.
    """

    frame: NetworkGrid
    hu: NDArray[np.float32]
    smooth_hu: NDArray[np.float16]
    probability: NDArray[np.float16] | None
    gates: NDArray[np.float16] | None
    threshold: float
    draft_area_mm2: NDArray[np.float64]

    @cached_property
    def likely_plane(self) -> NDArray[np.bool_]:
        """(rows, columns) bool, true where the probability reaches the threshold in any slice."""
        return self._any_likely((0,), self.hu.shape[1:])

    @cached_property
    def likely_slices(self) -> NDArray[np.bool_]:
        """(z,) bool, true where the probability reaches the threshold anywhere in the slice."""
        return self._any_likely((1, 2), self.hu.shape[:1])

    def _any_likely(self, axes: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        if self.probability is None:
            return np.zeros(shape, bool)
        likely: NDArray[np.bool_] = self.probability.max(axis=axes) >= self.threshold
        return likely

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the frame in ml."""
        return float(np.prod(self.frame.spacing_mm)) / 1000


@dataclass(frozen=True, eq=False)
class ResampledMask:
    """A mask that was resampled to the frame.

    Attributes:
        cover: (z, rows, columns) float32, the share of each pixel that the mask covers.
        area_mm2: (z,) area of the mask in mm², counted on the grid of the CT.
        wrong_mm2: (z,) area in mm² that is expected to be wrong by the probability; zeros without a draft.
        kept: (z, rows, columns) bool, pixels with a voxel that the annotator decided to be mask.
        free: (z, rows, columns) bool, pixels with a voxel that the annotator decided not to be mask.
        erased: (z, rows, columns) bool, pixels with a voxel that a stroke of the annotator removed.
    """

    cover: NDArray[np.float32]
    area_mm2: NDArray[np.float64]
    wrong_mm2: NDArray[np.float64]
    kept: NDArray[np.bool_]
    free: NDArray[np.bool_]
    erased: NDArray[np.bool_]

    @property
    def mask_slices(self) -> frozenset[int]:
        """Indices of the slices that have mask."""
        return frozenset(np.flatnonzero(self.area_mm2).tolist())


def make_case_evidence(
    volume: Volume, prediction: NetworkPrediction | None = None, draft: NDArray[np.uint8] | None = None
) -> CaseEvidence:
    """Return what is known of a case.

    Args:
        volume: the CT.
        prediction: the network's prediction; None without a draft.
        draft: (z, y, x) uint8 0/1, the draft; None without one.
    """
    frame = _whole_slice_grid(volume.grid) if prediction is None else prediction.frame
    # Slice by slice, so that the CT is never held as float32 as a whole.
    hu = np.concatenate(
        [frame.resample_to_network(plane[None].astype(np.float32), -1000.0) for plane in volume.hu]
    )
    areas = np.zeros(len(hu)) if draft is None else _mask_areas_mm2(draft, range(len(hu)), volume.grid)
    return CaseEvidence(
        frame=frame,
        hu=hu,
        smooth_hu=ndimage.gaussian_filter(hu, (0, 1, 1)).astype(np.float16),
        probability=None if prediction is None else prediction.probability,
        gates=None if prediction is None else _merged_gates_on_grid(prediction),
        threshold=0.5 if prediction is None else prediction.threshold,
        draft_area_mm2=areas,
    )


def resample_mask(
    mask: NDArray[np.uint8], evidence: CaseEvidence, decisions: AnnotatorDecisions = NO_DECISIONS
) -> ResampledMask:
    """Return `mask` (z, y, x) uint8 0/1 resampled to the frame, together with the annotator's decisions."""
    shape, slices = evidence.hu.shape, len(mask)
    flags = [np.zeros(shape, bool) for _ in range(3)]
    nothing = ResampledMask(np.zeros(shape, np.float32), np.zeros(slices), np.zeros(slices), *flags)
    return resample_changed_slices(nothing, mask, evidence, range(slices), decisions)


def resample_changed_slices(
    before: ResampledMask,
    mask: NDArray[np.uint8],
    evidence: CaseEvidence,
    changed: Iterable[int],
    decisions: AnnotatorDecisions = NO_DECISIONS,
) -> ResampledMask:
    """Return what `resample_mask` returns, but resample the `changed` slices only; the others come from
    `before`.
    """
    slices = sorted(set(changed))
    cover, areas, wrong = before.cover.copy(), before.area_mm2.copy(), before.wrong_mm2.copy()
    decided = [before.kept.copy(), before.free.copy(), before.erased.copy()]
    areas[slices] = _mask_areas_mm2(mask, slices, evidence.frame.grid)
    cover[slices] = 0
    for z in slices:
        if areas[z]:
            cover[z] = evidence.frame.resample_to_network((mask[z][None] != 0).astype(np.float32), 0.0)[0]
        for on_frame, plane in zip(
            decided, _resample_decisions(mask[z] != 0, z, evidence, decisions), strict=True
        ):
            on_frame[z] = plane
        sure = np.where(cover[z] > 0, decided[0][z], decided[1][z])
        wrong[z] = _expected_wrong_mm2(cover[z], evidence, z, sure)
    return ResampledMask(cover, areas, wrong, *decided)


def _resample_decisions(
    mask: NDArray[np.bool_], z: int, evidence: CaseEvidence, decisions: AnnotatorDecisions
) -> tuple[NDArray[np.bool_] | bool, ...]:
    """Return the planes of `AnnotatorDecisions.decided_planes` on the frame; a pixel is true if it holds one
    such voxel.
    """
    if not decisions.has_decision_in(z):
        return (False, False, False)
    planes = np.stack(decisions.decided_planes(z, mask)).astype(np.float32)
    return tuple(evidence.frame.resample_to_network(planes, 0.0) > _ROUNDING_SHARE)


def _expected_wrong_mm2(
    cover: NDArray[np.float32], evidence: CaseEvidence, z: int, sure: NDArray[np.bool_]
) -> float:
    """Return the area of slice `z` in mm² that is expected to be wrong, without decided pixels."""
    if evidence.probability is None:
        return 0.0
    likely = evidence.probability[z].astype(np.float32)
    # The network gives a faint probability to all of the body. Summed up, that would exceed the error of the
    # gland.
    likely[likely < _FAINTEST_PROBABILITY] = 0
    pixel = evidence.frame.spacing_mm[1] * evidence.frame.spacing_mm[2]
    # The expected absolute difference of two independent values in [0, 1].
    wrong = likely + cover - 2 * likely * cover
    return float(wrong[~sure].sum()) * pixel


def ct_box(evidence: CaseEvidence, box: VoxelBox) -> VoxelBox:
    """Return the box of the CT's voxels that a box of the frame covers.

    It lies within the CT and holds at least one voxel.
    """
    # A pixel reaches half of its size beyond its centre, on the frame as well as on the CT.
    sides = [box[0]]
    for side, start, step, size in zip(
        box[1:], evidence.frame.start, evidence.frame.step, evidence.frame.grid.shape[1:], strict=True
    ):
        first = int(np.clip(np.floor(start + step * (side.start - 0.5) + 0.5), 0, size - 1))
        last = int(np.clip(np.ceil(start + step * (side.stop - 0.5) - 0.5), first, size - 1))
        sides.append(slice(first, last + 1))
    return sides[0], sides[1], sides[2]


def _mask_areas_mm2(mask: NDArray[np.uint8], slices: Iterable[int], grid: VoxelGrid) -> NDArray[np.float64]:
    pixel = grid.spacing_mm[1] * grid.spacing_mm[2]
    return np.array([np.count_nonzero(mask[z]) * pixel for z in slices], np.float64)


def _merged_gates_on_grid(prediction: NetworkPrediction) -> NDArray[np.float16] | None:
    if not prediction.gates:
        return None
    merged = prediction.merged_gates
    factors = [whole // part for whole, part in zip(prediction.frame.size, merged.shape[1:], strict=True)]
    on_frame: NDArray[Any] = merged.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
    return on_frame


def _whole_slice_grid(grid: VoxelGrid) -> NetworkGrid:
    """Return a frame over the whole slice, for a case without a draft.

    Its pixels are 2 mm, or as large as those of the CT where these are larger.
    """
    steps = [max(1.0, _PIXEL_SIZE_MM / mm) for mm in grid.spacing_mm[1:]]
    sizes = [max(1, round(n / step)) for n, step in zip(grid.shape[1:], steps, strict=True)]
    starts = [
        (n - 1) / 2 - step * (k - 1) / 2 for n, step, k in zip(grid.shape[1:], steps, sizes, strict=True)
    ]
    return NetworkGrid(grid, (sizes[0], sizes[1]), (starts[0], starts[1]), (steps[0], steps[1]))

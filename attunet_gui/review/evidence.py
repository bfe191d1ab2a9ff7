"""What is known of a case besides its mask, on the frame of the network, and the mask carried there.

All search happens on the frame: its pixels are 2 mm, so a CT of 512 x 512 has eight times fewer voxels there,
and a stroke is answered at once. Only boxes are carried back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Box
from attunet_gui.core.frame import Frame
from attunet_gui.core.grid import Grid
from attunet_gui.core.prediction import Prediction
from attunet_gui.core.volume import Volume
from attunet_gui.review.decisions import NO_DECISIONS, Decisions

_PIXEL_MM = 2.0
_INSIDE = 0.5
_FAINT = 0.1
_ANY = 1e-4
"""Share of a pixel that is more than rounding."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Made once a draft; None where there is no draft, and then only the shape of the mask and HU speak.

    Attributes:
        frame: on which all maps lie.
        hu: (z, rows, columns) float32, averaged over a pixel of the frame.
        smooth_hu: (z, rows, columns) float16, the same, less its noise.
        probability: (z, rows, columns) float16 in [0, 1].
        gates: (z, rows, columns) float16 in [0, 1], the product of all gates.
        threshold: probability from which the network drafts.
        draft_area_mm2: (z,) area of the draft; zeros without one.
    """

    frame: Frame
    hu: NDArray[np.float32]
    smooth_hu: NDArray[np.float16]
    probability: NDArray[np.float16] | None
    gates: NDArray[np.float16] | None
    threshold: float
    draft_area_mm2: NDArray[np.float64]

    @cached_property
    def likely_plane(self) -> NDArray[np.bool_]:
        """(rows, columns) where the network would draft in any slice."""
        return self._likely((0,), self.hu.shape[1:])

    @cached_property
    def likely_slices(self) -> NDArray[np.bool_]:
        """(z,) where the network would draft anything."""
        return self._likely((1, 2), self.hu.shape[:1])

    def _likely(self, axes: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        if self.probability is None:
            return np.zeros(shape, bool)
        likely: NDArray[np.bool_] = self.probability.max(axis=axes) >= self.threshold
        return likely

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the frame."""
        return float(np.prod(self.frame.spacing_mm)) / 1000


@dataclass(frozen=True, eq=False)
class Carried:
    """A mask on the frame.

    Attributes:
        cover: (z, rows, columns) float32, share of each of the frame's pixels that the mask covers.
        area_mm2: (z,) area of the mask itself.
        wrong_mm2: (z,) area that is expected to be wrong, by the probability; zeros without one.
        kept, free: (z, rows, columns) bool, pixels that hold a voxel of which a person decided that it is
            mask, or that it is none.
        erased: likewise, where a stroke of hers took mask away.
    """

    cover: NDArray[np.float32]
    area_mm2: NDArray[np.float64]
    wrong_mm2: NDArray[np.float64]
    kept: NDArray[np.bool_]
    free: NDArray[np.bool_]
    erased: NDArray[np.bool_]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(z, rows, columns) where the mask covers at least half of the pixel."""
        return self.cover >= _INSIDE

    @property
    def slices(self) -> frozenset[int]:
        """Slices that have mask."""
        return frozenset(np.flatnonzero(self.area_mm2).tolist())


def make_evidence(
    volume: Volume, prediction: Prediction | None = None, draft: NDArray[np.uint8] | None = None
) -> Evidence:
    """What is known of `volume`.

    Args:
        volume: the CT.
        prediction: what the network says of it.
        draft: (z, y, x) uint8 0/1, the draft made of it.
    """
    frame = _whole(volume.grid) if prediction is None else prediction.frame
    hu = np.concatenate([frame.to_network(plane[None].astype(np.float32), -1000.0) for plane in volume.hu])
    areas = np.zeros(len(hu)) if draft is None else _areas(draft, range(len(hu)), volume.grid)
    return Evidence(
        frame=frame,
        hu=hu,
        smooth_hu=ndimage.gaussian_filter(hu, (0, 1, 1)).astype(np.float16),
        probability=None if prediction is None else prediction.probability,
        gates=None if prediction is None else _merged(prediction),
        threshold=0.5 if prediction is None else prediction.threshold,
        draft_area_mm2=areas,
    )


def carry(mask: NDArray[np.uint8], evidence: Evidence, decisions: Decisions = NO_DECISIONS) -> Carried:
    """`mask` (z, y, x) on the frame."""
    shape, slices = evidence.hu.shape, len(mask)
    flags = [np.zeros(shape, bool) for _ in range(3)]
    nothing = Carried(np.zeros(shape, np.float32), np.zeros(slices), np.zeros(slices), *flags)
    return carry_again(nothing, mask, evidence, range(slices), decisions)


def carry_again(
    before: Carried,
    mask: NDArray[np.uint8],
    evidence: Evidence,
    changed: Iterable[int],
    decisions: Decisions = NO_DECISIONS,
) -> Carried:
    """As `carry`, taking all slices but the `changed` ones from `before`."""
    slices = sorted(set(changed))
    cover, areas, wrong = before.cover.copy(), before.area_mm2.copy(), before.wrong_mm2.copy()
    decided = [before.kept.copy(), before.free.copy(), before.erased.copy()]
    areas[slices] = _areas(mask, slices, evidence.frame.grid)
    cover[slices] = 0
    for z in slices:
        if areas[z]:
            cover[z] = evidence.frame.to_network((mask[z][None] != 0).astype(np.float32), 0.0)[0]
        for on_frame, plane in zip(decided, _decided(mask[z] != 0, z, evidence, decisions), strict=True):
            on_frame[z] = plane
        sure = np.where(cover[z] > 0, decided[0][z], decided[1][z])
        wrong[z] = _wrong_mm2(cover[z], evidence, z, sure)
    return Carried(cover, areas, wrong, *decided)


def _decided(
    mask: NDArray[np.bool_], z: int, evidence: Evidence, decisions: Decisions
) -> tuple[NDArray[np.bool_] | bool, ...]:
    """The planes of `Decisions.of_slice` on the frame: a pixel counts if it holds one such voxel."""
    if not decisions.touches(z):
        return (False, False, False)
    planes = np.stack(decisions.of_slice(z, mask)).astype(np.float32)
    return tuple(evidence.frame.to_network(planes, 0.0) > _ANY)


def _wrong_mm2(cover: NDArray[np.float32], evidence: Evidence, z: int, sure: NDArray[np.bool_]) -> float:
    """Area of slice `z` that is expected to be wrong; what a person is `sure` of is not."""
    if evidence.probability is None:
        return 0.0
    likely = evidence.probability[z].astype(np.float32)
    # All over the body the network says "hardly"; summed up that would drown the gland.
    likely[likely < _FAINT] = 0
    pixel = evidence.frame.spacing_mm[1] * evidence.frame.spacing_mm[2]
    wrong = likely + cover - 2 * likely * cover
    return float(wrong[~sure].sum()) * pixel


def grid_box(evidence: Evidence, box: Box) -> Box:
    """A box of the frame as the box of the CT's voxels that it covers; at least one voxel, within the CT."""
    sides = [box[0]]
    for side, start, step, size in zip(
        box[1:], evidence.frame.start, evidence.frame.step, evidence.frame.grid.shape[1:], strict=True
    ):
        first = int(np.clip(np.floor(start + step * (side.start - 0.5) + 0.5), 0, size - 1))
        last = int(np.clip(np.ceil(start + step * (side.stop - 0.5) - 0.5), first, size - 1))
        sides.append(slice(first, last + 1))
    return sides[0], sides[1], sides[2]


def _areas(mask: NDArray[np.uint8], slices: Iterable[int], grid: Grid) -> NDArray[np.float64]:
    pixel = grid.spacing_mm[1] * grid.spacing_mm[2]
    return np.array([np.count_nonzero(mask[z]) * pixel for z in slices], np.float64)


def _merged(prediction: Prediction) -> NDArray[np.float16] | None:
    if not prediction.gates:
        return None
    merged = prediction.merged_gates
    factors = [whole // part for whole, part in zip(prediction.frame.size, merged.shape[1:], strict=True)]
    on_frame: NDArray[Any] = merged.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
    return on_frame


def _whole(grid: Grid) -> Frame:
    """A frame over all of a slice, for a case without draft."""
    steps = [max(1.0, _PIXEL_MM / mm) for mm in grid.spacing_mm[1:]]
    sizes = [max(1, round(n / step)) for n, step in zip(grid.shape[1:], steps, strict=True)]
    starts = [
        (n - 1) / 2 - step * (k - 1) / 2 for n, step, k in zip(grid.shape[1:], steps, sizes, strict=True)
    ]
    return Frame(grid, (sizes[0], sizes[1]), (starts[0], starts[1]), (steps[0], steps[1]))

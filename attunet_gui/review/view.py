"""The part of the frame in which anything can be wrong, and how what is found there becomes a place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Box
from attunet_gui.review.chance import chance_of_gland, nearness
from attunet_gui.review.evidence import Carried, Evidence, grid_box
from attunet_gui.review.places import Place

_MARGIN_MM = 20.0
_KEY_MM = 16.0
_ERASED_MM = 5.0
_ALIKE_HU = 25.0
_FLOOR_ML = 0.1
_FLOOR_MM2 = 15.0
"""In CT of few or thin slices a place of one slice is worth a look from this area on."""

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class View:
    """A crop of the frame around mask and likely tissue; all maps are (z, rows, columns) of one shape.

    Attributes:
        evidence: of the whole frame.
        carried: the mask on the whole frame.
        box: the crop.
    """

    evidence: Evidence
    carried: Carried
    box: Box

    @cached_property
    def cover(self) -> Floats:
        """Share of a pixel that the mask covers."""
        return self.carried.cover[self.box]

    @cached_property
    def inside(self) -> Flags:
        """Where the mask covers at least half of the pixel."""
        return self.cover >= 0.5

    @cached_property
    def hu(self) -> Floats:
        """HU averaged over a pixel."""
        return self.evidence.hu[self.box]

    @cached_property
    def probability(self) -> Floats | None:
        """As the network says."""
        known = self.evidence.probability
        return None if known is None else known[self.box].astype(np.float32)

    @cached_property
    def gates(self) -> Floats | None:
        """Product of all gates."""
        known = self.evidence.gates
        return None if known is None else known[self.box].astype(np.float32)

    @cached_property
    def chance(self) -> Floats | None:
        """Chance that a pixel is gland, given the network and the mask around it."""
        if self.probability is None:
            return None
        return chance_of_gland(self.probability, self.near)

    @cached_property
    def near(self) -> Floats:
        """How much mask there is around a pixel, 0 to 1."""
        return nearness(self.cover, self.spacing_mm)

    @cached_property
    def alike(self) -> Floats:
        """How much a pixel and its surroundings look like what the mask holds: 1 for its median HU, to 0."""
        if not self.inside.any():
            return np.ones_like(self.cover)
        smooth = self.evidence.smooth_hu[self.box].astype(np.float32)
        apart = (smooth - np.median(self.hu[self.inside])) / _ALIKE_HU
        likeness: Floats = np.exp(-0.5 * np.square(apart)).astype(np.float32)
        return likeness

    @cached_property
    def may_lack(self) -> Flags:
        """Where tissue may be missing: not where a person decided that there is none, nor close to what she
        erased, where a network that was wrong once says the same of the rim."""
        reach = [1 + 2 * int(_ERASED_MM / mm) for mm in self.spacing_mm]
        around = ndimage.maximum_filter(self.carried.erased[self.box], reach)
        allowed: Flags = ~(self.carried.free[self.box] | around)
        return allowed

    @cached_property
    def may_exceed(self) -> Flags:
        """Where there may be too much: not where a person decided that the mask is right."""
        return ~self.carried.kept[self.box]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Of the frame, (z, row, column)."""
        return self.evidence.frame.spacing_mm

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the frame."""
        return self.evidence.voxel_ml

    @property
    def floor_ml(self) -> float:
        """Less than this is not worth a look."""
        thick = self.spacing_mm[0] * min(3, len(self.carried.area_mm2))
        return min(_FLOOR_ML, _FLOOR_MM2 * thick / 1000)

    @cached_property
    def thirds(self) -> tuple[float, float]:
        """Columns that part the gland into three of one width: the mask, or else what the network drafts."""
        gland = self.inside
        if not gland.any() and self.probability is not None:
            gland = self.probability >= self.evidence.threshold
        columns = np.flatnonzero(gland.any(axis=(0, 1)))
        if not len(columns):
            return 0.0, 0.0
        low, high = columns[0], columns[-1] + 1
        return low + (high - low) / 3, high - (high - low) / 3

    def cut(self, z: int) -> str:
        """ "Slice 84", `z` counted in the crop."""
        return f"Slice {z + self.box[0].start + 1}"


@dataclass(frozen=True, eq=False)
class Spot:
    """What a finder names.

    Attributes:
        kind: key of the finder.
        missing: whether tissue is missing there.
        box: in the crop of the view.
        weight: (z, rows, columns) float32 of the box, share of each pixel that is named; not all 0.
        trust: share of the named volume that turns out to be wrong, as measured.
        words: the reason; {cut}, {ml} and {where} are filled in.
    """

    kind: str
    missing: bool
    box: Box
    weight: Floats
    trust: float
    words: str


def view_of(carried: Carried, evidence: Evidence) -> View | None:
    """The crop that holds the mask and what the network would draft; None if both are empty."""
    anything = carried.cover.any(axis=0) | evidence.likely_plane
    slices = np.flatnonzero((carried.area_mm2 > 0) | evidence.likely_slices)
    if not len(slices) or not anything.any():
        return None
    rows, columns = ndimage.find_objects(anything.astype(np.uint8))[0]
    sides = (slice(int(slices[0]), int(slices[-1]) + 1), rows, columns)
    z, y, x = (
        slice(max(0, side.start - margin), min(size, side.stop + margin))
        for side, size, margin in zip(sides, carried.cover.shape, _margins(evidence), strict=True)
    )
    return View(evidence, carried, (z, y, x))


def _margins(evidence: Evidence) -> list[int]:
    return [int(np.ceil(_MARGIN_MM / mm)) for mm in evidence.frame.spacing_mm]


def place(view: View, spot: Spot) -> Place:
    """`spot` as a place on the CT's grid, less what a person decided; of score 0 if nothing is left."""
    allowed = (view.may_lack if spot.missing else view.may_exceed)[spot.box]
    spot = replace(spot, weight=np.where(allowed, spot.weight, 0).astype(np.float32))
    by_slice = spot.weight.sum(axis=(1, 2))
    tight, volume = _tight(spot), float(by_slice.sum()) * view.voxel_ml
    z = spot.box[0].start + int(np.argmax(by_slice))
    first, rows, columns = (
        slice(side.start + corner.start, side.stop + corner.start)
        for side, corner in zip(tight, view.box, strict=True)
    )
    middle = [(side.start + side.stop) / 2 for side in tight]
    words = spot.words.format(cut=view.cut(z), ml=_amount(volume, view), where=_where(view, middle[2]))
    return Place(
        kind=spot.kind,
        slice=z + view.box[0].start,
        box=grid_box(view.evidence, (first, rows, columns)),
        reason=words,
        missing=spot.missing,
        score=spot.trust * volume,
        key=_key(spot, view, middle),
        volume_ml=volume,
    )


def _tight(spot: Spot) -> Box:
    named = spot.weight >= 0.25 * spot.weight.max()
    z, y, x = ndimage.find_objects(named.astype(np.uint8))[0]
    sides = [
        slice(part.start + whole.start, part.stop + whole.start)
        for part, whole in zip((z, y, x), spot.box, strict=True)
    ]
    return sides[0], sides[1], sides[2]


def _key(spot: Spot, view: View, middle: list[float]) -> str:
    cells = [
        int((corner.start + at) * mm // _KEY_MM)
        for corner, at, mm in zip(view.box, middle, view.spacing_mm, strict=True)
    ]
    return f"{spot.kind}{'+' if spot.missing else '-'}@{cells[0]}.{cells[1]}.{cells[2]}"


def _amount(ml: float, view: View) -> str:
    """In a case of one slice a volume says nothing to anybody; the area does."""
    if len(view.carried.area_mm2) == 1:
        return f"{ml * 1000 / view.spacing_mm[0]:.0f} mm²"
    return f"{ml:.1f} ml" if ml >= 0.1 else f"{ml:.2f} ml"


def _where(view: View, column: float) -> str:
    """Columns run to the patient's left, where the tail is."""
    head, tail = view.thirds
    if column < head:
        return "towards the pancreatic head"
    return "towards the pancreatic tail" if column > tail else "in the middle of the pancreas"

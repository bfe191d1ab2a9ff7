"""The crop of the frame in which the finders search, and the conversion of what they find into places."""

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
# The key of a place holds its position in steps of this size, so that it survives small changes nearby.
_KEY_MM = 16.0
_ERASED_MM = 5.0
_ALIKE_HU = 25.0
# A smaller volume is not worth a look. In CT of few or thin slices no place would reach it, and an area in
# each of up to three slices counts instead.
_FLOOR_ML = 0.1
_FLOOR_MM2 = 15.0

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class View:
    """A crop of the frame around mask and likely tissue. All maps are (z, rows, columns) of one shape.

    The maps are computed when they are first used, and once.

    Attributes:
        evidence: what is known of the case, on the whole frame.
        carried: the mask on the whole frame.
        box: the crop within the frame.
    """

    evidence: Evidence
    carried: Carried
    box: Box

    @cached_property
    def cover(self) -> Floats:
        """float32, the share of each pixel that the mask covers."""
        return self.carried.cover[self.box]

    @cached_property
    def inside(self) -> Flags:
        """bool, true where the mask covers at least half of the pixel."""
        return self.cover >= 0.5

    @cached_property
    def hu(self) -> Floats:
        """float32, HU averaged over a pixel."""
        return self.evidence.hu[self.box]

    @cached_property
    def probability(self) -> Floats | None:
        """float32 in [0, 1], the network's probability; None without a draft."""
        known = self.evidence.probability
        return None if known is None else known[self.box].astype(np.float32)

    @cached_property
    def gates(self) -> Floats | None:
        """float32 in [0, 1], the product of all gates; None without gates."""
        known = self.evidence.gates
        return None if known is None else known[self.box].astype(np.float32)

    @cached_property
    def chance(self) -> Floats | None:
        """float32 in [0, 1], probability of gland given network and mask; None without a draft."""
        if self.probability is None:
            return None
        return chance_of_gland(self.probability, self.near)

    @cached_property
    def near(self) -> Floats:
        """float32 in [0, 1], how much mask there is around each pixel."""
        return nearness(self.cover, self.spacing_mm)

    @cached_property
    def alike(self) -> Floats:
        """float32 in [0, 1], the similarity of the smoothed HU to the median HU of the mask; 1 is equal."""
        if not self.inside.any():
            return np.ones_like(self.cover)
        smooth = self.evidence.smooth_hu[self.box].astype(np.float32)
        apart = (smooth - np.median(self.hu[self.inside])) / _ALIKE_HU
        likeness: Floats = np.exp(-0.5 * np.square(apart)).astype(np.float32)
        return likeness

    @cached_property
    def may_lack(self) -> Flags:
        """bool, true where tissue may be missing.

        It is false where the annotator decided that there is none. It is also false close to what they
        erased: a network that was wrong there says the same of the rim.
        """
        reach = [1 + 2 * int(_ERASED_MM / mm) for mm in self.spacing_mm]
        around = ndimage.maximum_filter(self.carried.erased[self.box], reach)
        allowed: Flags = ~(self.carried.free[self.box] | around)
        return allowed

    @cached_property
    def may_exceed(self) -> Flags:
        """bool, true where there may be too much mask; false where it was decided that the mask is right."""
        return ~self.carried.kept[self.box]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """(z, row, column) spacing of the frame in mm."""
        return self.evidence.frame.spacing_mm

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the frame in ml."""
        return self.evidence.voxel_ml

    @property
    def floor_ml(self) -> float:
        """The smallest volume in ml that is worth a look."""
        thick = self.spacing_mm[0] * min(3, len(self.carried.area_mm2))
        return min(_FLOOR_ML, _FLOOR_MM2 * thick / 1000)

    @cached_property
    def thirds(self) -> tuple[float, float]:
        """The two columns that divide the gland into three parts of equal width.

        The gland is the mask or, without one, what the network would draft. (0, 0) if both are empty.
        """
        gland = self.inside
        if not gland.any() and self.probability is not None:
            gland = self.probability >= self.evidence.threshold
        columns = np.flatnonzero(gland.any(axis=(0, 1)))
        if not len(columns):
            return 0.0, 0.0
        low, high = columns[0], columns[-1] + 1
        return low + (high - low) / 3, high - (high - low) / 3

    def cut(self, z: int) -> str:
        """Return the title of a slice such as "Slice 84", where `z` is its index in the crop."""
        return f"Slice {z + self.box[0].start + 1}"


@dataclass(frozen=True, eq=False)
class Spot:
    """What a finder reports, before it becomes a place.

    Attributes:
        kind: kind of error.
        missing: whether tissue is missing there, rather than too much.
        box: box in the crop of the view.
        weight: (z, rows, columns) float32 of the shape of the box, the share of each pixel that is named; not
            all of them are 0.
        trust: the share of the named volume that turns out to be wrong, as measured.
        words: template of the reason; {cut}, {ml} and {where} are filled in.
    """

    kind: str
    missing: bool
    box: Box
    weight: Floats
    trust: float
    words: str


def view_of(carried: Carried, evidence: Evidence) -> View | None:
    """Return the crop that holds the mask and what the network would draft; None if both are empty."""
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
    """Return `spot` as a place on the grid of the CT, without the pixels that the annotator decided.

    If nothing is left its score is 0.
    """
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
    """Return the size as text, in ml; in a CT of one slice as an area, since a volume means nothing there."""
    if len(view.carried.area_mm2) == 1:
        return f"{ml * 1000 / view.spacing_mm[0]:.0f} mm²"
    return f"{ml:.1f} ml" if ml >= 0.1 else f"{ml:.2f} ml"


def _where(view: View, column: float) -> str:
    """Return the location along the pancreas as text."""
    # Columns grow towards the patient's left, where the tail of the pancreas lies.
    head, tail = view.thirds
    if column < head:
        return "towards the pancreatic head"
    return "towards the pancreatic tail" if column > tail else "in the middle of the pancreas"

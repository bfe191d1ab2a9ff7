"""Where the network and the mask do not agree: uncertain surface, and gates that say otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Box
from attunet_gui.review.places import Place
from attunet_gui.review.view import Floats, Spot, View, place

_WINDOW_MM = (15.0, 24.0, 24.0)
"""About what is corrected in one go: a few slices, and a part of the outline."""
_LEAST = 0.3
"""Where mask and chance are less apart, the surface is as sure as one can be."""
_WORTH = 0.5
"""The chance is cautious: about twice as much is wrong as it says."""
_TRUST_MISSING, _TRUST_EXCESS = 3.0, 3.0
_TRUST_GATE_HIGH, _TRUST_GATE_LOW = 0.15, 0.5
_GATE_HIGH, _GATE_LOW = 0.9, 0.3
_NEAR = 0.02
_CELL_MM = (3.0, 4.0, 4.0)
"""The search goes by cells of about this size."""


@dataclass(frozen=True)
class _Saying:
    kind: str
    missing: bool
    trust: float
    words: str


_MISSING = _Saying("unsure", True, _TRUST_MISSING, "likely missing {where}")
_EXCESS = _Saying("unsure", False, _TRUST_EXCESS, "likely too much {where}")


def unsure(view: View) -> list[Place]:
    """Parts of the surface where the expected error is largest, and what the draft left out."""
    if view.chance is None or view.probability is None:
        return []
    lacking = _beyond(view.chance - view.cover) * view.alike * view.may_lack
    surplus = _beyond(view.cover - view.chance) * view.may_exceed
    return [
        *_peaks(view, lacking, view.probability, _MISSING),
        *_peaks(view, surplus, view.probability, _EXCESS),
    ]


def gate_and_mask(view: View) -> list[Place]:
    """Where gates are open on soft tissue without mask, and where they are closed inside the mask."""
    if view.gates is None or not view.inside.any():
        return []
    opened = (view.gates > _GATE_HIGH) & (view.near > _NEAR)
    high = np.where(opened & view.may_lack, (1 - view.cover) * view.alike, 0).astype(np.float32)
    low = np.where((view.gates < _GATE_LOW) & view.may_exceed, view.cover, 0).astype(np.float32)
    return [
        *_peaks(view, high, view.gates, _Saying("gate", True, _TRUST_GATE_HIGH, "open without mask {where}")),
        *_peaks(
            view, low, view.gates, _Saying("gate", False, _TRUST_GATE_LOW, "closed inside the mask {where}")
        ),
    ]


def _beyond(apart: Floats) -> Floats:
    return np.where(apart >= _LEAST, apart, 0).astype(np.float32)


def _peaks(view: View, wrong: Floats, said: Floats, saying: _Saying) -> Iterator[Place]:
    """A place at each window that is worse than any that overlaps it by half or more.

    Much is wrong in a window that holds much gland; what a person sees is what is wrong of what is there. So
    windows compete by the expected volume times the root of its share.
    """
    cells = [max(1, round(mm / step)) for mm, step in zip(_CELL_MM, view.spacing_mm, strict=True)]
    window = _window(view, cells)
    amount = _sums(wrong, cells, window) * view.voxel_ml
    whole = _sums(np.maximum(view.cover, wrong), cells, window) * view.voxel_ml
    share = np.sqrt(np.clip(amount / np.maximum(whole, view.floor_ml), 0, 1))
    worth = amount * share
    peaks = (amount >= _WORTH * view.floor_ml) & (worth >= ndimage.maximum_filter(worth, window))
    labels, _count = ndimage.label(peaks, np.ones((3, 3, 3)))
    for plateau in ndimage.find_objects(labels):
        z, y, x = ((side.start + side.stop - 1) // 2 for side in plateau)
        box = _around((z, y, x), cells, window, wrong.shape)
        part = wrong[box]
        if part.any():
            trust = saying.trust * float(share[z, y, x])
            yield place(view, _spot(box, part, said[box][part > 0], replace(saying, trust=trust)))


def _window(view: View, cells: list[int]) -> list[int]:
    """Size of the window in cells, odd."""
    return [
        min(1 + 2 * int(mm / (cell * spacing) / 2), max(1, -(-size // cell)))
        for mm, cell, spacing, size in zip(_WINDOW_MM, cells, view.spacing_mm, view.cover.shape, strict=True)
    ]


def _sums(values: Floats, cells: list[int], window: list[int]) -> Floats:
    """Sum of `values` in a window around each cell."""
    by_cell = np.pad(values, [(0, -size % cell) for size, cell in zip(values.shape, cells, strict=True)])
    for axis, cell in enumerate(cells):
        by_cell = np.moveaxis(by_cell, axis, 0)
        by_cell = np.moveaxis(sum((by_cell[k::cell] for k in range(1, cell)), by_cell[::cell]), 0, axis)
    sums: Floats = ndimage.uniform_filter(by_cell, window, mode="constant") * np.float32(np.prod(window))
    return sums


def _spot(box: Box, part: Floats, said: NDArray[np.float32], saying: _Saying) -> Spot:
    low, high = np.percentile(said, (10, 90))
    name = "gate" if saying.kind == "gate" else "probability"
    words = f"{{cut}}: {name} {low:.2f}-{high:.2f} over {{ml}}; {saying.words}."
    return Spot(saying.kind, saying.missing, box, part, saying.trust, words)


def _around(at: tuple[int, int, int], cells: list[int], window: list[int], shape: tuple[int, ...]) -> Box:
    """The window around the cell `at`, in pixels."""
    z, y, x = (
        slice(max(0, (i - size // 2) * cell), min(whole, (i - size // 2 + size) * cell))
        for i, cell, size, whole in zip(at, cells, window, shape, strict=True)
    )
    return z, y, x

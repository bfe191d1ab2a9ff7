"""Where the network and the mask do not agree: uncertain surface, and gates that say otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Box
from attunet_gui.review.places import Place
from attunet_gui.review.view import Flags, Floats, Spot, View, place

_WINDOW_MM = (15.0, 24.0, 24.0)
"""About what is corrected in one go: a few slices, and a part of the outline."""
_LEAST = 0.3
"""A pixel that is wrong with less chance is as sure as a surface can be."""
_TRUST_UNSURE = 1.0
_TRUST_GATE_HIGH, _TRUST_GATE_LOW = 0.2, 0.3
_GATE_HIGH, _GATE_LOW = 0.9, 0.3


@dataclass(frozen=True)
class _Saying:
    kind: str
    missing: bool
    trust: float
    words: str


_MISSING = _Saying("unsure", True, _TRUST_UNSURE, "likely missing {where}")
_EXCESS = _Saying("unsure", False, _TRUST_UNSURE, "likely too much {where}")


def unsure(view: View) -> list[Place]:
    """Parts of the surface where the expected error is largest, and what the draft left out."""
    if view.chance is None or view.probability is None:
        return []
    lacking = _above(view.chance) * (1 - view.cover) * view.alike
    surplus = _above(1 - view.chance) * view.cover
    return [
        *_peaks(view, lacking, view.probability, _MISSING),
        *_peaks(view, surplus, view.probability, _EXCESS),
    ]


def gate_and_mask(view: View) -> list[Place]:
    """Where gates are open on soft tissue without mask, and where they are closed inside the mask."""
    if view.gates is None or not view.inside.any():
        return []
    opened = (view.gates > _GATE_HIGH) & _near(view)
    high = np.where(opened, (1 - view.cover) * view.alike, 0).astype(np.float32)
    low = np.where(view.gates < _GATE_LOW, view.cover, 0).astype(np.float32)
    return [
        *_peaks(view, high, view.gates, _Saying("gate", True, _TRUST_GATE_HIGH, "open without mask {where}")),
        *_peaks(
            view, low, view.gates, _Saying("gate", False, _TRUST_GATE_LOW, "closed inside the mask {where}")
        ),
    ]


def _near(view: View) -> Flags:
    near: Flags = ndimage.uniform_filter(view.cover, _window(view)) > 0.02
    return near


def _above(chance: Floats) -> Floats:
    return np.where(chance >= _LEAST, chance, 0).astype(np.float32)


def _window(view: View) -> list[int]:
    return [
        min(size, 1 + 2 * int(mm / spacing / 2))
        for mm, spacing, size in zip(_WINDOW_MM, view.spacing_mm, view.cover.shape, strict=True)
    ]


def _peaks(view: View, wrong: Floats, said: Floats, saying: _Saying) -> Iterator[Place]:
    """A place at each window that is worse than any that overlaps it by half or more.

    Much is wrong in a window that holds much gland; what a person sees is what is wrong of what is there. So
    windows compete by the expected volume times the root of its share.
    """
    window = _window(view)
    amount = _sums(wrong, window) * view.voxel_ml
    whole = _sums(np.maximum(view.cover, wrong), window) * view.voxel_ml
    share = np.sqrt(np.clip(amount / np.maximum(whole, view.floor_ml), 0, 1))
    worth = amount * share
    peaks = (amount >= view.floor_ml) & (worth >= ndimage.maximum_filter(worth, window))
    labels, _count = ndimage.label(peaks, np.ones((3, 3, 3)))
    for plateau in ndimage.find_objects(labels):
        at = [(side.start + side.stop - 1) // 2 for side in plateau]
        box = _around(at, window, wrong.shape)
        part = wrong[box]
        if part.any():
            trust = saying.trust * float(share[at[0], at[1], at[2]])
            yield place(view, _spot(box, part, said[box][part > 0], replace(saying, trust=trust)))


def _sums(values: Floats, window: list[int]) -> Floats:
    sums: Floats = ndimage.uniform_filter(values, window, mode="constant") * np.float32(np.prod(window))
    return sums


def _spot(box: Box, part: Floats, said: NDArray[np.float32], saying: _Saying) -> Spot:
    low, high = np.percentile(said, (10, 90))
    name = "gate" if saying.kind == "gate" else "probability"
    words = f"{{cut}}: {name} {low:.2f}-{high:.2f} over {{ml}}; {saying.words}."
    return Spot(saying.kind, saying.missing, box, part, saying.trust, words)


def _around(centre: list[int], window: list[int], shape: tuple[int, ...]) -> Box:
    z, y, x = (
        slice(max(0, at - size // 2), min(whole, at - size // 2 + size))
        for at, size, whole in zip(centre, window, shape, strict=True)
    )
    return z, y, x

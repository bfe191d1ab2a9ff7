"""Finders of disagreement between the network and the mask: uncertain surface, and gates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import VoxelBox
from attunet_gui.review.findings import Finding
from attunet_gui.review.review_crop import FindingCandidate, FloatMap, ReviewCrop, finding_from_candidate

# About the size of what is corrected at once: a few slices, and a part of the outline.
_WINDOW_MM = (15.0, 24.0, 24.0)
# A smaller difference of mask and gland probability is normal at any surface.
_SMALLEST_DISAGREEMENT = 0.3
# Share of the smallest volume worth a look from which a window counts. The probability is cautious: about
# twice as much turns out to be wrong as it says.
_WORTH_SHARE = 0.5
_TRUST_MISSING, _TRUST_EXCESS = 3.0, 3.0
_TRUST_GATE_HIGH, _TRUST_GATE_LOW = 0.15, 0.5
_GATE_HIGH, _GATE_LOW = 0.9, 0.3
_NEAR_MASK_SHARE = 0.02
# The search sums over cells of about this size, which is much faster than summing over pixels.
_SEARCH_CELL_MM = (3.0, 4.0, 4.0)


@dataclass(frozen=True)
class _FindingTemplate:
    kind: str
    missing: bool
    trust: float
    words: str


_MISSING_TEMPLATE = _FindingTemplate("unsure", True, _TRUST_MISSING, "likely missing {where}")
_EXCESS_TEMPLATE = _FindingTemplate("unsure", False, _TRUST_EXCESS, "likely too much {where}")


def find_uncertain_surface(view: ReviewCrop) -> list[Finding]:
    """Return parts of the surface with the largest expected error, and tissue that the mask leaves out."""
    if view.gland_probability is None or view.probability is None:
        return []
    lacking = (
        _beyond_smallest(view.gland_probability - view.mask_cover) * view.hu_similarity * view.may_be_missing
    )
    surplus = _beyond_smallest(view.mask_cover - view.gland_probability) * view.may_be_excess
    return [
        *_find_peaks(view, lacking, view.probability, _MISSING_TEMPLATE),
        *_find_peaks(view, surplus, view.probability, _EXCESS_TEMPLATE),
    ]


def find_gate_disagreement(view: ReviewCrop) -> list[Finding]:
    """Return where gates are open on soft tissue without mask, and where they are closed inside the mask."""
    if view.gates is None or not view.inside_mask.any():
        return []
    opened = (view.gates > _GATE_HIGH) & (view.mask_nearness > _NEAR_MASK_SHARE)
    high = np.where(opened & view.may_be_missing, (1 - view.mask_cover) * view.hu_similarity, 0).astype(
        np.float32
    )
    low = np.where((view.gates < _GATE_LOW) & view.may_be_excess, view.mask_cover, 0).astype(np.float32)
    return [
        *_find_peaks(
            view,
            high,
            view.gates,
            _FindingTemplate("gate", True, _TRUST_GATE_HIGH, "open without mask {where}"),
        ),
        *_find_peaks(
            view,
            low,
            view.gates,
            _FindingTemplate("gate", False, _TRUST_GATE_LOW, "closed inside the mask {where}"),
        ),
    ]


def _beyond_smallest(apart: FloatMap) -> FloatMap:
    return np.where(apart >= _SMALLEST_DISAGREEMENT, apart, 0).astype(np.float32)


def _find_peaks(
    view: ReviewCrop, wrong: FloatMap, said: FloatMap, saying: _FindingTemplate
) -> Iterator[Finding]:
    """Yield a place for each window that is worse than all windows that overlap it by half or more.

    A window with much gland has much expected error, but the annotator sees the error relative to what is
    there. Windows are therefore compared by the expected volume times the square root of its share.

    Args:
        view: the crop.
        wrong: (z, rows, columns) float32, expected error of each pixel.
        said: (z, rows, columns) float32, the map whose values the sentence names.
        saying: kind, trust and text of the places.
    """
    cells = [max(1, round(mm / step)) for mm, step in zip(_SEARCH_CELL_MM, view.spacing_mm, strict=True)]
    window = _window_cells(view, cells)
    amount = _window_sums(wrong, cells, window) * view.voxel_ml
    whole = _window_sums(np.maximum(view.mask_cover, wrong), cells, window) * view.voxel_ml
    share = np.sqrt(np.clip(amount / np.maximum(whole, view.floor_ml), 0, 1))
    worth = amount * share
    peaks = (amount >= _WORTH_SHARE * view.floor_ml) & (worth >= ndimage.maximum_filter(worth, window))
    # Neighbouring windows of equal worth form a plateau, of which one place is made.
    labels, _count = ndimage.label(peaks, np.ones((3, 3, 3)))
    for plateau in ndimage.find_objects(labels):
        z, y, x = ((side.start + side.stop - 1) // 2 for side in plateau)
        box = _window_box((z, y, x), cells, window, wrong.shape)
        part = wrong[box]
        if part.any():
            trust = saying.trust * float(share[z, y, x])
            yield finding_from_candidate(
                view, _candidate_at_peak(box, part, said[box][part > 0], replace(saying, trust=trust))
            )


def _window_cells(view: ReviewCrop, cells: list[int]) -> list[int]:
    """Return the size of the window in cells along each axis; it is odd where the crop is large enough."""
    return [
        min(1 + 2 * int(mm / (cell * spacing) / 2), max(1, -(-size // cell)))
        for mm, cell, spacing, size in zip(
            _WINDOW_MM, cells, view.spacing_mm, view.mask_cover.shape, strict=True
        )
    ]


def _window_sums(values: FloatMap, cells: list[int], window: list[int]) -> FloatMap:
    """Return the sum of `values` in a window around each cell.

    Args:
        values: (z, rows, columns) float32.
        cells: size of a cell in pixels.
        window: size of the window in cells.
    """
    # First the pixels of each cell are added, axis by axis; then a running mean adds the cells of the window.
    by_cell = np.pad(values, [(0, -size % cell) for size, cell in zip(values.shape, cells, strict=True)])
    for axis, cell in enumerate(cells):
        by_cell = np.moveaxis(by_cell, axis, 0)
        by_cell = np.moveaxis(sum((by_cell[k::cell] for k in range(1, cell)), by_cell[::cell]), 0, axis)
    sums: FloatMap = ndimage.uniform_filter(by_cell, window, mode="constant") * np.float32(np.prod(window))
    return sums


def _candidate_at_peak(
    box: VoxelBox, part: FloatMap, said: NDArray[np.float32], saying: _FindingTemplate
) -> FindingCandidate:
    low, high = np.percentile(said, (10, 90))
    name = "gate" if saying.kind == "gate" else "probability"
    words = f"{{cut}}: {name} {low:.2f}-{high:.2f} over {{ml}}; {saying.words}."
    return FindingCandidate(saying.kind, saying.missing, box, part, saying.trust, words)


def _window_box(
    at: tuple[int, int, int], cells: list[int], window: list[int], shape: tuple[int, ...]
) -> VoxelBox:
    """Return the window around the cell `at` as a box in pixels, clipped to the crop."""
    z, y, x = (
        slice(max(0, (i - size // 2) * cell), min(whole, (i - size // 2 + size) * cell))
        for i, cell, size, whole in zip(at, cells, window, shape, strict=True)
    )
    return z, y, x

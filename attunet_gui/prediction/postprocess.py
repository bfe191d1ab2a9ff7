"""The choice of the connected pieces of a probability map that belong to the gland.

The pancreas is one organ, but its draft may come in several pieces: the network often misses a thin neck,
which parts head and tail. Keeping only the largest piece would delete the tail, and keeping all pieces would
leave islands in the bowel. The piece with the largest sum of probability is therefore the anchor, and another
piece belongs to it if the gap between them is small for the probability that the piece holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from attunet_gui.prediction.network_grid import reaches_threshold

if TYPE_CHECKING:
    from scipy.spatial import KDTree

HoleMask = NDArray[np.bool_]


def fill_new_holes(plane: HoleMask, *known: HoleMask) -> HoleMask:
    """Return `plane` with those holes filled that are no holes of any plane in `known`.

    Propagating an outline to another slice may enclose background that no slice encloses. Such a hole is
    never anatomy.

    Args:
        plane: (y, x) bool.
        known: (y, x) bool planes of the same shape whose holes may stay.
    """
    new = _enclosed_holes(plane)
    for other in known:
        new &= ~_enclosed_holes(other)
    return np.asarray(plane | new)


def _enclosed_holes(plane: HoleMask) -> HoleMask:
    return np.asarray(ndimage.binary_fill_holes(plane) & ~plane)


# Of a piece with more voxels only every n-th enters the search for the nearest neighbour. The others lie a
# voxel or two away, which does not matter for gaps of centimetres.
_MOST_POINTS = 20_000


class PostprocessingRule(BaseModel):
    """The rule that decides which pieces form one gland.

    The default height leaves some room: none of 32 labelled patients had a pancreas taller than 115 mm.

    Attributes:
        reach_mm: largest gap to the kept pieces for a piece that holds as much probability as the anchor. For
            a piece with a share s of the anchor's probability, summed over its voxels, it is sqrt(s) times as
            large.
        height_mm: largest extent of the kept pieces from feet to head, unless the anchor alone is taller.
        largest_hole_ml: enclosed holes up to this volume are filled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach_mm: float = Field(default=80.0, gt=0)
    height_mm: float = Field(default=120.0, gt=0)
    largest_hole_ml: float = Field(default=0.2, ge=0)


@dataclass(frozen=True, eq=False)
class ThresholdedMap:
    """A probability map with what is needed to find the gland in it.

    Attributes:
        probability: (z, rows, columns) float16 in [0, 1].
        threshold: probability from which a voxel belongs to the draft.
        spacing_mm: (z, row, column) size of a voxel in mm.
    """

    probability: NDArray[np.float16]
    threshold: float
    spacing_mm: tuple[float, float, float]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return float(np.prod(self.spacing_mm)) / 1000


@dataclass(frozen=True, eq=False)
class _ConnectedPiece:
    number: int
    share: float
    points: NDArray[np.float64]


def keep_gland_pieces(
    found: ThresholdedMap, rule: PostprocessingRule, smallest_ml: float = 0.0
) -> NDArray[np.float16]:
    """Return a copy of the map that is 0 in stray pieces and above the threshold in small enclosed holes.

    A piece or a hole that touches the first or the last slice may go on outside of the CT. Such a piece is
    not dropped for being smaller than `smallest_ml`, and such a hole is not filled. In a CT of one slice this
    holds for all of them.

    Args:
        found: the map.
        rule: which pieces form one gland.
        smallest_ml: pieces with a smaller volume in ml are dropped.

    Returns:
        (z, rows, columns) float16.
    """
    cleaned = found.probability.copy()
    drafted = reaches_threshold(cleaned, found.threshold)
    if not drafted.any():
        return cleaned
    box = _in_plane_box(drafted)
    view, labels = cleaned[box], _label_components(drafted[box], 26)
    kept = np.zeros(int(labels.max()) + 1, dtype=bool)
    kept[[0, *_pieces_of_one_gland(_candidate_pieces(labels, found, view, rule, smallest_ml), rule)]] = True
    view[~kept[labels]] = 0
    _fill_small_holes(view, found.threshold, rule.largest_hole_ml / found.voxel_ml)
    return cleaned


def _in_plane_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the box of all slices and of the rows and columns in which `mask` is set in any slice."""
    rows, columns = ndimage.find_objects(mask.any(axis=0).astype(np.uint8))[0]
    return slice(None), rows, columns


def _label_components(mask: NDArray[np.bool_], connectivity: int) -> NDArray[Any]:
    """Return the connected components of `mask` (z, rows, columns), numbered from 1; 0 is background."""
    # cc3d 4.1 fails where single voxels lie on every second place of a side of odd length: it reserves too
    # few labels. An empty layer behind each side makes room for them.
    padded = np.pad(mask, [(0, 1)] * 3)
    labels: NDArray[Any] = cc3d.connected_components(padded, connectivity=connectivity)
    return labels[:-1, :-1, :-1]


def _candidate_pieces(
    labels: NDArray[Any],
    found: ThresholdedMap,
    view: NDArray[np.float16],
    rule: PostprocessingRule,
    smallest_ml: float,
) -> list[_ConnectedPiece]:
    """Return the pieces that may belong to the gland, the one with the most probability first."""
    drafted = labels > 0
    voxels = np.bincount(labels[drafted])
    mass = np.bincount(labels[drafted], view[drafted])
    large = voxels * found.voxel_ml >= smallest_ml
    large[np.unique(labels[[0, -1]])] = True
    mass[~large] = 0
    share = mass / max(mass.max(), 1e-12)
    # A piece that may not even lie one voxel away cannot belong. Noise makes thousands of such specks, and
    # measuring a gap for each would take too long.
    numbers = np.flatnonzero((share > 0) & (rule.reach_mm * np.sqrt(share) >= min(found.spacing_mm)))
    boxes = ndimage.find_objects(labels)
    return [
        _ConnectedPiece(
            int(n), float(share[n]), _piece_points_mm(labels, int(n), boxes[n - 1], found.spacing_mm)
        )
        for n in sorted(numbers, key=lambda n: -share[n])
    ]


def _piece_points_mm(
    labels: NDArray[Any], number: int, box: tuple[slice, ...], spacing_mm: tuple[float, float, float]
) -> NDArray[np.float64]:
    inside = np.argwhere(labels[box] == number)[:: 1 + int((labels[box] == number).sum()) // _MOST_POINTS]
    points: NDArray[np.float64] = (inside + [side.start for side in box]) * np.array(spacing_mm)
    return points


def _pieces_of_one_gland(pieces: list[_ConnectedPiece], rule: PostprocessingRule) -> list[int]:
    """Return the numbers of the pieces that belong to the gland.

    The gap of a piece is its distance to the nearest piece that belongs already. Pieces are added one at a
    time, because each one may bring others into reach.
    """
    kept, rest = pieces[:1], pieces[1:]
    gaps = {piece.number: np.inf for piece in rest}
    newest = kept[:1]
    while newest and rest:
        # Importing it takes time, and a draft of one piece does not need it.
        from scipy.spatial import KDTree

        tree = KDTree(newest[0].points)
        for piece in rest:
            gaps[piece.number] = min(gaps[piece.number], _gap_to_piece_mm(tree, piece, rule.reach_mm))
        newest = [piece for piece in rest if _belongs_to_gland(piece, gaps[piece.number], kept, rule)][:1]
        kept = kept + newest
        rest = [piece for piece in rest if piece not in newest]
    return [piece.number for piece in kept]


def _gap_to_piece_mm(tree: KDTree, piece: _ConnectedPiece, reach_mm: float) -> float:
    return float(np.min(tree.query(piece.points, distance_upper_bound=reach_mm)[0]))


def _belongs_to_gland(
    piece: _ConnectedPiece, gap: float, kept: list[_ConnectedPiece], rule: PostprocessingRule
) -> bool:
    if gap > rule.reach_mm * np.sqrt(piece.share):
        return False
    anchor = np.ptp(kept[0].points[:, 0])
    height = np.ptp(np.concatenate([p.points[:, 0] for p in (piece, *kept)]))
    return bool(height <= max(rule.height_mm, anchor))


def _fill_small_holes(view: NDArray[np.float16], threshold: float, most_voxels: float) -> None:
    """Raise the probability in enclosed holes of at most `most_voxels` voxels above the threshold, in place.

    A component of the background that touches a side of the box is not enclosed.
    """
    drafted = reaches_threshold(view, threshold)
    if most_voxels < 1 or not drafted.any():
        return
    box = _in_plane_box(drafted)
    labels = _label_components(~drafted[box], 6)
    small = np.bincount(labels.ravel()) <= most_voxels
    small[0] = False
    for axis in range(3):
        small[np.unique(np.take(labels, (0, -1), axis))] = False
    view[box][small[labels]] = (1 + threshold) / 2

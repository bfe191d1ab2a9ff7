"""Tools that add or remove the region under a click or scribble, from the CT and the network's probability.

Three kinds of evidence say how likely a voxel belongs to the clicked region: the difference of its HU from
those under the click, the difference of the network's probability from that under the click, and the
distance. A random walker turns the evidence into one region that stops at edges. The weights were tuned on
missed and surplus parts of drafts, in slices of patients that the network had not been trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.mask_edit import MaskEdit, VoxelBox
from attunet_gui.editing.tools.connected_regions import BLOCK_NEIGHBOURS, fill_enclosed, pieces_holding
from attunet_gui.editing.tools.random_walker import WalkerInput, solve_random_walk
from attunet_gui.editing.tools.tool_scene import BoolMask, Spacing, ToolScene, VoxelPoint
from attunet_gui.editing.tools.tool_types import ToolParameter
from attunet_gui.system.errors import AttunetError

ADD_REACH_PARAMETER = ToolParameter("Reach", "mm", 4.0, 30.0, 1.0, 12.0)
# The default is shorter than for adding, because what is removed by mistake was right before.
REMOVE_REACH_PARAMETER = replace(ADD_REACH_PARAMETER, default=10.0)

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class _EvidenceWeights:
    """Weights of the kinds of evidence, in logits.

    Attributes:
        hu: penalty for a difference of one standard deviation of the tissue's HU; it grows with the square.
        network: weight of each logit by which the network differs from the click.
        most: largest contribution of the network, for or against.
        distance: penalty at the end of the reach; it grows with the square of the distance.
    """

    hu: float
    network: float
    most: float
    distance: float


_ADD_WEIGHTS = _EvidenceWeights(hu=0.5, network=1.5, most=5.0, distance=3.0)
_REMOVE_WEIGHTS = _EvidenceWeights(hu=0.25, network=0.5, most=2.0, distance=6.0)
# Logit of a voxel that equals the click in HU and probability and lies at the click.
_CLICK_LOGIT = 2.0
# Largest penalty of the HU in logits, however different they are.
_LARGEST_HU_PENALTY = 5.0

# HU are clipped to this range before they are blurred. Values beyond are no organ anyway, and unclipped fat
# would darken the rim of an organ through the blur.
_HU_RANGE = (-30.0, 255.0)
_BLUR_MM = 0.8
# Voxels within this distance of a point count as clicked for certain.
_UNDER_CLICK_MM = 2.0
# Bounds for the standard deviation of the HU of one tissue on CT, whatever the few voxels under the click
# show.
_SMALLEST_DEVIATION_HU, _LARGEST_DEVIATION_HU = 18.0, 30.0
# Difference in HU of neighbouring voxels that is an edge for the random walker.
_EDGE_HU = 15.0
_STIFFNESS_MM2 = 4.0
# Number of slices on each side that are used in 3-D; a random walk through more takes too long for a click.
_SLICES_EACH_SIDE = 4
# A click counts as in the middle of a piece from this share of the piece's largest depth on.
_MIDDLE_DEPTH_SHARE = 0.5
# What a removal leaves of a piece is removed too if it is smaller than this share of what was removed.
_SCRAP_SHARE = 0.7


@dataclass(frozen=True)
class AddTissueTool:
    """Add the tissue under the points: near voxels of similar HU and probability.

    Attributes:
        points: (z, y, x) indices of the voxels of a click or scribble; in 2-D the z of the current slice is
            used.
        reach_mm: nothing farther from the points is added.
        in_3d: whether a few slices on each side are changed too.

    Raises:
        ValueError: if `reach_mm` is out of bounds.
    """

    points: tuple[VoxelPoint, ...]
    reach_mm: float = ADD_REACH_PARAMETER.default
    in_3d: bool = False

    def __post_init__(self) -> None:
        ADD_REACH_PARAMETER.check_bounds(self.reach_mm)

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "add this"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that adds the region.

        Raises:
            AttunetError: if all points are on the mask, on voxels drawn by hand, or outside of the CT.
        """
        look = _click_neighbourhood(scene, self.points, self.reach_mm, self.in_3d)
        look = look.restricted_to(~look.mask)
        if not look.seeds.any():
            raise AttunetError("That place is in the mask already: click on what is missing.")
        found = _similar_region(look, _ADD_WEIGHTS, look.network_likeness())
        whole = fill_enclosed(found | look.mask, self.in_3d) & look.free
        return scene.edit_to(look.box, look.mask | pieces_holding(whole, look.seeds))


@dataclass(frozen=True)
class RemoveTissueTool:
    """Remove the part of the mask under the points.

    A piece that is not the largest one and is clicked in its middle is removed as a whole: the annotator
    means the island, and the evidence alone would leave a ring of it. Clicked at its rim it is trimmed like
    any other.

    Attributes:
        points: (z, y, x) indices of the voxels of a click or scribble; in 2-D the z of the current slice is
            used.
        reach_mm: nothing farther from the points is removed, except of such an island.
        in_3d: whether a few slices on each side are changed too.

    Raises:
        ValueError: if `reach_mm` is out of bounds.
    """

    points: tuple[VoxelPoint, ...]
    reach_mm: float = REMOVE_REACH_PARAMETER.default
    in_3d: bool = False

    def __post_init__(self) -> None:
        REMOVE_REACH_PARAMETER.check_bounds(self.reach_mm)

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people."""
        return "remove this"

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that removes the region.

        Raises:
            AttunetError: if no point is on a part of the mask that may change, or all are outside of the CT.
        """
        look = _click_neighbourhood(scene, self.points, self.reach_mm, self.in_3d)
        look = look.restricted_to(look.mask)
        if not look.seeds.any():
            raise AttunetError("There is no mask at that place: click on what is too much.")
        island = _remove_clicked_island(scene, _points_within_ct(scene, self.points, self.in_3d), self.in_3d)
        if island is not None:
            return island
        # The sign is reversed: the network speaks for removing a voxel that it finds less likely than the
        # click.
        found = _similar_region(look, _REMOVE_WEIGHTS, -look.network_likeness())
        return scene.edit_to(look.box, look.mask & ~(found | _leftover_scraps(look, found, self.in_3d)))


@dataclass(frozen=True, eq=False)
class _ClickNeighbourhood:
    """The surroundings of the points. All arrays have the shape of the box.

    Attributes:
        box: the box in the volume.
        spacing_mm: (z, y, x) voxel spacing in mm.
        mask: bool, the present mask.
        free: bool, voxels that may change.
        seeds: bool, voxels that count as clicked for certain; all of them are free.
        near: distance to the nearest point divided by the reach; a voxel with more than 1 is out of reach.
        hu: clipped and smoothed HU.
        logits: logits of the network's probability; None without a draft.
    """

    box: VoxelBox
    spacing_mm: Spacing
    mask: BoolMask
    free: BoolMask
    seeds: BoolMask
    near: Float64Array
    hu: Float64Array
    logits: Float64Array | None

    def restricted_to(self, part: BoolMask) -> _ClickNeighbourhood:
        """Return the same surroundings with the free voxels and the seeds restricted to `part`."""
        return _ClickNeighbourhood(
            self.box, self.spacing_mm, self.mask, self.free & part, self.seeds & part,
            self.near, self.hu, self.logits,
        )  # fmt: skip

    def network_likeness(self) -> Float64Array:
        """Return the logits of the network relative to their median under the points; 0 without a network."""
        if self.logits is None:
            return np.zeros(self.mask.shape)
        return np.asarray(self.logits - np.median(self.logits[self.seeds]))


def _click_neighbourhood(
    scene: ToolScene, points: tuple[VoxelPoint, ...], reach_mm: float, in_3d: bool
) -> _ClickNeighbourhood:
    places = _points_within_ct(scene, points, in_3d)
    box = _neighbourhood_box(scene, places, reach_mm, in_3d)
    clicked = np.zeros([side.stop - side.start for side in box], bool)
    clicked[tuple((places - [side.start for side in box]).T)] = True
    far = ndimage.distance_transform_edt(~clicked, sampling=scene.spacing_mm)
    seeds = (far <= _UNDER_CLICK_MM) & _clicked_slices(clicked)
    drawn = scene.drawn_in(box) & ~clicked
    sigma = [0.0, *(_BLUR_MM / step for step in scene.spacing_mm[1:])]
    hu = np.clip(scene.hu[box], *_HU_RANGE).astype(np.float64)
    near = far / reach_mm
    return _ClickNeighbourhood(
        box, scene.spacing_mm, scene.mask_in(box), (near <= 1) & ~drawn, seeds & ~drawn,
        near, ndimage.gaussian_filter(hu, sigma, mode="nearest"), _network_logits(scene, box),
    )  # fmt: skip


def _points_within_ct(scene: ToolScene, points: tuple[VoxelPoint, ...], in_3d: bool) -> NDArray[np.intp]:
    """Return (n, 3) indices of the points that lie in the CT; raise `AttunetError` if there are none."""
    places = np.array(points, np.intp).reshape(-1, 3)
    if not in_3d:
        places[:, 0] = scene.slice
    inside = places[((places >= 0) & (places < scene.mask.shape)).all(axis=1)]
    if not len(inside):
        raise AttunetError("That place is outside of the CT: click on the slice.")
    return inside


def _neighbourhood_box(scene: ToolScene, places: NDArray[np.intp], reach_mm: float, in_3d: bool) -> VoxelBox:
    margins = [1 + int(np.ceil(reach_mm / step)) for step in scene.spacing_mm]
    margins[0] = min(margins[0], _SLICES_EACH_SIDE) if in_3d else 0
    z, y, x = (
        slice(int(max(0, low - margin)), int(min(size, high + margin + 1)))
        for low, high, margin, size in zip(
            places.min(axis=0), places.max(axis=0), margins, scene.mask.shape, strict=True
        )
    )
    return z, y, x


def _clicked_slices(clicked: BoolMask) -> BoolMask:
    return np.asarray(clicked.any(axis=(1, 2), keepdims=True))


def _network_logits(scene: ToolScene, box: VoxelBox) -> Float64Array | None:
    if scene.probability is None:
        return None
    probability = np.clip(np.asarray(scene.probability[box], np.float64), 0.01, 0.99)
    return np.asarray(np.log(probability / (1 - probability)))


def _similar_region(look: _ClickNeighbourhood, trust: _EvidenceWeights, network: Float64Array) -> BoolMask:
    """Return the voxels that resemble the seeds and are connected with them, bool.

    Args:
        look: the surroundings.
        trust: the weights of the evidence.
        network: logits by which the network speaks for each voxel.
    """
    tissue = look.hu[look.seeds]
    middle = np.median(tissue)
    # 1.48 times the median absolute deviation estimates the standard deviation of a normal distribution, and
    # outliers do not matter to it.
    spread = np.clip(1.48 * np.median(np.abs(tissue - middle)), _SMALLEST_DEVIATION_HU, _LARGEST_DEVIATION_HU)
    against = np.minimum(trust.hu * ((look.hu - middle) / spread) ** 2, _LARGEST_HU_PENALTY)
    opinion = np.clip(trust.network * network, -trust.most, trust.most)
    logit = _CLICK_LOGIT - against + opinion - trust.distance * look.near**2
    prior = 1 / (1 + np.exp(-logit))
    evidence = WalkerInput(prior, look.hu / _EDGE_HU, look.spacing_mm, look.seeds)
    belongs = solve_random_walk(evidence, _STIFFNESS_MM2) >= 0.5
    return pieces_holding((belongs | look.seeds) & look.free, look.seeds)


def _remove_clicked_island(scene: ToolScene, places: NDArray[np.intp], in_3d: bool) -> MaskEdit | None:
    """Return the edit that removes the one piece that is clicked in its middle.

    Returns None if no such piece is clicked, if several are, or if it is the largest piece. Voxels of the
    piece that were drawn by hand stay.
    """
    box = scene.mask_box(in_3d)
    labels, _count = ndimage.label(scene.mask_in(box), BLOCK_NEIGHBOURS)
    at = _index_within_box(places, box)
    numbers = np.setdiff1d(labels[at], [0])
    voxels = np.bincount(labels.ravel())
    if len(numbers) != 1 or voxels[1:].argmax() + 1 == numbers[0]:
        return None
    if not _is_in_the_middle(labels == numbers[0], at, scene.spacing_mm):
        return None
    return scene.edit_to(box, (labels > 0) & ((labels != numbers[0]) | scene.drawn_in(box)))


def _index_within_box(places: NDArray[np.intp], box: VoxelBox) -> tuple[NDArray[np.intp], ...]:
    """Return those of the (n, 3) `places` that lie in `box`, as an index into an array of the box."""
    at = places - [side.start for side in box]
    at = at[((at >= 0) & (at < [side.stop - side.start for side in box])).all(axis=1)]
    return tuple(at.T)


def _is_in_the_middle(piece: BoolMask, at: tuple[NDArray[np.intp], ...], spacing_mm: Spacing) -> bool:
    """Return whether any place is deep in its slice of `piece`, relative to the largest depth there."""
    clicked = np.unique(at[0])
    planes = np.pad(piece[clicked], ((0, 0), (1, 1), (1, 1)))
    depths = [ndimage.distance_transform_edt(plane, sampling=spacing_mm[1:])[1:-1, 1:-1] for plane in planes]
    deepest = max(depths[i][at[1][at[0] == z], at[2][at[0] == z]].max() for i, z in enumerate(clicked))
    return bool(deepest >= _MIDDLE_DEPTH_SHARE * max(depth.max() for depth in depths))


def _leftover_scraps(look: _ClickNeighbourhood, removed: BoolMask, in_3d: bool) -> BoolMask:
    """Return the small rests, bool, that `removed` leaves of the pieces it is taken from."""
    left, count = ndimage.label(pieces_holding(look.mask, removed) & ~removed, BLOCK_NEIGHBOURS)
    small = np.bincount(left.ravel(), minlength=count + 1) < _SCRAP_SHARE * np.count_nonzero(removed)
    # A rest at a side of the box may go on beyond it and be large.
    for axis in (0, 1, 2) if in_3d else (1, 2):
        small[np.unique(np.take(left, (0, -1), axis))] = False
    small[0] = False
    return np.asarray(small[left] & look.free)

"""Add or remove what lies under one click or one scribble, by the CT and the network around it.

Three things say how likely a voxel belongs to what was clicked: whether its HU are those under the click,
whether the network thinks of it as it thinks of the click, and how near it is. A random walker makes one
region of them that stops at edges. The weights were tuned on missed and surplus parts of drafts of slices of
people whom the network had not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.edit import Box, Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.tools.regions import BLOCK, filled, holding
from attunet_gui.tools.scene import Mask, Point, Scene, Spacing
from attunet_gui.tools.tool import Parameter
from attunet_gui.tools.walker import Evidence, walked

ADD_REACH = Parameter("Reach", "mm", 4.0, 30.0, 1.0, 12.0)
REMOVE_REACH = replace(ADD_REACH, default=10.0)
"""Less far: what is wrongly removed was right."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Trust:
    """How much each kind of evidence counts, in logits.

    Attributes:
        hu: of a difference in HU by one standard deviation of the tissue.
        network: per logit of the network.
        most: that the network may count for or against.
        distance: at the end of the reach.
    """

    hu: float
    network: float
    most: float
    distance: float


_ADDING = _Trust(hu=0.5, network=1.5, most=5.0, distance=3.0)
_REMOVING = _Trust(hu=0.25, network=0.5, most=2.0, distance=6.0)
_CLICKED = 2.0
"""Logit of what is like the click in everything."""
_OTHER_TISSUE = 5.0
"""Logits, at most, that HU count against a voxel."""

_SEEN_HU = (-30.0, 255.0)
"""Beyond, it is no organ anyway; fat must not darken the rim of one through the blur."""
_BLUR_MM = 0.8
_UNDER_CLICK_MM = 2.0
_LEAST_HU, _MOST_HU = 18.0, 30.0
"""Bounds for the standard deviation of one tissue on CT."""
_EDGE_HU = 15.0
_STIFFNESS_MM2 = 4.0
_SLICES = 4
"""So many on each side in 3-D; a walk through more takes too long."""
_MIDDLE = 0.5
"""Of the depth of a piece; from there on it is clicked in its middle."""
_SCRAP = 0.7
"""What a removal leaves of a piece goes with it if it is smaller than this share of it."""


@dataclass(frozen=True)
class AddThis:
    """Add the tissue under the points: of like HU and probability, and near.

    Attributes:
        points: (z, y, x) of a click or scribble; in 2-D, z is that of the current slice.
        reach_mm: nothing further from them is added.
        in_3d: in a few slices on each side too.
    """

    points: tuple[Point, ...]
    reach_mm: float = ADD_REACH.default
    in_3d: bool = False

    def __post_init__(self) -> None:
        ADD_REACH.checked(self.reach_mm)

    @property
    def words(self) -> str:
        """What it does."""
        return "add this"

    def apply(self, scene: Scene) -> Edit:
        """The added region; `AttunetError` if the points are on the mask or outside of the CT."""
        look = _look(scene, self.points, self.reach_mm, self.in_3d)
        look = look.only(~look.mask)
        if not look.seeds.any():
            raise AttunetError("That place is in the mask already: click on what is missing.")
        found = _region(look, _ADDING, look.likeness())
        whole = filled(found | look.mask, self.in_3d) & look.free
        return scene.edit(look.box, look.mask | holding(whole, look.seeds))


@dataclass(frozen=True)
class RemoveThis:
    """Remove the part of the mask under the points.

    A piece that is not the largest one, and is clicked in its middle, goes as a whole: that is what is meant,
    and a ring would be left of it. Clicked at its rim it is trimmed like any other.

    Attributes:
        points: (z, y, x) of a click or scribble; in 2-D, z is that of the current slice.
        reach_mm: nothing further from them is removed, except of such an island.
        in_3d: in a few slices on each side too.
    """

    points: tuple[Point, ...]
    reach_mm: float = REMOVE_REACH.default
    in_3d: bool = False

    def __post_init__(self) -> None:
        REMOVE_REACH.checked(self.reach_mm)

    @property
    def words(self) -> str:
        """What it does."""
        return "remove this"

    def apply(self, scene: Scene) -> Edit:
        """The removed region; `AttunetError` if the points are not on the mask."""
        look = _look(scene, self.points, self.reach_mm, self.in_3d)
        look = look.only(look.mask)
        if not look.seeds.any():
            raise AttunetError("There is no mask at that place: click on what is too much.")
        island = _island(scene, _places(scene, self.points, self.in_3d), self.in_3d)
        if island is not None:
            return island
        # Here the network speaks for removal where it believes less in the organ than under the click.
        found = _region(look, _REMOVING, -look.likeness())
        return scene.edit(look.box, look.mask & ~(found | _scraps(look, found, self.in_3d)))


@dataclass(frozen=True, eq=False)
class _Look:
    """The surroundings of the points; all arrays are those of the box.

    Attributes:
        box: in the volume.
        spacing_mm: (z, y, x).
        mask: as it is.
        free: what may change.
        seeds: what is under the points for certain, all of it free.
        near: distance to the nearest point over the reach; more than 1 is out of reach.
        hu: smoothed.
        logits: of the network; None without one.
    """

    box: Box
    spacing_mm: Spacing
    mask: Mask
    free: Mask
    seeds: Mask
    near: Floats
    hu: Floats
    logits: Floats | None

    def only(self, part: Mask) -> _Look:
        """The same, free in `part` only."""
        return _Look(
            self.box, self.spacing_mm, self.mask, self.free & part, self.seeds & part,
            self.near, self.hu, self.logits,
        )  # fmt: skip

    def likeness(self) -> Floats:
        """Logits of the network, 0 under the points."""
        if self.logits is None:
            return np.zeros(self.mask.shape)
        return np.asarray(self.logits - np.median(self.logits[self.seeds]))


def _look(scene: Scene, points: tuple[Point, ...], reach_mm: float, in_3d: bool) -> _Look:
    places = _places(scene, points, in_3d)
    box = _box(scene, places, reach_mm, in_3d)
    clicked = np.zeros([side.stop - side.start for side in box], bool)
    clicked[tuple((places - [side.start for side in box]).T)] = True
    far = ndimage.distance_transform_edt(~clicked, sampling=scene.spacing_mm)
    seeds = (far <= _UNDER_CLICK_MM) & _in_slices_of(clicked)
    drawn = scene.drawn_in(box) & ~clicked
    sigma = [0.0, *(_BLUR_MM / step for step in scene.spacing_mm[1:])]
    hu = np.clip(scene.hu[box], *_SEEN_HU).astype(np.float64)
    near = far / reach_mm
    return _Look(
        box, scene.spacing_mm, scene.mask_in(box), (near <= 1) & ~drawn, seeds & ~drawn,
        near, ndimage.gaussian_filter(hu, sigma, mode="nearest"), _logits(scene, box),
    )  # fmt: skip


def _places(scene: Scene, points: tuple[Point, ...], in_3d: bool) -> NDArray[np.intp]:
    """(n, 3) the points that are in the CT."""
    places = np.array(points, np.intp).reshape(-1, 3)
    if not in_3d:
        places[:, 0] = scene.slice
    inside = places[((places >= 0) & (places < scene.mask.shape)).all(axis=1)]
    if not len(inside):
        raise AttunetError("That place is outside of the CT: click on the slice.")
    return inside


def _box(scene: Scene, places: NDArray[np.intp], reach_mm: float, in_3d: bool) -> Box:
    margins = [1 + int(np.ceil(reach_mm / step)) for step in scene.spacing_mm]
    margins[0] = min(margins[0], _SLICES) if in_3d else 0
    z, y, x = (
        slice(int(max(0, low - margin)), int(min(size, high + margin + 1)))
        for low, high, margin, size in zip(
            places.min(axis=0), places.max(axis=0), margins, scene.mask.shape, strict=True
        )
    )
    return z, y, x


def _in_slices_of(clicked: Mask) -> Mask:
    return np.asarray(clicked.any(axis=(1, 2), keepdims=True))


def _logits(scene: Scene, box: Box) -> Floats | None:
    if scene.probability is None:
        return None
    probability = np.clip(np.asarray(scene.probability[box], np.float64), 0.01, 0.99)
    return np.asarray(np.log(probability / (1 - probability)))


def _region(look: _Look, trust: _Trust, network: Floats) -> Mask:
    """What is like the seeds, connected with them."""
    tissue = look.hu[look.seeds]
    middle = np.median(tissue)
    spread = np.clip(1.48 * np.median(np.abs(tissue - middle)), _LEAST_HU, _MOST_HU)
    against = np.minimum(trust.hu * ((look.hu - middle) / spread) ** 2, _OTHER_TISSUE)
    opinion = np.clip(trust.network * network, -trust.most, trust.most)
    logit = _CLICKED - against + opinion - trust.distance * look.near**2
    prior = 1 / (1 + np.exp(-logit))
    evidence = Evidence(prior, look.hu / _EDGE_HU, look.spacing_mm, look.seeds)
    belongs = walked(evidence, _STIFFNESS_MM2) >= 0.5
    return holding((belongs | look.seeds) & look.free, look.seeds)


def _island(scene: Scene, places: NDArray[np.intp], in_3d: bool) -> Edit | None:
    """Without the piece that is clicked in its middle; None if there is none, or it is the largest."""
    box = scene.mask_box(in_3d)
    labels, _count = ndimage.label(scene.mask_in(box), BLOCK)
    at = _within(places, box)
    numbers = np.setdiff1d(labels[at], [0])
    voxels = np.bincount(labels.ravel())
    if len(numbers) != 1 or voxels[1:].argmax() + 1 == numbers[0]:
        return None
    if not _is_in_the_middle(labels == numbers[0], at, scene.spacing_mm):
        return None
    return scene.edit(box, (labels > 0) & ((labels != numbers[0]) | scene.drawn_in(box)))


def _within(places: NDArray[np.intp], box: Box) -> tuple[NDArray[np.intp], ...]:
    """Those of the (n, 3) places that are in `box`, as an index into it."""
    at = places - [side.start for side in box]
    at = at[((at >= 0) & (at < [side.stop - side.start for side in box])).all(axis=1)]
    return tuple(at.T)


def _is_in_the_middle(piece: Mask, at: tuple[NDArray[np.intp], ...], spacing_mm: Spacing) -> bool:
    """Whether any place is deep in its slice of `piece`, compared to how deep one can be there."""
    clicked = np.unique(at[0])
    planes = np.pad(piece[clicked], ((0, 0), (1, 1), (1, 1)))
    depths = [ndimage.distance_transform_edt(plane, sampling=spacing_mm[1:])[1:-1, 1:-1] for plane in planes]
    deepest = max(depths[i][at[1][at[0] == z], at[2][at[0] == z]].max() for i, z in enumerate(clicked))
    return bool(deepest >= _MIDDLE * max(depth.max() for depth in depths))


def _scraps(look: _Look, removed: Mask, in_3d: bool) -> Mask:
    """What `removed` leaves of the pieces it is taken from, where that is small and within the box."""
    left, count = ndimage.label(holding(look.mask, removed) & ~removed, BLOCK)
    small = np.bincount(left.ravel(), minlength=count + 1) < _SCRAP * np.count_nonzero(removed)
    for axis in (0, 1, 2) if in_3d else (1, 2):
        small[np.unique(np.take(left, (0, -1), axis))] = False
    small[0] = False
    return np.asarray(small[left] & look.free)

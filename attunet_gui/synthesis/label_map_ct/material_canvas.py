"""The material map that details are painted into, with random fields, tubes and random walks in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.ct_materials import IN_PANCREAS, MaterialCode
from attunet_gui.synthesis.label_map_ct.render_settings import USUAL_SETTINGS, Range, RenderSettings
from attunet_gui.synthesis.label_map_ct.smooth_fields import F32, smooth_field
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode

BoolArray = NDArray[np.bool_]
PositionsMm = NDArray[np.float64]

PAINTABLE_TISSUES = (TissueCode.VISCERAL_FAT, TissueCode.SOFT)
"""Tissues that may be painted over without taking anything from an organ."""

PAINTABLE_BY_VESSELS = (
    *PAINTABLE_TISSUES,
    MaterialCode.WALL,
    MaterialCode.COLLAPSED,
    MaterialCode.FLUID,
    MaterialCode.FOOD,
)
"""Tissues and materials that a vessel may be painted over."""


@dataclass(eq=False)
class MaterialCanvas:
    """A material map being painted.

    Attributes:
        codes: (z, y, x) uint8, `TissueCode` and `MaterialCode`; painted in place.
        spacing_mm: (z, y, x) voxel size.
        rng: the only source of random values.
        settings: ranges and shares that values are drawn from.
        prone: the patient lies on their belly, so that gas rises to the back.
    """

    codes: NDArray[np.uint8]
    spacing_mm: NDArray[np.float64]
    rng: np.random.Generator
    settings: RenderSettings = USUAL_SETTINGS
    prone: bool = False

    def box_around(self, code: int, margin_mm: float = 0.0) -> tuple[NDArray[np.uint8], BoolArray] | None:
        """Return a view of the codes in a box around all voxels of `code`, and the mask of these voxels.

        What is painted into the view is painted into the map. The result is None if no voxel has the code.
        """
        found = ndimage.find_objects((self.codes == code).view(np.uint8))
        if not found or found[0] is None:
            return None
        pad = np.ceil(margin_mm / self.spacing_mm).astype(int)
        box = tuple(
            slice(max(0, along.start - p), min(size, along.stop + p))
            for along, p, size in zip(found[0], pad, self.codes.shape, strict=True)
        )
        codes = self.codes[box]
        return codes, codes == code

    def draw_field(self, shape: tuple[int, ...], correlation_mm: float) -> F32:
        """Return smooth float32 noise of unit variance that is correlated over `correlation_mm`."""
        return smooth_field(shape, correlation_mm / float(self.spacing_mm.mean()), self.rng)

    def interior_of(self, mask: BoolArray, depth_mm: float) -> BoolArray:
        """Return the voxels of `mask` that lie further than about `depth_mm` from its edge."""
        # A box filter is far cheaper than a distance map, and an approximate depth is enough here.
        size = [max(3, 2 * round(depth_mm / step) + 1) for step in self.spacing_mm]
        return np.asarray(ndimage.uniform_filter(mask.astype(np.float32), size, mode="nearest") > 0.999)

    def draw_uniform(self, limits: Range) -> float:
        """Draw a number from a range, uniformly."""
        return float(self.rng.uniform(*limits))

    def draw_chance(self, share: float) -> bool:
        """Draw whether something happens to this patient that happens to `share` of all patients."""
        return bool(self.rng.random() < share)

    def height_mm(self, size: int) -> NDArray[np.float64]:
        """Return heights against gravity, (1, size, 1) mm; they grow towards the side where gas collects."""
        y = np.arange(size) * self.spacing_mm[1]
        return np.asarray((y if self.prone else -y)[None, :, None])


def pancreas_centre_mm(canvas: MaterialCanvas) -> PositionsMm | None:
    """Return the mean position of the pancreas, (3,) mm from the first voxel; None if there is none."""
    inside = np.argwhere(np.isin(canvas.codes, IN_PANCREAS))
    return None if len(inside) == 0 else np.asarray(inside.mean(axis=0) * canvas.spacing_mm)


def random_walk_path(
    canvas: MaterialCanvas,
    start: PositionsMm,
    length_mm: float,
    straight_mm: float,
    towards: PositionsMm | None = None,
) -> NDArray[np.float64]:
    """Draw a random walk with a smoothly changing direction.

    Args:
        canvas: its random generator is used.
        start: first point, (3,) mm.
        length_mm: of the walk.
        straight_mm: distance over which the walk keeps its direction; larger is straighter.
        towards: direction, (3,), that the walk starts in and keeps returning to; None lets it wander.

    Returns:
        (n, 3) points in mm, 1.5 mm apart.
    """
    count = max(2, int(length_mm / 1.5))
    turns = canvas.rng.normal(0, 1.5 / straight_mm, (count, 3))
    aim = canvas.rng.normal(0, 1, 3) if towards is None else towards + canvas.rng.normal(0, 0.2, 3)
    direction, points = aim / np.linalg.norm(aim), [start]
    for turn in turns:
        direction = direction + turn * 2
        if towards is not None:
            direction = direction + 0.05 * towards
        direction = direction / np.linalg.norm(direction)
        points.append(points[-1] + 1.5 * direction)
    return np.array(points)


def paint_tube(
    canvas: MaterialCanvas, path: PositionsMm, radius_mm: float, code: int, over: tuple[int, ...]
) -> None:
    """Paint balls of `radius_mm` along `path`, (n, 3) mm, wherever the map has one of the codes `over`."""
    reach = np.ceil(radius_mm / canvas.spacing_mm).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
    voxels = np.rint(path / canvas.spacing_mm).astype(int)
    shift = path / canvas.spacing_mm - voxels
    far = np.linalg.norm((offsets[None] - shift[:, None]) * canvas.spacing_mm, axis=-1)
    at = (voxels[:, None] + offsets[None])[far <= radius_mm]
    at = at[((at >= 0) & (at < canvas.codes.shape)).all(axis=1)]
    place = tuple(at.T)
    # The balls overlap: what is free is read before any of them is painted.
    keep = np.isin(canvas.codes[place], over)
    canvas.codes[tuple(at[keep].T)] = code

"""The map that details are painted into: chance, smooth fields, tubes and random walks in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.anatomy import Tissue
from attunet_gui.synthesis.fields import F32, smooth_field
from attunet_gui.synthesis.materials import IN_PANCREAS, Material
from attunet_gui.synthesis.settings import USUAL, Range, Settings

Bits = NDArray[np.bool_]
Place = NDArray[np.float64]

ROOM = (Tissue.VISCERAL_FAT, Tissue.SOFT)
"""What may be painted over without taking anything from an organ."""

BESIDE_VESSELS = (*ROOM, Material.WALL, Material.COLLAPSED, Material.FLUID, Material.FOOD)
"""What gives way to a vessel."""


@dataclass(eq=False)
class Canvas:
    """A material map being painted.

    Attributes:
        codes: (z, y, x) uint8, `Tissue` and `Material`; painted in place.
        spacing_mm: (z, y, x) voxel size.
        rng: the one source of chance.
        settings: what is drawn from.
        prone: the patient lies on their belly, so that gas rises to the back.
    """

    codes: NDArray[np.uint8]
    spacing_mm: NDArray[np.float64]
    rng: np.random.Generator
    settings: Settings = USUAL
    prone: bool = False

    def part(self, code: int, margin_mm: float = 0.0) -> tuple[NDArray[np.uint8], Bits] | None:
        """The codes in a box around `code`, to paint in, and which of them are `code`; None without any."""
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

    def field(self, shape: tuple[int, ...], correlation_mm: float) -> F32:
        """Smooth noise of unit variance."""
        return smooth_field(shape, correlation_mm / float(self.spacing_mm.mean()), self.rng)

    def inner(self, mask: Bits, depth_mm: float) -> Bits:
        """Voxels of `mask` further than about `depth_mm` from its edge."""
        size = [max(3, 2 * round(depth_mm / step) + 1) for step in self.spacing_mm]
        return np.asarray(ndimage.uniform_filter(mask.astype(np.float32), size, mode="nearest") > 0.999)

    def draw(self, limits: Range) -> float:
        """A number of a range."""
        return float(self.rng.uniform(*limits))

    def chance(self, share: float) -> bool:
        """Whether what happens to `share` of the patients happens to this one."""
        return bool(self.rng.random() < share)

    def height_mm(self, size: int) -> NDArray[np.float64]:
        """(1, size, 1) mm against gravity, growing to where gas collects."""
        y = np.arange(size) * self.spacing_mm[1]
        return np.asarray((y if self.prone else -y)[None, :, None])


def centre_of_pancreas(canvas: Canvas) -> Place | None:
    """Its mean place, mm from the first voxel."""
    inside = np.argwhere(np.isin(canvas.codes, IN_PANCREAS))
    return None if len(inside) == 0 else np.asarray(inside.mean(axis=0) * canvas.spacing_mm)


def wander(
    canvas: Canvas,
    start: Place,
    length_mm: float,
    straight_mm: float,
    towards: Place | None = None,
) -> NDArray[np.float64]:
    """A random walk of smooth direction: (n, 3) points in mm, 1.5 mm apart."""
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


def paint_tube(canvas: Canvas, path: Place, radius_mm: float, code: int, over: tuple[int, ...]) -> None:
    """Balls of `radius_mm` along `path` (n, 3) mm, painted where the map shows one of `over`."""
    reach = np.ceil(radius_mm / canvas.spacing_mm).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
    voxels = np.rint(path / canvas.spacing_mm).astype(int)
    shift = path / canvas.spacing_mm - voxels
    far = np.linalg.norm((offsets[None] - shift[:, None]) * canvas.spacing_mm, axis=-1)
    at = (voxels[:, None] + offsets[None])[far <= radius_mm]
    at = at[((at >= 0) & (at < canvas.codes.shape)).all(axis=1)]
    place = tuple(at.T)
    keep = np.isin(canvas.codes[place], over)
    canvas.codes[tuple(at[keep].T)] = code

"""Coordinate frames of a phantom, smooth random fields, and signed distances to simple solids.

There are three coordinate frames. *Voxels* are canonical (z, y, x) indices. *Room* millimetres are measured
along those axes from the centre of the volume. *Atlas* millimetres are room millimetres that are turned,
scaled and warped into one reference body, in which all anatomy is defined. Signed distances are negative
inside a solid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
VoxelBox = tuple[slice, slice, slice]
Point3D = tuple[float, float, float]

_SPLINE_SUM_SD = 0.479**1.5
"""Standard deviation of a cubic B-spline sum over independent unit normal nodes, in 3-D."""


def as_f32(values: Any) -> F32:
    """Return the values as a float32 array, without a copy if they are one already."""
    return np.asarray(values, np.float32)


FAR_MM = np.float32(1e3)
"""Distance in mm that stands for "beyond the margin", where the exact distance is not computed."""


class SmoothField:
    """A smooth random field: a cubic B-spline over a periodic lattice of normal numbers.

    Mean 0, standard deviation about 1, features about `step_mm` apart. Being a function of room
    millimetres it is the same field on every grid, and costs three matrix products to sample.
    """

    def __init__(self, rng: np.random.Generator, step_mm: float, nodes: int = 24) -> None:
        self._step_mm = step_mm
        self._lattice = rng.standard_normal((nodes, nodes, nodes), dtype=np.float32) / np.float32(
            _SPLINE_SUM_SD
        )

    def sample_at(self, axes_mm: Sequence[F64]) -> F32:
        """Sample the field on the grid that three 1-D axes (room mm) span: (len z, len y, len x) float32."""
        z, y, x = (self._spline_basis(axis) for axis in axes_mm)
        n = len(self._lattice)
        # Three large products: a stack of small ones wakes the threads of the BLAS for every slice.
        along_y = y @ np.moveaxis(self._lattice, 1, 0).reshape(n, n * n)
        along_z = z @ np.moveaxis(along_y.reshape(len(y), n, n), 1, 0).reshape(n, len(y) * n)
        return as_f32(along_z.reshape(len(z) * len(y), n) @ x.T).reshape(len(z), len(y), len(x))

    def _spline_basis(self, axis_mm: F64) -> F32:
        """Return the (len axis, nodes) weights of the uniform cubic B-spline along one axis."""
        n = len(self._lattice)
        whole, part = np.divmod(axis_mm / self._step_mm, 1.0)
        weights = (
            (1 - part) ** 3 / 6,
            (3 * part**3 - 6 * part**2 + 4) / 6,
            (-3 * part**3 + 3 * part**2 + 3 * part + 1) / 6,
            part**3 / 6,
        )
        basis = np.zeros((len(axis_mm), n), np.float32)
        # Four neighbouring nodes count at each place; the lattice is periodic, so it has no border.
        for offset, weight in enumerate(weights):
            basis[np.arange(len(axis_mm)), (whole.astype(int) + offset) % n] += weight.astype(np.float32)
        return basis


@dataclass(frozen=True)
class BodyPose:
    """How one patient's body differs from the atlas and lies in the room.

    Attributes:
        turn_rad: rotation about the long axis.
        scale_z, scale_front, scale_back, scale_x: room mm per atlas mm; y in front of the centre and
            behind it scale apart, for a belly grows and a spine does not.
        shift_mm: room position (z, y, x) of the atlas centre.
        warp_mm: standard deviation of the smooth displacement.
    """

    turn_rad: float
    scale_z: float
    scale_front: float
    scale_back: float
    scale_x: float
    shift_mm: Point3D
    warp_mm: float

    @property
    def mean_scale(self) -> float:
        """Mean room mm per atlas mm in front of the spine: the cube root of the volume's factor."""
        return float(np.cbrt(self.scale_z * self.scale_front * self.scale_x))

    def box_corners(self, low: Point3D, high: Point3D) -> F64:
        """Return the (3, 8) float64 room mm of the corners of an atlas box, before the warp."""
        ends = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, 8)
        z = ends[0] * self.scale_z
        y = ends[1] * np.where(ends[1] < 0, self.scale_front, self.scale_back)
        x = ends[2] * self.scale_x
        cos, sin = np.cos(self.turn_rad), np.sin(self.turn_rad)
        turned = np.stack([z, cos * y - sin * x, sin * y + cos * x])
        return np.asarray(turned + np.array(self.shift_mm)[:, None])


@dataclass(frozen=True, eq=False)
class AtlasPoints:
    """Atlas coordinates of the voxels of a box.

    Attributes:
        box: slices of the volume along z, y, x.
        z, y, x: (z, y, x) float32 mm, each with the shape of the box.
    """

    box: VoxelBox
    z: F32
    y: F32
    x: F32


class AtlasGrid:
    """The voxel grid of one phantom, in room and in atlas millimetres."""

    def __init__(
        self, shape: tuple[int, int, int], spacing_mm: Point3D, pose: BodyPose, rng: np.random.Generator
    ) -> None:
        self.shape = shape
        self.spacing_mm = spacing_mm
        self.pose = pose
        self.axes_mm: tuple[F64, ...] = tuple(
            np.asarray((np.arange(n) - (n - 1) / 2) * step, np.float64)
            for n, step in zip(shape, spacing_mm, strict=True)
        )
        # The warp is clipped at 3.5 standard deviations: a box widened by this holds all that it can move.
        self._slack_mm = 4.0 * pose.warp_mm + 1.0
        self._atlas_mm = self._atlas_coordinates(rng)

    @cached_property
    def edge_mm(self) -> float:
        """Width in atlas mm over which a surface fades from one HU to the other: about one voxel."""
        return float(np.cbrt(np.prod(self.spacing_mm))) / self.pose.mean_scale

    def points_in(self, box: VoxelBox) -> AtlasPoints:
        """Return the atlas coordinates of a voxel box, as views without a copy."""
        return AtlasPoints(box, self._atlas_mm[0][box], self._atlas_mm[1][box], self._atlas_mm[2][box])

    def axes_mm_of(self, box: VoxelBox) -> tuple[F64, F64, F64]:
        """Return the room mm of the voxel centres along the three axes of a box."""
        z, y, x = (axis[part] for axis, part in zip(self.axes_mm, box, strict=True))
        return z, y, x

    def voxel_box(self, low: Point3D, high: Point3D) -> VoxelBox:
        """Return the voxels that may lie in the atlas box from `low` to `high` (mm); possibly none."""
        corners = self.pose.box_corners(low, high)
        first = np.floor(self._voxel_index(corners.min(axis=1) - self._slack_mm)).astype(int)
        last = np.ceil(self._voxel_index(corners.max(axis=1) + self._slack_mm)).astype(int)
        z, y, x = (
            slice(max(0, int(a)), max(0, min(n, int(b) + 1)))
            for a, b, n in zip(first, last, self.shape, strict=True)
        )
        return z, y, x

    def _voxel_index(self, room_mm: F64) -> F64:
        """Convert (3,) room mm to a fractional voxel index."""
        return np.asarray(room_mm / np.array(self.spacing_mm) + (np.array(self.shape) - 1) / 2)

    def _atlas_coordinates(self, rng: np.random.Generator) -> tuple[F32, F32, F32]:
        """Compute the atlas z, y and x in mm of every voxel, each (z, y, x) float32."""
        pose = self.pose
        z, y, x = (axis - shift for axis, shift in zip(self.axes_mm, pose.shift_mm, strict=True))
        cos, sin = np.cos(pose.turn_rad), np.sin(pose.turn_rad)
        turned_y = (cos * y[:, None] + sin * x[None, :]).astype(np.float32)
        turned_x = (-sin * y[:, None] + cos * x[None, :]).astype(np.float32)
        plane_y = turned_y / np.where(turned_y < 0, pose.scale_front, pose.scale_back).astype(np.float32)
        plane_x = turned_x / np.float32(pose.scale_x)
        # Bone does not bend: the warp fades towards the spine.
        softness = 1 - 0.8 * np.exp(-((plane_y - 45) ** 2 + plane_x**2) / (2 * 38.0**2))
        along = (z / pose.scale_z).astype(np.float32)[:, None, None]
        return (
            along + self._draw_warp(rng) * softness,
            plane_y + self._draw_warp(rng) * softness,
            plane_x + self._draw_warp(rng) * softness,
        )

    def _draw_warp(self, rng: np.random.Generator) -> F32:
        """Draw a smooth displacement along one axis: (z, y, x) float32 mm, coarse bends and finer ones."""
        coarse = SmoothField(rng, 70.0, 12).sample_at(self.axes_mm)
        fine = SmoothField(rng, 28.0, 20).sample_at(self.axes_mm)
        coarse *= np.float32(0.85 * self.pose.warp_mm)
        coarse += np.float32(0.3 * self.pose.warp_mm) * fine
        limit = np.float32(3.5 * self.pose.warp_mm)
        return np.clip(coarse, -limit, limit, out=coarse)


@dataclass(frozen=True, eq=False)
class AtlasTube:
    """A chain of round cones: `points` (n, 3) atlas mm (z, y, x) and `radii` (n,) mm.

    `height_ratio` > 1 makes the cross-section taller (along z) than wide.
    """

    points: F64
    radii: F64
    height_ratio: float = 1.0

    @classmethod
    def through_controls(
        cls, controls: Sequence[Sequence[float]] | F64, step_mm: float = 7.0, tall: float = 1.0
    ) -> AtlasTube:
        """Fit a smooth tube through control points.

        Args:
            controls: (n, 4) z, y, x and radius in atlas mm, n of at least 2.
            step_mm: approximate distance of the points of the resulting chain.
            tall: height of the cross-section (along z) as a multiple of its width.
        """
        knots = np.asarray(controls, np.float64)
        lengths = np.linalg.norm(np.diff(knots[:, :3], axis=0), axis=1)
        # PCHIP wants strictly growing positions; it does not overshoot, so radii never turn negative by it.
        at = np.concatenate([[0.0], np.cumsum(np.maximum(lengths, 1e-3))])
        samples = np.linspace(0, at[-1], max(2, round(at[-1] / step_mm) + 1))
        curve = np.asarray(PchipInterpolator(at, knots)(samples))
        return cls(curve[:, :3], np.maximum(curve[:, 3], 0.3), tall)

    def bounding_box(self, margin_mm: float) -> tuple[Point3D, Point3D]:
        """Return the low and the high corner, atlas mm, of the box that holds the tube and a margin."""
        reach = (self.radii[:, None] + margin_mm) * np.array([self.height_ratio, 1.0, 1.0])
        return _as_point((self.points - reach).min(axis=0)), _as_point((self.points + reach).max(axis=0))

    def segment_bounds(self, index: int, margin_mm: float) -> tuple[Point3D, Point3D]:
        """Return the box of the segment that starts at point `index`, with a margin, in atlas mm."""
        pair = slice(index, index + 2)
        return AtlasTube(self.points[pair], self.radii[pair], self.height_ratio).bounding_box(margin_mm)


def _as_point(values: F64) -> Point3D:
    """Return (3,) values as a tuple of floats."""
    return float(values[0]), float(values[1]), float(values[2])


def tube_distance(frame: AtlasGrid, tube: AtlasTube, region: VoxelBox, margin_mm: float) -> F32:
    """Return the signed distance to a tube over a box of voxels.

    Args:
        frame: the grid of the phantom.
        tube: the solid.
        region: the voxels to compute.
        margin_mm: distance from the surface up to which the result is exact.

    Returns:
        float32 mm of the shape of `region`, negative inside the tube; a large constant beyond the margin.
    """
    z, y, x = (max(0, part.stop - part.start) for part in region)
    distance = np.full((z, y, x), FAR_MM, np.float32)
    # Each segment is computed in its own small box: a long tube would else cost the whole volume per segment.
    for index in range(len(tube.points) - 1):
        local = _intersect_boxes(frame.voxel_box(*tube.segment_bounds(index, margin_mm)), region)
        inner = tuple(
            slice(part.start - whole.start, part.stop - whole.start)
            for part, whole in zip(local, region, strict=True)
        )
        cone = _cone_distance(frame.points_in(local), tube, index)
        np.minimum(distance[inner], cone, out=distance[inner])
    return distance


def _intersect_boxes(one: VoxelBox, other: VoxelBox) -> VoxelBox:
    """Return the intersection of two voxel boxes; of size 0 along an axis where they do not meet."""
    z, y, x = (
        slice(max(a.start, b.start), max(max(a.start, b.start), min(a.stop, b.stop)))
        for a, b in zip(one, other, strict=True)
    )
    return z, y, x


def _cone_distance(points: AtlasPoints, tube: AtlasTube, index: int) -> F32:
    """Return the signed distance (mm, float32) to the round cone between two points of the chain.

    A tall cross-section is a round one in coordinates that are squeezed along z.
    """
    squeeze = np.array([1 / tube.height_ratio, 1.0, 1.0])
    start, end = tube.points[index] * squeeze, tube.points[index + 1] * squeeze
    axis = end - start
    length2 = max(float(axis @ axis), 1e-6)
    dz = points.z * np.float32(squeeze[0]) - np.float32(start[0])
    dy = points.y - np.float32(start[1])
    dx = points.x - np.float32(start[2])
    a, b, c = (np.float32(v) for v in axis)
    along = np.clip((dz * a + dy * b + dx * c) / np.float32(length2), 0, 1)
    away = np.sqrt((dz - along * a) ** 2 + (dy - along * b) ** 2 + (dx - along * c) ** 2)
    r0, r1 = (np.float32(r) for r in tube.radii[index : index + 2])
    distance: F32 = away - (r0 + along * (r1 - r0))
    return distance


def ellipsoid_distance(
    points: AtlasPoints, centre: Point3D, half: Point3D, lean: tuple[float, float] = (0.0, 0.0)
) -> F32:
    """Return the signed distance to an ellipsoid, accurate near its surface.

    Args:
        points: atlas coordinates, mm.
        centre: z, y, x in atlas mm.
        half: half axes along z, y, x, mm.
        lean: shear of the long axis: y and x are moved by this many mm per mm of height.

    Returns:
        (z, y, x) float32 mm, negative inside.
    """
    dz = points.z - np.float32(centre[0])
    dy = points.y - np.float32(centre[1]) - np.float32(lean[0]) * dz
    dx = points.x - np.float32(centre[2]) - np.float32(lean[1]) * dz
    h0, h1, h2 = (np.float32(h) for h in half)
    level = np.sqrt((dz / h0) ** 2 + (dy / h1) ** 2 + (dx / h2) ** 2)
    # The implicit function divided by its gradient is the distance to first order; the exact one needs a
    # root for every voxel.
    slope = np.sqrt((dz / h0**2) ** 2 + (dy / h1**2) ** 2 + (dx / h2**2) ** 2)
    return as_f32((level - 1) * level / np.maximum(slope, np.float32(1e-6)))


def smooth_union(one: F32, other: F32, round_mm: float) -> F32:
    """Return the signed distance to the union of two solids, joined by a fillet of about `round_mm`."""
    overlap = np.clip(np.float32(round_mm) - np.abs(one - other), 0, None)
    return as_f32(np.minimum(one, other) - overlap**2 / np.float32(4 * round_mm))

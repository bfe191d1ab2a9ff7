"""Laying one subject's label map onto another's: first nearly rigid, then gently bent.

Points are (z, y, x) millimetres on the canonical axes of either label map. A `Warp` pulls back: it says
where in the donor to look for what lies at a point of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from attunet_gui.synthesis.sampled import Sampled, signed_distance
from attunet_gui.synthesis.structures import CODE, matching, where

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
Points = NDArray[Any]

_ANCHORS = {
    "liver": 1.0,
    "spleen": 1.0,
    "kidney_left": 2.0,
    "kidney_right": 2.0,
    "pancreas": 1.5,
    "adrenal_gland_left": 1.5,
    "adrenal_gland_right": 1.5,
    "portal_vein_and_splenic_vein": 1.0,
    "gallbladder": 0.3,
    "stomach": 0.3,
}
"""Organs whose centres are compared, and how much each counts."""

_TUBES = {"aorta": 1.5, "inferior_vena_cava": 0.8}
"""Vessels along the spine: compared slice by slice across, as nothing tells where one is along."""

_CHANNELS: tuple[tuple[str, ...], ...] = (
    ("liver", "kidney_left"),
    ("spleen", "kidney_right"),
    ("pancreas",),
    ("stomach",),
    ("gallbladder", "aorta"),
)
"""Organs far apart share one distance map."""

_HEAD, _TAIL = (0.0, 0.3), (0.7, 1.0)
_STRETCH = (0.3, 2.5)
_REACH_MM = 24.0


@dataclass(frozen=True, eq=False)
class Affine:
    """x -> matrix @ x + offset, mm."""

    matrix: F64
    offset: F64

    def __call__(self, points: Points) -> Points:
        """Points (3, ...), mm."""
        flat = self.matrix.astype(points.dtype) @ points.reshape(3, -1)
        return np.asarray((flat + self.offset.astype(points.dtype)[:, None]).reshape(points.shape))


@dataclass(frozen=True, eq=False)
class Warp:
    """Target mm -> donor mm: `affine(p + bend(p))`.

    Attributes:
        affine: the nearly rigid part.
        bend: (3, z, y, x) float32 mm on a coarse grid over the target.
        spacing_mm, origin_mm: (3,) of that grid.
    """

    affine: Affine
    bend: F32
    spacing_mm: F64
    origin_mm: F64

    def __call__(self, points: F32) -> F32:
        """Points (3, ...) of the target -> points of the donor, both mm."""
        index = (points - _column(self.origin_mm, points)) / _column(self.spacing_mm, points)
        shift = np.stack(
            [ndimage.map_coordinates(part, index, order=1, mode="nearest") for part in self.bend]
        )
        return np.asarray(self.affine(points + shift), np.float32)

    def stretch(self) -> F64:
        """Determinant of the bend's Jacobian on its grid."""
        return _stretch(self.bend, float(self.spacing_mm[0]))


def register(target: Sampled, donor: Sampled) -> Warp:
    """The warp that lays the donor's organs on the target's where both have them."""
    affine = fit_affine(target, donor)
    coarse = _coarse(target, 6.0)
    moved = Sampled(donor.at(affine(coarse.grid_points())), coarse.spacing_mm, coarse.origin_mm)
    bend = _Bender(coarse, moved).bend()
    return Warp(affine, bend, coarse.spacing_mm, coarse.origin_mm)


def fit_affine(target: Sampled, donor: Sampled) -> Affine:
    """Turn, scale along the body's axes and shift that best carry the target's organs to the donor's.

    Robust least squares on organ centres and on the course of aorta and vena cava, with priors that keep
    turns at a few degrees and scales near one common factor: a spine stays a spine.
    """
    here, there, weights = _paired_centres(target, donor)
    middle = np.average(here, axis=0, weights=weights)
    lines = [(_course(target, name), _course(donor, name), weight) for name, weight in _TUBES.items()]

    def residuals(p: F64) -> F64:
        affine = _affine_of(p, middle)
        parts = [((affine(here.T).T - there) * weights[:, None] / 10.0).ravel()]
        for mine, other, weight in lines:
            if len(mine) and len(other):
                parts.append(_across(affine(mine.T).T, other) * weight / 10.0 / np.sqrt(len(mine) / 6.0))
        return np.concatenate(
            [
                *parts,
                p[3:6] / np.array([0.035, 0.05, 0.05]),
                (p[6:] - p[6:].mean()) / 0.05,
                [p[6:].mean() / 0.25],
            ]
        )

    start = np.concatenate([np.average(there, axis=0, weights=weights), np.zeros(6)])
    solved = least_squares(residuals, start, loss="soft_l1", x_scale=[10.0] * 3 + [0.1] * 6)
    return _affine_of(solved.x, middle)


def _affine_of(p: F64, middle: F64) -> Affine:
    """(shift, turn, log scale) -> affine about `middle`."""
    matrix = Rotation.from_rotvec(p[3:6]).as_matrix() @ np.diag(np.exp(p[6:]))
    return Affine(matrix, p[:3] - matrix @ middle)


def _paired_centres(target: Sampled, donor: Sampled) -> tuple[F64, F64, F64]:
    rows = [
        (mine, other, weight)
        for name, weight in _ANCHORS.items()
        if (mine := centre(target, name)) is not None and (other := centre(donor, name)) is not None
    ]
    here, there, weights = zip(*rows, strict=True)
    return np.array(here), np.array(there), np.array(weights)


def centre(sampled: Sampled, name: str) -> F64 | None:
    """Centre of a structure, mm; None if it is absent or cut off at the top or bottom."""
    mask = sampled.codes == CODE[name]
    if mask.sum() < 20 or mask[0].sum() > 20 or mask[-1].sum() > 20:
        return None
    return sampled.points(np.argwhere(mask).mean(axis=0))


def _part_pair(target: Sampled, donor: Sampled, part: tuple[float, float]) -> tuple[F64, F64] | None:
    return _both(_part_of_pancreas(target, part), _part_of_pancreas(donor, part))


def _part_of_pancreas(sampled: Sampled, part: tuple[float, float]) -> F64 | None:
    """Centre, mm, of the voxels between two quantiles from right to left."""
    voxels = np.argwhere(sampled.codes == CODE["pancreas"])
    if len(voxels) < 20:
        return None
    low, high = np.quantile(voxels[:, 2], part)
    chosen = voxels[(voxels[:, 2] >= low) & (voxels[:, 2] <= high)]
    return sampled.points(chosen.mean(axis=0))


def _both(mine: F64 | None, other: F64 | None) -> tuple[F64, F64] | None:
    return None if mine is None or other is None else (mine, other)


def _course(sampled: Sampled, name: str) -> F64:
    """(n, 3) centres of a vessel slice by slice, mm."""
    mask = sampled.codes == CODE[name]
    levels = np.flatnonzero(mask.sum(axis=(1, 2)) >= 4)
    centres = [(level, *np.argwhere(mask[level]).mean(axis=0)) for level in levels]
    return sampled.points(np.array(centres)) if centres else np.zeros((0, 3))


def _across(mine: F64, other: F64) -> F64:
    """Distance in y and x between two vessel courses at equal z; 0 where one has ended."""
    shared = (mine[:, 0] >= other[0, 0]) & (mine[:, 0] <= other[-1, 0])
    return np.concatenate(
        [(mine[:, k] - np.interp(mine[:, 0], other[:, 0], other[:, k])) * shared for k in (1, 2)]
    )


def _coarse(sampled: Sampled, step_mm: float) -> Sampled:
    size = np.array(sampled.codes.shape) * sampled.spacing_mm
    shape = np.ceil(size / step_mm).astype(int)
    empty = Sampled(np.zeros(shape, np.uint8), np.full(3, step_mm), sampled.origin_mm)
    return Sampled(sampled.at(empty.grid_points()), empty.spacing_mm, empty.origin_mm)


def _column(values: F64, points: F32) -> F32:
    return values.astype(np.float32).reshape((3,) + (1,) * (points.ndim - 1))


class _Bender:
    """Bends the nearly rigid fit: organ centres first, then demons on distance maps, the spine apart."""

    def __init__(self, target: Sampled, donor: Sampled) -> None:
        self._target, self._donor = target, donor
        self._step = float(target.spacing_mm[0])
        pairs = [(self._distance(target, names), self._distance(donor, names)) for names in _CHANNELS]
        self._pairs = [(mine, other) for mine, other in pairs if mine is not None and other is not None]
        self._axes = np.indices(target.codes.shape, dtype=np.float32)
        back = where(donor.codes, matching("vertebrae_*", "spinal_cord", "autochthon_*", "sacrum"))
        weight = ndimage.gaussian_filter(back.astype(np.float32), 12.0 / self._step)
        self._spine = np.clip(weight * 2.5, 0, 1)
        self._spine_shift = self._shift_of_spine()

    def bend(self, rounds: int = 30) -> F32:
        """(3, z, y, x) float32 mm."""
        field = np.zeros_like(self._axes)
        for width in (60.0, 40.0, 30.0):
            field = self._held(field + self._towards(self._landmarks(), field, width))
        for _ in range(rounds):
            force = np.zeros_like(field)
            for mine, other in self._pairs:
                force += self._force(field, mine, other)
            field = self._held(self._smooth(field + self._smooth(force, 12.0), 7.0))
        # The duodenum is borrowed and lies around the head of the pancreas: that one has to be met.
        field = self._held(field + self._towards([_part_pair(self._target, self._donor, _HEAD)], field, 30.0))
        return self._unfolded(field)

    def _unfolded(self, field: F32, rounds: int = 12) -> F32:
        """The field smoothed where it crowds or tears."""
        for _ in range(rounds):
            stretch = _stretch(field, self._step)
            bad = (stretch < _STRETCH[0]) | (stretch > _STRETCH[1])
            if not bad.any():
                break
            near = ndimage.gaussian_filter(bad.astype(np.float32), 10.0 / self._step)
            weight = np.clip(near * 10.0, 0.0, 1.0)
            field = field + weight * (self._smooth(field, 8.0) - field)
        return field

    def _force(self, field: F32, mine: F32, other: F32) -> F32:
        moved = ndimage.map_coordinates(other, self._axes + field / self._step, order=1, mode="nearest")
        slope = np.asarray(np.gradient(moved, self._step), np.float32)
        gap = mine - moved
        # Normalised step of Thirion's demons; distance maps have slope 1 near a border.
        force = gap * slope / ((slope**2).sum(axis=0) + (gap / 10.0) ** 2 + 1e-3)
        near = (np.abs(mine) < 0.9 * _REACH_MM) | (np.abs(moved) < 0.9 * _REACH_MM)
        return np.asarray(np.clip(force, -6.0, 6.0) * near, np.float32)

    def _smooth(self, field: F32, sigma_mm: float) -> F32:
        sigma = sigma_mm / self._step
        return np.stack(
            [ndimage.gaussian_filter(part, sigma, mode="nearest", truncate=2.5) for part in field]
        )

    def _held(self, field: F32) -> F32:
        """The field with the back moving as one piece a level."""
        return np.asarray(field + self._spine * (self._spine_shift - field), np.float32)

    def _distance(self, sampled: Sampled, names: Sequence[str]) -> F32 | None:
        mask = where(sampled.codes, [CODE[name] for name in names])
        if not mask.any():
            return None
        return signed_distance(mask, self._step, _REACH_MM)

    def _landmarks(self) -> list[tuple[F64, F64] | None]:
        """Places in target and donor that belong together, mm."""
        centres = [
            _both(centre(self._target, n), centre(self._donor, n)) for n in _ANCHORS if n != "pancreas"
        ]
        return [*centres, *(_part_pair(self._target, self._donor, part) for part in (_HEAD, _TAIL))]

    def _towards(self, pairs: Sequence[tuple[F64, F64] | None], field: F32, width_mm: float) -> F32:
        """What has to be added to the field to carry landmarks together, fading with the distance to them."""
        push = np.zeros_like(field)
        total = np.full(field.shape[1:], 0.25, np.float32)
        for pair in pairs:
            if pair is None:
                continue
            at = (pair[0] - self._target.origin_mm) / self._step
            shift = [ndimage.map_coordinates(p, at[:, None], order=1, mode="nearest")[0] for p in field]
            wanted = np.clip(pair[1] - pair[0] - shift, -30, 30).astype(np.float32)
            squares = sum((axis - p) ** 2 for axis, p in zip(self._axes, at, strict=True))
            kernel = np.exp(-squares / np.float32(2 * (width_mm / self._step) ** 2))
            total += kernel
            push += kernel * wanted[:, None, None, None]
        return np.asarray(push / np.maximum(total, 1.0), np.float32)

    def _shift_of_spine(self) -> F32:
        """(3, z, 1, 1): how far aorta and cava lie apart, across, smoothed along the body."""
        levels = self._target.points(np.indices((self._target.codes.shape[0],) * 3)[:, :, 0, 0].T)[:, 0]
        shifts = []
        for name in _TUBES:
            mine, other = _course(self._target, name), _course(self._donor, name)
            if len(mine) and len(other):
                z = mine[(mine[:, 0] >= other[0, 0]) & (mine[:, 0] <= other[-1, 0])]
                if len(z) > 3:
                    apart = [np.interp(z[:, 0], other[:, 0], other[:, k]) - z[:, k] for k in (1, 2)]
                    shifts.append([np.interp(levels, z[:, 0], part) for part in apart])
        shift = np.zeros((3, len(levels)), np.float32)
        if shifts:
            across = ndimage.gaussian_filter1d(
                np.mean(shifts, axis=0), 25.0 / self._step, axis=1, mode="nearest"
            )
            shift[1:] = np.clip(across, -20, 20)
        return self._clear_of_organs(shift)[:, :, None, None]

    def _clear_of_organs(self, shift: F32, rounds: int = 6) -> F32:
        """The shift (3, z) of the spine, moved on until the target's organs leave its vertebrae free."""
        bone = where(self._donor.codes, matching("vertebrae_*")).astype(np.float32)
        organs = self._target.codes > 0
        for _ in range(rounds):
            at = self._axes + shift[:, :, None, None] / self._step
            moved = ndimage.map_coordinates(bone, at, order=0)
            push = np.zeros_like(shift)
            for level in np.flatnonzero((moved * organs).any(axis=(1, 2))):
                inside = np.argwhere((moved[level] > 0) & organs[level])
                away = np.argwhere(moved[level] > 0).mean(axis=0) - inside.mean(axis=0)
                depth = self._step * np.sqrt(len(inside))
                push[1:, level] = depth * away / max(float(np.hypot(*away)), 1.0)
            if not push.any():
                break
            shift = shift - ndimage.gaussian_filter1d(push, 20.0 / self._step, axis=1, mode="nearest")
        return shift


def _stretch(field: F32, step_mm: float) -> F64:
    gradients = np.stack([np.stack(np.gradient(part, step_mm)) for part in field])
    return np.asarray(np.linalg.det(np.moveaxis(gradients, (0, 1), (-2, -1)) + np.eye(3)))

"""Registration of a donor's label map to a target's: a nearly rigid fit, then a smooth deformation.

Points are (z, y, x) millimetres on the canonical axes of either label map. The resulting warp pulls back: it
maps a point of the target to the point of the donor that corresponds to it.
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

from attunet_gui.synthesis.label_map_ct.label_grid import LabelGrid, signed_distance
from attunet_gui.synthesis.label_map_ct.label_structures import CODE_OF, codes_matching, mask_of_codes

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
Points = NDArray[Any]

_ANCHOR_WEIGHTS = {
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
"""Weight of each organ whose centre is compared; organs that change with filling count little."""

_VESSEL_WEIGHTS = {"aorta": 1.5, "inferior_vena_cava": 0.8}
"""Weight of each vessel along the spine.

They are compared in y and x slice by slice, since nothing identifies a place along a vessel."""

_DISTANCE_CHANNELS: tuple[tuple[str, ...], ...] = (
    ("liver", "kidney_left"),
    ("spleen", "kidney_right"),
    ("pancreas",),
    ("stomach",),
    ("gallbladder", "aorta"),
)
"""Organs of each distance map; organs that lie far apart share one, which saves time and memory."""

# Quantiles of the pancreas from the patient's right to the left: the head lies on the right.
_HEAD_QUANTILES, _TAIL_QUANTILES = (0.0, 0.3), (0.7, 1.0)
# Factors of local volume beyond which the field is smoothed again; 0 and below is a fold.
_STRETCH_LIMITS = (0.3, 2.5)
# Distance maps are clipped here: demons move borders that are near, landmarks have moved the rest.
_DISTANCE_REACH_MM = 24.0


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The affine map x -> matrix @ x + offset of points in mm.

    Attributes:
        matrix: (3, 3) float64.
        offset: (3,) float64 mm.
    """

    matrix: F64
    offset: F64

    def __call__(self, points: Points) -> Points:
        """Map points (3, ...) in mm; the result has their dtype."""
        flat = self.matrix.astype(points.dtype) @ points.reshape(3, -1)
        return np.asarray((flat + self.offset.astype(points.dtype)[:, None]).reshape(points.shape))


@dataclass(frozen=True, eq=False)
class DonorWarp:
    """A map from the target's mm to the donor's mm: `affine(p + bend(p))`.

    Attributes:
        affine: the nearly rigid part.
        bend: (3, z, y, x) float32 mm on a coarse grid over the target.
        spacing_mm, origin_mm: (3,) of that grid.
    """

    affine: AffineMap
    bend: F32
    spacing_mm: F64
    origin_mm: F64

    def __call__(self, points: F32) -> F32:
        """Map points (3, ...) float32 of the target to points of the donor, both in mm."""
        index = (points - _as_column(self.origin_mm, points)) / _as_column(self.spacing_mm, points)
        shift = np.stack(
            [ndimage.map_coordinates(part, index, order=1, mode="nearest") for part in self.bend]
        )
        return np.asarray(self.affine(points + shift), np.float32)

    def stretch_factors(self) -> F64:
        """Return the determinant of the bend's Jacobian on its grid; 1 keeps volumes, below 0 is a fold."""
        return _jacobian_determinant(self.bend, float(self.spacing_mm[0]))


def register_donor(target: LabelGrid, donor: LabelGrid) -> DonorWarp:
    """Fit the warp that lays the donor's organs on the target's, where both have them.

    Args:
        target: whose organs stay where they are.
        donor: whose structures will be looked up through the warp.
    """
    # The warp is smooth, so a grid of 6 mm holds it, at a small part of the cost of the full grid.
    affine = fit_affine(target, donor)
    coarse = _resample_coarsely(target, 6.0)
    moved = LabelGrid(donor.codes_at(affine(coarse.grid_points())), coarse.spacing_mm, coarse.origin_mm)
    bend = _DemonsBender(coarse, moved).fit_bend()
    return DonorWarp(affine, bend, coarse.spacing_mm, coarse.origin_mm)


def fit_affine(target: LabelGrid, donor: LabelGrid) -> AffineMap:
    """Fit rotation, scale along the body's axes and shift that map the target's organs to the donor's.

    This is robust least squares on organ centres and on the course of aorta and vena cava. Priors keep
    rotations at a few degrees and scales near one common factor, so that a spine keeps its shape.
    """
    here, there, weights = _paired_centres(target, donor)
    middle = np.average(here, axis=0, weights=weights)
    lines = [
        (_vessel_course(target, name), _vessel_course(donor, name), weight)
        for name, weight in _VESSEL_WEIGHTS.items()
    ]

    def residuals(p: F64) -> F64:
        """Return distances of organs and vessels in units of 1 cm, by weight, and what the priors cost."""
        affine = _affine_from_parameters(p, middle)
        parts = [((affine(here.T).T - there) * weights[:, None] / 10.0).ravel()]
        for mine, other, weight in lines:
            if len(mine) and len(other):
                parts.append(
                    _transverse_distance(affine(mine.T).T, other) * weight / 10.0 / np.sqrt(len(mine) / 6.0)
                )
        return np.concatenate(
            [
                # Priors: turns of some 2 to 3 degrees, scales within 5 % of each other and 25 % of 1.
                *parts,
                p[3:6] / np.array([0.035, 0.05, 0.05]),
                (p[6:] - p[6:].mean()) / 0.05,
                [p[6:].mean() / 0.25],
            ]
        )

    start = np.concatenate([np.average(there, axis=0, weights=weights), np.zeros(6)])
    # The soft L1 loss lets a few organs that lie unusually in one subject count less. Shifts are in mm and
    # rotations in rad: their scales differ by a hundred.
    solved = least_squares(residuals, start, loss="soft_l1", x_scale=[10.0] * 3 + [0.1] * 6)
    return _affine_from_parameters(solved.x, middle)


def _affine_from_parameters(p: F64, middle: F64) -> AffineMap:
    """Build the affine map from nine parameters: shift (mm), rotation vector (rad), logarithm of the scales.

    `middle` is the point of the target, mm, that the map rotates and scales about.
    """
    matrix = Rotation.from_rotvec(p[3:6]).as_matrix() @ np.diag(np.exp(p[6:]))
    return AffineMap(matrix, p[:3] - matrix @ middle)


def _paired_centres(target: LabelGrid, donor: LabelGrid) -> tuple[F64, F64, F64]:
    """Return (n, 3) centres in target and donor of the organs that both show whole, and (n,) weights."""
    rows = [
        (mine, other, weight)
        for name, weight in _ANCHOR_WEIGHTS.items()
        if (mine := structure_centre_mm(target, name)) is not None
        and (other := structure_centre_mm(donor, name)) is not None
    ]
    here, there, weights = zip(*rows, strict=True)
    return np.array(here), np.array(there), np.array(weights)


def structure_centre_mm(sampled: LabelGrid, name: str) -> F64 | None:
    """Return the centre of a structure in mm; None if it is absent or cut off at the top or the bottom."""
    mask = sampled.codes == CODE_OF[name]
    # A structure that reaches the first or the last slice is cut off, so its centre is not where it seems.
    if mask.sum() < 20 or mask[0].sum() > 20 or mask[-1].sum() > 20:
        return None
    return sampled.points_mm(np.argwhere(mask).mean(axis=0))


def _pancreas_part_pair(
    target: LabelGrid, donor: LabelGrid, part: tuple[float, float]
) -> tuple[F64, F64] | None:
    """Return the centres of one part of the pancreas in target and donor, mm; None if either has none."""
    return _pair_if_both(_pancreas_part_centre(target, part), _pancreas_part_centre(donor, part))


def _pancreas_part_centre(sampled: LabelGrid, part: tuple[float, float]) -> F64 | None:
    """Return the centre, mm, of the pancreas between two quantiles of its extent from right to left."""
    voxels = np.argwhere(sampled.codes == CODE_OF["pancreas"])
    if len(voxels) < 20:
        return None
    low, high = np.quantile(voxels[:, 2], part)
    chosen = voxels[(voxels[:, 2] >= low) & (voxels[:, 2] <= high)]
    return sampled.points_mm(chosen.mean(axis=0))


def _pair_if_both(mine: F64 | None, other: F64 | None) -> tuple[F64, F64] | None:
    """Return the two as a pair; None if either is missing."""
    return None if mine is None or other is None else (mine, other)


def _vessel_course(sampled: LabelGrid, name: str) -> F64:
    """Return the (n, 3) centres of a vessel slice by slice, mm; (0, 3) if it is absent."""
    mask = sampled.codes == CODE_OF[name]
    levels = np.flatnonzero(mask.sum(axis=(1, 2)) >= 4)
    centres = [(level, *np.argwhere(mask[level]).mean(axis=0)) for level in levels]
    return sampled.points_mm(np.array(centres)) if centres else np.zeros((0, 3))


def _transverse_distance(mine: F64, other: F64) -> F64:
    """Return the (2n,) distances in y and in x between two vessel courses at equal z, mm.

    They are 0 where the other vessel has ended, so that a shorter scan is not punished.
    """
    shared = (mine[:, 0] >= other[0, 0]) & (mine[:, 0] <= other[-1, 0])
    return np.concatenate(
        [(mine[:, k] - np.interp(mine[:, 0], other[:, 0], other[:, k])) * shared for k in (1, 2)]
    )


def _resample_coarsely(sampled: LabelGrid, step_mm: float) -> LabelGrid:
    """Resample a label map by nearest voxel to a grid with voxels of `step_mm`."""
    size = np.array(sampled.codes.shape) * sampled.spacing_mm
    shape = np.ceil(size / step_mm).astype(int)
    empty = LabelGrid(np.zeros(shape, np.uint8), np.full(3, step_mm), sampled.origin_mm)
    return LabelGrid(sampled.codes_at(empty.grid_points()), empty.spacing_mm, empty.origin_mm)


def _as_column(values: F64, points: F32) -> F32:
    """Shape (3,) values so that they broadcast over points (3, ...), as float32."""
    return values.astype(np.float32).reshape((3,) + (1,) * (points.ndim - 1))


class _DemonsBender:
    """Refines the nearly rigid fit by a displacement field.

    Landmarks (organ centres) move the field first, then demons on distance maps refine it. The back moves as
    one piece per level, so that vertebrae keep their shape.
    """

    def __init__(self, target: LabelGrid, donor: LabelGrid) -> None:
        self._target, self._donor = target, donor
        self._step_mm = float(target.spacing_mm[0])
        pairs = [
            (self._distance_map(target, names), self._distance_map(donor, names))
            for names in _DISTANCE_CHANNELS
        ]
        self._distance_pairs = [
            (mine, other) for mine, other in pairs if mine is not None and other is not None
        ]
        self._voxel_axes = np.indices(target.codes.shape, dtype=np.float32)
        back = mask_of_codes(
            donor.codes, codes_matching("vertebrae_*", "spinal_cord", "autochthon_*", "sacrum")
        )
        weight = ndimage.gaussian_filter(back.astype(np.float32), 12.0 / self._step_mm)
        self._spine_weight = np.clip(weight * 2.5, 0, 1)
        self._spine_shift = self._fit_spine_shift()

    def fit_bend(self, rounds: int = 30) -> F32:
        """Fit the displacement field: (3, z, y, x) float32 mm on the target's coarse grid."""
        field = np.zeros_like(self._voxel_axes)
        # From coarse to fine: wide kernels move whole regions before narrow ones move single organs.
        for width in (60.0, 40.0, 30.0):
            field = self._hold_spine_rigid(field + self._landmark_push(self._landmark_pairs(), field, width))
        for _ in range(rounds):
            force = np.zeros_like(field)
            for mine, other in self._distance_pairs:
                force += self._demons_force(field, mine, other)
            field = self._hold_spine_rigid(self._smooth_field(field + self._smooth_field(force, 12.0), 7.0))
        # The duodenum is borrowed and lies around the head of the pancreas: that one has to be met.
        field = self._hold_spine_rigid(
            field
            + self._landmark_push(
                [_pancreas_part_pair(self._target, self._donor, _HEAD_QUANTILES)], field, 30.0
            )
        )
        return self._remove_folds(field)

    def _remove_folds(self, field: F32, rounds: int = 12) -> F32:
        """Smooth the field where it compresses or stretches the donor too much, until nowhere does."""
        for _ in range(rounds):
            stretch = _jacobian_determinant(field, self._step_mm)
            bad = (stretch < _STRETCH_LIMITS[0]) | (stretch > _STRETCH_LIMITS[1])
            if not bad.any():
                break
            near = ndimage.gaussian_filter(bad.astype(np.float32), 10.0 / self._step_mm)
            weight = np.clip(near * 10.0, 0.0, 1.0)
            field = field + weight * (self._smooth_field(field, 8.0) - field)
        return field

    def _demons_force(self, field: F32, mine: F32, other: F32) -> F32:
        """Return the demons' step (3, z, y, x), mm, that moves one distance map towards the other."""
        moved = ndimage.map_coordinates(
            other, self._voxel_axes + field / self._step_mm, order=1, mode="nearest"
        )
        slope = np.asarray(np.gradient(moved, self._step_mm), np.float32)
        gap = mine - moved
        # Normalised step of Thirion's demons; distance maps have slope 1 near a border.
        force = gap * slope / ((slope**2).sum(axis=0) + (gap / 10.0) ** 2 + 1e-3)
        # Distance maps are clipped at their reach: beyond it their difference says nothing.
        near = (np.abs(mine) < 0.9 * _DISTANCE_REACH_MM) | (np.abs(moved) < 0.9 * _DISTANCE_REACH_MM)
        return np.asarray(np.clip(force, -6.0, 6.0) * near, np.float32)

    def _smooth_field(self, field: F32, sigma_mm: float) -> F32:
        """Return the field filtered by a Gaussian of `sigma_mm`."""
        sigma = sigma_mm / self._step_mm
        return np.stack(
            [ndimage.gaussian_filter(part, sigma, mode="nearest", truncate=2.5) for part in field]
        )

    def _hold_spine_rigid(self, field: F32) -> F32:
        """Return the field with the back replaced by one common shift per level."""
        return np.asarray(field + self._spine_weight * (self._spine_shift - field), np.float32)

    def _distance_map(self, sampled: LabelGrid, names: Sequence[str]) -> F32 | None:
        """Return the clipped signed distance to the named organs together, mm; None if none is there."""
        mask = mask_of_codes(sampled.codes, [CODE_OF[name] for name in names])
        if not mask.any():
            return None
        return signed_distance(mask, self._step_mm, _DISTANCE_REACH_MM)

    def _landmark_pairs(self) -> list[tuple[F64, F64] | None]:
        """Return pairs of corresponding points in target and donor, mm; None for what either lacks."""
        centres = [
            _pair_if_both(structure_centre_mm(self._target, n), structure_centre_mm(self._donor, n))
            for n in _ANCHOR_WEIGHTS
            if n != "pancreas"
        ]
        return [
            *centres,
            *(
                _pancreas_part_pair(self._target, self._donor, part)
                for part in (_HEAD_QUANTILES, _TAIL_QUANTILES)
            ),
        ]

    def _landmark_push(self, pairs: Sequence[tuple[F64, F64] | None], field: F32, width_mm: float) -> F32:
        """Return what has to be added to the field so that landmarks coincide.

        Args:
            pairs: corresponding points in target and donor, mm.
            field: the present displacement, (3, z, y, x) mm.
            width_mm: standard deviation of the Gaussian with which a landmark's effect fades.
        """
        push = np.zeros_like(field)
        total = np.full(field.shape[1:], 0.25, np.float32)
        for pair in pairs:
            if pair is None:
                continue
            at = (pair[0] - self._target.origin_mm) / self._step_mm
            shift = [ndimage.map_coordinates(p, at[:, None], order=1, mode="nearest")[0] for p in field]
            # No landmark moves the field by more than 30 mm a round, whatever a mislabelled organ asks for.
            wanted = np.clip(pair[1] - pair[0] - shift, -30, 30).astype(np.float32)
            squares = sum((axis - p) ** 2 for axis, p in zip(self._voxel_axes, at, strict=True))
            kernel = np.exp(-squares / np.float32(2 * (width_mm / self._step_mm) ** 2))
            total += kernel
            push += kernel * wanted[:, None, None, None]
        return np.asarray(push / np.maximum(total, 1.0), np.float32)

    def _fit_spine_shift(self) -> F32:
        """Return the shift of the spine at each level, (3, z, 1, 1) float32 mm.

        It is the mean distance in y and x between the subjects' aortas and venae cavae, smoothed along the
        body: the spine itself is missing in the target.
        """
        levels = self._target.points_mm(np.indices((self._target.codes.shape[0],) * 3)[:, :, 0, 0].T)[:, 0]
        shifts = []
        for name in _VESSEL_WEIGHTS:
            mine, other = _vessel_course(self._target, name), _vessel_course(self._donor, name)
            if len(mine) and len(other):
                z = mine[(mine[:, 0] >= other[0, 0]) & (mine[:, 0] <= other[-1, 0])]
                if len(z) > 3:
                    apart = [np.interp(z[:, 0], other[:, 0], other[:, k]) - z[:, k] for k in (1, 2)]
                    shifts.append([np.interp(levels, z[:, 0], part) for part in apart])
        shift = np.zeros((3, len(levels)), np.float32)
        if shifts:
            across = ndimage.gaussian_filter1d(
                np.mean(shifts, axis=0), 25.0 / self._step_mm, axis=1, mode="nearest"
            )
            shift[1:] = np.clip(across, -20, 20)
        return self._clear_spine_of_organs(shift)[:, :, None, None]

    def _clear_spine_of_organs(self, shift: F32, rounds: int = 6) -> F32:
        """Move the shift (3, z) of the spine further, until no vertebra overlaps an organ of the target."""
        bone = mask_of_codes(self._donor.codes, codes_matching("vertebrae_*")).astype(np.float32)
        organs = self._target.codes > 0
        for _ in range(rounds):
            at = self._voxel_axes + shift[:, :, None, None] / self._step_mm
            moved = ndimage.map_coordinates(bone, at, order=0)
            push = np.zeros_like(shift)
            for level in np.flatnonzero((moved * organs).any(axis=(1, 2))):
                inside = np.argwhere((moved[level] > 0) & organs[level])
                away = np.argwhere(moved[level] > 0).mean(axis=0) - inside.mean(axis=0)
                depth = self._step_mm * np.sqrt(len(inside))
                push[1:, level] = depth * away / max(float(np.hypot(*away)), 1.0)
            if not push.any():
                break
            shift = shift - ndimage.gaussian_filter1d(push, 20.0 / self._step_mm, axis=1, mode="nearest")
        return shift


def _jacobian_determinant(field: F32, step_mm: float) -> F64:
    """Return the Jacobian determinant (z, y, x) of the map p -> p + field(p); both are in mm."""
    gradients = np.stack([np.stack(np.gradient(part, step_mm)) for part in field])
    return np.asarray(np.linalg.det(np.moveaxis(gradients, (0, 1), (-2, -1)) + np.eye(3)))

"""Body cavity, muscle wall, fat and skin, built around labelled structures.

All surfaces are radii of polar rays about the body's axis, slice by slice: a surface is a smooth function of
height and angle, and one surface around another is a larger radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from attunet_gui.synthesis.label_map_ct.label_structures import Codes, Mask, codes_matching, mask_of_codes

F64 = NDArray[np.float64]

# One ray every 2 degrees: at a radius of 200 mm they are 7 mm apart, and the surfaces are smooth.
_RAY_COUNT = 180
_RIB_CAGE = codes_matching("rib_*", "costal_cartilages", "sternum")
_SUPPORT_STRUCTURES = codes_matching("vertebrae_*", "sacrum", "hip_*", "autochthon_*", "gluteus_*", "femur_*")
_BACK_STRUCTURES = codes_matching("vertebrae_*", "sacrum", "autochthon_*", "spinal_cord")
_RIB_THICKNESS_MM = 10.0


@dataclass(frozen=True, eq=False)
class BodyWall:
    """Nested regions of the body, each a (z, y, x) bool mask that includes the ones inside it.

    Attributes:
        cavity: inside the muscle wall.
        muscle: inside the outer face of the muscle wall.
        skin: inside the skin.
        back: among the muscles of the spine.
    """

    cavity: Mask
    muscle: Mask
    skin: Mask
    back: Mask

    @classmethod
    def build_around(cls, codes: Codes, step_mm: float, rng: np.random.Generator) -> BodyWall:
        """Build the regions around labelled structures.

        Args:
            codes: (z, y, x) common codes of structures.
            step_mm: edge of the cubic voxels.
            rng: draws the thickness of fat and muscle.
        """
        rays = _PolarRays(codes, step_mm)
        # Spine, pelvis and back muscles bound no cavity: they would pull its hull out to the back.
        known = codes > 0
        support = mask_of_codes(codes, _SUPPORT_STRUCTURES)
        contents = rays.hull_radii(known & ~mask_of_codes(codes, _RIB_CAGE) & ~support)
        # The cavity reaches to the inside of the rib cage, even where no organ does.
        caged = rays.hull_radii(known & ~support)
        cavity = rays.smooth_radii(np.maximum(contents + 2.0, caged - _RIB_THICKNESS_MM))
        muscle = rays.smooth_radii(np.maximum(cavity + rays.draw_wall_thickness(rng), caged + 5.0))
        skin = rays.smooth_radii(
            np.maximum(muscle, rays.hull_radii(known) + 3.0) + rays.draw_fat_thickness(rng)
        )
        back = _fill_slice_hulls(mask_of_codes(codes, _BACK_STRUCTURES))
        inside = [rays.fill_inside(radius) for radius in (cavity, muscle, skin)]
        return cls(inside[0], inside[1], inside[2], back)


class _PolarRays:
    """Surfaces around a body as radii (z, ray) in mm about a straight axis through its middle."""

    def __init__(self, codes: Codes, step_mm: float) -> None:
        self._shape, self._step_mm = codes.shape, step_mm
        self._axis_yx = self._fit_body_axis(codes)
        angle = np.arange(_RAY_COUNT) * 2 * np.pi / _RAY_COUNT
        self.angles_rad = angle
        self._directions = np.stack([np.sin(angle), np.cos(angle)])

    @staticmethod
    def _fit_body_axis(codes: Codes) -> F64:
        """Fit a straight line to the middles of what is labelled in each slice: (z, 2) voxels, y and x."""
        known = codes > 0
        rows, columns = np.asarray(known.any(axis=2)), np.asarray(known.any(axis=1))
        middle = np.array(
            [
                [np.flatnonzero(r)[[0, -1]].mean(), np.flatnonzero(c)[[0, -1]].mean()]
                if r.any()
                else [np.nan] * 2
                for r, c in zip(rows, columns, strict=True)
            ]
        )
        # A straight line: the middle of single slices jumps where labels such as hips begin.
        level = np.arange(len(middle))
        good = ~np.isnan(middle[:, 0])
        return np.stack([np.polyval(np.polyfit(level[good], m[good], 1), level) for m in middle.T], axis=1)

    def hull_radii(self, mask: Mask) -> F64:
        """Return the radii of the convex hull of each slice, mm; 0 where the mask is empty.

        The largest radius within 6 mm of height counts, since labels such as ribs come and go by the slice.
        """
        radius = np.stack([self._slice_hull_radii(mask[z], self._axis_yx[z]) for z in range(len(mask))])
        return ndimage.maximum_filter1d(radius, 2 * round(6.0 / self._step_mm) + 1, axis=0, mode="nearest")

    def _slice_hull_radii(self, plane: Mask, middle: F64) -> F64:
        """Return the radii (ray,) in mm of one slice's convex hull about `middle` (y, x in voxels)."""
        equations = _hull_equations(plane)
        if equations is None:
            return np.zeros(_RAY_COUNT)
        offsets = equations[:, :2] @ middle + equations[:, 2]
        # Rays from a point outside of the hull, or on its edge, have no single radius.
        if (offsets > -1.0).any():
            return np.zeros(_RAY_COUNT)
        slopes = equations[:, :2] @ self._directions
        with np.errstate(divide="ignore"):
            reach = np.where(slopes > 1e-9, -offsets[:, None] / slopes, np.inf)
        return np.asarray(reach.min(axis=0) * self._step_mm)

    def smooth_radii(self, radius: F64) -> F64:
        """Return the radii smoothed along the body (10 mm) and around it (wrapping at the last ray)."""
        smooth = ndimage.gaussian_filter(radius, (10.0 / self._step_mm, 3.0), mode=("nearest", "wrap"))
        return np.asarray(smooth)

    def draw_wall_thickness(self, rng: np.random.Generator) -> F64:
        """Draw the thickness (z, ray) of the muscles around the cavity: about 7 to 16 mm, thicker behind."""
        lateral = 1 + 0.4 * np.maximum(np.sin(self.angles_rad), 0) ** 2
        return np.asarray(rng.uniform(7, 13) * lateral * self._draw_relative_noise(rng, 0.08))

    def draw_fat_thickness(self, rng: np.random.Generator) -> F64:
        """Draw the thickness (z, ray) of subcutaneous fat: about 4 to 45 mm, thin behind the spine."""
        behind, flank = np.maximum(np.sin(self.angles_rad), 0), np.abs(np.cos(self.angles_rad))
        profile = 0.8 + 0.5 * flank**2 * (0.4 + behind) - 0.35 * behind**8
        mean = np.exp(rng.uniform(np.log(5), np.log(30)))
        return np.asarray(mean * profile * self._draw_relative_noise(rng, 0.08))

    def _draw_relative_noise(self, rng: np.random.Generator, amount: float) -> F64:
        """Draw a smooth positive factor (z, ray) about 1, with a standard deviation of about `amount`."""
        rough = rng.standard_normal((self._shape[0], _RAY_COUNT))
        soft = ndimage.gaussian_filter(rough, (30.0 / self._step_mm, 14.0), mode=("nearest", "wrap"))
        return np.asarray(np.exp(amount * soft / soft.std()))

    def fill_inside(self, radius: F64) -> Mask:
        """Return the mask (z, y, x) of voxels that lie within the radii of their slice."""
        y = np.arange(self._shape[1])[:, None]
        x = np.arange(self._shape[2])[None, :]
        out = np.zeros(self._shape, np.bool_)
        for z, (row, (cy, cx)) in enumerate(zip(radius, self._axis_yx, strict=True)):
            turn = np.arctan2(y - cy, x - cx) % (2 * np.pi) * _RAY_COUNT / (2 * np.pi)
            limit = np.interp(turn, np.arange(_RAY_COUNT + 1), np.append(row, row[0]))
            out[z] = np.hypot(y - cy, x - cx) * self._step_mm <= limit
        return out


def _hull_equations(plane: Mask) -> F64 | None:
    """Return the (n, 3) half planes a y + b x + c <= 0 of a mask's convex hull; None if it has no area."""
    y, x = np.nonzero(plane & ~ndimage.binary_erosion(plane))
    if len(y) < 3:
        return None
    try:
        return np.asarray(ConvexHull(np.stack([y, x], axis=1)).equations)
    except QhullError:
        return None


def _fill_slice_hulls(mask: Mask) -> Mask:
    """Return the filled convex hull of each slice of a mask."""
    out = np.zeros_like(mask)
    grid = np.indices(mask.shape[1:]).reshape(2, -1)
    for z, plane in enumerate(mask):
        equations = _hull_equations(plane)
        if equations is not None:
            inside = (equations[:, :2] @ grid + equations[:, 2:3] <= 0.5).all(axis=0)
            out[z] = inside.reshape(plane.shape)
    return out

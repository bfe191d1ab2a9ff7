"""A phantom while it is painted: its patient, its ideal HU and labels, and what paints solids into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from attunet_gui.synthesis.phantom.atlas_geometry import (
    F32,
    AtlasGrid,
    AtlasPoints,
    AtlasTube,
    BodyPose,
    Point3D,
    SmoothField,
    VoxelBox,
    as_f32,
    smooth_union,
    tube_distance,
)
from attunet_gui.synthesis.phantom.tissue_hu import CONTRAST_PHASES, PHASE_ODDS, ContrastPhase, draw_tissue_hu

CAVITY_HALF_WIDTH_MM, CAVITY_FRONT_MM, CAVITY_BACK_MM, CAVITY_MID_Y_MM = 130.0, 84.0, 76.0, -10.0
"""Half width of the inner cavity, its depth in front of and behind its middle, and the y of that middle, mm.

All are atlas millimetres."""


def cavity_distance(points: AtlasPoints) -> F32:
    """Return the signed distance to the inner face of the abdominal and chest wall.

    The cross-section is a superellipse, deeper in front than behind, and the same at every height.

    Args:
        points: atlas coordinates, mm.

    Returns:
        (z, y, x) float32 mm, negative inside the cavity; measured along the ray from the middle.
    """
    y = points.y - np.float32(CAVITY_MID_Y_MM)
    u = np.abs(points.x) / np.float32(CAVITY_HALF_WIDTH_MM)
    v = np.abs(y) / np.where(y < 0, np.float32(CAVITY_FRONT_MM), np.float32(CAVITY_BACK_MM))
    # An exponent above 2 makes the flanks flatter than those of an ellipse. The floor of 0.05 keeps the
    # division below finite at the middle itself.
    level = np.maximum((u**2.3 + v**2.3) ** np.float32(1 / 2.3), np.float32(0.05))
    distance = np.hypot(points.x, y) * (1 - 1 / level)
    return as_f32(distance)


def diaphragm_distance(points: AtlasPoints) -> F32:
    """Return the approximate signed distance to the diaphragm.

    The surface has a right dome, a lower left dome, and between and in front of them a saddle for the heart.

    Args:
        points: atlas coordinates, mm.

    Returns:
        (z, y, x) float32 mm, negative below the diaphragm.
    """
    right = 112 - 68 * (((points.x + 60) / 74) ** 2 + ((points.y + 12) / 82) ** 2)
    left = 101 - 66 * (((points.x - 64) / 70) ** 2 + ((points.y + 8) / 82) ** 2)
    centre = 103 - 45 * (((points.x - 5) / 70) ** 2 + ((points.y + 42) / 55) ** 2)
    height = -smooth_union(smooth_union(as_f32(-right), as_f32(-left), 18.0), as_f32(-centre), 18.0)
    # The domes are steep: 0.55 mm of distance a mm of height is right on their flanks.
    return as_f32((points.z - height) * np.float32(0.55))


ORGANS: Mapping[str, int] = MappingProxyType(
    {
        name: code
        for code, name in enumerate(
            (
                "background",
                "pancreas",
                "liver",
                "spleen",
                "kidney_left",
                "kidney_right",
                "stomach",
                "duodenum",
                "small_bowel",
                "colon",
                "gallbladder",
                "aorta",
                "vena_cava",
                "portal_vein",
                "arteries",
                "adrenals",
                "vertebrae",
                "ribs",
                "lungs",
                "muscle",
                "fat",
                "heart",
            )
        )
    }
)
"""Label code by organ. "background" is air, table and whatever has no name here."""

PAINT_MARGIN_MM = 7.0
"""How far beyond a surface distances are computed: the largest roughness plus a voxel's fade."""


@dataclass(frozen=True, eq=False)
class PhantomPatient:
    """All random properties of one phantom patient that are drawn once.

    Attributes:
        seed: names the patient; every organ has its own stream of random numbers under it.
        sex: "f" or "m".
        habitus: 0 (thin) to 1 (obese).
        age: 0 (young) to 1 (old); older means less dense marrow, more calcium in vessel walls, and more fat
            in pancreas and muscle.
        phase: contrast phase.
        hu: mean HU by tissue name.
        pose: size, rotation and position of the body.
        noise_hu: standard deviation of the image noise.
    """

    seed: int
    sex: Literal["f", "m"]
    habitus: float
    age: float
    phase: ContrastPhase
    hu: dict[str, float]
    pose: BodyPose
    noise_hu: float

    def random_stream(self, name: str) -> np.random.Generator:
        """Return the random stream of one organ or purpose; another organ's stream never changes it."""
        return seeded_stream(self.seed, name)


def seeded_stream(seed: int, name: str) -> np.random.Generator:
    """Return a random generator that depends on the seed and the name only.

    Each organ has its own stream, so a change to one organ leaves all others of the same seed as they were.
    """
    # CRC-32 rather than hash(): Python salts the hash of strings, which differs from process to process.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()),)))


def draw_patient(seed: int) -> PhantomPatient:
    """Draw the patient that a seed names; equal seeds give equal patients."""
    rng = seeded_stream(seed, "patient")
    sex: Literal["f", "m"] = "f" if rng.random() < 0.5 else "m"
    habitus = float(rng.beta(1.6, 2.0))
    age = float(rng.uniform())
    phase = CONTRAST_PHASES[int(rng.choice(len(CONTRAST_PHASES), p=PHASE_ODDS))]
    # A wide body lets fewer photons through, hence the noise that grows with the habitus.
    noise = float(rng.uniform(9, 18) + 7 * habitus)
    hu = draw_tissue_hu(seeded_stream(seed, "tissue"), phase)
    # With age, fat replaces red marrow and trabecular bone is lost.
    hu["marrow"] -= 60 * age
    return PhantomPatient(
        seed, sex, habitus, age, phase, hu, _draw_pose(seeded_stream(seed, "pose"), sex, habitus), noise
    )


def _draw_pose(rng: np.random.Generator, sex: str, habitus: float) -> BodyPose:
    """Draw size, rotation, position and warp of the body; obesity widens it, and most of all the front."""
    size = (0.93 if sex == "f" else 1.02) * float(np.clip(rng.normal(1, 0.035), 0.92, 1.08))
    return BodyPose(
        turn_rad=float(np.deg2rad(np.clip(rng.normal(0, 3.5), -8, 8))),
        scale_z=size * float(rng.normal(1, 0.03)),
        scale_front=size * (0.88 + 0.36 * habitus) * float(rng.normal(1, 0.03)),
        scale_back=size * (0.95 + 0.1 * habitus),
        scale_x=size * (0.93 + 0.16 * habitus) * float(rng.normal(1, 0.02)),
        shift_mm=(float(rng.normal(0, 8)), float(rng.normal(0, 5)), float(rng.normal(0, 4))),
        warp_mm=float(rng.uniform(2.5, 4.0)),
    )


class PhantomScene:
    """The ideal HU and the labels of a phantom in the making; what is painted later covers what was before.

    Attributes:
        patient: whose anatomy is painted.
        grid: the voxel grid and its atlas coordinates.
        hu: (z, y, x) float32 ideal HU, air at first.
        organs: (z, y, x) uint8 label codes.
    """

    def __init__(self, patient: PhantomPatient, frame: AtlasGrid) -> None:
        self.patient = patient
        self.grid = frame
        self.hu: F32 = np.full(frame.shape, -1000, np.float32)
        self.organs: NDArray[np.uint8] = np.zeros(frame.shape, np.uint8)
        # Nearly every organ is confined to the cavity: its two surfaces are computed once for all voxels.
        self._cavity = cavity_distance(self.all_points())
        self._roof = diaphragm_distance(self.all_points())
        self._fields: dict[tuple[str, float], SmoothField] = {}

    def all_points(self) -> AtlasPoints:
        """Return the atlas coordinates of all voxels."""
        z, y, x = self.grid.shape
        return self.grid.points_in((slice(0, z), slice(0, y), slice(0, x)))

    def points_in_box(self, low: Point3D, high: Point3D) -> AtlasPoints:
        """Return the atlas coordinates of the voxels around an atlas box (mm); possibly none."""
        return self.grid.points_in(self.grid.voxel_box(low, high))

    def points_near_tube(self, tube: AtlasTube) -> tuple[AtlasPoints, F32]:
        """Return the voxels around a tube, and their signed distance to it in mm."""
        box = self.grid.voxel_box(*tube.bounding_box(PAINT_MARGIN_MM))
        return self.grid.points_in(box), tube_distance(self.grid, tube, box, PAINT_MARGIN_MM)

    def smooth_field_at(self, points: AtlasPoints, name: str, step_mm: float) -> F32:
        """Return the patient's smooth random field of that name over `points`: float32 of unit variance.

        A field of the same name and step is the same field wherever it is sampled.
        """
        key = (name, step_mm)
        if key not in self._fields:
            self._fields[key] = SmoothField(self.patient.random_stream("field " + name), step_mm)
        return self._fields[key].sample_at(self.grid.axes_mm_of(points.box))

    def cavity_distance_at(self, points: AtlasPoints) -> F32:
        """Return the distance in mm to the inner face of the body wall, negative inside."""
        return self._cavity[points.box]

    def diaphragm_distance_at(self, points: AtlasPoints) -> F32:
        """Return the distance in mm to the diaphragm, negative below."""
        return self._roof[points.box]

    def confine_to_cavity(self, points: AtlasPoints, distance: F32, gap_mm: float = 2.5) -> F32:
        """Cut a solid to what lies `gap_mm` or more inside the body wall and below the diaphragm.

        `distance` and the result are signed distances in mm over `points`.
        """
        walled = np.maximum(distance, self.cavity_distance_at(points) + np.float32(gap_mm))
        confined: F32 = np.maximum(walled, self.diaphragm_distance_at(points) + np.float32(0.6))
        return confined

    def room_y_mm(self, points: AtlasPoints) -> F32:
        """Return the room y of `points`, (1, len y, 1) float32 mm.

        Levels of gas and fluid use room coordinates, since gravity does not turn with the patient.
        """
        return self.grid.axes_mm_of(points.box)[1].astype(np.float32)[None, :, None]

    def paint_solid(
        self, points: AtlasPoints, distance: F32, hu: float | F32, organ: str | None = None
    ) -> None:
        """Fill a solid with HU, and label it.

        Args:
            points: the voxels that are changed.
            distance: signed distance to the solid, mm; it is filled where this is negative.
            hu: one value, or one for each voxel. The surface fades over about a voxel (partial volume).
            organ: name of the label; None leaves the labels as they are.
        """
        box: VoxelBox = points.box
        cover = np.clip(np.float32(0.5) - distance / np.float32(self.grid.edge_mm), 0, 1)
        self.hu[box] += cover * (np.float32(hu) - self.hu[box])
        if organ is not None:
            self.organs[box][distance < 0] = ORGANS[organ]

    def paint_tube(self, tube: AtlasTube, hu: float, organ: str | None = None) -> None:
        """Fill a tube with HU, and label it; a tube thinner than a voxel is mixed with what was there."""
        points, distance = self.points_near_tube(tube)
        share = min(1.0, float(2 * tube.radii.mean() / self.grid.edge_mm))
        # Partial volume: a vessel of half a voxel's width shows half of its contrast.
        level = np.float32(hu) if share >= 1 else self.hu[points.box] * (1 - share) + np.float32(hu) * share
        self.paint_solid(points, distance, np.asarray(level, np.float32), organ)

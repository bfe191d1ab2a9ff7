"""A phantom while it is painted: its patient, its ideal HU and labels, and what paints solids into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from attunet_gui.synthesis.container import cavity_distance, diaphragm_distance
from attunet_gui.synthesis.geometry import (
    F32,
    Box,
    Frame,
    Point,
    Points,
    Pose,
    SmoothField,
    Tube,
    tube_distance,
)
from attunet_gui.synthesis.tissue import PHASE_ODDS, PHASES, Phase, draw_tissue

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

MARGIN_MM = 7.0
"""How far beyond a surface distances are computed: the largest roughness plus a voxel's fade."""


@dataclass(frozen=True, eq=False)
class Patient:
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
    phase: Phase
    hu: dict[str, float]
    pose: Pose
    noise_hu: float

    def rng(self, name: str) -> np.random.Generator:
        """Return the random stream of one organ or purpose; another organ's stream never changes it."""
        return stream(self.seed, name)


def stream(seed: int, name: str) -> np.random.Generator:
    """Return a random generator that depends on the seed and the name only.

    Each organ has its own stream, so a change to one organ leaves all others of the same seed as they were.
    """
    # CRC-32 rather than hash(): Python salts the hash of strings, which differs from process to process.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()),)))


def draw_patient(seed: int) -> Patient:
    """Draw the patient that a seed names; equal seeds give equal patients."""
    rng = stream(seed, "patient")
    sex: Literal["f", "m"] = "f" if rng.random() < 0.5 else "m"
    habitus = float(rng.beta(1.6, 2.0))
    age = float(rng.uniform())
    phase = PHASES[int(rng.choice(len(PHASES), p=PHASE_ODDS))]
    # A wide body lets fewer photons through, hence the noise that grows with the habitus.
    noise = float(rng.uniform(9, 18) + 7 * habitus)
    hu = draw_tissue(stream(seed, "tissue"), phase)
    # With age, fat replaces red marrow and trabecular bone is lost.
    hu["marrow"] -= 60 * age
    return Patient(seed, sex, habitus, age, phase, hu, _draw_pose(stream(seed, "pose"), sex, habitus), noise)


def _draw_pose(rng: np.random.Generator, sex: str, habitus: float) -> Pose:
    """Draw size, rotation, position and warp of the body; obesity widens it, and most of all the front."""
    size = (0.93 if sex == "f" else 1.02) * float(np.clip(rng.normal(1, 0.035), 0.92, 1.08))
    return Pose(
        turn_rad=float(np.deg2rad(np.clip(rng.normal(0, 3.5), -8, 8))),
        scale_z=size * float(rng.normal(1, 0.03)),
        scale_front=size * (0.88 + 0.36 * habitus) * float(rng.normal(1, 0.03)),
        scale_back=size * (0.95 + 0.1 * habitus),
        scale_x=size * (0.93 + 0.16 * habitus) * float(rng.normal(1, 0.02)),
        shift_mm=(float(rng.normal(0, 8)), float(rng.normal(0, 5)), float(rng.normal(0, 4))),
        warp_mm=float(rng.uniform(2.5, 4.0)),
    )


class Scene:
    """The ideal HU and the labels of a phantom in the making; what is painted later covers what was before.

    Attributes:
        patient: whose anatomy is painted.
        frame: the voxel grid and its atlas coordinates.
        hu: (z, y, x) float32 ideal HU, air at first.
        organs: (z, y, x) uint8 label codes.
    """

    def __init__(self, patient: Patient, frame: Frame) -> None:
        self.patient = patient
        self.frame = frame
        self.hu: F32 = np.full(frame.shape, -1000, np.float32)
        self.organs: NDArray[np.uint8] = np.zeros(frame.shape, np.uint8)
        # Nearly every organ is confined to the cavity: its two surfaces are computed once for all voxels.
        self._cavity = cavity_distance(self.everywhere())
        self._roof = diaphragm_distance(self.everywhere())
        self._fields: dict[tuple[str, float], SmoothField] = {}

    def everywhere(self) -> Points:
        """Return the atlas coordinates of all voxels."""
        z, y, x = self.frame.shape
        return self.frame.points((slice(0, z), slice(0, y), slice(0, x)))

    def region(self, low: Point, high: Point) -> Points:
        """Return the atlas coordinates of the voxels around an atlas box (mm); possibly none."""
        return self.frame.points(self.frame.box(low, high))

    def tube(self, tube: Tube) -> tuple[Points, F32]:
        """Return the voxels around a tube, and their signed distance to it in mm."""
        box = self.frame.box(*tube.bounds(MARGIN_MM))
        return self.frame.points(box), tube_distance(self.frame, tube, box, MARGIN_MM)

    def field(self, points: Points, name: str, step_mm: float) -> F32:
        """Return the patient's smooth random field of that name over `points`: float32 of unit variance.

        A field of the same name and step is the same field wherever it is sampled.
        """
        key = (name, step_mm)
        if key not in self._fields:
            self._fields[key] = SmoothField(self.patient.rng("field " + name), step_mm)
        return self._fields[key].at(self.frame.axes_of(points.box))

    def cavity(self, points: Points) -> F32:
        """Return the distance in mm to the inner face of the body wall, negative inside."""
        return self._cavity[points.box]

    def roof(self, points: Points) -> F32:
        """Return the distance in mm to the diaphragm, negative below."""
        return self._roof[points.box]

    def confine(self, points: Points, distance: F32, gap_mm: float = 2.5) -> F32:
        """Cut a solid to what lies `gap_mm` or more inside the body wall and below the diaphragm.

        `distance` and the result are signed distances in mm over `points`.
        """
        walled = np.maximum(distance, self.cavity(points) + np.float32(gap_mm))
        confined: F32 = np.maximum(walled, self.roof(points) + np.float32(0.6))
        return confined

    def room_y(self, points: Points) -> F32:
        """Return the room y of `points`, (1, len y, 1) float32 mm.

        Levels of gas and fluid use room coordinates, since gravity does not turn with the patient.
        """
        return self.frame.axes_of(points.box)[1].astype(np.float32)[None, :, None]

    def paint(self, points: Points, distance: F32, hu: float | F32, organ: str | None = None) -> None:
        """Fill a solid with HU, and label it.

        Args:
            points: the voxels that are changed.
            distance: signed distance to the solid, mm; it is filled where this is negative.
            hu: one value, or one for each voxel. The surface fades over about a voxel (partial volume).
            organ: name of the label; None leaves the labels as they are.
        """
        box: Box = points.box
        cover = np.clip(np.float32(0.5) - distance / np.float32(self.frame.edge_mm), 0, 1)
        self.hu[box] += cover * (np.float32(hu) - self.hu[box])
        if organ is not None:
            self.organs[box][distance < 0] = ORGANS[organ]

    def paint_tube(self, tube: Tube, hu: float, organ: str | None = None) -> None:
        """Fill a tube with HU, and label it; a tube thinner than a voxel is mixed with what was there."""
        points, distance = self.tube(tube)
        share = min(1.0, float(2 * tube.radii.mean() / self.frame.edge_mm))
        # Partial volume: a vessel of half a voxel's width shows half of its contrast.
        level = np.float32(hu) if share >= 1 else self.hu[points.box] * (1 - share) + np.float32(hu) * share
        self.paint(points, distance, np.asarray(level, np.float32), organ)

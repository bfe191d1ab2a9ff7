"""One patient being painted: who it is, where its voxels lie, and the brush."""

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
    """Everything drawn once for a patient.

    Attributes:
        seed: names the patient; every organ has its own stream of random numbers under it.
        sex: "f" or "m".
        habitus: 0 (thin) to 1 (obese).
        age: 0 (young) to 1 (old): marrow, wall calcium, pancreas and muscle fat.
        phase: contrast phase.
        hu: mean HU by tissue.
        pose: size and position.
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
        """The stream of one organ or purpose: adding another organ leaves it as it was."""
        return stream(self.seed, name)


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers that depend on the seed and the name only."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()),)))


def draw_patient(seed: int) -> Patient:
    """The patient of a seed."""
    rng = stream(seed, "patient")
    sex: Literal["f", "m"] = "f" if rng.random() < 0.5 else "m"
    habitus = float(rng.beta(1.6, 2.0))
    age = float(rng.uniform())
    phase = PHASES[int(rng.choice(len(PHASES), p=PHASE_ODDS))]
    noise = float(rng.uniform(9, 18) + 7 * habitus)
    hu = draw_tissue(stream(seed, "tissue"), phase)
    hu["marrow"] -= 60 * age
    return Patient(seed, sex, habitus, age, phase, hu, _draw_pose(stream(seed, "pose"), sex, habitus), noise)


def _draw_pose(rng: np.random.Generator, sex: str, habitus: float) -> Pose:
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
    """Ideal HU and labels under the brush; later paint covers earlier paint."""

    def __init__(self, patient: Patient, frame: Frame) -> None:
        self.patient = patient
        self.frame = frame
        self.hu: F32 = np.full(frame.shape, -1000, np.float32)
        self.organs: NDArray[np.uint8] = np.zeros(frame.shape, np.uint8)
        self._cavity = cavity_distance(self.everywhere())
        self._roof = diaphragm_distance(self.everywhere())
        self._fields: dict[tuple[str, float], SmoothField] = {}

    def everywhere(self) -> Points:
        """All voxels."""
        z, y, x = self.frame.shape
        return self.frame.points((slice(0, z), slice(0, y), slice(0, x)))

    def region(self, low: Point, high: Point) -> Points:
        """The voxels around an atlas box; possibly none."""
        return self.frame.points(self.frame.box(low, high))

    def tube(self, tube: Tube) -> tuple[Points, F32]:
        """The voxels around a tube and their signed distance to it."""
        box = self.frame.box(*tube.bounds(MARGIN_MM))
        return self.frame.points(box), tube_distance(self.frame, tube, box, MARGIN_MM)

    def field(self, points: Points, name: str, step_mm: float) -> F32:
        """The patient's unit-variance smooth field of that name, over `points`."""
        key = (name, step_mm)
        if key not in self._fields:
            self._fields[key] = SmoothField(self.patient.rng("field " + name), step_mm)
        return self._fields[key].at(self.frame.axes_of(points.box))

    def cavity(self, points: Points) -> F32:
        """Distance to the inner face of the body wall, negative inside."""
        return self._cavity[points.box]

    def roof(self, points: Points) -> F32:
        """Distance to the diaphragm, negative below."""
        return self._roof[points.box]

    def confine(self, points: Points, distance: F32, gap_mm: float = 2.5) -> F32:
        """A solid cut to what lies inside the wall, less a gap, and below the diaphragm."""
        walled = np.maximum(distance, self.cavity(points) + np.float32(gap_mm))
        confined: F32 = np.maximum(walled, self.roof(points) + np.float32(0.6))
        return confined

    def room_y(self, points: Points) -> F32:
        """(1, len y, 1) room mm: gravity does not turn with the patient."""
        return self.frame.axes_of(points.box)[1].astype(np.float32)[None, :, None]

    def paint(self, points: Points, distance: F32, hu: float | F32, organ: str | None = None) -> None:
        """Cover the solid `distance` < 0 with `hu`, faded over a voxel; label it, if an organ is named."""
        box: Box = points.box
        cover = np.clip(np.float32(0.5) - distance / np.float32(self.frame.edge_mm), 0, 1)
        self.hu[box] += cover * (np.float32(hu) - self.hu[box])
        if organ is not None:
            self.organs[box][distance < 0] = ORGANS[organ]

    def paint_tube(self, tube: Tube, hu: float, organ: str | None = None) -> None:
        """Cover a tube; one thinner than a voxel covers its share of it."""
        points, distance = self.tube(tube)
        share = min(1.0, float(2 * tube.radii.mean() / self.frame.edge_mm))
        level = np.float32(hu) if share >= 1 else self.hu[points.box] * (1 - share) + np.float32(hu) * share
        self.paint(points, distance, np.asarray(level, np.float32), organ)

"""The torso of a phantom: body wall, lungs, spine, ribs, muscles and the table.

Sizes are atlas millimetres of an adult of about 170 cm: the inner abdominal cavity is about 270 x 155 mm,
lumbar bodies are 46 x 33 mm and 27 mm high with discs of 9 mm (Zhou et al., Eur Spine J 2000, 9:242-248).
Every function here paints into the phantom in place.
"""

from __future__ import annotations

import numpy as np

from attunet_gui.synthesis.phantom.atlas_geometry import (
    F32,
    AtlasPoints,
    AtlasTube,
    as_f32,
    ellipsoid_distance,
    smooth_union,
    tube_distance,
)
from attunet_gui.synthesis.phantom.phantom_scene import (
    CAVITY_BACK_MM,
    CAVITY_FRONT_MM,
    CAVITY_HALF_WIDTH_MM,
    CAVITY_MID_Y_MM,
    PhantomScene,
)

SPINE_Y_MM = 40.0
# A lumbar body of 27 mm and a disc of 9 mm.
_VERTEBRA_SPACING_MM = 36.0


def paint_body_wall(scene: PhantomScene) -> None:
    """Paint skin, subcutaneous fat, the muscle ring with its layers, and the fat that fills the cavity."""
    points, hu = scene.all_points(), scene.patient.hu
    cavity = scene.cavity_distance_at(points)
    reach = np.maximum(np.hypot(points.x, points.y - 10), np.float32(1))
    sideways, backward = as_f32(np.abs(points.x) / reach), as_f32((points.y - 10) / reach)
    envelope = _muscle_thickness_mm(scene, points, sideways, backward)
    muscle = envelope * _muscle_seam_share(points, backward)
    skin = cavity - envelope - _subcutaneous_fat_mm(scene, points, sideways, backward)
    fat = np.float32(hu["fat"]) + 7 * scene.smooth_field_at(points, "fat", 14.0)
    # From the outside in: each layer covers the inner part of the one before.
    scene.paint_solid(points, skin, hu["skin"])
    scene.paint_solid(points, skin + np.float32(2.0), fat, "fat")
    meat = np.float32(hu["muscle"]) + 7 * scene.smooth_field_at(points, "muscle", 6.0)
    scene.paint_solid(points, cavity - muscle, meat, "muscle")
    _paint_muscle_septa(scene, points, cavity, muscle)
    scene.paint_solid(points, cavity, fat, "fat")


def _muscle_thickness_mm(scene: PhantomScene, points: AtlasPoints, sideways: F32, backward: F32) -> F32:
    """Return the thickness of the muscle wall at every voxel's direction from the middle, float32 mm.

    `sideways` and `backward` are the components of that direction, in [0, 1] and [-1, 1].
    """
    bulk = scene.patient.random_stream("muscle").uniform(0.8, 1.2) * (
        0.9 if scene.patient.sex == "f" else 1.08
    )
    flank = np.where(backward < 0, 10 + 6 * sideways**2, 16 + 4 * np.abs(backward))
    # The erector muscles stand out on both sides of the spinous processes.
    erector = 17 * np.exp(-((points.x / 80) ** 4)) * np.clip(4 * backward - 1, 0, 1)
    return as_f32(np.float32(bulk) * (flank + erector))


def _muscle_seam_share(points: AtlasPoints, backward: F32) -> F32:
    """Return the share of the muscle that is left at the linea alba and at the outer edges of the recti."""
    linea = 1 - 0.75 * np.exp(-((points.x / 7) ** 2)) * (backward < -0.5)
    edge = 1 - 0.55 * np.exp(-(((np.abs(points.x) - 74) / 7) ** 2)) * (backward < -0.4)
    return as_f32(linea * edge)


def _subcutaneous_fat_mm(scene: PhantomScene, points: AtlasPoints, sideways: F32, backward: F32) -> F32:
    """Return the thickness of the subcutaneous fat at every voxel's direction, float32 mm, 3 or more."""
    rng, habitus = scene.patient.random_stream("subcutis"), scene.patient.habitus
    base = (5 + 24 * habitus) * (1.2 if scene.patient.sex == "f" else 0.85) * rng.uniform(0.8, 1.2)
    back = 1 + 0.25 * backward + rng.uniform(-0.35, 0.1) * sideways**2
    # The skin sinks in over the spinous processes.
    groove = 3 * np.exp(-((points.x / 12) ** 2)) * (backward > 0.3)
    lower = 1 - 0.0022 * np.clip(points.z, -150, 120)
    thickness = (
        np.float32(base) * back * lower - groove + 1.5 * scene.smooth_field_at(points, "subcutis", 45.0)
    )
    return as_f32(np.maximum(thickness, np.float32(3)))


def _paint_muscle_septa(scene: PhantomScene, points: AtlasPoints, cavity: F32, muscle: F32) -> None:
    """Paint the fat planes between the three flank muscles, and the erectors' fat, which grows with age."""
    fat, patient = scene.patient.hu["fat"], scene.patient
    flank = (np.abs(points.x) > 70) & (points.y < 50) & (points.z < 60)
    wide = 0.1 + 0.5 * patient.habitus + 0.6 * scene.smooth_field_at(points, "septa", 22.0)
    # Two planes at a third and two thirds of the wall separate the oblique muscles and the transversus.
    for share in (0.36, 0.68):
        plane = np.abs(cavity - np.float32(share) * muscle) - wide
        scene.paint_solid(points, np.where(flank, plane, np.float32(50)), fat * 0.6)
    back = (points.y > 55) & (cavity > 0) & (cavity < muscle)
    streaks = np.abs(scene.smooth_field_at(points, "marbling", 11.0)) * 6 - np.float32(
        0.1 + 0.6 * patient.age
    )
    scene.paint_solid(points, np.where(back, streaks, np.float32(50)), fat * 0.2)


def paint_lungs(scene: PhantomScene) -> None:
    """Paint the heart, the diaphragm, and above its domes the lung bases with their vessels."""
    hu = scene.patient.hu
    points = scene.points_in_box((25.0, -110.0, -150.0), (400.0, 110.0, 150.0))
    heart = ellipsoid_distance(points, (140.0, -36.0, 12.0), (48.0, 46.0, 64.0), (0.1, -0.2))
    cut = np.maximum(heart, scene.cavity_distance_at(points) + 4)
    # The wall of the heart takes up less contrast medium than the blood inside it.
    scene.paint_solid(points, cut, hu["heart"] - 12, "heart")
    scene.paint_solid(points, cut + 9, hu["heart"] + 6, "heart")
    spine = np.maximum(
        _column_exclusion(points, (42.0, 0.0), 29.0), _column_exclusion(points, (8.0, 6.0), 20.0)
    )
    spine = np.maximum(spine, _column_exclusion(points, (0.0, -20.0), 16.0))
    above = -scene.diaphragm_distance_at(points)
    pleura = np.maximum(np.maximum(scene.cavity_distance_at(points) + 1, 3 - heart), spine)
    lung = np.maximum(pleura, above + 2)
    scene.paint_solid(points, np.maximum(pleura, above - np.float32(0.5)), hu["muscle"], "muscle")
    vessels = np.clip(scene.smooth_field_at(points, "lung vessels", 9.0) - np.float32(1.5), 0, None) * 520
    scene.paint_solid(
        points,
        lung,
        np.float32(hu["lung"]) + 25 * scene.smooth_field_at(points, "lung", 30.0) + vessels,
        "lungs",
    )


def _column_exclusion(points: AtlasPoints, centre: tuple[float, float], radius_mm: float) -> F32:
    """Return how far voxels lie inside an upright cylinder about (y, x): float32 mm, positive inside.

    As a signed distance it keeps a solid out of the cylinder; the lungs stay clear of the spine with it.
    """
    gap: F32 = np.float32(radius_mm) - np.hypot(points.y - centre[0], points.x - centre[1])
    return gap


def paint_spine(scene: PhantomScene) -> None:
    """Paint every vertebra and disc that the volume can show."""
    z_mm = scene.grid.axes_mm[0] / scene.patient.pose.scale_z
    # Two levels more at either end: a spinous process reaches below its own vertebra.
    first, last = (
        int(np.floor(z_mm[0] / _VERTEBRA_SPACING_MM)) - 2,
        int(np.ceil(z_mm[-1] / _VERTEBRA_SPACING_MM)) + 2,
    )
    for level in range(first, last + 1):
        _paint_vertebra(scene, 14.0 + level * _VERTEBRA_SPACING_MM)


def _paint_vertebra(scene: PhantomScene, z: float) -> None:
    """Paint the vertebra whose body is centred at height `z` (atlas mm), with its disc and its arch."""
    hu = scene.patient.hu
    wide = 24.0 - 0.012 * z
    points = scene.points_in_box((z - 40, SPINE_Y_MM - 28, -55), (z + 30, SPINE_Y_MM + 62, 55))
    height = np.abs(points.z - np.float32(z))
    disc = np.maximum(_vertebral_body_distance(points, wide + 0.5), np.abs(height - 18) - np.float32(4.5))
    scene.paint_solid(points, disc, hu["disc"], "vertebrae")
    waist = 2.2 * (1 - (height / 14) ** 2)
    body = np.maximum(
        _vertebral_body_distance(points, wide) + np.clip(waist, 0, None), height - np.float32(13.5)
    )
    bone = np.minimum(smooth_union(body, _vertebral_arch_distance(scene, z), 3.0), np.float32(50))
    canal = np.hypot((points.y - (SPINE_Y_MM + 26)) * np.float32(1.2), points.x) - np.float32(9.5)
    # The spinal canal is cut out of body and arch.
    bone = np.maximum(bone, -canal)
    grain = 45 * scene.smooth_field_at(points, "marrow", 4.0)
    scene.paint_solid(points, bone, hu["cortical bone"], "vertebrae")
    endplate = (height > 9) & (_vertebral_body_distance(points, wide) < -2.5)
    rim = np.where(endplate, np.float32(0.6), np.float32(1.6))
    scene.paint_solid(points, bone + rim, np.float32(hu["marrow"]) + grain, "vertebrae")
    sac = np.maximum(canal + np.float32(1.5), np.abs(height) - np.float32(18))
    scene.paint_solid(points, sac, hu["cord"], "background")


def _vertebral_body_distance(points: AtlasPoints, wide: float) -> F32:
    """Return the signed distance to an endless vertebral body, an ellipse with a shallow hollow behind."""
    y = points.y - np.float32(SPINE_Y_MM)
    level = np.sqrt((points.x / np.float32(wide)) ** 2 + (y / np.float32(17.5)) ** 2)
    hollow = 3 * np.exp(-((points.x / 9) ** 2)) * (y > 0)
    distance: F32 = (level - 1) * np.float32(18.5) + hollow.astype(np.float32)
    return distance


def _vertebral_arch_distance(scene: PhantomScene, z: float) -> F32:
    """Return the signed distance (mm) to pedicles, laminae, facets, transverse and spinous processes."""
    y = SPINE_Y_MM
    chains = [[(z - 4, y + 38, 0, 4.5), (z - 9, y + 46, 0, 3.2), (z - 14, y + 54, 0, 3.8)]]
    for side in (-1, 1):
        chains.append(
            [(z + 4, y + 12, 14 * side, 5), (z + 3, y + 24, 16 * side, 5), (z - 4, y + 38, 2 * side, 3.5)]
        )
        chains.append(
            [(z + 1, y + 25, 18 * side, 4.2), (z, y + 29, 36 * side, 2.8), (z + 1, y + 31, 43 * side, 2.2)]
        )
        chains.append(
            [
                (z + 12, y + 31, 17 * side, 4),
                (z - 2, y + 31, 15 * side, 4.5),
                (z - 20, y + 34, 12 * side, 4.5),
            ]
        )
    box = scene.grid.voxel_box((z - 40, SPINE_Y_MM - 28, -55), (z + 30, SPINE_Y_MM + 62, 55))
    parts = [tube_distance(scene.grid, AtlasTube.through_controls(chain, 9.0), box, 6.0) for chain in chains]
    arch: F32 = np.minimum.reduce(parts)
    return arch


def paint_muscles(scene: PhantomScene) -> None:
    """Paint psoas, quadratus lumborum and the crura of the diaphragm."""
    rng, hu = scene.patient.random_stream("psoas"), scene.patient.hu["muscle"]
    bulk = rng.uniform(0.8, 1.15) * (0.88 if scene.patient.sex == "f" else 1.08)
    for side in (-1, 1):
        psoas = [
            (25, 50, 28 * side, 5),
            (-20, 44, 37 * side, 12),
            (-70, 38, 44 * side, 19),
            (-130, 25, 54 * side, 23),
            (-260, -10, 75 * side, 22),
        ]
        quadratus = [(28, 68, 50 * side, 6), (-40, 66, 64 * side, 11), (-110, 62, 72 * side, 14)]
        crus = [
            (100, 22, 14 * side + 4, 4),
            (60, 16, 17 * side + 3, 5),
            (20, 16, 19 * side + 3, 5),
            (-25, 21, 14 * side, 2),
        ]
        inner = [(z + 6, y + 6, x - 9 * side, 0.85 * r) for z, y, x, r in psoas]
        outer = [(z, y - 3, x + 14 * side, 0.75 * r) for z, y, x, r in quadratus]
        for chain, tall in ((psoas, 1.3), (inner, 1.3), (quadratus, 1.5), (outer, 1.5), (crus, 1.5)):
            scaled = [(z, y, x, r * bulk) for z, y, x, r in chain]
            scene.paint_tube(AtlasTube.through_controls(scaled, 12.0, tall), hu, "muscle")


def paint_ribs(scene: PhantomScene) -> None:
    """Paint the ribs from the twelfth upwards, each an oblique arc in the wall that falls to the front."""
    for number in range(8):
        for side in (-1.0, 1.0):
            _paint_rib(scene, 30.0 + 30.0 * number, side, _rib_sweep(number))


def _rib_sweep(number: int) -> float:
    """Return the angle in rad that a rib spans from the spine; the lowest two are short, floating ribs."""
    return (0.75, 1.35, 2.1, 2.35, 2.45, 2.5, 2.5, 2.5)[number]


def _paint_rib(scene: PhantomScene, head_z: float, side: float, sweep: float) -> None:
    """Paint one rib.

    Args:
        scene: the phantom.
        head_z: height of the rib's head at the spine, atlas mm.
        side: -1 for the patient's right, 1 for the left.
        sweep: angle that the rib spans from the spine, rad.
    """
    angle = np.linspace(0.32, 0.32 + sweep, 2 + int(sweep * 12))
    back = np.cos(angle)
    reach = np.where(back > 0, CAVITY_BACK_MM, CAVITY_FRONT_MM)
    squared = (np.sin(angle) / (CAVITY_HALF_WIDTH_MM + 6)) ** 2 + (back / (reach + 6)) ** 2
    radius = 1 / np.sqrt(squared) + 2.5 * np.sin(2 * angle) ** 2
    drop = 84 * np.clip(angle - 0.25, 0, None) ** 1.15 / 1.9
    points = np.stack([head_z - drop, CAVITY_MID_Y_MM + radius * back, side * radius * np.sin(angle)], axis=1)
    hu = scene.patient.hu
    shell = AtlasTube(points, np.full(len(points), 3.4), 1.5)
    where, distance = scene.points_near_tube(shell)
    scene.paint_solid(where, distance, hu["cortical bone"] * 0.75, "ribs")
    scene.paint_solid(where, distance + np.float32(1.3), hu["marrow"] + 20, "ribs")


def paint_table(scene: PhantomScene) -> None:
    """Paint the couch behind the patient, a thin curved shell around foam, in three scans of four."""
    rng = scene.patient.random_stream("table")
    if rng.random() > 0.75:
        return
    points = scene.all_points()
    _, y, x = (axis.astype(np.float32) for axis in scene.grid.axes_mm_of(points.box))
    body = scene.organs.any(axis=(0, 2))
    back_mm = float(y[np.flatnonzero(body)[-1]]) if body.any() else 110.0
    bow = float(rng.uniform(700, 1500))
    depth = y[:, None] - np.float32(back_mm + 5) + x[None, :] ** 2 / np.float32(2 * bow)
    thick = float(rng.uniform(35, 55))
    slab = np.maximum(np.abs(depth - thick / 2) - thick / 2, np.abs(x)[None, :] - 215)
    outside = scene.organs == 0
    foam, shell = np.float32(-930), np.float32(rng.uniform(-250, 100))
    edge = np.float32(scene.grid.edge_mm)
    cover = np.clip(0.5 - (np.abs(slab) - np.float32(1.0)) / edge, 0, 1) * min(1.0, 2.0 / float(edge))
    inside = np.clip(0.5 - slab / edge, 0, 1)
    # Only air is replaced: the couch has no label and never covers the patient.
    couch = -1000 + inside * (foam + 1000) + cover * (shell - foam)
    scene.hu[:] = np.where(outside & (scene.hu < -950), couch[None].astype(np.float32), scene.hu)

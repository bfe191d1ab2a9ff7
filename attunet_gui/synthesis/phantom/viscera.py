"""Liver, spleen, kidneys, adrenals, stomach, bowel and the mesentery of a phantom.

Sizes: liver about 1500 ml, spleen 7-13 cm, kidneys 10-12 cm (Kratzer et al., J Ultrasound Med 2003,
22:1155-1161; Emamian et al., AJR 1993, 160:83-86). Positions and sizes in the code are (z, y, x) and radii in
atlas millimetres. Every paint function changes the phantom in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attunet_gui.synthesis.phantom.atlas_geometry import (
    F32,
    AtlasPoints,
    AtlasTube,
    Point3D,
    as_f32,
    ellipsoid_distance,
    smooth_union,
)
from attunet_gui.synthesis.phantom.phantom_scene import PhantomScene

TubeControls = list[tuple[float, float, float, float]]


def paint_liver(scene: PhantomScene) -> None:
    """Paint the right lobe, the tapering left lobe, the fissure and the vessels of the liver."""
    rng, hu = scene.patient.random_stream("liver"), scene.patient.hu
    tip, reach = float(rng.normal(0, 10)), float(rng.normal(0, 12))
    points = scene.points_in_box((-110.0, -110.0, -150.0), (125.0, 90.0, 110.0))
    right = ellipsoid_distance(points, (42 + tip / 2, 2, -92), (96 - tip / 2, 88, 66), (-0.1, 0.22))
    middle = ellipsoid_distance(points, (72, -22, -38), (54, 62, 58), (0.1, 0.0))
    left = ellipsoid_distance(points, (72, -52, 8 + reach / 2), (44, 34, 62 + reach), (0.15, 0.1))
    caudate = ellipsoid_distance(points, (52, -6, -18), (26, 12, 12))
    whole = smooth_union(smooth_union(smooth_union(right, middle, 24.0), left, 14.0), caudate, 5.0)
    # The hollow at the lower surface leaves room for the right kidney, the hilum for the portal vein.
    hollow = ellipsoid_distance(
        points, (-30, 56, -60), (58, 34, 32), (0.1, -0.1)
    ) + 3 * scene.smooth_field_at(points, "hollow", 16.0)
    hilum = ellipsoid_distance(points, (20, -20, -34), (15, 13, 17)) + 2 * scene.smooth_field_at(
        points, "hilum", 9.0
    )
    whole = np.maximum(whole, np.maximum(-hollow, -hilum)) + 1.2 * scene.smooth_field_at(
        points, "liver shape", 26.0
    )
    whole = scene.confine_to_cavity(points, whole)
    scene.paint_solid(
        points, whole, np.float32(hu["liver"]) + 3 * scene.smooth_field_at(points, "liver", 18.0), "liver"
    )
    _paint_liver_fissure(scene, points, whole)
    _paint_liver_vessels(scene, points, whole)


def _paint_liver_fissure(scene: PhantomScene, points: AtlasPoints, liver: F32) -> None:
    """Paint the fat of the fissure between the lobes; `liver` is the signed distance to the organ, mm."""
    bend = scene.smooth_field_at(points, "fissure", 30.0)
    sheet = np.abs(points.x + 14 - 0.25 * (points.y + 50) + 3 * bend) - np.clip((-points.y - 42) / 14, -4, 2)
    scene.paint_solid(
        points, np.maximum(np.maximum(sheet, points.z - 74), liver - 2), scene.patient.hu["fat"] + 20
    )


def _paint_liver_vessels(scene: PhantomScene, points: AtlasPoints, liver: F32) -> None:
    """Paint hepatic veins that join the cava, and portal branches, each with random twigs."""
    rng, hu = scene.patient.random_stream("liver vessels"), scene.patient.hu
    cava, porta = (92.0, 0.0, -25.0), (36.0, -14.0, -44.0)
    venous = [(30, 25, -105), (35, -45, -65), (55, -55, 5), (60, 35, -90)]
    portal = [(45, 15, -105), (70, -15, -115), (5, 10, -110), (62, -45, 0), (20, -30, -100)]
    # Blood in the hepatic veins comes from the portal vein, so its HU lie between those of both.
    level = {"vein": 0.5 * hu["cava"] + 0.5 * hu["portal vein"], "portal": hu["portal vein"]}
    for root, ends, kind in ((cava, venous, "vein"), (porta, portal, "portal")):
        for end in ends:
            for chain in _draw_vessel_twigs(rng, root, end):
                _paint_vessel_inside(
                    scene, AtlasTube.through_controls(chain, 9.0), liver, points, level[kind]
                )


def _paint_vessel_inside(
    scene: PhantomScene, tube: AtlasTube, organ: F32, whole: AtlasPoints, hu: float
) -> None:
    """Paint the part of a tube that lies 2 mm or more inside an organ.

    Args:
        scene: the phantom.
        tube: the vessel.
        organ: signed distance to the organ over `whole`, mm.
        whole: the voxels for which `organ` is known.
        hu: of the vessel.
    """
    where, distance = scene.points_near_tube(tube)
    inner = tuple(
        slice(max(0, a.start - b.start), max(0, a.stop - b.start))
        for a, b in zip(where.box, whole.box, strict=True)
    )
    # A tube that leaves the voxels around the organ has no distance there: it is left out.
    if organ[inner].shape == distance.shape:
        scene.paint_solid(where, np.maximum(distance, organ[inner] + 2), hu)


def _draw_vessel_twigs(
    rng: np.random.Generator, root: Point3D, end: tuple[float, float, float]
) -> list[TubeControls]:
    """Draw a vessel from `root` to about `end` and four twigs of it, as control points (z, y, x, radius)."""
    start, stop = np.array(root), np.array(end) + rng.normal(0, 7, 3)
    bend = (start + stop) / 2 + rng.normal(0, 6, 3)
    trunk: TubeControls = [(*start, 5.0), (*bend, 3.8), (*stop, 1.5)]
    chains = [trunk]
    for base, radius in (
        (bend, 2.4),
        ((bend + stop) / 2, 2.0),
        ((bend + stop) / 2, 1.8),
        ((start + bend) / 2, 2.2),
    ):
        tip = base + rng.normal(0, 22, 3)
        chains.append(
            [(*base, radius), (*((base + tip) / 2 + rng.normal(0, 3, 3)), radius * 0.8), (*tip, 0.8)]
        )
    return chains


def paint_gallbladder(scene: PhantomScene) -> None:
    """Paint the gallbladder, a pear under the liver; one patient of eight has none after cholecystectomy."""
    rng, hu = scene.patient.random_stream("gallbladder"), scene.patient.hu
    if rng.random() < 0.12:
        return
    wide = float(rng.uniform(0.75, 1.3))
    pear = [(16, -30, -50, 3), (8, -38, -56, 8 * wide), (-8, -48, -62, 13 * wide), (-20, -54, -65, 13 * wide)]
    points, distance = scene.points_near_tube(AtlasTube.through_controls(pear, 5.0))
    distance = scene.confine_to_cavity(points, distance, 4.0)
    scene.paint_solid(points, distance, hu["bowel wall"], "gallbladder")
    scene.paint_solid(points, distance + np.float32(1.6), hu["bile"], "gallbladder")


def paint_spleen(scene: PhantomScene) -> None:
    """Paint the spleen as a crescent on the left wall.

    In the arterial phase it is striped, since red and white pulp take up contrast medium at different rates.
    """
    rng, hu, phase = scene.patient.random_stream("spleen"), scene.patient.hu, scene.patient.phase
    size = float(rng.uniform(0.82, 1.2))
    points = scene.points_in_box((-60.0, -70.0, 20.0), (120.0, 90.0, 150.0))
    outer = ellipsoid_distance(points, (46, 30, 100), (55 * size, 45 * size, 33 * size), (0.25, -0.2))
    bite = ellipsoid_distance(points, (46, 14, 62), (68, 44, 29), (0.25, -0.2))
    distance = np.maximum(outer, -bite) + 1.3 * scene.smooth_field_at(points, "spleen shape", 17.0)
    distance = scene.confine_to_cavity(points, distance)
    stripes = (26 if phase == "arterial" else 2) * scene.smooth_field_at(points, "spleen", 8.0)
    scene.paint_solid(points, distance, np.float32(hu["spleen"]) + stripes, "spleen")


@dataclass(frozen=True)
class _KidneyPlacement:
    """One kidney.

    Attributes:
        organ: name of its label.
        side: -1 for the patient's right, 1 for the left.
        z: height of its centre, atlas mm.
    """

    organ: str
    side: float
    z: float


def paint_kidneys(scene: PhantomScene) -> None:
    """Paint both kidneys in their fat, the right one lower than the left."""
    rng = scene.patient.random_stream("kidneys")
    _paint_kidney(scene, _KidneyPlacement("kidney_left", 1.0, -4 + float(rng.normal(0, 7))))
    _paint_kidney(scene, _KidneyPlacement("kidney_right", -1.0, -17 + float(rng.normal(0, 7))))


def _paint_kidney(scene: PhantomScene, kidney: _KidneyPlacement) -> None:
    """Paint perirenal fat, cortex, pyramids, sinus, pelvis and vessels of one kidney, in this order."""
    rng, hu = scene.patient.random_stream(kidney.organ), scene.patient.hu
    z, y, x = kidney.z, 34.0, 65.0 * kidney.side
    size = float(rng.uniform(0.88, 1.1))
    points = scene.points_in_box((z - 85, -30.0, x - 60), (z + 85, 90.0, x + 60))
    lean = (0.14, -0.2 * kidney.side)
    distance = ellipsoid_distance(points, (z, y, x), (56 * size, 25 * size, 27 * size), lean)
    distance = scene.confine_to_cavity(
        points, distance + 1.1 * scene.smooth_field_at(points, "kidney shape", 18.0), 3.0
    )
    capsule = ellipsoid_distance(points, (z - 6, y + 5, x), (63, 33, 34), lean)
    capsule += 2 * scene.smooth_field_at(points, "capsule", 14.0)
    capsule = np.minimum(capsule, distance - np.float32(1.5 + 3 * scene.patient.habitus))
    perirenal = hu["fat"] + 3 * scene.smooth_field_at(points, "perirenal", 9.0)
    scene.paint_solid(points, scene.confine_to_cavity(points, capsule, 0.5), perirenal, "fat")
    sinus = ellipsoid_distance(points, (z, y - 5, x - 16 * kidney.side), (22, 7, 14), lean)
    sinus += 1.6 * scene.smooth_field_at(points, "sinus", 8.0)
    whole = np.maximum(distance, -sinus)
    scene.paint_solid(points, whole, hu["renal cortex"], kidney.organ)
    pyramid = np.maximum(distance + 6.5, 1.5 - sinus) + 2.2 * scene.smooth_field_at(points, "pyramids", 9.0)
    scene.paint_solid(points, pyramid, hu["renal medulla"])
    pelvis = ellipsoid_distance(points, (z - 3, y - 6, x - 18 * kidney.side), (13, 4, 9), lean)
    scene.paint_solid(points, pelvis, hu["renal pelvis"])
    _paint_renal_vessels(scene, kidney)


def _paint_renal_vessels(scene: PhantomScene, kidney: _KidneyPlacement) -> None:
    """Paint renal vein, renal artery and ureter; the left vein crosses in front of the aorta."""
    hu, side, z = scene.patient.hu, kidney.side, kidney.z
    start = -22.0 if side < 0 else 2.0
    vein = [
        (2, 6 if side < 0 else -4, start, 4.0),
        (0, 6 if side < 0 else -1, 18 * side + 2, 4.4),
        (z + 2, 28, 46 * side, 4.2),
    ]
    artery = [(0, 10, 6, 2.6), (0, 20, 22 * side, 2.6), (z, 33, 47 * side, 2.4)]
    ureter = [(z - 8, 30, 45 * side, 2.4), (z - 45, 26, 42 * side, 2.0), (-130, 18, 40 * side, 2.0)]
    scene.paint_tube(AtlasTube.through_controls(vein, 7.0), hu["cava"], "vena_cava")
    scene.paint_tube(AtlasTube.through_controls(artery, 7.0), hu["artery"], "arteries")
    scene.paint_tube(AtlasTube.through_controls(ureter, 9.0), 0.5 * (hu["renal pelvis"] + hu["bowel wall"]))


def paint_adrenals(scene: PhantomScene) -> None:
    """Paint the adrenals as two thin inverted Ys above the kidneys."""
    hu, rng = scene.patient.hu["adrenal"], scene.patient.random_stream("adrenals")
    thick = float(rng.uniform(1.9, 3.0))
    for side, z, y, x in ((1, 40, 14, 36), (-1, 44, 22, -32)):
        for dy, dx in ((16, 9 * side), (15, -2 * side)):
            limb = [
                (z + 4, y - 5, x - 2 * side, thick),
                (z, y, x, thick),
                (z - 6, y + dy, x + dx, thick * 0.7),
            ]
            scene.paint_tube(AtlasTube.through_controls(limb, 5.0, 2.2), hu, "adrenals")


@dataclass(frozen=True)
class _HollowLumen:
    """The inside of a hollow organ.

    Attributes:
        wall_mm: thickness of the wall.
        content: "fluid", "food", "contrast", "faeces" or "folds".
        gas: share of the depth, from the front, that is gas.
    """

    wall_mm: float
    content: str
    gas: float


def _paint_hollow_organ(scene: PhantomScene, tube: AtlasTube, lumen: _HollowLumen, organ: str) -> None:
    """Paint the wall and the content of a hollow organ, and a level of gas, all with the organ's label."""
    hu = scene.patient.hu
    points, distance = scene.points_near_tube(tube)
    rough = scene.smooth_field_at(points, organ + " shape", 11.0)
    distance = scene.confine_to_cavity(points, distance + 0.9 * rough, 1.5)
    scene.paint_solid(points, distance, hu["bowel wall"], organ)
    inside = distance + np.float32(lumen.wall_mm) + 0.7 * scene.smooth_field_at(points, organ + " folds", 5.0)
    scene.paint_solid(points, inside, _lumen_hu(scene, points, lumen), organ)
    if lumen.gas > 0:
        front, back = (
            float((tube.points[:, 1] - tube.radii).min()),
            float((tube.points[:, 1] + tube.radii).max()),
        )
        # The level is horizontal in the room, so it is computed from the pose and not in atlas coordinates.
        scale = scene.patient.pose.scale_front
        level = scale * (front + lumen.gas * (back - front)) + scene.patient.pose.shift_mm[1]
        scene.paint_solid(
            points, np.maximum(inside, scene.room_y_mm(points) - np.float32(level)), hu["gas"], organ
        )


def _lumen_hu(scene: PhantomScene, points: AtlasPoints, lumen: _HollowLumen) -> F32:
    """Return the HU of what fills a lumen, with its texture, for every voxel of `points`."""
    hu = scene.patient.hu
    grain = scene.smooth_field_at(points, "content " + lumen.content, 5.0)
    if lumen.content == "faeces":
        bubbles = np.clip(scene.smooth_field_at(points, "bubbles", 6.0) - np.float32(0.5), 0, 1.2) * 480
        return as_f32(30 + 22 * grain - bubbles)
    if lumen.content == "food":
        return as_f32(hu["food"] + 20 * grain - 160 * np.clip(grain - 1.6, 0, 1))
    if lumen.content == "contrast":
        return as_f32(hu["contrast"] + 18 * grain)
    if lumen.content == "folds":
        return np.float32(0.6 * hu["bowel wall"] + 0.4 * hu["fluid"]) + 14 * grain
    return as_f32(hu["fluid"] + 8 + 4 * grain)


def paint_stomach(scene: PhantomScene) -> None:
    """Paint oesophagus, fundus, body and antrum of a stomach that is more or less full."""
    rng = scene.patient.random_stream("stomach")
    full = float(rng.uniform(0.75, 1.2))
    sag = float(rng.normal(0, 9))
    gullet = [(200, 14, 10, 7), (110, 10, 12, 7), (84, 2, 28, 7), (76, -2, 44, 8)]
    scene.paint_tube(AtlasTube.through_controls(gullet, 9.0), scene.patient.hu["bowel wall"] - 15, "stomach")
    bag = [
        (93, 14, 60, 17 * full),
        (77, 5, 63, 28 * full),
        (50, -24, 68, 27 * full),
        (20 + sag, -42, 58, 25 * full + 2),
        (0 + sag, -58, 34, 19 * full + 3),
        (-3 + sag / 2, -60, 6, 14 * full + 3),
        (3, -52, -16, 9),
        (6, -45, -26, 7),
    ]
    content = str(rng.choice(["fluid", "food", "contrast"], p=[0.5, 0.33, 0.17]))
    lumen = _HollowLumen(float(rng.uniform(3, 5)), content, float(rng.uniform(0.0, 0.5)))
    _paint_hollow_organ(scene, AtlasTube.through_controls(bag, 9.0), lumen, "stomach")


def paint_colon(scene: PhantomScene) -> None:
    """Paint ascending, transverse and descending colon with their haustra."""
    rng = scene.patient.random_stream("colon")
    sag = float(rng.uniform(0, 45))
    wide = float(rng.uniform(0.75, 1.15))
    ascending = [
        (-190, 0, -85, 24),
        (-130, 10, -98, 27),
        (-80, 18, -102, 23),
        (-50, 8, -96, 21),
        (-38, -20, -84, 20),
    ]
    transverse = [
        (-38, -22, -84, 20),
        (-44 - sag / 2, -62, -60, 20),
        (-40 - sag, -70, -20, 19),
        (-36 - sag, -70, 20, 18),
        (-20 - sag / 2, -66, 60, 18),
        (8, -52, 92, 19),
        (36, -22, 106, 18),
    ]
    descending = [
        (38, -12, 108, 17),
        (20, 16, 112, 15),
        (-30, 28, 106, 13),
        (-90, 28, 102, 13),
        (-150, 10, 98, 13),
        (-200, 0, 80, 14),
    ]
    for part, gas in ((ascending, 0.3), (transverse, 0.62), (descending, 0.28)):
        tube = AtlasTube.through_controls([(z, y, x, r * wide) for z, y, x, r in part], 6.0)
        # A wave of the radius along the tube gives the haustra.
        waves = 1 + 0.13 * np.sin(np.arange(len(tube.radii)) * 1.25 + rng.uniform(0, 6))
        content = str(rng.choice(["faeces", "fluid", "contrast"], p=[0.72, 0.2, 0.08]))
        lumen = _HollowLumen(2.2, content, gas * float(rng.uniform(0.0, 1.3)))
        _paint_hollow_organ(scene, AtlasTube(tube.points, tube.radii * waves), lumen, "colon")


def paint_small_bowel(scene: PhantomScene) -> None:
    """Paint loops around the mesenteric root, some collapsed and some filled, and the fat of the root."""
    rng = scene.patient.random_stream("small bowel")
    # Oral contrast medium is in many loops of a patient or in none.
    opaque = rng.random() < 0.3
    for _ in range(76):
        loop = _draw_bowel_loop(rng)
        content = "contrast" if opaque and rng.random() < 0.7 else str(rng.choice(["fluid", "folds"]))
        gas = 0.35 if rng.random() < 0.12 else 0.0
        _paint_hollow_organ(
            scene,
            AtlasTube.through_controls(loop, 6.0),
            _HollowLumen(float(rng.uniform(2, 3.5)), content, gas),
            "small_bowel",
        )
    _paint_mesenteric_root(scene)


def _paint_mesenteric_root(scene: PhantomScene) -> None:
    """Paint the fat of the mesenteric root over the loops, so that none crosses the mesenteric vessels."""
    root = [(-4, -16, -1, 9), (-30, -18, -1, 15), (-60, -22, -1, 17), (-95, -27, 3, 14), (-140, -32, 8, 10)]
    points, distance = scene.points_near_tube(AtlasTube.through_controls(root, 9.0))
    distance += 2 * scene.smooth_field_at(points, "root", 12.0)
    scene.paint_solid(points, distance, scene.patient.hu["fat"], "fat")


def _draw_bowel_loop(rng: np.random.Generator) -> TubeControls:
    """Draw a bent piece of bowel between transverse colon and pelvis, clear of root and pancreatic head.

    Returns:
        Control points (z, y, x, radius), atlas mm.
    """
    while True:
        z, y, x = rng.uniform(-210, -8), rng.uniform(-68, 22), rng.uniform(-72, 88)
        near_root = (x / 34) ** 2 + ((y + 5) / 34) ** 2 < 1
        near_head = x < 5 and z > -62
        if not near_root and not near_head and (y < -25 or abs(x) > 52):
            break
    radius = float(rng.uniform(8.5, 13))
    turn, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.5)
    heading = np.array([np.sin(tilt), np.sin(turn) * 0.6, np.cos(turn)]) * rng.uniform(18, 32)
    bend = rng.normal(0, 9, 3)
    middle = np.array([z, y, x])
    knots = (middle - heading, middle + bend, middle + heading, middle + heading + 1.6 * bend)
    return [(float(k[0]), float(k[1]), float(k[2]), radius * rng.uniform(0.8, 1.15)) for k in knots]


def paint_mesentery(scene: PhantomScene) -> None:
    """Paint small unlabelled vessels that fan out through the fat from the mesenteric and gastric roots."""
    rng, hu = scene.patient.random_stream("mesentery"), scene.patient.hu
    for _ in range(34):
        z = float(rng.uniform(-130, -25))
        end = (z - rng.uniform(0, 35), rng.uniform(-62, -10), rng.uniform(-62, 78))
        middle = (z - 4, -30 + rng.normal(0, 6), end[2] * 0.5 + rng.normal(0, 5))
        chain = [(z, -24.0, 2.0, 1.9), (*middle, 1.6), (*end, 1.0)]
        scene.paint_tube(AtlasTube.through_controls(chain, 9.0), 0.5 * (hu["portal vein"] + hu["artery"]))
    for _ in range(14):
        side = rng.choice([-1, 1])
        start = np.array([rng.uniform(-80, 60), rng.uniform(-60, 20), side * rng.uniform(40, 95)])
        end_point = start + rng.normal(0, 20, 3)
        chain = [
            (*start, 1.4),
            (*(start + (end_point - start) / 2 + rng.normal(0, 4, 3)), 1.2),
            (*end_point, 0.8),
        ]
        scene.paint_tube(AtlasTube.through_controls(chain, 9.0), hu["portal vein"])

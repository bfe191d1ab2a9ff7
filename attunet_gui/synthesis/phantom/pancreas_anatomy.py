"""The pancreas of a phantom and what touches it: duodenum, splenic and mesenteric veins, and arteries.

Sizes: pancreas 72 ± 26 ml in adults (Saisho et al., Clin Anat 2007, 20:933-942); head, body and tail
about 23, 20 and 18 mm thick (Heuck et al., J Comput Assist Tomogr 1987, 11:236-241). Control points in the
code are (z, y, x, radius) in atlas millimetres. Every paint function changes the phantom in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attunet_gui.synthesis.phantom.atlas_geometry import F32, F64, AtlasTube, smooth_union, tube_distance
from attunet_gui.synthesis.phantom.phantom_scene import PhantomPatient, PhantomScene

# z, y, x, radius (atlas mm) from the lower head to the tip of the tail.
_CENTRELINE = np.array(
    [
        (-40.0, -9.0, -33.0, 9.0),
        (-25.0, -12.0, -33.0, 14.0),
        (-10.0, -19.0, -30.0, 13.0),
        (1.0, -28.0, -18.0, 9.5),
        (6.0, -35.0, -3.0, 8.0),
        (10.0, -36.0, 14.0, 9.5),
        (15.0, -29.0, 36.0, 10.5),
        (21.0, -11.0, 57.0, 10.5),
        (28.0, 10.0, 76.0, 9.5),
        (32.0, 22.0, 88.0, 6.5),
    ]
)
_UNCINATE_CENTRELINE = np.array(
    [(-26.0, -8.0, -30.0, 9.0), (-31.0, -4.0, -17.0, 6.5), (-33.0, -2.0, -5.0, 3.5)]
)
# Added to z along the centreline: how neck, body and tail rise and fall.
_COURSE_OFFSETS_MM = {
    "oblique": np.array([0.0, 0, 0, 0, 1, 2, 5, 9, 13, 16]),
    "sigmoid": np.array([0.0, 0, 2, 6, 9, 7, 0, -3, 2, 8]),
    "horseshoe": np.array([0.0, 0, 2, 8, 14, 18, 17, 9, -4, -14]),
    "transverse": np.array([0.0, 0, 0, 2, 3, 3, 2, -1, -4, -6]),
    "high": np.array([0.0, 0, 1, 4, 8, 13, 18, 22, 24, 26]),
}
_COURSE_ODDS = (0.38, 0.2, 0.12, 0.12, 0.18)


@dataclass(frozen=True, eq=False)
class PancreasPlan:
    """Course, size and composition of one patient's pancreas.

    Attributes:
        centreline: (10, 4) float64 control points z, y, x, radius in atlas mm, lower head to tail.
        uncinate: (3, 4) likewise.
        fat_share: 0 (firm) to 1 (lobules apart, in fat).
        duct_mm: radius of the visible duct, 0 where none is seen.
    """

    centreline: F64
    uncinate: F64
    fat_share: float
    duct_mm: float

    @property
    def body_tube(self) -> AtlasTube:
        """Head, neck, body and tail as a tube."""
        return AtlasTube.through_controls(self.centreline, 6.0, 1.3)

    @property
    def uncinate_tube(self) -> AtlasTube:
        """The uncinate process as a tube."""
        return AtlasTube.through_controls(self.uncinate, 5.0, 1.3)


def plan_pancreas(patient: PhantomPatient) -> PancreasPlan:
    """Draw course, size, fat and duct of a patient's pancreas from the patient's own random stream."""
    rng = patient.random_stream("pancreas")
    spine, uncinate = _CENTRELINE.copy(), _UNCINATE_CENTRELINE.copy()
    course = list(_COURSE_OFFSETS_MM)[int(rng.choice(len(_COURSE_OFFSETS_MM), p=_COURSE_ODDS))]
    spine[:, 0] += _COURSE_OFFSETS_MM[course] * rng.uniform(0.8, 1.2)
    spine[:, 0] *= rng.uniform(0.76, 0.95)
    # A random walk from the neck on: neighbouring points stay together, and the tail varies most.
    spine[3:, :3] += np.cumsum(rng.normal(0, 1.1, (7, 3)), axis=0)
    spine[:, 3] *= rng.uniform(0.88, 1.12, 10)
    spine[6:, 3] *= rng.uniform(0.85, 1.25)
    # The gland shrinks with age, by 20 ml on average from a young adult to an old one.
    volume_ml = float(np.clip(rng.normal(84 - 20 * patient.age, 17), 52, 124))
    swell = _radius_factor(spine, volume_ml, patient.pose.mean_scale)
    spine[:, 3] *= swell
    uncinate[:, 3] *= swell
    fatty = float(np.clip(rng.normal(0.55 * patient.age + 0.3 * patient.habitus, 0.18), 0, 1))
    duct_mm = float(rng.uniform(0.8, 2.4)) if rng.random() < 0.35 else 0.0
    return PancreasPlan(spine, uncinate, fatty, duct_mm)


def _radius_factor(spine: F64, volume_ml: float, scale: float) -> float:
    """Return the factor on the radii that gives the wanted volume.

    The gland's volume is that of a chain of elliptic cylinders, 1.3 times as tall as wide.

    Args:
        spine: (10, 4) control points, atlas mm.
        volume_ml: wanted, in the room.
        scale: mean room mm per atlas mm.
    """
    lengths = np.linalg.norm(np.diff(spine[:, :3], axis=0), axis=1)
    middle = (spine[:-1, 3] + spine[1:, 3]) / 2
    drawn_ml = float((np.pi * 1.3 * middle**2 * lengths).sum()) * scale**3 / 1000
    return float(np.sqrt(volume_ml / (drawn_ml * 1.0)))


def paint_pancreas(scene: PhantomScene, plan: PancreasPlan) -> None:
    """Paint the gland with its lobules, clefts and duct, and a thin plane of fat around it."""
    patient, hu = scene.patient, scene.patient.hu
    points, distance = scene.points_near_tube(plan.body_tube)
    distance = smooth_union(distance, tube_distance(scene.grid, plan.uncinate_tube, points.box, 6.0), 5.0)
    distance += np.float32(0.9 + 0.5 * plan.fat_share) * scene.smooth_field_at(points, "lobules", 6.5)
    distance += np.float32(0.8) * scene.smooth_field_at(points, "lobes", 14.0)
    plane = float(patient.random_stream("fat plane").uniform(0.3, 1.2) + 1.6 * patient.habitus)
    # The fat plane is painted first, a little wider than the gland that then covers its inner part.
    scene.paint_solid(points, distance - np.float32(plane), hu["fat"] + 6)
    gland = (
        np.float32(hu["pancreas"])
        - 8 * np.float32(plan.fat_share)
        + 5 * scene.smooth_field_at(points, "gland", 9.0)
    )
    scene.paint_solid(points, distance, gland, "pancreas")
    _paint_clefts(scene, plan, distance)
    if plan.duct_mm:
        duct = plan.centreline[1:-1] * [1, 1, 1, 0] + [0, 0, 0, plan.duct_mm]
        scene.paint_tube(AtlasTube.through_controls(duct, 6.0), hu["fluid"])


def _paint_clefts(scene: PhantomScene, plan: PancreasPlan, distance: F32) -> None:
    """Paint the fat between the lobules, widest at the surface.

    The label is left as it is, since manual outlines include this fat. `distance` is the signed distance to
    the gland over the voxels around its main tube, mm.
    """
    points, _ = scene.points_near_tube(plan.body_tube)
    sheets = np.abs(scene.smooth_field_at(points, "clefts", 7.0)) * 4
    depth = np.clip(-distance / 9, 0, 1)
    width = np.float32(0.2 + 1.3 * plan.fat_share) * (1 - np.float32(1.5) * depth)
    cleft = np.maximum(sheets - width, distance)
    scene.paint_solid(points, cleft, scene.patient.hu["fat"] * 0.45)


def paint_duodenum(scene: PhantomScene, plan: PancreasPlan) -> None:
    """Paint the C of the duodenum around the head: bulb, descending, horizontal and ascending part."""
    rng = scene.patient.random_stream("duodenum")
    # The descending part lies beside the head, however thick that head is.
    gap = float(plan.centreline[1, 3]) + 9.5
    x = -33.0 - gap
    low = -62 + float(rng.normal(0, 3))
    loop = [
        (6, -44, -26, 7),
        (8, -40, -40, 11),
        (2, -24, x + 1, 11),
        (-20, -10, x, 11),
        (-44, -4, x + 2, 11.5),
        (low, -1, x + 14, 11),
        (low - 3, -2, -22, 10),
        (low, -7, 2, 8),
        (low + 10, -10, 22, 9.5),
        (-26, -20, 32, 10),
    ]
    tube = AtlasTube.through_controls(loop, 6.0)
    radii = tube.radii * (1 + 0.12 * np.sin(np.arange(len(tube.radii)) * rng.uniform(0.8, 1.3)))
    scene.paint_tube(AtlasTube(tube.points, radii + 1.0), scene.patient.hu["fat"])
    points, distance = scene.points_near_tube(AtlasTube(tube.points, radii))
    hu = scene.patient.hu
    scene.paint_solid(points, distance, hu["bowel wall"], "duodenum")
    lumen = distance + np.float32(2.6) + 1.6 * scene.smooth_field_at(points, "duodenal folds", 5.0)
    filled = hu["contrast"] if rng.random() < 0.2 else hu["fluid"] + rng.uniform(5, 25)
    scene.paint_solid(
        points, lumen, filled + 6 * scene.smooth_field_at(points, "duodenal content", 8.0), "duodenum"
    )
    if rng.random() < 0.4:
        level = scene.room_y_mm(points) - np.float32(
            (-30 - 8 * rng.random()) * scene.patient.pose.scale_front
        )
        scene.paint_solid(points, np.maximum(lumen, level), hu["gas"], "duodenum")


def paint_great_vessels(scene: PhantomScene) -> None:
    """Paint the aorta with its iliac fork, and the inferior vena cava."""
    hu, rng = scene.patient.hu, scene.patient.random_stream("great vessels")
    wide = float(rng.uniform(0.85, 1.15) + 0.12 * scene.patient.age)
    aorta = [(260, 10, 8, 11), (90, 12, 8, 10.5), (30, 9, 7, 9.5), (-40, 7, 6, 8.5), (-98, 3, 3, 8)]
    _paint_aorta(scene, [(z, y, x, r * wide) for z, y, x, r in aorta])
    for side in (-1, 1):
        iliac = [(-96, 3, 3 + 3 * side, 5.5), (-130, 8, 22 * side, 5), (-200, 30, 52 * side, 4.5)]
        scene.paint_tube(AtlasTube.through_controls(iliac, 10.0, 1.2), hu["artery"], "arteries")
        scene.paint_tube(
            AtlasTube.through_controls([(-105, 16, -14 + 4 * side, 6), (-200, 40, 48 * side, 6)], 10.0),
            hu["cava"],
            "vena_cava",
        )
    flat = float(rng.uniform(0.75, 1.1))
    cava = [
        (118, -8, -22, 11),
        (85, 2, -24, 12),
        (30, 10, -23, 10.5),
        (-30, 11, -21, 10),
        (-106, 15, -14, 9.5),
    ]
    scene.paint_tube(
        AtlasTube.through_controls([(z, y, x, r * flat) for z, y, x, r in cava], 10.0),
        hu["cava"],
        "vena_cava",
    )


def _paint_aorta(scene: PhantomScene, chain: list[tuple[float, float, float, float]]) -> None:
    """Paint the aorta along control points (z, y, x, radius): wall, blood, and plaque that grows with age."""
    hu, age = scene.patient.hu, scene.patient.age
    points, distance = scene.points_near_tube(AtlasTube.through_controls(chain, 12.0))
    scene.paint_solid(points, distance, hu["muscle"] - 8, "aorta")
    scene.paint_solid(points, distance + np.float32(1.3), hu["artery"], "aorta")
    plaque = np.float32(2.4 - 0.9 * age) - scene.smooth_field_at(points, "plaque", 8.0)
    scene.paint_solid(points, np.maximum(np.abs(distance + 1) - 1, plaque * 2), 480.0)


def paint_peripancreatic_vessels(scene: PhantomScene, plan: PancreasPlan) -> None:
    """Paint confluence, splenic and mesenteric vein, mesenteric artery, coeliac branches and bile duct.

    The veins follow the plan: the splenic vein runs along the back of body and tail, and the confluence lies
    behind the neck.
    """
    hu = scene.patient.hu
    spine = plan.centreline
    cz, cy, cx = spine[4, 0] - 3, spine[4, 1] + spine[4, 3] + 4.5, spine[4, 2] - 6
    behind = [(cz, cy, cx, 4.8)]
    behind += [(z + 1, y + 0.75 * r + 2.6, x + 0.25 * r, 3.7) for z, y, x, r in spine[5:9]]
    behind.append((spine[9, 0] + 3, spine[9, 1] + 7, spine[9, 2] + 5, 3.0))
    scene.paint_tube(
        AtlasTube.through_controls([(cz, cy, cx, 5.5), (18, -16, -24, 6), (38, -14, -44, 6)], 6.0),
        hu["portal vein"],
        "portal_vein",
    )
    scene.paint_tube(AtlasTube.through_controls(behind, 6.0), hu["portal vein"], "portal_vein")
    smv = [
        (cz, cy, cx, 5.2),
        (-18, -17, -8, 5.2),
        (-50, -22, -8, 4.8),
        (-90, -30, -4, 3.6),
        (-140, -34, 4, 2.5),
    ]
    scene.paint_tube(AtlasTube.through_controls(smv, 8.0), hu["portal vein"], "portal_vein")
    _paint_arteries(scene, plan)
    bile = [(34, -20, -46, 2.4), (8, -16, -36, 2.6), (-20, -6, -38, 2.5), (-34, -5, -43, 1.8)]
    scene.paint_tube(AtlasTube.through_controls(bile, 7.0), hu["bile"])


def _paint_arteries(scene: PhantomScene, plan: PancreasPlan) -> None:
    """Paint superior mesenteric artery, coeliac trunk, splenic and hepatic artery, in this order."""
    hu = scene.patient.hu["artery"]
    top = [(z + 7, y + 4, x, 2.0) for z, y, x, _ in plan.centreline[6:9]]
    chains = [
        [
            (8, 2, 6, 3.8),
            (2, -8, 6, 3.8),
            (-14, -13, 6, 3.6),
            (-50, -17, 5, 3.2),
            (-95, -24, 10, 2.4),
            (-140, -30, 14, 1.6),
        ],
        [(26, 2, 6, 3.6), (27, -12, 5, 3.4)],
        [(27, -12, 5, 2.6), (24, -20, 18, 2.4), *top],
        [(27, -12, 5, 2.6), (24, -20, -12, 2.4), (20, -24, -24, 2.2), (36, -20, -42, 2.0)],
    ]
    wide = scene.patient.random_stream("arteries").uniform(0.9, 1.15)
    for chain in chains:
        scene.paint_tube(
            AtlasTube.through_controls([(z, y, x, r * wide) for z, y, x, r in chain], 7.0), hu, "arteries"
        )

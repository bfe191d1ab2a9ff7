"""What lies against the pancreas: bowel and stomach that touch it, jejunal loops, and the vessels around it.

Every public function paints into the material map in place.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.bowel_contents import BOWEL_CONTENTS, bowel_odds
from attunet_gui.synthesis.label_map_ct.ct_materials import IN_PANCREAS, MaterialCode
from attunet_gui.synthesis.label_map_ct.material_canvas import (
    PAINTABLE_BY_VESSELS,
    PAINTABLE_TISSUES,
    MaterialCanvas,
    PositionsMm,
    paint_tube,
    pancreas_centre_mm,
    random_walk_path,
)
from attunet_gui.synthesis.label_map_ct.pancreas_detail import gland_centreline
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode

_NEAR_GLAND_MM = 14.0


def grow_bowel_to_gland(canvas: MaterialCanvas) -> None:
    """Let stomach and duodenum grow into the fat between them and the gland, until they touch it."""
    wanted = canvas.settings.neighbours
    for organ, reach in (
        (TissueCode.STOMACH, canvas.draw_uniform(wanted.stomach_reach_mm)),
        (TissueCode.DUODENUM, canvas.draw_uniform(wanted.duodenum_reach_mm)),
    ):
        part = canvas.box_around(TissueCode.PANCREAS, _NEAR_GLAND_MM + reach) if reach > 0 else None
        if part is None:
            continue
        codes, gland = part
        near = ndimage.distance_transform_edt(~gland, sampling=canvas.spacing_mm) <= _NEAR_GLAND_MM
        organ_here = codes == organ
        if organ_here.any():
            close = ndimage.distance_transform_edt(~organ_here, sampling=canvas.spacing_mm) <= reach
            codes[close & near & np.isin(codes, PAINTABLE_TISSUES)] = organ


def draw_third_duodenum(canvas: MaterialCanvas) -> None:
    """Paint the horizontal part of the duodenum, and the ascending part up to the body of the gland."""
    course = gland_centreline(canvas)
    if len(course) == 0 or not canvas.draw_chance(canvas.settings.neighbours.third_duodenum_share):
        return
    gland = np.argwhere(canvas.codes == TissueCode.PANCREAS) * canvas.spacing_mm
    low, head = gland[:, 0].min() - canvas.rng.uniform(-4, 12), course[0]
    front = _front_of_aorta(canvas, low + 4)
    if front is None:
        return
    radius = float(canvas.rng.uniform(8, 12))
    # The horizontal part crosses in front of the aorta, one radius and 1 mm away from it.
    across = front + np.array([low - front[0], -radius - 1.0, 0.0])
    turn = across + np.array([6.0, 2.0, canvas.rng.uniform(20, 32)])
    end = np.array([course[:, 0].mean() - 12, turn[1] - 8, turn[2] + 4])
    descent = head + np.array([-(head[0] - low) * 0.8, 10, -12])
    knots = np.array([descent, across + np.array([-2, 4, -26]), across, turn, end])
    paint_tube(canvas, _round_path(knots), radius, TissueCode.DUODENUM, PAINTABLE_TISSUES)


def _round_path(knots: PositionsMm) -> PositionsMm:
    """Return points (n, 3) mm, 1.5 mm apart, along straight lines between knots with rounded corners."""
    lengths = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    fine = np.arange(0, at[-1], 1.5)
    path = np.stack([np.interp(fine, at, axis) for axis in knots.T], axis=1)
    return np.asarray(ndimage.gaussian_filter1d(path, 5.0, axis=0, mode="nearest"))


def draw_jejunal_loops(canvas: MaterialCanvas) -> None:
    """Paint loops of jejunum that lie against body and tail."""
    course = gland_centreline(canvas)
    if len(course) == 0:
        return
    contents = bowel_odds(
        canvas, TissueCode.SMALL_BOWEL, oral=canvas.draw_chance(canvas.settings.contents.oral_share)
    )
    for _ in range(round(canvas.draw_uniform(canvas.settings.neighbours.jejunal_loops))):
        beside = course[int(canvas.rng.uniform(0.45, 1.0) * (len(course) - 1))]
        # Loops lie below, in front and to the left of the gland more often than elsewhere.
        away = canvas.rng.normal(0, 1, 3) * (1.0, 0.8, 0.7) + (-0.6, -0.4, 0.2)
        start = beside + away / np.linalg.norm(away) * canvas.rng.uniform(14, 24)
        path = random_walk_path(canvas, start, canvas.rng.uniform(40, 90), 12.0)
        _paint_bowel_loop(
            canvas, path, canvas.rng.uniform(8, 13), int(canvas.rng.choice(BOWEL_CONTENTS, p=contents))
        )


def _paint_bowel_loop(canvas: MaterialCanvas, path: PositionsMm, radius_mm: float, content: int) -> None:
    """Paint a loop of bowel along `path` with a wall of 2.5 mm and folds; a collapsed one has no lumen."""
    if content == MaterialCode.COLLAPSED:
        paint_tube(canvas, path, 0.8 * radius_mm, content, PAINTABLE_TISSUES)
        return
    paint_tube(canvas, path, radius_mm, MaterialCode.WALL, PAINTABLE_TISSUES)
    paint_tube(canvas, path, radius_mm - 2.5, content, (MaterialCode.WALL,))
    for at in path[::4] if content != MaterialCode.GAS else ():
        paint_tube(canvas, at[None], 0.45 * radius_mm, MaterialCode.WALL, (content,))


def draw_bowel_loops(canvas: MaterialCanvas) -> None:
    """Paint short loops of bowel, and tubes that look like the gland, into the fat around it."""
    centre = pancreas_centre_mm(canvas)
    if centre is None:
        return
    for _ in range(canvas.rng.poisson(3.5)):
        start = centre + canvas.rng.normal(0, (30, 25, 45))
        path = random_walk_path(canvas, start, canvas.rng.uniform(30, 90), 9.0)
        look = canvas.rng.choice([MaterialCode.COLLAPSED, MaterialCode.LOOKALIKE, MaterialCode.WALL])
        radius = canvas.rng.uniform(6, 11)
        paint_tube(canvas, path, radius, int(look), PAINTABLE_TISSUES)
        if look == MaterialCode.WALL:
            content = int(
                canvas.rng.choice(BOWEL_CONTENTS, p=bowel_odds(canvas, TissueCode.SMALL_BOWEL, oral=True))
            )
            paint_tube(canvas, path, radius - 2.5, content, (MaterialCode.WALL,))


def draw_splenic_vein(canvas: MaterialCanvas) -> None:
    """Paint the splenic vein along the back of body and tail, joined to the portal vein behind the neck."""
    wanted = canvas.settings.neighbours
    course = gland_centreline(canvas)
    if len(course) < 8 or not canvas.draw_chance(wanted.veins_share):
        return
    radius = canvas.draw_uniform(wanted.veins_mm)
    behind = _path_behind_gland(canvas, course[len(course) // 3 :], radius)
    head = _portal_confluence(canvas)
    # A portal vein that ends more than 4 cm away is too far for a confluence behind the neck.
    if head is not None and np.linalg.norm(behind[0] - head) < 40:
        paint_tube(
            canvas,
            _round_path(np.array([behind[0], head])),
            1.15 * radius,
            TissueCode.PORTAL_VEIN,
            PAINTABLE_TISSUES,
        )
    paint_tube(canvas, behind[:1], 1.4 * radius, TissueCode.PORTAL_VEIN, PAINTABLE_TISSUES)
    paint_tube(canvas, behind, radius, TissueCode.PORTAL_VEIN, PAINTABLE_TISSUES)


def _path_behind_gland(canvas: MaterialCanvas, course: PositionsMm, radius_mm: float) -> PositionsMm:
    """Return a path (n, 3), mm, that touches the back of the gland along its middle line `course`."""
    inside = np.isin(canvas.codes, IN_PANCREAS)
    found = []
    for z, y, x in course:
        level, column = (
            int(value / step + 0.5) for value, step in zip((z, x), canvas.spacing_mm[[0, 2]], strict=True)
        )
        rows = np.flatnonzero(inside[max(0, level - 2) : level + 3, :, column].any(axis=0))
        back = rows[-1] * canvas.spacing_mm[1] if len(rows) else y
        found.append((z + 1.5, back + 0.85 * radius_mm, x))
    return np.asarray(ndimage.gaussian_filter1d(np.array(found), 3.0, axis=0, mode="nearest"))


def draw_mesenteric_vessels(canvas: MaterialCanvas) -> None:
    """Paint superior mesenteric vein and artery, coeliac trunk, splenic and hepatic artery.

    Hardly any label map has them.
    """
    head = _portal_confluence(canvas)
    aorta = None if head is None else _front_of_aorta(canvas, float(head[0]) + 8)
    if head is None or aorta is None:
        return
    fork, coeliac = aorta + np.array([-12, -15, 0]), aorta + np.array([canvas.rng.uniform(12, 24), -17, 0])
    artery, vein = MaterialCode.SMALL_ARTERY, MaterialCode.SMALL_VEIN
    _paint_straight_vessel(canvas, (aorta, fork), canvas.rng.uniform(2.5, 4.5), artery)
    _paint_straight_vessel(
        canvas, (aorta + np.array([12, -3, 0]), coeliac), canvas.rng.uniform(2.5, 4), artery
    )
    wide = canvas.draw_uniform(canvas.settings.neighbours.veins_mm)
    for start, towards, length, straight, radius, code in (
        (head, (-1.0, -0.15, 0.05), 90, 25.0, (1.2 * wide, 1.3 * wide), vein),
        (fork, (-1.0, -0.15, 0.05), 90, 25.0, (2.5, 4.5), artery),
        (coeliac, (0.15, 0.35, 1.0), 100, 8.0, (2, 3.5), artery),
        (coeliac, (0.0, -0.2, -1.0), 60, 12.0, (1.8, 3.2), artery),
    ):
        path = random_walk_path(canvas, start, length, straight, np.array(towards))
        paint_tube(canvas, path, canvas.draw_uniform(radius), code, PAINTABLE_BY_VESSELS)


def _portal_confluence(canvas: MaterialCanvas) -> PositionsMm | None:
    """Return the lowest end of the portal vein, (3,) mm, where the mesenteric vein joins; or None."""
    inside = np.argwhere(canvas.codes == TissueCode.PORTAL_VEIN)
    if len(inside) == 0:
        return None
    # A few per cent of the voxels rather than the lowest one, which may be a stray.
    low = inside[inside[:, 0] <= np.percentile(inside[:, 0], 4)]
    return np.asarray(low.mean(axis=0) * canvas.spacing_mm)


def _front_of_aorta(canvas: MaterialCanvas, z_mm: float) -> PositionsMm | None:
    """Return the front of the aorta at about the height `z_mm`, (3,) mm; None if there is no aorta."""
    level = int(np.clip(z_mm / canvas.spacing_mm[0], 0, len(canvas.codes) - 1))
    inside = np.argwhere(canvas.codes[level] == TissueCode.AORTA)
    if len(inside) == 0:
        return None
    return np.array([level, inside[:, 0].min(), inside[:, 1].mean()]) * canvas.spacing_mm


def _paint_straight_vessel(
    canvas: MaterialCanvas, ends: tuple[PositionsMm, PositionsMm], radius_mm: float, code: int
) -> None:
    """Paint a straight vessel between two points (mm)."""
    path = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, 16)[:, None]
    paint_tube(canvas, path, radius_mm, code, PAINTABLE_BY_VESSELS)

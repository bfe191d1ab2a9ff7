"""Biliary stents, surgical clips and biliary drains. Inside the pancreas they stay part of its label."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from attunet_gui.synthesis.anatomy import Tissue
from attunet_gui.synthesis.gland import gland_course
from attunet_gui.synthesis.materials import IN_PANCREAS, Material
from attunet_gui.synthesis.painting import Canvas, Place, paint_tube
from attunet_gui.synthesis.settings import Device

# Devices are painted over every tissue but air and bone, which a tube or a clip never runs through.
_ELSEWHERE = tuple(
    int(code)
    for code in (*Tissue, *Material)
    if code != Tissue.AIR and code not in IN_PANCREAS and code not in {Tissue.BONE, Material.CORTICAL_BONE}
)


def place_device(canvas: Canvas) -> None:
    """Paint one of the devices that the settings name, or none, into the material map in place."""
    wanted = canvas.settings.devices
    course = gland_course(canvas)
    if len(course) == 0 or not wanted.any_of or not canvas.chance(wanted.share):
        return
    device: Device = wanted.any_of[int(canvas.rng.integers(len(wanted.any_of)))]
    if device == "clips":
        _place_clips(canvas, course)
        return
    duct = _bile_duct(canvas, course)
    if device == "metal stent":
        radius = float(canvas.rng.uniform(3.8, 5.0))
        _put(canvas, duct, radius, (Material.METAL_MESH, Material.MESH_IN_PANCREAS))
        # A stent drains into the bowel, so its lumen holds bile or gas.
        inside = int(canvas.rng.choice([Material.FLUID, Material.GAS]))
        paint_tube(canvas, duct, radius - 1.8, inside, (Material.METAL_MESH,))
        paint_tube(canvas, duct, radius - 1.8, Material.DILATED_DUCT, (Material.MESH_IN_PANCREAS,))
    else:
        path = (
            duct
            if device == "plastic stent"
            else np.concatenate([_from_skin(canvas, duct[0]), duct, _pigtail(duct)])
        )
        _put(
            canvas,
            path,
            float(canvas.rng.uniform(1.3, 1.9)),
            (Material.PLASTIC, Material.PLASTIC_IN_PANCREAS),
        )


def _put(canvas: Canvas, path: Place, radius_mm: float, codes: tuple[int, int]) -> None:
    """Paint a tube along `path` (mm): the second of `codes` inside the pancreas, the first elsewhere."""
    elsewhere, in_gland = codes
    paint_tube(canvas, path, radius_mm, in_gland, IN_PANCREAS)
    paint_tube(canvas, path, radius_mm, elsewhere, _ELSEWHERE)


def _bile_duct(canvas: Canvas, course: Place) -> Place:
    """Return a path (n, 3), mm, from the hilum of the liver through the pancreatic head to the duodenum."""
    head = course[: max(2, len(course) // 5)].mean(axis=0)
    hilum = head + np.array([canvas.rng.uniform(35, 55), -2.0, canvas.rng.uniform(-18, -4)])
    papilla = head + np.array([-14.0, 4.0, -12.0])
    duodenum = np.argwhere(np.isin(canvas.codes, (Material.WALL, Material.COLLAPSED))) * canvas.spacing_mm
    if len(duodenum):
        nearest = duodenum[np.linalg.norm(duodenum - papilla, axis=1).argmin()]
        # Bowel farther away than 25 mm is some other loop, not the duodenum at the papilla.
        papilla = nearest if np.linalg.norm(nearest - papilla) < 25 else papilla
    knots = np.array([hilum, (hilum + head) / 2 + [0, 3, -3], head + np.array([0, 4, -3]), papilla])
    return _line(knots)


def _line(knots: Place) -> Place:
    """Return points (n, 3), mm, about 1 mm apart along a smooth line through the knots (mm)."""
    lengths = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    fine = np.linspace(0, at[-1], max(8, int(at[-1])))
    path = np.stack([np.interp(fine, at, axis) for axis in knots.T], axis=1)
    return np.asarray(ndimage.gaussian_filter1d(path, 4.0, axis=0, mode="nearest"))


def _from_skin(canvas: Canvas, hilum: Place) -> Place:
    """Return a path (n, 3), mm, from the skin of the patient's right side through the liver to the hilum."""
    body = np.flatnonzero(
        (canvas.codes[int(hilum[0] / canvas.spacing_mm[0]) % len(canvas.codes)] > 0).any(axis=0)
    )
    right = body[0] * canvas.spacing_mm[2] if len(body) else 0.0
    start = np.array([hilum[0] - 10, hilum[1] + canvas.rng.uniform(-10, 25), right])
    return _line(np.array([start, (start + hilum) / 2 + [12, 0, 0], hilum]))


def _pigtail(duct: Place) -> Place:
    """Return a ring of 8 mm radius, (40, 3) mm, at the end of the duct: the drain's locking loop."""
    turn = np.linspace(0, 1.8 * np.pi, 40)
    ring = np.stack([-8 * np.sin(turn), 0 * turn, 8 - 8 * np.cos(turn)], axis=1)
    return np.asarray(duct[-1] + ring)


def _place_clips(canvas: Canvas, course: Place) -> None:
    """Paint clips at the bed of the gallbladder and along the gland; a gallbladder becomes fat."""
    bed = np.argwhere(canvas.codes == Tissue.GALLBLADDER) * canvas.spacing_mm
    middle = bed.mean(axis=0) if len(bed) else course[0] + np.array([25.0, -10.0, -20.0])
    canvas.codes[canvas.codes == Tissue.GALLBLADDER] = Tissue.VISCERAL_FAT
    places = [middle + canvas.rng.normal(0, 5, 3) for _ in range(int(canvas.rng.integers(2, 6)))]
    along = course[canvas.rng.integers(len(course), size=int(canvas.rng.integers(2, 6)))]
    places += [at + canvas.rng.normal(0, 1, 3) * (8, 8, 6) for at in along]
    for at in places:
        tip = at + canvas.rng.normal(0, 1.5, 3)
        _put(canvas, np.array([at, tip]), 1.2, (Material.METAL, Material.METAL_IN_PANCREAS))

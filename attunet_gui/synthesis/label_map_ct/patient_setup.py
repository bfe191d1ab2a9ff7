"""How the patient lies in the scanner: arms, table, leads and tubes, and the field of view."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.ct_materials import MaterialCode
from attunet_gui.synthesis.label_map_ct.render_settings import BodyBuildSettings, PatientPositionSettings
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap

_FAT_FILLING_TISSUES = (
    TissueCode.MUSCLE,
    TissueCode.LIVER,
    TissueCode.SPLEEN,
    TissueCode.STOMACH,
    TissueCode.DUODENUM,
    TissueCode.SMALL_BOWEL,
    TissueCode.COLON,
)
"""Tissues that take the place of visceral fat in a thin patient; the pancreas keeps its size."""


def apply_body_build(source: TissueMap, build: BodyBuildSettings, rng: np.random.Generator) -> TissueMap:
    """Change the fat of a whole-tissue map to that of a patient of a given build.

    Args:
        source: the map; left as it is.
        build: ranges of the changes.
        rng: draws from these ranges.

    Returns:
        The new map; its grid is larger in y and x if fat was added.
    """
    tissue = source.tissue.copy()
    step = float(source.spacing_mm[1])
    closed = float(rng.uniform(*build.fat_closed_mm))
    if closed > 0:
        # Both sides of a gap grow by half its width.
        _close_fat_gaps(tissue, closed / 2, source.spacing_mm)
    if build.subcutis_mm is not None:
        _trim_subcutaneous_fat(tissue, float(rng.uniform(*build.subcutis_mm)) / step)
    added = float(rng.uniform(*build.added_fat_mm))
    if added > 0:
        tissue = _add_subcutaneous_fat(tissue, added / step)
    return replace(source, tissue=tissue)


def _close_fat_gaps(
    tissue: NDArray[np.uint8], reach_mm: float, spacing_mm: tuple[float, float, float]
) -> None:
    """Let organs and muscles grow by up to `reach_mm` into visceral fat, in place."""
    organs = np.isin(tissue, _FAT_FILLING_TISSUES)
    if not organs.any():
        return
    fat = tissue == TissueCode.VISCERAL_FAT
    distance, nearest = ndimage.distance_transform_edt(~organs, sampling=spacing_mm, return_indices=True)
    taken = fat & (distance <= reach_mm)
    tissue[taken] = tissue[tuple(axis[taken] for axis in nearest)]


def _trim_subcutaneous_fat(tissue: NDArray[np.uint8], left: float) -> None:
    """Leave `left` pixels of subcutaneous fat around the wall and turn the rest to air, slice by slice."""
    for plane in tissue:
        inside = ndimage.binary_fill_holes((plane != TissueCode.AIR) & (plane != TissueCode.SUBCUTANEOUS_FAT))
        plane[(ndimage.distance_transform_edt(~inside) > left) & (plane == TissueCode.SUBCUTANEOUS_FAT)] = 0


def _add_subcutaneous_fat(tissue: NDArray[np.uint8], added: float) -> NDArray[np.uint8]:
    """Return a padded copy with up to `added` pixels of fat around the patient.

    The layer is thickest in front, and half as thick at the back.
    """
    margin = int(np.ceil(added)) + 2
    padded = np.pad(tissue, ((0, 0), (margin, margin), (margin, margin)))
    rows = np.linspace(1.0, 0.5, padded.shape[1])[:, None]
    for plane in padded:
        body = plane != TissueCode.AIR
        if body.any():
            plane[(ndimage.distance_transform_edt(~body) <= added * rows) & ~body] = (
                TissueCode.SUBCUTANEOUS_FAT
            )
    return padded


Codes = NDArray[np.uint8]


@dataclass(eq=False)
class PatientOnTable:
    """A patient on a table; the functions below pad and paint the codes.

    Attributes:
        codes: (z, y, x) uint8 materials; air around the patient is 0.
        pixel_mm: pixel size in plane.
        prone: the patient lies on their belly, so the table is in front.
    """

    codes: Codes
    pixel_mm: float
    prone: bool


def add_surroundings(
    couch: PatientOnTable, wanted: PatientPositionSettings, rng: np.random.Generator
) -> Codes:
    """Add what lies around the patient and cut the result to the field of view.

    Args:
        couch: the patient; its codes are replaced.
        wanted: shares and ranges that arms, lines, table, position and field of view are drawn from.
        rng: the source of the random values.

    Returns:
        (z, y, x) uint8 material codes.
    """
    if rng.random() < wanted.arms_share:
        _add_arms(couch, rng)
    if rng.random() < wanted.lines_share:
        _add_lines(couch, rng)
    if rng.random() < wanted.table_share:
        _add_table(couch, rng)
    _move_off_centre(couch, wanted, rng)
    if wanted.field_mm is not None:
        _cut_to_field(couch, float(rng.uniform(*wanted.field_mm)))
    return np.ascontiguousarray(couch.codes)


def crop_to_body(codes: Codes, margin: int) -> Codes:
    """Crop (z, y, x) codes in y and x to the body and `margin` pixels around it."""
    rows, columns = (np.flatnonzero((codes > 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if len(rows) == 0:
        return codes
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    return np.ascontiguousarray(codes[:, top : rows[-1] + margin, left : columns[-1] + margin])


def _add_arms(couch: PatientOnTable, rng: np.random.Generator) -> None:
    """Add arms on both sides: upper arms with one bone or forearms with two."""
    room = int(110 / couch.pixel_mm)
    couch.codes = np.pad(couch.codes, ((0, 0), (0, 0), (room, room)))
    body = couch.codes > 0
    rows, columns = (np.flatnonzero(body.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if len(rows) == 0:
        return
    for side, edge in ((-1, columns[0]), (1, columns[-1])):
        radius = rng.uniform(34, 50) / couch.pixel_mm
        middle = np.array(
            [
                rows[0] + rng.uniform(0.45, 0.75) * (rows[-1] - rows[0]),
                edge + side * (radius + rng.uniform(0, 3)),
            ]
        )
        _add_arm(couch, middle, radius, rng)


def _add_arm(
    couch: PatientOnTable, middle: NDArray[np.float64], radius: float, rng: np.random.Generator
) -> None:
    """Add one arm of skin, fat, muscle and bone about `middle` (y, x); sizes are in pixels."""
    y, x = (np.arange(n, dtype=np.float32) for n in couch.codes.shape[1:])
    # An arm is not quite parallel to the body: it moves by a fraction of a pixel per slice.
    drift = rng.normal(0, 0.12, 2)
    bones = [np.zeros(2)] if rng.random() < 0.5 else [np.array([-0.3, -0.2]), np.array([0.3, 0.2])]
    width = 0.3 if len(bones) == 1 else 0.19
    for level, plane in enumerate(couch.codes):
        centre = middle + drift * level
        far = np.hypot((y[:, None] - centre[0]) * 0.9, x[None, :] - centre[1]) / radius
        free = plane == TissueCode.AIR
        for reach, code in (
            (1.0, MaterialCode.SKIN),
            (0.96, TissueCode.SUBCUTANEOUS_FAT),
            (0.78, TissueCode.MUSCLE),
        ):
            plane[free & (far < reach)] = code
        for bone in bones:
            away = np.hypot(
                y[:, None] - centre[0] - bone[0] * radius, x[None, :] - centre[1] - bone[1] * radius
            )
            plane[free & (away < width * radius)] = MaterialCode.CORTICAL_BONE
            plane[free & (away < 0.55 * width * radius)] = TissueCode.BONE


def _add_lines(couch: PatientOnTable, rng: np.random.Generator) -> None:
    """Add leads and tubes on the skin that run mostly along the body."""
    # Lines lie on the side that does not face the table.
    front = couch.codes[:, ::-1] if couch.prone else couch.codes
    columns = front.shape[2]
    for _ in range(int(rng.integers(2, 7))):
        code, radius = (
            (MaterialCode.LEAD, 0.9) if rng.random() < 0.5 else (MaterialCode.TUBING, rng.uniform(1.5, 4))
        )
        x, drift = rng.uniform(0.2, 0.8) * columns, rng.normal(0, 0.6)
        first, last = np.sort(rng.uniform(-0.2, 1.2, 2))
        for level, plane in enumerate(front):
            if first <= level / len(front) <= last:
                _add_line_section(plane, x + drift * level, radius / couch.pixel_mm, int(code))


def _add_line_section(plane: Codes, x: float, radius: float, code: int) -> None:
    """Add the round cross-section of a line that lies on the foremost skin of column `x`, in air only."""
    column = int(np.clip(x, 0, plane.shape[1] - 1))
    rows = np.flatnonzero(plane[:, column])
    if len(rows) == 0:
        return
    y, across = np.arange(plane.shape[0])[:, None], np.arange(plane.shape[1])[None, :]
    ball = np.hypot(y - (rows[0] - radius), across - column) <= max(radius, 0.6)
    plane[ball & (plane == TissueCode.AIR)] = code


def _add_table(couch: PatientOnTable, rng: np.random.Generator) -> None:
    """Add a curved table under the patient, a thin shell around foam, in air only."""
    room = int(28 / couch.pixel_mm)
    below = (room, 0) if couch.prone else (0, room)
    couch.codes = np.pad(couch.codes, ((0, 0), below, (0, 0)))
    # Mirrored front to back, a prone patient lies on the table like any other; the view writes through.
    codes = couch.codes[:, ::-1] if couch.prone else couch.codes
    rows, columns = codes.shape[1:]
    body = np.flatnonzero((codes > 0).any(axis=(0, 2)))
    if len(body) == 0:
        return
    across = (np.arange(columns) - columns / 2) / (columns / 2)
    line = body[-1] + 1 + (rng.uniform(0, 8) - rng.uniform(0, 26) * across**2) / couch.pixel_mm
    depth = (np.arange(rows)[:, None] - line[None, :]) * couch.pixel_mm
    # A shell thinner than two pixels would have holes where the table curves.
    thick, shell = rng.uniform(10, 45), max(rng.uniform(0.8, 2.5), 2.2 * couch.pixel_mm)
    for inside, code in (
        ((depth > 0) & (depth < thick), MaterialCode.FOAM),
        (((depth > 0) & (depth < shell)) | ((depth > thick - shell) & (depth < thick)), MaterialCode.TABLE),
    ):
        codes[:, inside] = np.where(
            np.isin(codes[:, inside], (TissueCode.AIR, MaterialCode.FOAM)), code, codes[:, inside]
        )


def _move_off_centre(
    couch: PatientOnTable, wanted: PatientPositionSettings, rng: np.random.Generator
) -> None:
    """Pad one side with air, so that the patient is not in the middle."""
    # The image's centre moves by half of the air that is added, hence the factor 2 below.
    away = float(rng.uniform(*wanted.off_centre_mm)) / couch.pixel_mm
    if away < 1:
        return
    turn = rng.uniform(0, 2 * np.pi)
    shift = 2 * away * np.array([0.6 * np.sin(turn), np.cos(turn)])
    pads = [(0, 0), *((max(0, int(by)), max(0, -int(by))) for by in shift)]
    couch.codes = np.pad(couch.codes, pads)


def _cut_to_field(couch: PatientOnTable, field_mm: float) -> None:
    """Cut the image to its middle `field_mm` where it is wider."""
    size = int(field_mm / couch.pixel_mm)
    starts = [max(0, (n - size) // 2) for n in couch.codes.shape[1:]]
    couch.codes = couch.codes[:, starts[0] : starts[0] + size, starts[1] : starts[1] + size]


def outside_round_field(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the (y, x) mask of pixels outside of the circle about the middle of a plane.

    The circle's diameter is the longer side of the plane.
    """
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.asarray(np.hypot(y[:, None], x[None, :]) > max(shape) / 2)

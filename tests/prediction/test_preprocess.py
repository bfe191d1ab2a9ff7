"""Preprocessing: the patient is found, the scale is in millimetres, HU become [0, 1]."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from attunet_gui.core.body_outline import body_box, body_mask, body_threshold_hu, is_fat_clipped
from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.prediction.preprocess import (
    PreprocessingConfig,
    apply_hu_window,
    neighbour_indices,
    network_grid_for,
)


def _patient(shape: tuple[int, int, int], spacing: tuple[float, float, float], floor: int) -> np.ndarray:
    """An ellipse of soft tissue with a rim of fat, in air clipped at `floor`, above a thin table."""
    _z, y, x = (np.arange(n) * s for n, s in zip(shape, spacing, strict=True))
    middle_y, middle_x = 0.45 * y[-1], 0.55 * x[-1]
    radius = ((y - middle_y) / 90)[:, None] ** 2 + ((x - middle_x) / 130)[None, :] ** 2
    plane = np.where(radius < 0.8, 50, np.where(radius < 1, -100, -1000))
    plane[(np.abs(y - middle_y - 110) < 3), :] = 150
    return np.clip(np.repeat(plane[None], shape[0], axis=0), floor, 3000).astype(np.int16)


def _volume(hu: np.ndarray, spacing: tuple[float, float, float]) -> Volume:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = spacing[0], -spacing[1], -spacing[2], 1
    return Volume(
        hu,
        canonical_reorientation(VoxelGrid(hu.shape, affine)),
        "test",
        VolumeOrigin(Path("test"), "phantom"),
    )


@pytest.mark.parametrize("floor", [-1024, -160])
def test_the_body_is_found_whatever_the_clipping_and_the_table_is_not(floor: int) -> None:
    spacing = (5.0, 1.5, 1.5)
    rows, columns = body_box(_patient((6, 220, 260), spacing, floor), spacing)
    assert (rows.stop - rows.start) * 1.5 == pytest.approx(180, abs=15)
    assert (columns.stop - columns.start) * 1.5 == pytest.approx(260, abs=15)


def _islands(shape: tuple[int, int, int], pixel: float) -> np.ndarray:
    """A patient clipped at 0 HU: muscles, liver, spleen and spine in black fat; below them a table."""
    y, x = np.mgrid[: shape[1], : shape[2]] * pixel
    plane = np.zeros(shape[1:])
    for centre, radii in (
        ((150, 120), (60, 45)),
        ((160, 290), (40, 30)),
        ((220, 200), (25, 30)),
        ((100, 200), (8, 40)),
        ((245, 160), (14, 30)),
        ((245, 240), (14, 30)),
    ):
        plane[((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1] = 90
    for line in (285, 310):
        plane[np.abs(y - line - (x - 200) ** 2 / 1500) < 2.5] = 255
    noise = np.random.default_rng(0).normal(0, 6, shape)
    return np.clip(plane + noise, 0, 255).astype(np.int16)


@pytest.mark.parametrize("slices", [1, 5])
@pytest.mark.parametrize("pixel", [0.7, 1.0, 3.0])
def test_where_fat_is_lost_the_patient_is_all_organs_without_the_table(slices: int, pixel: float) -> None:
    shape = (slices, round(400 / pixel), round(400 / pixel))
    rows, columns = body_box(_islands(shape, pixel), (4.0, pixel, pixel))
    found = np.array([rows.start, rows.stop, columns.start, columns.stop]) * pixel
    assert found == pytest.approx([90, 260, 75, 320], abs=9)


def test_where_fat_is_lost_the_body_is_closed_over_it() -> None:
    image = np.zeros((1, 60, 60))
    image[0, 10:20, 10:50] = image[0, 10:50, 10:20] = image[0, 10:50, 40:50] = image[0, 44:50, 24:36] = 1
    assert not body_mask(image, 0.5)[0, 30, 30]
    closed = body_mask(image, 0.5, gap=6)
    assert closed[0, 10:50, 10:50].mean() > 0.95
    assert closed.sum() <= 40 * 40


def test_a_volume_without_a_patient_is_framed_whole() -> None:
    rows, columns = body_box(np.full((3, 40, 50), -1000, np.int16), (5, 1, 1))
    assert (rows, columns) == (slice(0, 40), slice(0, 50))


def test_a_pixel_of_the_frame_has_the_wanted_size_in_millimetres() -> None:
    for spacing in ((5.0, 0.7, 0.7), (2.0, 1.5, 1.2)):
        shape = (3, round(330 / spacing[1]), round(390 / spacing[2]))
        frame = network_grid_for(_volume(_patient(shape, spacing, -1024), spacing), PreprocessingConfig())
        assert frame.step == pytest.approx((2.0 / spacing[1], 2.0 / spacing[2]))
        middle = [s + t * 111.5 for s, t in zip(frame.start, frame.step, strict=True)]
        assert middle[0] * spacing[1] == pytest.approx(0.45 * shape[1] * spacing[1], abs=12)
        assert middle[1] * spacing[2] == pytest.approx(0.55 * shape[2] * spacing[2], abs=12)


def test_hu_are_clipped_to_the_window() -> None:
    assert apply_hu_window(np.array([-1000, -160, 40, 240, 2000]), (-160, 240)).tolist() == pytest.approx(
        [0, 0, 0.5, 1, 1]
    )


def test_neighbours_repeat_at_the_ends() -> None:
    next_ones = PreprocessingConfig(neighbours=1)
    around = neighbour_indices(np.array([0, 2, 4]), next_ones, 5, 2.5)
    assert around.tolist() == [[0, 0, 1], [1, 2, 3], [3, 4, 4]]
    assert neighbour_indices(np.array([0]), next_ones, 1, 2.5).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("slice_mm", "expected"),
    [
        (1.0, [4, 7, 10, 13, 16]),
        (2.0, [7, 8, 10, 12, 13]),  # 3 mm is a tie, 2 or 4; the farther one
        (3.0, [8, 9, 10, 11, 12]),
        (5.0, [9, 9, 10, 11, 11]),
        (7.0, [9, 10, 10, 10, 11]),
    ],
)
def test_neighbours_lie_at_a_distance_in_mm_whatever_the_slices(slice_mm: float, expected: list[int]) -> None:
    wanted = PreprocessingConfig(neighbours=2, neighbour_distance_mm=3.0)
    assert neighbour_indices(np.array([10]), wanted, 20, slice_mm).tolist() == [expected]
    ends = neighbour_indices(np.array([0, 19]), wanted, 20, 3.0).tolist()
    assert ends == [[0, 0, 0, 1, 2], [17, 18, 19, 19, 19]]
    assert neighbour_indices(np.array([0]), wanted, 1, slice_mm).tolist() == [[0] * 5]


@pytest.mark.parametrize(
    "wrong", [{"window_hu": (10, 10)}, {"spacing_mm": 0}, {"neighbours": -1}, {"unknown": 1}]
)
def test_nonsense_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PreprocessingConfig.model_validate(wrong)


def test_the_body_threshold_follows_the_data() -> None:
    assert body_threshold_hu(-1024) == -300
    assert body_threshold_hu(-160) == -135
    assert body_threshold_hu(0) == 25


@pytest.mark.parametrize(("floor", "lost"), [(-1024, False), (-160, False), (-100, True), (0, True)])
def test_fat_is_lost_when_clipping_reaches_it(floor: int, lost: bool) -> None:
    assert is_fat_clipped(floor) == lost


def test_the_body_mask_has_no_holes() -> None:
    image = np.zeros((1, 20, 20))
    image[0, 4:16, 4:16] = 1
    image[0, 8:11, 8:11] = 0
    assert body_mask(image, 0.5).sum() == 144

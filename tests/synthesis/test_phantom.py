from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from attunet_gui.core.voxel_grid import canonical_reorientation
from attunet_gui.synthesis.phantom.abdomen_phantom import (
    ORGANS,
    Phantom,
    PhantomRequest,
    make_phantom,
    phantom_volume,
)
from attunet_gui.synthesis.phantom.phantom_scene import draw_patient, seeded_stream
from attunet_gui.system.errors import WorkCancelled

SHAPE = (48, 96, 96)
SPACING_MM = (5.0, 4.0, 4.0)
VOXEL_ML = 5 * 4 * 4 / 1000
SEEDS = tuple(range(6))


@cache
def phantom(seed: int) -> Phantom:
    return make_phantom(PhantomRequest(seed, SHAPE, SPACING_MM))


def centre(made: Phantom, organ: str) -> np.ndarray:
    """Mean (z, y, x) index of an organ."""
    return np.argwhere(made.organs == ORGANS[organ]).mean(axis=0)


def median_hu(made: Phantom, organ: str) -> float:
    return float(np.median(made.hu[made.organs == ORGANS[organ]]))


def test_arrays_are_of_the_shape_and_type_asked_for() -> None:
    made = phantom(0)
    assert made.hu.shape == made.organs.shape == made.pancreas_mask.shape == SHAPE
    assert (made.hu.dtype, made.organs.dtype, made.pancreas_mask.dtype) == (np.int16, np.uint8, np.uint8)
    assert made.hu.min() >= -1024
    assert made.hu.max() <= 3071
    assert set(np.unique(made.pancreas_mask)) == {0, 1}


def test_one_seed_gives_one_phantom() -> None:
    again = make_phantom(PhantomRequest(0, SHAPE, SPACING_MM))
    assert np.array_equal(again.hu, phantom(0).hu)
    assert np.array_equal(again.organs, phantom(0).organs)


def test_another_seed_gives_another_patient() -> None:
    one, other = phantom(0).pancreas_mask, phantom(1).pancreas_mask
    overlap = 2 * (one & other).sum() / (one.sum() + other.sum())
    assert overlap < 0.85
    assert len({round(draw_patient(seed).habitus, 3) for seed in range(20)}) == 20
    assert {draw_patient(seed).phase for seed in range(40)} == {"native", "arterial", "portal", "late"}
    assert {draw_patient(seed).sex for seed in range(40)} == {"f", "m"}


def test_streams_depend_on_seed_and_name_only() -> None:
    first = seeded_stream(3, "liver").random(4)
    assert np.array_equal(first, seeded_stream(3, "liver").random(4))
    assert not np.array_equal(first, seeded_stream(3, "spleen").random(4))
    assert not np.array_equal(first, seeded_stream(4, "liver").random(4))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pancreas_has_a_human_volume_and_height(seed: int) -> None:
    mask = phantom(seed).pancreas_mask
    assert 40 <= mask.sum() * VOXEL_ML <= 140
    assert 55 <= mask.any(axis=(1, 2)).sum() * SPACING_MM[0] <= 130


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pancreas_is_in_one_piece(seed: int) -> None:
    mask = phantom(seed).pancreas_mask
    pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    assert np.bincount(pieces.ravel())[1:].max() >= 0.95 * mask.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_organ_is_there_and_of_human_size(seed: int) -> None:
    count = np.bincount(phantom(seed).organs.ravel(), minlength=len(ORGANS)) * VOXEL_ML
    assert 800 < count[ORGANS["liver"]] < 2400
    assert 50 < count[ORGANS["spleen"]] < 450
    assert 70 < count[ORGANS["kidney_left"]] < 260
    assert 70 < count[ORGANS["kidney_right"]] < 260
    present = {name for name, code in ORGANS.items() if count[code] > 0}
    assert set(ORGANS) - present <= {"gallbladder", "adrenals"}


@pytest.mark.parametrize("seed", SEEDS)
def test_organs_lie_where_a_radiologist_looks_for_them(seed: int) -> None:
    made = phantom(seed)
    middle = SHAPE[2] / 2
    assert centre(made, "liver")[2] < middle - 5
    assert centre(made, "spleen")[2] > middle + 10
    assert centre(made, "kidney_right")[2] < centre(made, "pancreas")[2] < centre(made, "spleen")[2]
    assert centre(made, "vertebrae")[1] > centre(made, "aorta")[1] + 5
    assert centre(made, "pancreas")[1] < centre(made, "aorta")[1]
    assert centre(made, "aorta")[2] > centre(made, "vena_cava")[2]
    assert centre(made, "lungs")[0] > centre(made, "liver")[0] > centre(made, "small_bowel")[0]


def ends(made: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Mean (z, y, x) index of the rightmost and of the leftmost quarter of the pancreas."""
    voxels = np.argwhere(made.pancreas_mask)
    voxels = voxels[np.argsort(voxels[:, 2])]
    quarter = len(voxels) // 4
    return voxels[:quarter].mean(axis=0), voxels[-quarter:].mean(axis=0)


def test_the_head_lies_right_and_low_and_the_tail_left_and_back() -> None:
    rise = []
    for seed in SEEDS:
        head, tail = ends(phantom(seed))
        assert (tail - head)[2] * SPACING_MM[2] > 50
        rise.append((tail - head)[0] * SPACING_MM[0])
    assert np.mean(rise) > 10


def test_the_gallbladder_lies_right_of_the_middle_where_there_is_one() -> None:
    filled = [seed for seed in SEEDS if (phantom(seed).organs == ORGANS["gallbladder"]).any()]
    assert len(filled) >= 3
    assert all(centre(phantom(seed), "gallbladder")[2] < SHAPE[2] / 2 for seed in filled)


def test_the_duodenum_touches_the_head() -> None:
    for seed in SEEDS:
        made = phantom(seed)
        near = ndimage.binary_dilation(made.pancreas_mask, iterations=2)
        touching = np.argwhere(near & (made.organs == ORGANS["duodenum"]))
        assert touching[:, 2].mean() < centre(made, "pancreas")[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_hounsfield_units_are_those_of_the_tissue(seed: int) -> None:
    made = phantom(seed)
    assert median_hu(made, "lungs") < -750
    assert -125 < median_hu(made, "fat") < -80
    assert 30 < median_hu(made, "muscle") < 80
    assert 20 < median_hu(made, "liver") < 150
    assert 25 < median_hu(made, "spleen") < 160
    assert 10 < median_hu(made, "pancreas") < 140
    assert median_hu(made, "vertebrae") > 80
    assert np.median(made.hu[:, :3]) < -900


def test_contrast_medium_goes_where_the_phase_says() -> None:
    by_phase = {draw_patient(seed).phase: seed for seed in range(12)}
    native, portal = phantom(by_phase["native"]), phantom(by_phase["portal"])
    assert abs(median_hu(native, "aorta") - 42) < 20
    assert median_hu(portal, "aorta") > 100
    assert median_hu(portal, "kidney_left") > median_hu(portal, "liver")
    assert median_hu(portal, "pancreas") > median_hu(native, "pancreas") + 20


def test_finer_voxels_show_the_same_anatomy() -> None:
    fine = make_phantom(PhantomRequest(2, (96, 96, 96), (2.5, 4.0, 4.0)))
    # Slices at -117.5, -112.5 ... of the coarse grid lie between pairs of fine ones.
    pairs = fine.pancreas_mask.reshape(48, 2, 96, 96).sum(axis=1)
    coarse = phantom(2).pancreas_mask
    overlap = 2 * (coarse * pairs).sum() / (2 * coarse.sum() + pairs.sum())
    assert overlap > 0.85


def test_a_smaller_volume_is_a_cut_out_of_the_larger() -> None:
    small = make_phantom(PhantomRequest(2, (24, 48, 48), SPACING_MM))
    inside = phantom(2).pancreas_mask[12:36, 24:72, 24:72]
    assert 2 * (small.pancreas_mask & inside).sum() / (small.pancreas_mask.sum() + inside.sum()) > 0.97


@pytest.mark.parametrize("shape", [(1, 40, 44), (40, 1, 44), (40, 44, 1), (1, 1, 1), (3, 130, 7)])
def test_any_shape_can_be_had(shape: tuple[int, int, int]) -> None:
    made = make_phantom(PhantomRequest(1, shape, (6.0, 6.0, 6.0)))
    assert made.hu.shape == made.organs.shape == shape
    assert made.hu.max() > -200


def test_air_surrounds_a_body_smaller_than_the_volume() -> None:
    made = make_phantom(PhantomRequest(1, (2, 80, 80), (8.0, 10.0, 10.0)))
    assert made.hu[:, :, :8].mean() < -950
    assert not made.organs[:, :, :8].any()


def test_progress_counts_up_to_the_total() -> None:
    calls: list[tuple[int, int, str]] = []
    make_phantom(PhantomRequest(1, (2, 20, 20), (8.0, 16.0, 16.0)), lambda *call: calls.append(call))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert calls[-1][0] == calls[-1][1]
    assert len({total for _, total, _ in calls}) == 1
    assert {"liver", "pancreas"} <= {stage for *_, stage in calls}


def test_a_cancel_passes_through() -> None:
    seen = []

    def stop(done: int, total: int, stage: str) -> None:
        seen.append(stage)
        if stage == "liver":
            raise WorkCancelled

    with pytest.raises(WorkCancelled):
        make_phantom(PhantomRequest(1, (2, 20, 20), (8.0, 16.0, 16.0)), stop)
    assert seen[-1] == "liver"


def test_the_volume_is_canonical_and_centred() -> None:
    volume = phantom_volume(phantom(0))
    assert volume.grid.spacing_mm == pytest.approx(SPACING_MM)
    assert canonical_reorientation(volume.grid).canonical.matches_grid(volume.grid)
    middle = volume.grid.affine @ [*((np.array(SHAPE) - 1) / 2), 1]
    assert middle[:3] == pytest.approx([0, 0, 0])
    head, _, left = (volume.grid.affine[:3, :3] @ np.eye(3)[axis] for axis in range(3))
    assert head[2] > 0
    assert left[0] < 0
    assert (volume.name, volume.origin.kind, str(volume.origin.path)) == (
        "phantom-0",
        "phantom",
        "phantom-0.nii.gz",
    )


@pytest.mark.parametrize(
    ("seed", "shape", "spacing"),
    [(-1, (4, 4, 4), (1.0, 1.0, 1.0)), (0, (4, 0, 4), (1.0, 1.0, 1.0)), (0, (4, 4, 4), (1.0, -1.0, 1.0))],
)
def test_a_senseless_request_is_refused(
    seed: int, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    with pytest.raises(ValueError, match="got"):
        PhantomRequest(seed, shape, spacing)

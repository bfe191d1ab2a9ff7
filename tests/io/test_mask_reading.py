"""A label file is taken only onto the CT it was drawn on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.io import read_ct_volume, read_mask
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import ct_like, marked, write_nifti, write_series, write_source

AFFINE = np.array([[-0.7, 0, 0, 90], [0, 0.8, 0, -120.0], [0, 0, -2.5, -300], [0, 0, 0, 1]])
SHAPE = (4, 5, 6)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return read_ct_volume(write_nifti(tmp_path / "ct.nii.gz", ct_like(SHAPE), AFFINE))


@pytest.mark.parametrize("kind", ["nii", "nii.gz", "nrrd", "mha"])
def test_labels_of_other_programs(tmp_path: Path, volume: Volume, kind: str) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    path = write_source(kind, folder, VoxelGrid(SHAPE, AFFINE), marked(ct_like(SHAPE)).astype(np.uint8))
    mask = read_mask(path, volume)
    assert_array_equal(mask, marked(volume.hu))
    assert (mask.dtype, mask.flags.c_contiguous) == (np.uint8, True)


def test_the_same_voxels_stored_in_another_order(tmp_path: Path, volume: Volume) -> None:
    label = nib.Nifti1Image(marked(ct_like(SHAPE)).astype(np.uint8), AFFINE)
    nib.save(nib.as_closest_canonical(label), tmp_path / "ras.nii")
    assert nib.load(tmp_path / "ras.nii").affine[0, 0] > 0
    assert_array_equal(read_mask(tmp_path / "ras.nii", volume), marked(volume.hu))


@pytest.mark.parametrize("inside", [1, 255, 11])
def test_one_label_of_any_value_is_the_mask(tmp_path: Path, volume: Volume, inside: int) -> None:
    path = write_nifti(tmp_path / "m.nii", (marked(ct_like(SHAPE)) * inside).astype(np.uint8), AFFINE)
    assert_array_equal(read_mask(path, volume), marked(volume.hu))


def test_of_several_labels_one_must_be_named(tmp_path: Path, volume: Volume) -> None:
    labels = ct_like(SHAPE) % 5
    path = write_nifti(tmp_path / "organs.nii.gz", labels, AFFINE)
    with pytest.raises(UnreadableInput, match=r"organs.* several labels \(1, 2, 3, 4\): .* --label VALUE"):
        read_mask(path, volume)
    assert_array_equal(read_mask(path, volume, label=3), volume.hu % 5 == 3)


@pytest.mark.parametrize("inside", [-1, 5, 255, 3.0])
def test_the_number_of_a_mask_does_not_matter(tmp_path: Path, volume: Volume, inside: float) -> None:
    dtype = np.float32 if isinstance(inside, float) else np.int16
    path = write_nifti(tmp_path / "m.nii", (marked(ct_like(SHAPE)) * inside).astype(dtype), AFFINE)
    assert_array_equal(read_mask(path, volume), marked(volume.hu))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.linspace(0, 1, 120), r"not whole numbers, such as 0\.\d"),
        (np.where(np.arange(120) == 7, np.inf, 1), "not whole numbers, such as inf"),
        (np.arange(120) % 2 * 1.5, r"not whole numbers, such as 1\.5"),
    ],
)
def test_soft_values_are_refused(tmp_path: Path, volume: Volume, values: np.ndarray, says: str) -> None:
    path = write_nifti(tmp_path / "m.nii", values.reshape(SHAPE).astype(np.float32), AFFINE)
    for label in (None, 1):
        with pytest.raises(UnreadableInput, match=says):
            read_mask(path, volume, label=label)


def test_an_image_is_no_label_file(tmp_path: Path) -> None:
    shape = (20, 20, 20)
    ct = read_ct_volume(write_nifti(tmp_path / "ct.nii", ct_like(shape) % 1000, AFFINE))
    path = write_nifti(tmp_path / "other.nii", np.arange(8000, dtype=np.int16).reshape(shape), AFFINE)
    with pytest.raises(UnreadableInput, match="more than 1000 different values"):
        read_mask(path, ct)


def test_what_is_left_of_whole_numbers_by_a_scaling_is_a_whole_number(tmp_path: Path, volume: Volume) -> None:
    path = write_nifti(tmp_path / "m.nii", (marked(ct_like(SHAPE)) * 127).astype(np.uint8), AFFINE)
    data = bytearray(path.read_bytes())
    data[112:116] = np.float32(11 / 127).tobytes()
    path.write_bytes(data)
    assert_array_equal(read_mask(path, volume), marked(volume.hu))
    assert_array_equal(read_mask(path, volume, label=11), marked(volume.hu))


def cropped(shape: tuple[int, int, int], first: tuple[int, int, int], turned: bool) -> nib.Nifti1Image:
    """`marked` cut out of the grid of the CT, its place kept."""
    part = tuple(slice(at, at + n) for at, n in zip(first, shape, strict=True))
    affine = AFFINE.copy()
    affine[:, 3] = AFFINE @ (*first, 1)
    image = nib.Nifti1Image(marked(ct_like(SHAPE))[part].astype(np.uint8), affine)
    return nib.as_closest_canonical(image) if turned else image


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("shape", "first"), [((2, 3, 3), (1, 1, 2)), ((4, 5, 2), (0, 0, 4)), ((1, 1, 1), (3, 4, 5))]
)
def test_a_mask_cut_out_of_the_grid_is_put_back_voxel_for_voxel(
    tmp_path: Path, volume: Volume, shape: tuple[int, int, int], first: tuple[int, int, int], turned: bool
) -> None:
    nib.save(cropped(shape, first, turned), tmp_path / "m.nii.gz")
    meant = np.zeros(SHAPE, bool)
    part = tuple(slice(at, at + n) for at, n in zip(first, shape, strict=True))
    meant[part] = marked(ct_like(SHAPE))[part]
    assert_array_equal(read_mask(tmp_path / "m.nii.gz", volume), volume.placement.to_canonical(meant))


@pytest.mark.parametrize("fault", ["half a voxel aside", "beyond the CT", "place not kept", "coarser"])
def test_a_part_that_does_not_fit_exactly_is_refused(tmp_path: Path, volume: Volume, fault: str) -> None:
    image = cropped((2, 3, 3), (1, 1, 2), turned=False)
    affine = image.affine.copy()
    affine[:, 3] = {
        "half a voxel aside": AFFINE @ (1.5, 1, 2, 1),
        "beyond the CT": AFFINE @ (3, 1, 2, 1),
        "place not kept": AFFINE[:, 3],
        "coarser": affine[:, 3],
    }[fault]
    if fault == "coarser":
        affine[:, 0] *= 2
    path = write_nifti(tmp_path / "m.nii", np.ones((2, 3, 3), np.uint8), affine)
    with pytest.raises(UnreadableInput, match=r"m.nii does not belong to ct: it has 2 x 3 x 3 voxels"):
        read_mask(path, volume)


def test_scaled_labels(tmp_path: Path, volume: Volume) -> None:
    image = nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE)
    image.header.set_slope_inter(2, 0)
    path = tmp_path / "m.nii"
    nib.save(image, path)
    data = bytearray(path.read_bytes())
    data[112:116] = np.float32(2).tobytes()
    data[352:] = marked(ct_like(SHAPE)).astype(np.uint8).tobytes(order="F")
    path.write_bytes(data)
    assert_array_equal(read_mask(path, volume, label=2), marked(volume.hu))


def moved() -> tuple[tuple[int, int, int], np.ndarray]:
    affine = AFFINE.copy()
    affine[0, 3] += 0.1
    return SHAPE, affine


def mirrored() -> tuple[tuple[int, int, int], np.ndarray]:
    return SHAPE, np.diag([-1.0, 1, 1, 1]) @ AFFINE


def coarser() -> tuple[tuple[int, int, int], np.ndarray]:
    return (2, 5, 6), AFFINE @ np.diag([2.0, 1, 1, 1])


@pytest.mark.parametrize(
    ("other", "words"), [(moved, "lie elsewhere"), (mirrored, "lie elsewhere"), (coarser, "2 x 5 x 6 voxels")]
)
def test_a_mask_on_another_grid_is_refused(
    tmp_path: Path,
    volume: Volume,
    other: Callable[[], tuple[tuple[int, int, int], np.ndarray]],
    words: str,
) -> None:
    shape, affine = other()
    path = write_nifti(tmp_path / "m.nii", np.zeros(shape, np.uint8), affine)
    with pytest.raises(UnreadableInput, match=f"m.nii does not belong to ct: .*{words}"):
        read_mask(path, volume)


def test_what_is_no_label_file_is_refused(tmp_path: Path, volume: Volume) -> None:
    folder = write_series(tmp_path / "series", np.zeros((2, 3, 3), np.uint16))[0].parent
    for path in (folder, tmp_path / "gone.nii"):
        with pytest.raises(UnreadableInput, match=r"not a label file|no file or folder"):
            read_mask(path, volume)


def test_a_mask_full_of_nan_is_refused(tmp_path: Path, volume: Volume) -> None:
    path = write_nifti(tmp_path / "m.nii", np.full(SHAPE, np.nan, np.float32), AFFINE)
    with pytest.raises(UnreadableInput, match="not whole numbers, such as nan: it is a map"):
        read_mask(path, volume)

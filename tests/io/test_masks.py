"""A label file is taken only onto the CT it was drawn on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import Grid
from attunet_gui.core.volume import Volume
from attunet_gui.io import read, read_mask
from tests.io.material import ct_like, marked, write_nifti, write_series, write_source

AFFINE = np.array([[-0.7, 0, 0, 90], [0, 0.8, 0, -120.0], [0, 0, -2.5, -300], [0, 0, 0, 1]])
SHAPE = (4, 5, 6)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return read(write_nifti(tmp_path / "ct.nii.gz", ct_like(SHAPE), AFFINE))


@pytest.mark.parametrize("kind", ["nii", "nii.gz", "nrrd", "mha"])
def test_labels_of_other_programs(tmp_path: Path, volume: Volume, kind: str) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    path = write_source(kind, folder, Grid(SHAPE, AFFINE), marked(ct_like(SHAPE)).astype(np.uint8))
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
    with pytest.raises(UnreadableInput, match="several labels"):
        read_mask(path, volume)
    assert_array_equal(read_mask(path, volume, label=3), volume.hu % 5 == 3)


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
    with pytest.raises(UnreadableInput, match="several labels"):
        read_mask(path, volume)

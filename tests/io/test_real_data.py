"""Real CT, where it is at hand: one NIfTI and one DICOM series compressed with JPEG 2000."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.core.volume import Volume
from attunet_gui.io import find_cases, read_ct_volume, read_mask, write_mask
from tests.support.external_data import TOTALSEGMENTATOR

pytestmark = pytest.mark.skipif(
    not TOTALSEGMENTATOR.is_dir(), reason="the real example CTs are not on this machine"
)


def body(volume: Volume) -> np.ndarray:
    """The middle slice with bone and soft tissue apart from air."""
    return volume.hu[len(volume.hu) // 2]


def test_nifti_agrees_with_nibabel(tmp_path: Path) -> None:
    path = TOTALSEGMENTATOR / "ct_3mm.nii.gz"
    volume, image = read_ct_volume(path), nib.load(path)
    assert volume.hu.dtype == np.int16
    assert volume.notes == ()
    meant = np.maximum(np.asarray(image.dataobj), -1024)
    assert_array_equal(volume.placement.to_source(volume.hu), meant)
    assert_array_equal(volume.placement.source.affine, image.affine)
    write_mask(tmp_path / "bone.nii.gz", volume.hu > 300, volume)
    assert_array_equal(read_mask(tmp_path / "bone.nii.gz", volume), volume.hu > 300)
    assert_array_equal(nib.load(tmp_path / "bone.nii.gz").affine, image.affine)


def test_dicom_agrees_with_simpleitk() -> None:
    folder = TOTALSEGMENTATOR / "dicom_series"
    volume = read_ct_volume(folder)
    files = {p: SimpleITK.ReadImage(str(p)) for p in sorted(folder.iterdir())}
    ordered = sorted(files.values(), key=lambda image: image.GetOrigin()[2])
    meant = np.stack([SimpleITK.GetArrayFromImage(image)[0] for image in ordered])
    assert_array_equal(volume.hu, np.maximum(meant, -1024))
    first = np.array(ordered[0].GetOrigin()) * [-1, -1, 1]
    assert_allclose(volume.grid.affine[:3, 3], first, atol=1e-6)
    assert volume.grid.spacing_mm == pytest.approx((2.0, 0.9765625, 0.9765625))
    assert (volume.hu.dtype, volume.notes) == (np.int16, ())


@pytest.mark.parametrize("name", ["ct_3mm.nii.gz", "dicom_series"])
def test_the_patient_lies_on_the_back(name: str) -> None:
    volume = read_ct_volume(TOTALSEGMENTATOR / name)
    rows, columns = np.nonzero(body(volume) > -300)
    bone_rows = np.nonzero(
        (body(volume) > 300)[:, volume.hu.shape[2] * 4 // 10 : volume.hu.shape[2] * 6 // 10]
    )[0]
    assert np.median(bone_rows) > np.median(rows)  # the spine is below the middle
    assert columns.size > 1000


def test_both_are_found_for_batch_work() -> None:
    assert {case.name for case in find_cases(TOTALSEGMENTATOR)} == {"ct_3mm", "dicom_series"}

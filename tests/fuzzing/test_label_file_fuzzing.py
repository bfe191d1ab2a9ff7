"""Label files of any numbers, types, orders of axes and parts of the grid are read as meant, or refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from attunet_gui.io import read_ct_volume, read_mask
from attunet_gui.system.errors import UnreadableInput
from tests.fuzzing.judge import sentence_fault
from tests.fuzzing.made import Rng, pick, rng_for
from tests.support.ct_files import ct_like, write_nifti

_SHAPE = (6, 7, 8)
_AFFINE = np.array([[-0.7, 0, 0, 90], [0, 0.8, 0, -120.0], [0, 0, 2.5, -300], [0, 0, 0, 1]])
_VALUES = (1, 2, 5, 10, 11, 127, 200, 255)
_DTYPES = ("u1", "i2", "u2", "i4", "f4", "f8")


def _labels(rng: Rng, kind: str) -> np.ndarray:
    """(i, j, k) float64: what the file is to say."""
    values = np.zeros(_SHAPE)
    first = float(pick(rng, _VALUES))
    values[rng.random(_SHAPE) < 0.3] = first
    if kind == "several":
        values[0, 0, :4] = (first, *[value for value in (1.0, 3.0, 77.0, 90.0) if value != first][:3])
    if kind == "soft":
        values[3, 3, 3] = 0.25
    if kind == "empty":
        values[:] = 0
    return values


def _cut(rng: Rng, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A part that does not begin at the first voxel, and its affine; nothing is marked outside of it."""
    first = rng.integers(1, 3, 3)
    part = tuple(slice(int(at), int(at) + 4) for at in first)
    outside = np.ones(_SHAPE, bool)
    outside[part] = False
    values[outside] = 0
    affine = _AFFINE.copy()
    affine[:, 3] = _AFFINE @ (*first, 1)
    return values[part], affine


@pytest.mark.parametrize("number", range(60))
def test_a_label_file_is_read_as_it_is_meant_or_refused(tmp_path: Path, number: int) -> None:
    rng = rng_for("labels", 1, number)
    volume = read_ct_volume(write_nifti(tmp_path / "ct.nii", ct_like(_SHAPE), _AFFINE))
    kind = pick(rng, ("one", "one", "one", "several", "soft", "empty"))
    values = _labels(rng, kind)
    stored, affine = _cut(rng, values) if rng.random() < 0.4 else (values, _AFFINE)
    dtype = pick(rng, ("f4", "f8") if kind == "soft" else _DTYPES)
    image = nib.Nifti1Image(stored.astype(dtype), affine)
    if rng.random() < 0.5:
        image = nib.as_closest_canonical(image)
    nib.save(image, tmp_path / "m.nii.gz")
    if kind in ("several", "soft") and len(np.unique(values[values != 0])) > 1:
        with pytest.raises(UnreadableInput) as refused:
            read_mask(tmp_path / "m.nii.gz", volume)
        assert not sentence_fault(str(refused.value))
        return
    if kind == "soft" and not (values == np.rint(values)).all():
        with pytest.raises(UnreadableInput, match="not whole"):
            read_mask(tmp_path / "m.nii.gz", volume)
        return
    assert_array_equal(volume.placement.to_source(read_mask(tmp_path / "m.nii.gz", volume)), values != 0)

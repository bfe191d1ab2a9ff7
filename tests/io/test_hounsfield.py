"""HU are right to the last unit, small in memory, and odd ones are told to the user."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.io.formats.hounsfield import hu_notes, spacing_notes, to_hu

STORED = st.sampled_from([np.int16, np.uint16, np.uint8, np.int32, np.dtype(">i2")])


@given(
    STORED.flatmap(lambda dtype: arrays(dtype, (2, 3, 2))),
    st.sampled_from([(1.0, 0.0), (1.0, -1024.0), (2.0, -1000.0), (0.5, 0.25)]),
)
def test_hu_is_slope_times_stored_plus_intercept(stored: np.ndarray, scaling: tuple[float, float]) -> None:
    meant = np.maximum((stored.astype(np.float64) * scaling[0] + scaling[1]).astype(np.float32), -1024)
    assert_array_equal(to_hu(stored.copy(), *scaling).hu.astype(np.float32), meant)


def test_whole_numbers_stay_in_two_bytes() -> None:
    assert to_hu(np.full((2, 2, 2), 1064.0), 1, -1024).hu.dtype == np.int16


@pytest.mark.parametrize("value", [0.5, 40000.0])
def test_a_single_value_that_needs_more_makes_floats_and_keeps_the_rest(value: float) -> None:
    stored = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    stored[1, 2, 3] = value
    hu = to_hu(stored).hu
    assert hu.dtype == np.float32
    assert_array_equal(hu, stored)


def test_voxels_without_value_become_air_and_are_counted() -> None:
    stored = np.zeros((2, 2, 2), np.float32)
    stored[0, 0, 0], stored[1, 1, 1] = np.nan, np.inf
    scaled = to_hu(stored)
    assert (scaled.hu[0, 0, 0], scaled.hu[1, 1, 1], scaled.hu[0, 1, 1]) == (-1024, -1024, 0)
    assert "2 of 8 voxels" in scaled.notes[0]


def test_read_only_input_is_not_written_to() -> None:
    stored = np.full((2, 2, 2), -3000, np.int16)
    stored.setflags(write=False)
    assert to_hu(stored).hu.max() == -1024
    assert stored.max() == -3000


def ordinary() -> np.ndarray:
    hu = np.random.default_rng(0).normal(40, 20, (20, 20, 20)).astype(np.int16)
    hu[:, :5] = -1000
    return hu


@pytest.mark.parametrize(
    ("hu", "word"),
    [
        (np.full((2, 2, 2), 7, np.int16), "empty"),
        (np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 2, 2), "normalised"),
        (ordinary().clip(0, 255), "clipped"),
        (ordinary().clip(-160, 240), "clipped"),
        (ordinary() + 1024, "1024 too high"),
        (ordinary().astype(np.float32) * 50, "far outside"),
        (np.linspace(0, 65535, 8, dtype=np.float32).reshape(2, 2, 2), "far outside"),
    ],
)
def test_what_does_not_look_like_ct_is_said(hu: np.ndarray, word: str) -> None:
    (note,) = hu_notes(hu)
    assert word in note


def test_an_ordinary_ct_raises_no_eyebrow() -> None:
    assert hu_notes(ordinary()) == ()
    assert spacing_notes(VoxelGrid((2, 2, 2), np.diag([0.7, 0.7, 5, 1]))) == ()


@pytest.mark.parametrize("step", [0.0007, 700.0])
def test_a_voxel_size_in_another_unit_is_said(step: float) -> None:
    assert "unit of length" in spacing_notes(VoxelGrid((2, 2, 2), np.diag([step, step, step, 1])))[0]

"""Frames: what the network sees lies where it should, and comes back to where it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.prediction.network_grid import InputTransform, NetworkGrid, ResampledMapView

_rng = np.random.default_rng(0)


def _grid(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> VoxelGrid:
    return VoxelGrid(shape, np.diag([*spacing, 1.0]))


def _blob(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * radius**2)).astype(np.float32)


def _centre_of_mass(image: np.ndarray) -> np.ndarray:
    grid = np.mgrid[: image.shape[0], : image.shape[1]]
    return (grid * image).sum(axis=(1, 2)) / image.sum()


@settings(max_examples=40, deadline=None)
@given(
    centre=st.tuples(st.floats(50, 70), st.floats(50, 70)),
    step=st.floats(0.6, 2.5),
    offset=st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
)
def test_a_spot_keeps_its_place_there_and_back(
    centre: tuple[float, float], step: float, offset: tuple[float, float]
) -> None:
    size = 161
    start = tuple(60 + o - step * (size - 1) / 2 for o in offset)
    frame = NetworkGrid(_grid((1, 120, 121), (2, 1, 1)), (size, size), start, (step, step))
    plane = _blob((120, 121), centre, 6.0)
    seen = frame.resample_to_network(plane[None], fill=0.0)[0]
    expected = (np.array(centre) - np.array(start)) / step
    assert np.abs(_centre_of_mass(seen) - expected).max() < 0.02
    back = frame.resample_to_ct(seen[None])[0]
    assert np.abs(_centre_of_mass(back) - centre).max() < 0.05
    assert np.abs(back - plane).max() < 0.2


def test_a_coarser_map_covers_the_same_rectangle() -> None:
    frame = NetworkGrid(_grid((1, 96, 96), (1, 1, 1)), (96, 96), (0.0, 0.0), (1.0, 1.0))
    fine = _blob((96, 96), (40.0, 61.0), 8.0)
    coarse = fine.reshape(24, 4, 24, 4).mean(axis=(1, 3))
    assert np.abs(frame.resample_to_ct(coarse[None])[0] - fine).max() < 0.12
    assert np.abs(_centre_of_mass(frame.resample_to_ct(coarse[None])[0]) - (40, 61)).max() < 0.05


def test_outside_the_grid_is_the_fill_value() -> None:
    frame = NetworkGrid(_grid((1, 10, 10), (1, 1, 1)), (30, 30), (-10.0, -10.0), (1.0, 1.0))
    seen = frame.resample_to_network(np.full((1, 10, 10), 5.0, np.float32), fill=2.0)[0]
    assert seen[0, 0] == 2.0
    assert np.all(seen[10:20, 10:20] == 5.0)
    assert np.all(seen[21:] == 2.0)


def test_a_constant_plane_stays_constant_whatever_the_scale() -> None:
    frame = NetworkGrid(_grid((2, 200, 200), (1, 1, 1)), (32, 32), (50.0, 50.0), (3.1, 3.1))
    planes = np.full((2, 200, 200), 0.7, np.float32)
    assert np.allclose(frame.resample_to_network(planes, fill=0.0), 0.7, atol=1e-5)


_KEYS = [
    3, -1, slice(1, 4), (2, 5), (slice(None), 7), (Ellipsis, 9), (1, slice(2, 9, 2), slice(None)),
    (slice(None), slice(None), 4), (1, 2, 3), Ellipsis, (slice(0, 2), 3, slice(None)),
]  # fmt: skip


@pytest.mark.parametrize("key", _KEYS, ids=str)
def test_a_lazy_map_indexes_like_the_array_it_stands_for(key: object) -> None:
    frame = NetworkGrid(_grid((6, 40, 50), (2, 1, 1)), (32, 32), (-3.0, 2.0), (1.4, 1.3))
    values = _rng.random((6, 16, 16)).astype(np.float16)
    lazy, whole = ResampledMapView(frame, values), frame.resample_to_ct(values)
    assert lazy.shape == whole.shape == (6, 40, 50)
    assert np.shape(lazy[key]) == np.shape(whole[key])
    assert np.allclose(lazy[key], whole[key], atol=1e-6)


def test_a_lazy_map_refuses_another_number_of_slices() -> None:
    frame = NetworkGrid(_grid((6, 40, 50), (2, 1, 1)), (32, 32), (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(ValueError, match="expected 6 slices, got 5"):
        ResampledMapView(frame, np.zeros((5, 16, 16)))


looks = st.builds(
    InputTransform, shift=st.tuples(st.floats(-6, 6), st.floats(-6, 6)), scale=st.floats(0.9, 1.1)
)


@settings(max_examples=40, deadline=None)
@given(looks)
def test_another_look_comes_back_to_the_same_place(look: InputTransform) -> None:
    frame = NetworkGrid(_grid((1, 96, 96), (1, 1, 1)), (80, 80), (8.0, 8.0), (1.0, 1.0))
    other = frame.transformed_by(look)
    plane = _blob((96, 96), (44.0, 52.0), 6.0)[None]
    plain, seen = frame.resample_to_network(plane, fill=0.0), other.resample_to_network(plane, fill=0.0)
    assert np.abs(frame.resample_from(other, seen) - plain).max() < 0.03
    moved = _centre_of_mass(seen[0]) - 39.5
    assert moved * look.scale + look.shift == pytest.approx(_centre_of_mass(plain[0]) - 39.5, abs=0.02)


def test_no_other_look_is_the_frame_itself() -> None:
    frame = NetworkGrid(_grid((1, 40, 50), (1, 1, 1)), (32, 32), (3.3, -4.1), (1.3, 1.1))
    same = frame.transformed_by(InputTransform())
    assert (same.start, same.step) == (pytest.approx(frame.start), pytest.approx(frame.step))
    maps = np.random.default_rng(0).random((2, 32, 32)).astype(np.float32)
    assert np.abs(frame.resample_from(same, maps) - maps).max() < 1e-5

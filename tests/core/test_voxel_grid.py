"""Every voxel stays where it is in the patient, whatever the order of the axes on disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from nibabel.orientations import (
    aff2axcodes,
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.core.voxel_grid import CANONICAL_AXES, VoxelGrid, canonical_reorientation
from tests.support.hypothesis_strategies import ORIENTATIONS, grids


def numbered(shape: tuple[int, int, int]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def world_of_values(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """World position of value 0, 1, 2, ... of a numbered array."""
    order = np.argsort(array, axis=None)
    index = np.array(np.unravel_index(order, array.shape))
    return affine[:3, :3] @ index + affine[:3, 3:]


@given(grids())
def test_there_and_back_is_exact(grid: VoxelGrid) -> None:
    placement = canonical_reorientation(grid)
    array = numbered(grid.shape)
    assert_array_equal(placement.to_source(placement.to_canonical(array)), array)


@given(grids())
def test_back_and_there_is_exact(grid: VoxelGrid) -> None:
    placement = canonical_reorientation(grid)
    array = numbered(placement.canonical.shape)
    assert_array_equal(placement.to_canonical(placement.to_source(array)), array)


@given(grids())
def test_no_voxel_moves_in_the_patient(grid: VoxelGrid) -> None:
    placement = canonical_reorientation(grid)
    array = numbered(grid.shape)
    before = world_of_values(array, grid.affine)
    after = world_of_values(placement.to_canonical(array), placement.canonical.affine)
    assert_allclose(after, before, atol=1e-9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_all_48_orientations_become_head_back_left(orientation: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = orientation * [0.7, 0.8, 2.0]
    canonical = canonical_reorientation(VoxelGrid((2, 3, 4), affine)).canonical
    assert aff2axcodes(canonical.affine) == ("S", "P", "L")


def test_a_voxel_at_the_head_back_left_lands_in_the_last_corner() -> None:
    # RAS+ index order: the last i is right, the last j front, the last k head.
    array = np.zeros((2, 3, 4))
    array[0, 0, 3] = 1
    turned = canonical_reorientation(VoxelGrid((2, 3, 4), np.eye(4))).to_canonical(array)
    assert turned.shape == (4, 3, 2)
    assert turned[3, 2, 1] == 1


@given(grids())
def test_a_grid_turns_as_nibabel_turns_it(grid: VoxelGrid) -> None:
    orientation = ornt_transform(io_orientation(grid.affine), axcodes2ornt(CANONICAL_AXES))
    placement = canonical_reorientation(grid)
    array = numbered(grid.shape)
    assert_array_equal(placement.to_canonical(array), apply_orientation(array, orientation))
    assert_array_equal(placement.canonical.affine, grid.affine @ inv_ornt_aff(orientation, grid.shape))


@given(grids())
def test_volume_and_spacing_survive_turning(grid: VoxelGrid) -> None:
    canonical = canonical_reorientation(grid).canonical
    assert sorted(canonical.spacing_mm) == pytest.approx(sorted(grid.spacing_mm))
    assert canonical.voxel_volume_ml == pytest.approx(grid.voxel_volume_ml)


def test_a_sheared_voxel_holds_base_times_height() -> None:
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[1, 2] = 4.0
    assert VoxelGrid((1, 1, 1), affine).voxel_volume_ml == pytest.approx(0.012)


@given(grids())
def test_a_grid_matches_itself_but_not_its_mirror(grid: VoxelGrid) -> None:
    mirrored = grid.affine.copy()
    mirrored[0] *= -1
    assert grid.matches_grid(VoxelGrid(grid.shape, grid.affine))
    assert not grid.matches_grid(VoxelGrid(grid.shape, mirrored))


def test_matching_looks_at_the_far_corner() -> None:
    stretched = np.diag([1.001, 1, 1, 1])
    assert not VoxelGrid((512, 2, 2), np.eye(4)).matches_grid(
        VoxelGrid((512, 2, 2), stretched), tolerance_mm=0.5
    )
    assert VoxelGrid((5, 2, 2), np.eye(4)).matches_grid(VoxelGrid((5, 2, 2), stretched), tolerance_mm=0.5)


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((0, 1, 1), np.eye(4)),
        ((1, 1), np.eye(4)),
        ((1, 1, 1), np.zeros((4, 4))),
        ((1, 1, 1), np.diag([1, 1, 0, 1])),
        ((1, 1, 1), np.diag([1, np.nan, 1, 1])),
        ((1, 1, 1), np.eye(3)),
        ((1, 1, 1), np.diag([1, 1, 1, 2])),
    ],
)
def test_impossible_grids_are_refused(shape: tuple[int, ...], affine: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"grid|affine"):
        VoxelGrid(shape, affine)  # type: ignore[arg-type]


def test_an_array_of_another_shape_is_refused() -> None:
    placement = canonical_reorientation(VoxelGrid((2, 3, 4), np.eye(4)))
    with pytest.raises(ValueError, match="expected an array of shape"):
        placement.to_canonical(np.zeros((4, 3, 2)))


def test_the_affine_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="read-only"):
        VoxelGrid((1, 1, 1), np.eye(4)).affine[0, 0] = 2

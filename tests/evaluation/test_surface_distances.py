"""Surface distances of shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from attunet_gui.evaluation.surface_distances import mean_surface_distance_mm

SPACING = (2.0, 1.0, 0.5)


def _plate(z: int) -> np.ndarray:
    """One voxel thin, as large as the array: every voxel is surface."""
    mask = np.zeros((12, 9, 11), bool)
    mask[z] = True
    return mask


@pytest.mark.parametrize(("axis", "expected"), [(0, 6.0), (1, 3.0), (2, 1.5)])
def test_plates_lie_as_far_apart_as_their_slices(axis: int, expected: float) -> None:
    a, b = (np.moveaxis(_plate(z), 0, axis) for z in (4, 7))
    assert mean_surface_distance_mm(a, b, SPACING) == pytest.approx(expected)


def test_a_mask_has_no_distance_to_itself_and_none_to_nothing() -> None:
    ball = np.linalg.norm(np.indices((20, 20, 20)) - 9.5, axis=0) < 7
    assert mean_surface_distance_mm(ball, ball, SPACING) == 0
    assert mean_surface_distance_mm(ball, np.zeros_like(ball), SPACING) is None
    assert mean_surface_distance_mm(np.zeros_like(ball), ball, SPACING) is None


def test_balls_one_in_the_other_are_apart_by_the_difference_of_their_radii() -> None:
    """To half a voxel: surfaces made of voxels are rough."""
    from_centre = np.linalg.norm(np.indices((44, 44, 44)) - 21.5, axis=0)
    found = mean_surface_distance_mm(from_centre < 19, from_centre < 12, (1.5, 1.5, 1.5))
    assert found == pytest.approx(7 * 1.5, abs=0.75)


def test_both_ways_count() -> None:
    """A stray voxel far off adds to one way only, and the order of the masks does not matter."""
    truth = _plate(2)
    draft = truth.copy()
    draft[11, 4, 5] = True
    there, back = (mean_surface_distance_mm(*pair, SPACING) for pair in ((draft, truth), (truth, draft)))
    assert there == pytest.approx(back)
    assert there == pytest.approx(18.0 / (99 + 100))

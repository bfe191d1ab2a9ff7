"""The outline that has to be drawn to correct a slice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attunet_gui.core.metrics import added_path_length_mm

_PLANES = hnp.arrays(np.uint8, (9, 11), elements=st.integers(0, 1))


def square(low: int, high: int) -> np.ndarray:
    plane = np.zeros((20, 20), np.uint8)
    plane[low:high, low:high] = 1
    return plane


def test_from_nothing_the_whole_outline_is_drawn() -> None:
    assert added_path_length_mm(square(0, 0), square(5, 15), (1.0, 1.0)) == 36.0
    assert added_path_length_mm(square(0, 0), square(5, 15), (0.5, 2.0)) == 36.0
    assert added_path_length_mm(square(0, 0), square(5, 15), (0.5, 0.5)) == 18.0


def test_the_border_of_the_picture_is_outline() -> None:
    assert added_path_length_mm(square(0, 0), square(0, 20), (1.0, 1.0)) == 76.0


def test_only_the_side_that_is_wrong_is_drawn() -> None:
    draft = square(5, 15)
    draft[5:15, 15:18] = 1
    assert added_path_length_mm(draft, square(5, 15), (1.0, 1.0)) == pytest.approx(8.0)


def test_what_is_only_removed_costs_no_outline() -> None:
    draft = square(5, 15)
    draft[0:3, 0:3] = 1
    assert added_path_length_mm(draft, square(5, 15), (1.0, 1.0)) == 0.0


@given(_PLANES, _PLANES)
def test_it_is_nothing_for_equal_masks_and_never_more_than_from_nothing(
    draft: np.ndarray, truth: np.ndarray
) -> None:
    assert added_path_length_mm(truth, truth, (0.7, 0.7)) == 0.0
    whole = added_path_length_mm(np.zeros_like(truth), truth, (0.7, 0.7))
    assert 0.0 <= added_path_length_mm(draft, truth, (0.7, 0.7)) <= whole

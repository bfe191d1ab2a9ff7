"""Comparing bits says the same as comparing numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.prediction.network_grid import reaches_threshold

EVERY = np.arange(2**16, dtype=np.uint16).view(np.float16)


@given(st.floats(2.0**-24, 65504, width=16))
def test_every_float16_compares_as_its_number_does(threshold: float) -> None:
    np.testing.assert_array_equal(reaches_threshold(EVERY, threshold), np.float16(threshold) <= EVERY)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_layout_and_any_float(dtype: type) -> None:
    maps = np.linspace(0, 1, 60).reshape(3, 4, 5).astype(dtype).transpose(2, 0, 1)[:, ::-1]
    np.testing.assert_array_equal(reaches_threshold(maps, 0.5), maps >= dtype(0.5))

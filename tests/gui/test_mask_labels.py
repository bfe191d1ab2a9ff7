"""The contour that is found only where something is labelled is napari's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from napari.layers import Labels

from attunet_gui.gui.napari_adapter.mask_labels import MaskLabels

SIDE = 14
PLANES = arrays.arrays(np.uint8, (SIDE, SIDE), elements=st.sampled_from([0, 0, 0, 1]))
SPANS = st.tuples(st.integers(0, SIDE - 1), st.integers(1, SIDE)).map(
    lambda span: slice(min(span), max(span[0] + 1, span[1]))
)


@given(PLANES, st.integers(0, 3), SPANS, SPANS)
def test_it_is_naparis_contour(plane: np.ndarray, thickness: int, rows: slice, columns: slice) -> None:
    ours, theirs = MaskLabels(plane), Labels(plane)
    ours.contour = theirs.contour = thickness
    where = (rows, columns)
    wanted = theirs._calculate_contour(plane, where)
    found = ours._calculate_contour(plane, where)
    assert (found is None) == (wanted is None)
    if wanted is not None:
        np.testing.assert_array_equal(found, wanted)


def test_napari_takes_it_for_a_labels_layer() -> None:
    layer = MaskLabels(np.zeros((3, 4, 5), np.uint8))
    assert layer.as_layer_data_tuple()[2] == "labels"

"""Scores of one mask against another: shapes whose answer is known, and every kind of emptiness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attunet_gui.evaluation.pair_scores import compare_masks
from attunet_gui.evaluation.surface_distances import surface_distances

SPACING = (2.0, 1.0, 0.5)
masks = arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 1))


def _slab(first: int, last: int) -> np.ndarray:
    mask = np.zeros((30, 10, 10), np.uint8)
    mask[first : last + 1] = 1
    return mask


def test_a_slab_that_is_two_slices_too_thick() -> None:
    """The far faces lie 4 mm apart, the near ones on each other; the sides fade from one to the other."""
    found = compare_masks(_slab(5, 16), _slab(5, 14), SPACING)
    assert found.dsc == pytest.approx(2 * 10 / (12 + 10))
    assert (found.precision, found.recall) == pytest.approx((10 / 12, 1.0))
    assert found.hd95_mm == pytest.approx(4.0)
    assert found.volume_error_ml == pytest.approx(2 * 100 * 1.0 / 1000)
    assert found.relative_volume_error == pytest.approx(0.2)


def test_within_the_tolerance_everything_agrees_and_beyond_nothing_does() -> None:
    near = compare_masks(_slab(5, 5), _slab(6, 6), SPACING)
    far = compare_masks(_slab(5, 5), _slab(7, 7), SPACING)
    assert (near.nsd, near.hd95_mm, near.assd_mm) == pytest.approx((1.0, 2.0, 2.0))
    assert (far.nsd, far.hd95_mm, far.assd_mm) == pytest.approx((0.0, 4.0, 4.0))


def test_a_stray_voxel_in_a_hundred_does_not_move_hd95() -> None:
    truth = _slab(5, 5)
    draft = truth.copy()
    draft[29, 0, 0] = 1
    distances = surface_distances(draft, truth, SPACING)
    assert distances is not None
    assert distances.percentile_mm(95) == 0
    assert distances.percentile_mm(100) == pytest.approx(48.0)
    assert distances.share_within(2.0) == pytest.approx(200 / 201)


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((3, 3, 3), np.uint8)
    found = compare_masks(nothing, nothing, SPACING)
    assert (found.dsc, found.precision, found.recall, found.nsd) == (1, 1, 1, 1)
    assert (found.hd95_mm, found.assd_mm, found.volume_error_ml) == (0, 0, 0)
    assert found.relative_volume_error is None


@pytest.mark.parametrize("which", ["draft", "truth"])
def test_one_empty_mask_scores_nothing_and_has_no_distance(which: str) -> None:
    something, nothing = _slab(3, 6), _slab(0, -1)
    found = compare_masks(*((nothing, something) if which == "draft" else (something, nothing)), SPACING)
    assert (found.dsc, found.precision, found.recall, found.nsd) == (0, 0, 0, 0)
    assert (found.hd95_mm, found.assd_mm) == (None, None)
    assert found.relative_volume_error == (-1 if which == "draft" else None)


@given(masks, masks)
def test_exchange_swaps_precision_and_recall_and_leaves_the_rest(a: np.ndarray, b: np.ndarray) -> None:
    here, there = compare_masks(a, b, SPACING), compare_masks(b, a, SPACING)
    assert (here.precision, here.recall) == (there.recall, there.precision)
    assert (here.dsc, here.nsd, here.hd95_mm) == (there.dsc, there.nsd, there.hd95_mm)
    assert here.assd_mm == pytest.approx(there.assd_mm)
    assert here.volume_error_ml == pytest.approx(-there.volume_error_ml)


@given(masks)
def test_a_mask_agrees_with_itself(mask: np.ndarray) -> None:
    found = compare_masks(mask, mask, SPACING)
    assert (found.dsc, found.nsd, found.hd95_mm, found.assd_mm) == (1, 1, 0, 0)


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        compare_masks(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), SPACING)

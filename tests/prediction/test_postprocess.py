"""What belongs to the gland stays, what does not goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from attunet_gui.prediction.postprocess import PostprocessingRule, ThresholdedMap, keep_gland_pieces

_SPACING = (3.0, 2.0, 2.0)
_RULE = PostprocessingRule()
_NO_FILLING = PostprocessingRule(largest_hole_ml=0)


def empty(slices: int = 60) -> np.ndarray:
    return np.zeros((slices, 80, 100), np.float16)


def put(shown: np.ndarray, corner: tuple[int, int, int], size: tuple[int, int, int], p: float = 0.9) -> None:
    shown[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = p


def drafted(shown: np.ndarray, rule: PostprocessingRule = _RULE, smallest_ml: float = 0.0) -> np.ndarray:
    return keep_gland_pieces(ThresholdedMap(shown, 0.5, _SPACING), rule, smallest_ml) >= 0.5


def head_and_tail(gap_mm: float) -> np.ndarray:
    """A head of 20 x 40 x 40 mm and, across a gap to the patient's left, a tail an eighth as large."""
    shown = empty()
    put(shown, (30, 30, 20), (7, 20, 20))
    put(shown, (32, 40, 40 + round(gap_mm / 2)), (4, 10, 9))
    return shown


def test_head_and_tail_25_mm_apart_are_one_gland() -> None:
    shown = head_and_tail(25)
    assert np.array_equal(drafted(shown), shown >= 0.5)


def test_the_same_tail_far_away_is_none() -> None:
    shown = head_and_tail(60)
    assert drafted(shown).sum() == 7 * 20 * 20


def test_a_chain_of_pieces_is_measured_from_piece_to_piece() -> None:
    shown = head_and_tail(24)
    put(shown, (34, 48, 74), (4, 10, 9))  # 50 mm from the head, 26 mm from the tail
    assert np.array_equal(drafted(shown), shown >= 0.5)
    shown[32:36, 40:50, 52:61] = 0
    assert drafted(shown).sum() == 7 * 20 * 20


def test_scattered_islands_far_below_are_dropped_and_a_speck_beside_the_gland_stays() -> None:
    shown = head_and_tail(25)
    meant = shown >= 0.5
    for z, y, x in ((2, 10, 10), (4, 60, 80), (8, 40, 30), (10, 20, 60)):
        put(shown, (z, y, x), (2, 4, 4))
    put(shown, (30, 51, 30), (2, 2, 2))  # 4 mm behind the head
    meant[30:32, 51:53, 30:32] = True
    assert np.array_equal(drafted(shown), meant)


def test_a_large_piece_may_stand_further_off_than_a_small_one() -> None:
    far = empty()
    put(far, (30, 10, 10), (6, 20, 20))
    put(far, (30, 50, 10), (6, 18, 18))  # 42 mm, four fifths of the anchor
    assert np.array_equal(drafted(far), far >= 0.5)
    put(far, (30, 50, 60), (2, 3, 3))  # 66 mm from either, and small
    assert not drafted(far)[30:32, 50:53, 60:63].any()


def test_a_less_likely_piece_has_to_be_nearer() -> None:
    shown = head_and_tail(25)
    assert drafted(shown)[33, 45, 60]
    shown[32:36] = np.where(shown[32:36] > 0, np.float16(0.55), 0)
    shown[30:37, 30:50, 20:40] = 0.98
    assert not drafted(shown)[33, 45, 60]


def test_the_anchor_is_the_likeliest_piece_not_the_largest() -> None:
    shown = empty()
    put(shown, (5, 5, 5), (5, 10, 12), p=0.51)
    put(shown, (50, 60, 80), (5, 10, 10), p=1.0)
    assert drafted(shown)[52, 65, 85]
    assert not drafted(shown)[7, 10, 10]


def test_what_is_kept_is_no_taller_than_a_gland() -> None:
    shown = empty()
    put(shown, (2, 30, 30), (8, 20, 20))
    put(shown, (30, 30, 30), (8, 20, 20))
    assert np.array_equal(drafted(shown), shown >= 0.5)
    assert drafted(shown, PostprocessingRule(height_mm=90)).sum() == 8 * 20 * 20
    assert drafted(shown[:, :, ::1], PostprocessingRule(height_mm=3)).any(), (
        "the anchor itself is never too tall"
    )


def test_small_pieces_go_unless_the_ct_cuts_them() -> None:
    shown = empty()
    put(shown, (0, 30, 30), (20, 20, 20))
    put(shown, (10, 51, 30), (2, 4, 4))
    put(shown, (0, 51, 40), (2, 4, 4))
    assert np.array_equal(drafted(shown), shown >= 0.5)
    found = drafted(shown, smallest_ml=0.5)
    assert not found[10, 51, 30]
    assert found[0, 51, 40]


def test_a_single_slice_keeps_its_parts_and_loses_its_dust() -> None:
    shown = empty(1)
    put(shown, (0, 30, 20), (1, 20, 20))
    put(shown, (0, 40, 52), (1, 10, 10))  # a quarter, 24 mm away
    meant = shown >= 0.5
    put(shown, (0, 5, 90), (1, 2, 2))
    assert np.array_equal(drafted(shown, smallest_ml=0.5), meant)


def test_small_enclosed_holes_are_filled_and_others_are_not() -> None:
    shown = empty()
    put(shown, (20, 20, 20), (12, 30, 30))
    put(shown, (24, 24, 24), (2, 2, 2), p=0.1)  # 0.1 ml
    put(shown, (22, 34, 34), (8, 8, 8), p=0.1)  # 6 ml
    put(shown, (24, 20, 30), (1, 2, 1), p=0.1)  # a notch in the surface
    found = drafted(shown)
    assert found[24:26, 24:26, 24:26].all()
    assert not found[22:30, 34:42, 34:42].any()
    assert not found[24, 20:22, 30].any()
    assert found.sum() == (shown >= 0.5).sum() + 8


def test_a_hole_in_a_single_slice_may_be_a_vessel() -> None:
    shown = empty(1)
    put(shown, (0, 20, 20), (1, 30, 30))
    put(shown, (0, 30, 30), (1, 2, 2), p=0.0)
    assert np.array_equal(drafted(shown), shown >= 0.5)


@pytest.mark.parametrize("step", [(2, 8, 8), (2, 2, 2), (8, 2, 8)])
def test_single_voxels_on_every_second_place_are_pieces_too(step: tuple[int, int, int]) -> None:
    shown = np.zeros((5, 3, 3), np.float16)
    shown[tuple(slice(None, None, n) for n in step)] = 1
    assert np.array_equal(drafted(shown), shown > 0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_and_everything_stay(value: float) -> None:
    shown = np.full((3, 8, 9), value, np.float16)
    assert np.array_equal(keep_gland_pieces(ThresholdedMap(shown, 0.5, _SPACING), _RULE), shown)


def test_the_map_itself_is_not_changed() -> None:
    shown = head_and_tail(60)
    before = shown.copy()
    drafted(shown)
    assert np.array_equal(shown, before)


def test_pieces_in_one_thin_column_of_a_slice_are_told_apart() -> None:
    shown = np.zeros((1, 4, 8), np.float16)
    shown[0, [0, 2], 0] = 0.6
    assert np.array_equal(
        keep_gland_pieces(ThresholdedMap(shown, 0.5, _SPACING), PostprocessingRule()), shown
    )


fields = arrays(
    np.float16,
    st.tuples(st.integers(1, 5), st.integers(4, 14), st.integers(4, 14)),
    elements=st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.6, 1.0]),
)
rules = st.builds(
    PostprocessingRule, reach_mm=st.floats(3, 60), height_mm=st.floats(3, 40), largest_hole_ml=st.just(0.0)
)


@settings(max_examples=300)
@given(fields, rules, st.floats(0, 0.2))
def test_doing_it_twice_changes_nothing_more(
    shown: np.ndarray, rule: PostprocessingRule, smallest_ml: float
) -> None:
    once = keep_gland_pieces(ThresholdedMap(shown, 0.5, _SPACING), rule, smallest_ml)
    again = keep_gland_pieces(ThresholdedMap(once, 0.5, _SPACING), rule, smallest_ml)
    assert np.array_equal(again, once)


@given(fields, rules)
def test_only_whole_pieces_go_and_the_likeliest_stays(shown: np.ndarray, rule: PostprocessingRule) -> None:
    cleaned = keep_gland_pieces(ThresholdedMap(shown, 0.5, _SPACING), rule)
    assert np.array_equal(cleaned[shown < 0.5], shown[shown < 0.5])
    labels, count = ndimage.label(shown >= 0.5, np.ones((3, 3, 3)))
    kept = [np.unique(cleaned[labels == n] > 0).tolist() for n in range(1, count + 1)]
    assert all(len(answers) == 1 for answers in kept)
    mass = [shown[labels == n].astype(float).sum() for n in range(1, count + 1)]
    if count:
        assert any(kept[n][0] for n in range(count) if mass[n] == max(mass))


@given(fields, st.floats(4, 50), st.floats(1, 3))
def test_a_wider_reach_keeps_no_less(shown: np.ndarray, reach_mm: float, factor: float) -> None:
    near = drafted(shown, PostprocessingRule(reach_mm=reach_mm, height_mm=1000, largest_hole_ml=0))
    wide = drafted(shown, PostprocessingRule(reach_mm=reach_mm * factor, height_mm=1000, largest_hole_ml=0))
    assert not (near & ~wide).any()

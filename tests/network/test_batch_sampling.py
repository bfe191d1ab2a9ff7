"""Which slices a batch gets."""

from __future__ import annotations

import numpy as np
import pytest

from attunet_gui.network.batch_sampling import BatchSampler, TrainingCase, TrainingSource
from attunet_gui.network.training_config import SamplingConfig

pytestmark = pytest.mark.network
_PLAIN = SamplingConfig(single_slice_share=0.0)


def _numbered(first: int, slices: int = 9) -> TrainingCase:
    """Every pixel of slice z has the value first + z; slices 2 and 3 show the organ."""
    images = np.broadcast_to(np.arange(first, first + slices, dtype=np.uint8)[:, None, None], (slices, 4, 6))
    truth = np.zeros((slices, 4, 6), np.uint8)
    truth[2:4, 1:3] = 1
    return TrainingCase(np.ascontiguousarray(images), truth)


def _drawn(sampling: SamplingConfig, sources: tuple[TrainingSource, ...], count: int = 400) -> np.ndarray:
    """(count, channels) the values of the channels of drawn slices."""
    return BatchSampler(sources, 1, sampling, seed=5).draw_batch(1, count).images[:, 0, 0].astype(int)


ONE = (TrainingSource("one", 1.0, (_numbered(0),)),)


def test_a_batch_follows_from_seed_and_number_alone() -> None:
    first, second = (BatchSampler(ONE, 1, _PLAIN, seed=7) for _ in range(2))
    first.draw_batch(1, 3)
    again, fresh = first.draw_batch(2, 8), second.draw_batch(2, 8)
    assert np.array_equal(again.images, fresh.images)
    assert np.array_equal(again.truth, fresh.truth)
    assert not np.array_equal(again.images, first.draw_batch(3, 8).images)
    assert (again.images.shape, again.truth.shape) == ((8, 4, 6, 3), (8, 4, 6, 1))


def test_sources_are_drawn_by_weight_and_none_of_weight_0() -> None:
    sources = (
        TrainingSource("often", 3.0, (_numbered(0),)),
        TrainingSource("seldom", 1.0, (_numbered(100),)),
        TrainingSource("never", 0.0, (_numbered(200),)),
        TrainingSource("empty", 5.0, ()),
    )
    values = _drawn(_PLAIN, sources, 2000)[:, 1]
    assert values.max() < 200
    assert np.mean(values >= 100) == pytest.approx(0.25, abs=0.04)


def test_the_organ_is_drawn_as_often_as_asked() -> None:
    for share, expected in ((1.0, 1.0), (0.5, 0.5 + 0.5 * 2 / 9)):
        values = _drawn(_PLAIN.model_copy(update={"foreground_share": share}), ONE, 2000)[:, 1]
        assert np.isin(values, (2, 3)).mean() == pytest.approx(expected, abs=0.04)


def test_neighbours_surround_the_slice_and_the_edge_repeats() -> None:
    values = _drawn(_PLAIN, ONE)
    assert np.array_equal(values[:, 0], np.maximum(values[:, 1] - 1, 0))
    assert np.array_equal(values[:, 2], np.minimum(values[:, 1] + 1, 8))


def test_strides_reversal_and_lone_slices_come_in_their_shares() -> None:
    inner = list(_drawn(SamplingConfig(single_slice_share=0.25, neighbour_stride_max=2), ONE, 3000))
    steps = np.array([row[2] - row[1] for row in inner if 2 <= row[1] <= 6])
    assert np.mean(steps == 0) == pytest.approx(0.25, abs=0.04)
    assert np.mean(steps == 2) == pytest.approx(0.375, abs=0.04)
    reversed_all = _drawn(SamplingConfig(single_slice_share=0.0, reversed_share=1.0), ONE)
    assert np.array_equal(reversed_all[:, 2], np.maximum(reversed_all[:, 1] - 1, 0))

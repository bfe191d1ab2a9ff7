from __future__ import annotations

import numpy as np
import pytest

from attunet_gui.review.finding_precision import finding_precision, is_true_finding, named_error_share
from tests.support.review_cases import finding_at

WHERE = (slice(0, 4), slice(0, 10), slice(0, 10))
MM = (1.0, 1.0, 1.0)


def masks(missing: int) -> tuple[np.ndarray, np.ndarray]:
    """400 voxels of truth, of which the mask lacks `missing`."""
    truth = np.zeros((8, 20, 20), np.uint8)
    truth[WHERE] = 1
    mask = truth.copy()
    mask[WHERE] = (np.arange(400) >= missing).reshape(4, 10, 10)
    return mask, truth


@pytest.mark.parametrize(("missing", "is_error"), [(99, False), (100, True), (400, True)])
def test_a_tenth_of_a_millilitre_is_an_error(missing: int, is_error: bool) -> None:
    mask, truth = masks(missing)

    assert is_true_finding(finding_at("a", WHERE), mask, truth, MM) == is_error


def test_a_small_share_of_much_gland_is_no_error() -> None:
    mask, truth = masks(55)

    assert not is_true_finding(finding_at("a", WHERE), mask, truth, (2.0, 2.0, 2.0))
    assert is_true_finding(finding_at("a", WHERE), *masks(60), (2.0, 2.0, 2.0))


def test_an_error_of_the_other_kind_does_not_count() -> None:
    mask, truth = masks(200)

    assert not is_true_finding(finding_at("a", WHERE, missing=False), mask, truth, MM)
    assert is_true_finding(finding_at("a", WHERE, missing=False), truth, mask, MM)


def test_the_list_as_a_whole() -> None:
    mask, truth = masks(200)
    mask[7, 19, :10] = 1
    elsewhere = (slice(5, 8), slice(10, 20), slice(10, 20))

    assert finding_precision([finding_at("a", WHERE), finding_at("b", elsewhere)], mask, truth, MM) == 0.5
    assert finding_precision([], mask, truth, MM) == 1
    assert named_error_share([finding_at("a", WHERE)], mask, truth) == pytest.approx(200 / 210)
    assert named_error_share([], truth, truth) == 1

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.review.finding_search import find_findings
from attunet_gui.review.findings import Finding, merge_findings
from tests.support.review_cases import finding_at, phantom, voxel_box, whole


def test_missing_tissue_comes_before_as_much_excess() -> None:
    excess, missing = finding_at("a", voxel_box(0), missing=False), finding_at("b", voxel_box(9))

    assert merge_findings([excess, missing]) == (missing, excess)


def test_much_more_excess_comes_before_missing_tissue() -> None:
    excess, missing = finding_at("a", voxel_box(0), 2.0, missing=False), finding_at("b", voxel_box(9))

    assert merge_findings([missing, excess]) == (excess, missing)


def test_places_of_one_spot_are_one_with_both_reasons() -> None:
    strong, weak = (
        finding_at("a", voxel_box(0), 2.0),
        Finding("hole", 0, voxel_box(0, 2), "A hole.", True, 1.0, "b", 1.0),
    )

    (only,) = merge_findings([weak, strong])

    assert (only.key, only.also, only.all_keys) == ("a", ("b",), {"a", "b"})
    assert only.reason == "About a. A hole."


def test_a_finder_speaks_once_of_a_spot() -> None:
    (only,) = merge_findings(
        [finding_at("unsure-1", voxel_box(0), 2.0), finding_at("unsure-2", voxel_box(0))]
    )

    assert only.reason == "About unsure-1."


def test_missing_and_excess_of_one_spot_stay_apart() -> None:
    assert (
        len(merge_findings([finding_at("a", voxel_box(0)), finding_at("b", voxel_box(0), missing=False)]))
        == 2
    )


@settings(max_examples=12, deadline=None)
@given(z=st.integers(0, 3), y=st.integers(0, 60), x=st.integers(0, 60), size=st.integers(4, 12))
def test_keys_stay_when_the_mask_is_edited_elsewhere(z: int, y: int, x: int, size: int) -> None:
    known = whole(phantom())
    slices = np.flatnonzero(known.truth.any(axis=(1, 2)))
    mask = known.truth.copy()
    mask[slices[-6] :, :, :] = 0
    before = find_findings(mask, known.evidence)
    far = mask.copy()
    far[z, y : y + size, x : x + size] = 1

    after = find_findings(far, known.evidence, before, [z])

    assert before.findings[0].key in {finding_at.key for finding_at in after.findings}


def test_looking_again_at_what_changed_finds_what_looking_at_everything_does() -> None:
    known = whole(phantom())
    before = find_findings(known.truth, known.evidence)
    mask, z = known.truth.copy(), int(known.truth.sum(axis=(1, 2)).argmax())
    mask[z - 1 : z + 1] = 0

    again = find_findings(mask, known.evidence, before, [z - 1, z])

    assert again.findings == find_findings(mask, known.evidence).findings != before.findings

from __future__ import annotations

import numpy as np

from attunet_gui.review.case_evidence import make_case_evidence
from attunet_gui.review.finding_search import find_findings
from attunet_gui.review.review_progress import ReviewState
from attunet_gui.review.slice_strip import make_slice_strip
from tests.support.review_cases import phantom, spacing, whole


def test_the_strip_says_what_every_slice_holds() -> None:
    known = whole(phantom())
    mask, z = known.truth.copy(), int(known.truth.sum(axis=(1, 2)).argmax())
    mask[z] = 0
    found = find_findings(mask, known.evidence)
    state = ReviewState(seen=frozenset({1}), verified=frozenset({2}), edited=frozenset({z}))

    strip = make_slice_strip(found.resampled, known.evidence, state, found.findings)

    pixel = spacing(known.volume)[1] * spacing(known.volume)[2]
    np.testing.assert_allclose(strip.area_mm2, mask.sum(axis=(1, 2)) * pixel)
    np.testing.assert_allclose(strip.draft_area_mm2, known.truth.sum(axis=(1, 2)) * pixel)
    assert strip.uncertainty.argmax() == z
    assert strip.uncertainty.min() >= 0
    assert strip.uncertainty.max() <= 1
    assert strip.findings[z] == sum(place.slice == z for place in found.findings) > 0
    assert strip.findings.sum() == len(found.findings)
    marked = [np.flatnonzero(marks).tolist() for marks in (strip.seen, strip.verified, strip.edited)]
    assert marked == [[1], [2], [z]]


def test_without_a_network_nothing_is_uncertain() -> None:
    known = whole(phantom())
    evidence = make_case_evidence(known.volume)
    found = find_findings(known.truth, evidence)

    strip = make_slice_strip(found.resampled, evidence, ReviewState())

    assert not strip.uncertainty.any()
    assert not strip.draft_area_mm2.any()
    assert strip.area_mm2.any()

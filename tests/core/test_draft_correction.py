"""What was changed, counted against numbers worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from attunet_gui.core.draft_correction import (
    DraftCorrection,
    MaskTally,
    SavedMaskRecord,
    compare_with_draft,
    sidecar_content,
    tally_mask,
)
from attunet_gui.core.provenance import ModelId
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume


def test_a_tally_counts_and_names_the_busiest_slice() -> None:
    mask = np.zeros((4, 3, 3), np.uint8)
    assert tally_mask(mask) == MaskTally(0, None, 0)
    mask[2, 0, :2] = 1
    mask[1, 0, 0] = 1
    counted = tally_mask(mask)
    assert (counted.voxels, counted.busiest) == (3, 2)


def test_masks_of_one_size_have_different_tallies() -> None:
    one, other = np.zeros((2, 2, 3, 3), np.uint8)
    one[0, 0, 0] = other[1, 0, 0] = 1
    assert tally_mask(one) != tally_mask(other)
    assert tally_mask(one[:, ::-1][:, ::-1]) == tally_mask(one)


def test_a_correction_is_what_was_added_and_removed() -> None:
    draft, mask = np.zeros((2, 1, 4, 4), np.uint8)
    draft[0, 0] = 1
    mask[0, 0, 1:] = 1
    mask[0, 1, :2] = 1
    assert compare_with_draft(draft, mask) == DraftCorrection(
        added=2, removed=1, dsc=pytest.approx(2 * 3 / (4 + 5))
    )
    assert compare_with_draft(draft, draft) == DraftCorrection(0, 0, 1.0)


def test_the_record_says_who_what_when_and_is_json() -> None:
    volume = phantom_volume(make_phantom(PhantomRequest(1, (2, 8, 8), (5.0, 40.0, 50.0))))
    when = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    signed = SavedMaskRecord(
        "Ada", when, {"x": "1"}, ModelId("m", "a" * 64, "keras"), DraftCorrection(2, 1, 0.5)
    )
    record = json.loads(json.dumps(sidecar_content(volume, 7, signed)))
    assert record["mask"] == {"voxels": 7, "volume_ml": 70.0}
    assert record["correction"]["added_ml"] == 20.0
    assert record["saved_at"] == "2026-05-04T03:02:01+00:00"
    assert record["source"]["spacing_mm"] == [50.0, 40.0, 5.0]
    assert record["model"]["sha256"] == "a" * 64
    by_hand = sidecar_content(volume, 7, SavedMaskRecord("Ada", when, {}, None, None))
    assert by_hand["model"] is None
    assert by_hand["correction"] is None

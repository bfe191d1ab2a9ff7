"""Which saved masks prove anything."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from attunet_gui.core.draft_correction import is_annotator_evidence, left_out_sentence


@pytest.mark.parametrize(
    ("model", "corrected", "edits", "proves"),
    [
        ("", None, {}, True),
        ("starter ab", 0, {"brush": 3}, False),
        ("starter ab", 1, {}, True),
        ("starter ab", None, {"brush": 3}, True),
        ("starter ab", None, {"draft": 1}, False),
        ("starter ab", None, {"brush": 0}, False),
        ("starter ab", None, {}, False),
    ],
)
def test_a_draft_without_a_stroke_or_a_verified_slice_proves_nothing(
    model: str, corrected: int | None, edits: Mapping[str, int], proves: bool
) -> None:
    assert is_annotator_evidence(model, corrected, edits) is proves


def test_nothing_is_said_where_all_judge() -> None:
    assert left_out_sentence(4, 0) == ""
    assert left_out_sentence(1, 2).startswith("1 corrected case judges; 2 were left out")

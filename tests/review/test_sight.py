"""When a slice counts as looked at: one table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from attunet_gui.review.sight import AXIAL, LEAST_PIXELS_PER_MM, LOOK_S, Sight, why_not_seen

GOOD = Sight(
    window_shown=True,
    dimensions=2,
    order=AXIAL,
    straight=True,
    ct_drawn=True,
    mask_drawn=True,
    pixels_per_mm=2.0,
    view=(0.0, 0.0, 300.0, 400.0),
    judged=(100.0, 120.0, 160.0, 220.0),
    ct=(0.0, 0.0, 400.0, 400.0),
)

SEEN: dict[str, dict[str, Any]] = {
    "an axial slice with its mask in view": {},
    "the mask to the very edge": {"judged": GOOD.view},
    "as small as may be": {"pixels_per_mm": LEAST_PIXELS_PER_MM},
    "no mask, anywhere on the CT": {"judged": None, "view": (350.0, 350.0, 390.0, 390.0)},
}
NOT_SEEN: dict[str, tuple[dict[str, Any], str]] = {
    "minimised": ({"window_shown": False}, "not on screen"),
    "3-D": ({"dimensions": 3}, "3-D"),
    "rolled": ({"order": (1, 2, 0)}, "another plane"),
    "rolled twice": ({"order": (2, 0, 1)}, "another plane"),
    "transposed": ({"order": (0, 2, 1)}, "another plane"),
    "turned or in a grid": ({"straight": False}, "turned"),
    "CT hidden": ({"ct_drawn": False}, "CT is hidden"),
    "mask hidden or clear": ({"mask_drawn": False}, "mask is hidden"),
    "zoomed far out": ({"pixels_per_mm": LEAST_PIXELS_PER_MM * 0.99}, "too small"),
    "above the view": ({"judged": (-1.0, 120.0, 160.0, 220.0)}, "not all in the picture"),
    "left of the view": ({"judged": (100.0, -1.0, 160.0, 220.0)}, "not all in the picture"),
    "below the view": ({"judged": (100.0, 120.0, 301.0, 220.0)}, "not all in the picture"),
    "right of the view": ({"judged": (100.0, 120.0, 160.0, 401.0)}, "not all in the picture"),
    "elsewhere": ({"view": (0.0, 0.0, 50.0, 50.0)}, "not all in the picture"),
    "no mask, beside the CT": ({"judged": None, "view": (0.0, 500.0, 50.0, 600.0)}, "not all in the picture"),
    "no mask, below the CT": ({"judged": None, "view": (500.0, 0.0, 600.0, 50.0)}, "not all in the picture"),
}


@pytest.mark.parametrize("change", SEEN.values(), ids=SEEN)
def test_a_slice_that_can_be_judged(change: dict[str, Any]) -> None:
    assert why_not_seen(replace(GOOD, **change)) == ""


@pytest.mark.parametrize(("change", "words"), NOT_SEEN.values(), ids=NOT_SEEN)
def test_a_slice_that_nobody_can_judge(change: dict[str, Any], words: str) -> None:
    assert words in why_not_seen(replace(GOOD, **change))


def test_the_documents_say_for_how_long() -> None:
    from attunet_gui.paths import documents

    assert f"{LOOK_S:g} s" in (documents() / "guide.md").read_text("utf-8")

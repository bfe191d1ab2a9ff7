"""When a slice counts as looked at: one table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attunet_gui.review.slice_visibility import (
    AXIAL_ORDER,
    LEAST_PIXELS_PER_MM,
    SEEN_AFTER_S,
    SliceVisibility,
    is_readable,
    reason_not_seen,
)

GOOD = SliceVisibility(
    window_shown=True,
    dimensions=2,
    order=AXIAL_ORDER,
    straight=True,
    ct_drawn=True,
    mask_drawn=True,
    ct_readable=True,
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
    "nothing in the HU window": ({"ct_readable": False}, "the HU window shows nothing of this slice"),
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
    assert reason_not_seen(replace(GOOD, **change)) == ""


@pytest.mark.parametrize(("change", "words"), NOT_SEEN.values(), ids=NOT_SEEN)
def test_a_slice_that_nobody_can_judge(change: dict[str, Any], words: str) -> None:
    assert words in reason_not_seen(replace(GOOD, **change))


def test_the_documents_say_for_how_long() -> None:
    from attunet_gui.system.paths import documents_folder

    assert f"{SEEN_AFTER_S:g} s" in (documents_folder() / "guide.md").read_text("utf-8")


def _abdomen() -> np.ndarray:
    """A slice of air, fat, organs of 20 to 120 HU and a little bone."""
    plane = np.full((256, 300), -1000.0)
    plane[40:220, 40:260] = -100
    plane[60:200, 60:240] = np.round(np.linspace(20, 120, 180))
    plane[120:126, 140:148] = 900  # fewer pixels than 0.2 % of the slice
    return plane


@pytest.mark.parametrize(
    ("low", "high", "enough"),
    [
        (-160, 240, True),  # the preset for soft tissue
        (-1000, 1500, True),
        (70, 71, False),  # black and white
        (2000, 3000, False),  # black
        (500, 1200, False),  # a speck of bone in black
        (-5000, -2000, False),  # white
        (-60000, 60000, False),  # one grey
    ],
)
def test_a_window_in_which_nothing_can_be_told_apart_shows_nothing(
    low: float, high: float, enough: bool
) -> None:
    assert is_readable(_abdomen(), low, high) is enough


@pytest.mark.parametrize("values", [(-1024,), (0, 40)])
def test_a_slice_that_has_few_values_is_readable_if_all_of_them_show(values: tuple[int, ...]) -> None:
    plane = np.resize(np.array(values, np.int16), (64, 64))
    assert is_readable(plane, -160, 240)
    assert is_readable(plane, 2000, 3000) is (len(values) == 1)

"""What of a slice is on screen, and whether a person can have judged it: decided in one place.

"Seen" and "verified" mean: the axial slice was drawn, its mask in view, for `LOOK_S` without a change.
"""

from __future__ import annotations

from dataclasses import dataclass

LOOK_S = 0.5
"""For so long a slice has to stay as it is on screen before it counts as seen."""
LEAST_PIXELS_PER_MM = 0.5
"""Drawn smaller than this, a pancreas is a speck: 40 mm are 20 pixels."""
AXIAL = (0, 1, 2)

Rectangle = tuple[float, float, float, float]
"""(top, left, bottom, right) in mm in the plane of the slice."""


@dataclass(frozen=True)
class Sight:
    """What the picture shows.

    Attributes:
        window_shown: the window is there, not minimised, and the picture in it is not hidden.
        dimensions: that are drawn, 2 or 3.
        order: of the axes (z, y, x); the last two are drawn, downwards and to the right.
        straight: CT and mask lie on each other, neither turned, mirrored nor side by side.
        ct_drawn, mask_drawn: visible, not transparent, and not covered.
        pixels_per_mm: how large the picture is.
        view: what of the plane the picture shows.
        judged: what must be within `view`: the mask of the slice; None where the slice has none.
        ct: the whole slice.
    """

    window_shown: bool
    dimensions: int
    order: tuple[int, ...]
    straight: bool
    ct_drawn: bool
    mask_drawn: bool
    pixels_per_mm: float
    view: Rectangle
    judged: Rectangle | None
    ct: Rectangle


def why_not_seen(sight: Sight) -> str:
    """Why nobody can judge the slice by what is on screen, as the end of a sentence; "" if they can."""
    hindrances = (
        (not sight.window_shown, "the picture is not on screen"),
        (sight.dimensions != 2, "the picture is in 3-D; Ctrl+Y goes back to slices"),
        (sight.order != AXIAL, "the picture shows another plane; Ctrl+R goes back to axial slices"),
        (not sight.straight, "the picture is turned, mirrored or divided; Ctrl+R puts it straight"),
        (not sight.ct_drawn, "the CT is hidden or covered"),
        (not sight.mask_drawn, "the mask is hidden or covered; H shows it"),
        (sight.pixels_per_mm < LEAST_PIXELS_PER_MM, "the picture is too small; Ctrl+R fits it"),
        (not _in_view(sight), "what is to be judged is not all in the picture; Ctrl+R fits it"),
    )
    return next((words for hindered, words in hindrances if hindered), "")


def _in_view(sight: Sight) -> bool:
    """The mask is wholly in view; without a mask, the middle of what is in view lies on the CT."""
    top, left, bottom, right = sight.view
    if sight.judged is not None:
        inner = sight.judged
        return top <= inner[0] and left <= inner[1] and bottom >= inner[2] and right >= inner[3]
    row, column = (top + bottom) / 2, (left + right) / 2
    return sight.ct[0] <= row <= sight.ct[2] and sight.ct[1] <= column <= sight.ct[3]

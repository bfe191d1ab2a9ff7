"""Colours and windows of the product. The mask and the maps can be told apart by colour-blind people."""

from __future__ import annotations

MASK = "#56b4e9"
"""Sky blue of Okabe and Ito: apart from grey, and from the purple-orange-yellow of the maps."""
OTHER_DRAFT = "#f0e442"
"""Yellow of the same palette, for a second draft shown beside the mask."""
UNSURE = "#e69f00"
"""Orange of the same palette: where the network is unsure, and the ring around a place to check."""
EDITED = "#f0e442"
SEEN = "#8a93a3"
VERIFIED = "#009e73"
"""Bluish green of the same palette."""
ADDED, REMOVED, CONFLICT = "#009e73", "#d55e00", "#cc79a7"
"""What a proposal would add and take away, and what it would change of what a person decided."""
GATES = "magma"
PROBABILITY = "viridis"

LINK_ON_DARK, LINK_ON_LIGHT = "#8ab4f8", "#0b57d0"
"""Links in texts: Qt's own blue cannot be read on a dark ground."""

HU_PRESETS: tuple[tuple[str, int, int], ...] = (
    ("Soft tissue", -160, 240),
    ("Pancreas", -20, 180),
    ("Liver", -45, 105),
    ("Bone", -500, 1300),
)
"""Name, darkest HU, brightest HU."""

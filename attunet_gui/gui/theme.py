"""Colours and HU windows. Mask and maps can be told apart by people who are colour-blind."""

from __future__ import annotations

MASK = "#56b4e9"
"""Sky blue of the Okabe-Ito palette.

Distinct from the grey CT and the purple, orange and yellow of the maps.
"""
OTHER_DRAFT = "#f0e442"
"""Yellow of the same palette, for a second draft that is shown beside the mask."""
UNSURE = "#e69f00"
"""Orange of the same palette: where the network is unsure, and the ring around a place to check."""
EDITED = "#f0e442"
SEEN = "#8a93a3"
VERIFIED = "#009e73"
"""Bluish green of the same palette."""
ADDED, REMOVED, CONFLICT = "#009e73", "#d55e00", "#cc79a7"
"""What a proposal would add, what it would remove, and where it contradicts a decision of the annotator."""
GATES = "magma"
PROBABILITY = "viridis"

LINK_ON_DARK, LINK_ON_LIGHT = "#8ab4f8", "#0b57d0"
"""Colours of links in texts: Qt's own blue cannot be read on a dark background."""

HU_PRESETS: tuple[tuple[str, int, int], ...] = (
    ("Soft tissue", -160, 240),
    ("Pancreas", -20, 180),
    ("Liver", -45, 105),
    ("Bone", -500, 1300),
)
"""Name, HU drawn black and HU drawn white."""

"""A finder of HU inside the mask that no pancreas has."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from attunet_gui.review.places import Place
from attunet_gui.review.shape import pieces
from attunet_gui.review.view import Spot, View, place

_AIR_HU, _FAT_HU, _BRIGHT_HU = -250.0, -40.0, 260.0
_TRUST = 0.9


def no_pancreas_hu(view: View) -> list[Place]:
    """Return places inside the mask that are air, fat, or as bright as bone or contrast."""
    # The outermost pixel of the mask is left out, because its HU are a mixture (partial volume).
    inner = ndimage.minimum_filter(view.inside.astype(np.uint8), (1, 3, 3)) > 0
    found = []
    for name, where in (
        ("air or gas", inner & (view.hu < _AIR_HU)),
        ("fat", inner & (view.hu >= _AIR_HU) & (view.hu < _FAT_HU)),
        ("bone, calcification or contrast", inner & (view.hu > _BRIGHT_HU)),
    ):
        for box, part in pieces(where, view):
            typical = float(np.median(view.hu[box][part > 0]))
            words = f"{{cut}}: {{ml}} inside the mask have {typical:.0f} HU, {name}, {{where}}."
            found.append(place(view, Spot("hu", False, box, part, _TRUST, words)))
    return found

"""The table of all finders. A new finder is one function and one line here."""

from __future__ import annotations

from collections.abc import Callable

from attunet_gui.review.density import no_pancreas_hu
from attunet_gui.review.places import Place
from attunet_gui.review.shape import edge_of_volume, holes, islands, jumps, skipped_slices
from attunet_gui.review.unsure import gate_and_mask, unsure
from attunet_gui.review.view import View

Finder = Callable[[View], list[Place]]

FINDERS: tuple[Finder, ...] = (
    unsure,
    gate_and_mask,
    jumps,
    skipped_slices,
    islands,
    holes,
    no_pancreas_hu,
    edge_of_volume,
)

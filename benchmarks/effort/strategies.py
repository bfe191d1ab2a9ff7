"""Every way that is compared: a new one is one line here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attunet_gui.core.pre_edit_mask import mask_before_corrections
from attunet_gui.core.propagation import PropagationResult
from benchmarks.effort.assists import (
    Interpolation,
    Propagation,
    ends_and_corrections,
    to_neighbours,
    together,
)
from benchmarks.effort.correction_traces import Way
from benchmarks.effort.simulated_annotator import SimulatedAnnotator
from benchmarks.effort.slice_orders import (
    bisecting,
    by_disagreement,
    by_fix_list,
    feet_to_head,
    most_wrong_first,
)

if TYPE_CHECKING:
    from attunet_gui.network.online_adapter import OnlineAdapter

IN_ORDER = "slice-order"
"""What every other way is compared with."""

PLAIN = (
    Way("nothing", "nothing, every slice", feet_to_head, from_draft=False),
    Way("interpolation", "nothing, interpolated", bisecting, False, Interpolation()),
    Way(IN_ORDER, "draft, feet to head", feet_to_head),
    Way("fix-list", "draft, fix-list", by_fix_list),
    Way("neighbours", "draft, fix-list, to neighbours", by_fix_list, aid=to_neighbours),
    Way("corrections", "draft, ends, interpolated", by_disagreement, aid=ends_and_corrections),
    Way("bound", "draft, worst slice by the truth", most_wrong_first),
)
"""Without a network that learns. The last one knows what no annotator knows."""

CARRIED = "propagation"
"""Key of the way on which the network carries corrections on."""

TITLES = {way.key: way.title for way in PLAIN} | {CARRIED: "the same, and propagated"}
"""By key, in the order of tables."""


_NO_HURRY_SECONDS = 3600.0
"""A slow machine takes as many steps as a fast one: the same cases give the same table everywhere."""


def propagation_way(learner: OnlineAdapter) -> Way:
    """The fix-list, each correction carried to its neighbours, with propagation by `learner`."""
    aids = (to_neighbours, Propagation(partial(_ask, learner)))
    return Way(CARRIED, TITLES[CARRIED], by_fix_list, aid=partial(together, aids=aids))


def _ask(learner: OnlineAdapter, annotator: SimulatedAnnotator) -> PropagationResult:
    """What is told is what the annotator knows: the mask, which slices are decided, and how they had been."""
    from attunet_gui.network.patient_adaptation import (
        AdaptationBudget,
        CorrectedSlices,
        propagate_corrections,
    )

    slices = tuple(sorted(annotator.decided))
    told = CorrectedSlices(
        annotator.mask.copy(),
        slices,
        mask_before_corrections(annotator.mask, annotator.task.draft, slices, annotator.strokes),
    )
    return propagate_corrections(
        annotator.task.volume, learner, told, AdaptationBudget(seconds=_NO_HURRY_SECONDS)
    )

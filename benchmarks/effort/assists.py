"""What helps the annotator between two slices: tools that carry a correction on, and propagation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from attunet_gui.core.edit_stroke import CORRECTION_INTERPOLATION_TOOL, NEIGHBOURS_TOOL, PROPAGATION_TOOL
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.editing.tools.correction_interpolation import InterpolateCorrections
from attunet_gui.editing.tools.neighbour_outline_shift import PropagateToNeighbours
from attunet_gui.editing.tools.slice_interpolation import (
    LARGEST_GAP_PARAMETER,
    ClearBeyondTool,
    InterpolateTool,
)
from attunet_gui.editing.tools.tool_types import EditingTool
from attunet_gui.system.errors import AttunetError
from benchmarks.effort.simulated_annotator import SimulatedAnnotator

Aid = Callable[[SimulatedAnnotator], SimulatedAnnotator]
"""Called after each slice that was made right or found right."""


def alone(annotator: SimulatedAnnotator) -> SimulatedAnnotator:
    """No aid at all."""
    return annotator


@dataclass(frozen=True)
class Interpolation:
    """After each slice she presses "interpolate all".

    Attributes:
        largest_gap_mm: between decided slices; wider gaps stay as they are.
    """

    largest_gap_mm: float = LARGEST_GAP_PARAMETER.high

    def __call__(self, annotator: SimulatedAnnotator) -> SimulatedAnnotator:
        """The gaps between decided slices, drawn anew."""
        tool = InterpolateTool(self.largest_gap_mm, everywhere=True)
        return _with_tool(annotator, "interpolate", tool)


def to_neighbours(annotator: SimulatedAnnotator) -> SimulatedAnnotator:
    """After each slice that she corrected she carries that to the slices around it."""
    return _with_tool(annotator, NEIGHBOURS_TOOL, PropagateToNeighbours())


def ends_and_corrections(annotator: SimulatedAnnotator) -> SimulatedAnnotator:
    """She empties what lies beyond the first two slices, the ends of the gland, and interpolates."""
    ends: dict[int, Literal["above", "below"]] = {1: "below", 2: "above"}
    side = ends.get(len(annotator.decided))
    if side is not None:
        annotator = _with_tool(annotator, f"nothing-{side}", ClearBeyondTool(side))
    return _with_tool(annotator, CORRECTION_INTERPOLATION_TOOL, InterpolateCorrections())


def _with_tool(annotator: SimulatedAnnotator, key: str, tool: EditingTool) -> SimulatedAnnotator:
    """As the tool leaves it, after one click; as it was where the tool cannot do its work."""
    try:
        return annotator.with_edit(tool.compute_edit(annotator.scene()), key).clicked()
    except AttunetError:
        return annotator


def together(annotator: SimulatedAnnotator, aids: Sequence[Aid]) -> SimulatedAnnotator:
    """One aid after the other."""
    for aid in aids:
        annotator = aid(annotator)
    return annotator


Ask = Callable[[SimulatedAnnotator], PropagationResult]
"""The network's answer to the decided slices of a annotator; it never sees the truth of others."""


@dataclass(frozen=True)
class Propagation:
    """After some slices she asks the network to carry them on, and accepts all that it proposes.

    Attributes:
        ask: the network.
        first: decided slices before she asks for the first time.
        every: further ones before she asks again.
    """

    ask: Ask
    first: int = 3
    every: int = 3

    def __call__(self, annotator: SimulatedAnnotator) -> SimulatedAnnotator:
        """With the proposal, if it is time to ask and the network makes one."""
        more = len(annotator.decided) - self.first
        if more < 0 or more % self.every:
            return annotator
        proposal = self.ask(annotator)
        if not proposal.kept:
            return annotator
        return annotator.with_mask(proposal.mask, PROPAGATION_TOOL).clicked().clicked()

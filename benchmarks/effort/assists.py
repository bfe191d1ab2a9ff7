"""What helps the annotator between two slices: tools that carry a correction on, and propagation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.history import NEIGHBOURS, PROPOSAL
from attunet_gui.core.proposal import Proposal
from attunet_gui.tools.neighbours import CarryToNeighbours
from attunet_gui.tools.slices import LARGEST_GAP, Interpolate
from attunet_gui.tools.tool import Tool
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

    largest_gap_mm: float = LARGEST_GAP.high

    def __call__(self, annotator: SimulatedAnnotator) -> SimulatedAnnotator:
        """The gaps between decided slices, drawn anew."""
        tool = Interpolate(self.largest_gap_mm, everywhere=True)
        return _with_tool(annotator, "interpolate", tool)


def to_neighbours(annotator: SimulatedAnnotator) -> SimulatedAnnotator:
    """After each slice that she corrected she carries that to the slices around it."""
    return _with_tool(annotator, NEIGHBOURS, CarryToNeighbours())


def _with_tool(annotator: SimulatedAnnotator, key: str, tool: Tool) -> SimulatedAnnotator:
    """As the tool leaves it; as it was where the tool cannot do its work."""
    try:
        return annotator.with_edit(tool.apply(annotator.scene()), key)
    except AttunetError:
        return annotator


def together(annotator: SimulatedAnnotator, aids: Sequence[Aid]) -> SimulatedAnnotator:
    """One aid after the other."""
    for aid in aids:
        annotator = aid(annotator)
    return annotator


Ask = Callable[[SimulatedAnnotator], Proposal]
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
        return annotator.with_mask(proposal.mask, PROPOSAL) if proposal.kept else annotator

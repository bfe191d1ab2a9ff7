"""What helps the annotator between two slices: tools that carry a correction on, and propagation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.history import NEIGHBOURS, PROPOSAL
from attunet_gui.core.proposal import Proposal
from attunet_gui.evaluation.effort.desk import Desk
from attunet_gui.tools.neighbours import CarryToNeighbours
from attunet_gui.tools.slices import LARGEST_GAP, Interpolate
from attunet_gui.tools.tool import Tool

Aid = Callable[[Desk], Desk]
"""Called after each slice that was made right or found right."""


def alone(desk: Desk) -> Desk:
    """No aid at all."""
    return desk


@dataclass(frozen=True)
class Interpolation:
    """After each slice she presses "interpolate all".

    Attributes:
        largest_gap_mm: between decided slices; wider gaps stay as they are.
    """

    largest_gap_mm: float = LARGEST_GAP.high

    def __call__(self, desk: Desk) -> Desk:
        """The gaps between decided slices, drawn anew."""
        tool = Interpolate(self.largest_gap_mm, everywhere=True)
        return _with_tool(desk, "interpolate", tool)


def to_neighbours(desk: Desk) -> Desk:
    """After each slice that she corrected she carries that to the slices around it."""
    return _with_tool(desk, NEIGHBOURS, CarryToNeighbours())


def _with_tool(desk: Desk, key: str, tool: Tool) -> Desk:
    """As the tool leaves it; as it was where the tool cannot do its work."""
    try:
        return desk.with_edit(tool.apply(desk.scene()), key)
    except AttunetError:
        return desk


def together(desk: Desk, aids: Sequence[Aid]) -> Desk:
    """One aid after the other."""
    for aid in aids:
        desk = aid(desk)
    return desk


Ask = Callable[[Desk], Proposal]
"""The network's answer to the decided slices of a desk; it never sees the truth of others."""


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

    def __call__(self, desk: Desk) -> Desk:
        """With the proposal, if it is time to ask and the network makes one."""
        more = len(desk.decided) - self.first
        if more < 0 or more % self.every:
            return desk
        proposal = self.ask(desk)
        return desk.with_mask(proposal.mask, PROPOSAL) if proposal.kept else desk

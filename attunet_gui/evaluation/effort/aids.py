"""What helps the annotator between two slices: interpolation, and propagation by the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.proposal import Proposal
from attunet_gui.evaluation.effort.desk import Desk
from attunet_gui.tools.scene import Scene
from attunet_gui.tools.slices import LARGEST_GAP, Interpolate

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
        scene = Scene(
            mask=desk.mask,
            hu=desk.task.volume.hu,
            spacing_mm=desk.task.spacing_mm,
            slice=desk.decided[-1],
            draft=desk.task.draft,
            locks=desk.locks,
        )
        mask = desk.mask.copy()
        try:
            Interpolate(self.largest_gap_mm, everywhere=True).apply(scene).apply(mask)
        except AttunetError:
            return desk
        return desk.with_mask(mask)


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
        return desk.with_mask(proposal.mask) if proposal.kept else desk

"""What one run of the network over a volume yields, and the draft mask made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit import Edit, edit_between
from attunet_gui.core.frame import Frame, MapOnGrid, cut
from attunet_gui.core.gland import GlandMap, GlandRule, gland_only


@dataclass(frozen=True)
class ModelId:
    """Which model spoke: enough to find its bundle again and to prove it unchanged."""

    name: str
    sha256: str
    engine: str


@dataclass(frozen=True, eq=False)
class GateMap:
    """Coefficients of one attention gate.

    Attributes:
        level: 1 is the finest gate.
        levels: how many gates the network has.
        values: (z, rows, columns) float16 in [0, 1] at the gate's own resolution.
    """

    level: int
    levels: int
    values: NDArray[np.float16]

    @property
    def title(self) -> str:
        """For people: "gate 2 of 4 (56 x 56)"."""
        rows, columns = self.values.shape[1:]
        return f"gate {self.level} of {self.levels} ({rows} x {columns})"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Probability and gates on the network's frame; `draft` and `on_grid` lead to the CT's grid.

    Attributes:
        frame: the frame all maps lie on.
        probability: (z, rows, columns) float16 in [0, 1].
        gates: finest first.
        body: (z, rows, columns) bool, the patient's outline.
        model: who predicted.
        threshold: probability from which a voxel belongs to the draft.
        smallest_piece_ml: smaller pieces of the draft are dropped.
        gland: which pieces of the draft belong together.
        seconds: wall time a stage.
    """

    frame: Frame
    probability: NDArray[np.float16]
    gates: tuple[GateMap, ...]
    body: NDArray[np.bool_]
    model: ModelId
    threshold: float
    smallest_piece_ml: float = 0.0
    gland: GlandRule = field(default_factory=GlandRule)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def on_grid(self, values: NDArray[np.generic]) -> MapOnGrid:
        """A map of this prediction, shown on the CT's grid slice by slice as it is looked at."""
        return MapOnGrid(self.frame, values)

    @cached_property
    def merged_gates(self) -> NDArray[np.float16]:
        """Product of all gates at the finest gate's resolution: (z, rows, columns) in [0, 1].

        The product is what is left of the finest skip if every gate in turn had been laid over it.
        """
        return _merged([gate.values for gate in self.gates])

    def fill(self, part: Part) -> None:
        """Put slices that are done into the maps, in place."""
        self.probability[part.slices], self.body[part.slices] = part.probability, part.body
        for gate, values in zip(self.gates, part.gates, strict=True):
            gate.values[part.slices] = values
        if "merged_gates" in self.__dict__:
            self.merged_gates[part.slices] = _merged(part.gates)

    def part(self, slices: NDArray[np.intp]) -> Part:
        """`slices` of the maps."""
        gates = tuple(gate.values[slices] for gate in self.gates)
        return Part(slices, self.probability[slices], gates, self.body[slices])


@dataclass(frozen=True, eq=False)
class Part:
    """Some slices of a prediction.

    Attributes:
        slices: (n,) their numbers.
        probability: (n, rows, columns) float16.
        gates: finest first, (n, r, c) float16 each.
        body: (n, rows, columns) bool.
    """

    slices: NDArray[np.intp]
    probability: NDArray[np.float16]
    gates: tuple[NDArray[np.float16], ...]
    body: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outline:
    """A prediction before any slice of it is done.

    Attributes:
        gate_sizes: (rows, columns) of each gate, finest first.
        frame, model, threshold, smallest_piece_ml, gland: as of `Prediction`.
    """

    frame: Frame
    gate_sizes: tuple[tuple[int, int], ...]
    model: ModelId
    threshold: float
    smallest_piece_ml: float = 0.0
    gland: GlandRule = field(default_factory=GlandRule)


def blank(outline: Outline) -> Prediction:
    """A prediction of zeros, to be filled slice by slice."""
    frame, levels = outline.frame, len(outline.gate_sizes)
    slices = frame.grid.shape[0]
    return Prediction(
        frame=frame,
        probability=np.zeros((slices, *frame.size), np.float16),
        gates=tuple(
            GateMap(level, levels, np.zeros((slices, *size), np.float16))
            for level, size in enumerate(outline.gate_sizes, start=1)
        ),
        body=np.zeros((slices, *frame.size), bool),
        model=outline.model,
        threshold=outline.threshold,
        smallest_piece_ml=outline.smallest_piece_ml,
        gland=outline.gland,
    )


def _merged(gates: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    merged = gates[0].copy()
    for values in gates[1:]:
        factor = merged.shape[1] // values.shape[1]
        merged *= values.repeat(factor, axis=1).repeat(factor, axis=2)
    return merged


def outline_of(prediction: Prediction) -> Outline:
    """What is known of `prediction` before any slice of it is done."""
    sizes = tuple((gate.values.shape[1], gate.values.shape[2]) for gate in prediction.gates)
    return Outline(
        frame=prediction.frame,
        gate_sizes=sizes,
        model=prediction.model,
        threshold=prediction.threshold,
        smallest_piece_ml=prediction.smallest_piece_ml,
        gland=prediction.gland,
    )


def draft_mask(prediction: Prediction) -> NDArray[np.uint8]:
    """The draft, the gland alone: (z, y, x) uint8 0/1 on the canonical grid, cut after interpolation."""
    mask = np.zeros(prediction.frame.grid.shape, dtype=np.uint8)
    draft_edit(prediction).apply(mask)
    return mask


def draft_edit(prediction: Prediction) -> Edit:
    """The draft as a change of an empty mask."""
    found = GlandMap(prediction.probability, prediction.threshold, prediction.frame.spacing_mm)
    cleaned = gland_only(found, prediction.gland, prediction.smallest_piece_ml)
    return _drafted(prediction, cleaned, 0)


def drafted_so_far(prediction: Prediction, slices: NDArray[np.intp]) -> Edit:
    """What the probability alone drafts in neighbouring `slices`, as a change of an empty mask.

    Which pieces are the gland is known only when all slices are done: `draft_edit`.
    """
    return _drafted(prediction, prediction.probability[slices], int(slices[0]))


def _drafted(prediction: Prediction, maps: NDArray[np.float16], first: int) -> Edit:
    (rows, columns), placed = cut(prediction.frame, maps, prediction.threshold)
    return edit_between(np.zeros_like(placed), placed, (first, rows.start, columns.start))

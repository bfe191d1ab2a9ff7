"""What one run of the network over a volume yields, and the draft mask made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.frame import Frame, MapOnGrid
from attunet_gui.core.gland import GlandMap, GlandRule, gland_only
from attunet_gui.core.progress import Progress, silent


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
        merged = self.gates[0].values.astype(np.float16)
        for gate in self.gates[1:]:
            factor = merged.shape[1] // gate.values.shape[1]
            merged *= gate.values.repeat(factor, axis=1).repeat(factor, axis=2)
        return merged


def draft_mask(prediction: Prediction, progress: Progress = silent) -> NDArray[np.uint8]:
    """The draft, the gland alone: (z, y, x) uint8 0/1 on the canonical grid, cut after interpolation."""
    frame, threshold = prediction.frame, prediction.threshold
    found = GlandMap(prediction.probability, threshold, frame.spacing_mm)
    cleaned = gland_only(found, prediction.gland, prediction.smallest_piece_ml)
    mask = np.zeros(frame.grid.shape, dtype=np.uint8)
    for z, plane in enumerate(cleaned):
        if float(plane.max(initial=0)) >= threshold:
            mask[z] = frame.to_grid(plane[None])[0] >= threshold
        progress(z + 1, len(mask), "draft")
    return mask
